"""A bank that an earlier version wrote, of two sounds of a quarter of a second: it is read, searched and added to."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from synthvae.bank import Bank
from synthvae.synths.settings import RenderSettings
from synthvae.synths.voice.parameters import VOICE_63


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(Path(shutil.copy(Path(__file__).parent / "data/bank.sqlite", tmp_path)), create=False)


def test_its_entries_are_what_was_added(bank: Bank):
    first, second = bank.list()
    assert (first.name, first.tags, first.hash) == ("first of two", ("dry", "short"), "b65c7179ec9e1028")
    assert (second.name, second.tags, second.hash) == ("loud falling sweep", (), "272f1c153db31581")
    assert first.settings == RenderSettings(16000, 0.25, 160)
    assert first.origin == {"seed": 15, "number": 0}
    drawn = np.random.default_rng(15).random((2, 63)).round(2)[0]
    np.testing.assert_allclose(VOICE_63.from_dict(first.values), VOICE_63.denormalise(drawn), rtol=1e-8)
    assert first.descriptors["pitch"] == 830.285
    assert bank.thumbnail(2).startswith(b"\x89PNG")


def test_it_is_searched_and_added_to_as_one_of_today(bank: Bank):
    assert [entry.id for entry in bank.search("first", ranges={"pitch": (800, 900)}, tags=["dry"])] == [1]
    preset = bank.get(2).preset
    nearest, other = bank.search(like=preset)
    assert (nearest.id, other.id) == (2, 1)
    assert nearest.distance < 0.5 < 5.0 < other.distance  # dB; sounds are resampled by soxr since then
    assert not bank.add(preset).new
    bank.remove(2)
    again = bank.add(preset)
    assert again.new
    assert again.name == "loud falling sweep"
