from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthvae.data import splitting
from synthvae.data.splitting import ALIKE, Groups, parse_shares, sketch, split_groups, unite_alike
from tests.errors import user_error

SHARES = (0.8, 0.1, 0.1)


def test_the_shares_of_rebnord():
    # r_classes.csv: 10,275 sounds; train 8,220, test 1,027, validation 1,028
    counts = {
        "clap": 423, "combo": 83, "cymbal": 767, "hand drum": 142, "hihat": 1934, "kick": 1594, "mallet": 644,
        "metallic": 643, "shaker": 377, "snare": 2596, "tom": 918, "wooden": 154,
    }  # fmt: skip
    labels = [label for label, count in counts.items() for _ in range(count)]
    splits = split_groups(range(len(labels)), labels, SHARES, 0)
    total = Counter(splits)
    assert [total[split] for split in ("train", "validation", "test")] == pytest.approx([8220, 1028, 1027], abs=1)
    for label, count in counts.items():
        found = Counter(split for split, other in zip(splits, labels, strict=True) if other == label)
        for split, share in zip(("train", "validation", "test"), SHARES, strict=True):
            assert abs(found[split] - share * count) < 1.5


def test_small_labels_share_their_roundings():
    labels = [label for label in "abcdefghi" for _ in range(3)]  # of each, 2.4, 0.3 and 0.3
    splits = split_groups(range(27), labels, SHARES, 0)
    assert Counter(splits) == pytest.approx({"train": 21.6, "validation": 2.7, "test": 2.7}, abs=1)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_group_is_in_two_splits_and_no_split_is_empty(data: st.DataObject):
    size = data.draw(st.integers(3, 60))
    groups = [0, 1, 2, *data.draw(st.lists(st.integers(0, 12), min_size=size - 3, max_size=size - 3))]
    labels = data.draw(st.lists(st.sampled_from("abc"), min_size=size, max_size=size))
    splits = split_groups(groups, labels, SHARES, data.draw(st.integers(0, 9)))
    assert set(splits) == {"train", "validation", "test"}
    assert len({group: split for group, split in zip(groups, splits, strict=True)}) == len(
        {(group, split) for group, split in zip(groups, splits, strict=True)}
    )


def test_the_seed_chooses_who_is_where():
    first, again, other = (split_groups(range(90), ["a"] * 90, SHARES, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert Counter(first) == Counter(other) == {"train": 72, "validation": 9, "test": 9}


def test_two_groups_make_no_split():
    with user_error("lib", match="2 sounds that are not nearly alike, a split needs at least 3"):
        split_groups([0, 0, 1], ["a", "b", "a"], SHARES, 0, "lib")


@pytest.mark.parametrize("text", ["80,20", "80,10,a", "80,10,11", "100,0,0", "nan,50,50", "", "120,-10,-10"])
def test_wrong_shares_are_refused(text: str):
    with user_error("split", text):
        parse_shares(text)


def test_shares_may_have_decimals():
    assert parse_shares("79.5, 10.25,10.25") == pytest.approx((0.795, 0.1025, 0.1025))


def test_groups_are_numbered_by_their_first_members():
    groups = Groups(7)
    groups.unite(6, 3)
    groups.unite_equal(["a", "", "b", "c", "a", "b", ""])
    groups.unite(5, 6)
    assert groups.numbers() == [0, 1, 2, 2, 0, 2, 2]


def test_sketches_estimate_correlations():
    draw = np.random.default_rng(0)
    shared, own = draw.standard_normal((2, 400, 4000)).astype(np.float32)
    for wanted in (0.0, 0.9, ALIKE, 0.999):
        other = wanted * shared + np.sqrt(1 - wanted**2) * own
        a, b = (np.array([sketch(row) for row in rows]) for rows in (shared, 3 * other + 7))
        found = (a * b).sum(axis=1)
        spread = (1 - wanted**2) / np.sqrt(splitting.SKETCH)
        assert abs(found.mean() - wanted) < 0.01 + 5 * spread / 20
        assert found.std() < 1.3 * spread + 1e-4
    assert found.min() > splitting._CANDIDATES


def test_copies_of_a_sound_are_near_duplicates_and_other_sounds_are_not():
    draw = np.random.default_rng(1)
    sounds = (draw.standard_normal((40, 4000)) * np.exp(-np.arange(4000) / 400)).astype(np.float32)
    copies = np.stack(
        [
            0.01 * sounds[0],
            -sounds[1],
            sounds[2] + 0.1,
            np.round(sounds[3] * 127) / 127,
            sounds[4] + 0.02 * draw.standard_normal(4000).astype(np.float32) * np.abs(sounds[4]).max() * 0.1,
        ]
    ).astype(np.float32)
    shifted = np.roll(sounds[5], 40)[None]
    rows = np.concatenate([sounds, copies, shifted])
    groups = Groups(len(rows))
    compared = []

    def sound(number: int) -> np.ndarray:
        compared.append(number)
        return rows[number]

    unite_alike(np.array([sketch(row) for row in rows], np.float32), sound, groups)
    numbers = groups.numbers()
    assert numbers[40:45] == numbers[:5] == [0, 1, 2, 3, 4]
    assert len(set(numbers)) == 41
    assert len(compared) < 40
