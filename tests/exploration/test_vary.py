from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.exploration.vary import vary
from synthvae.metrics.logmel_distance import LogMelDistance, pairwise
from synthvae.synths.groups import columns_of
from synthvae.synths.voice.kind import GROUPS
from synthvae.synths.voice.parameters import VOICE_63, VOICE_78
from tests.errors import user_error


@pytest.fixture(scope="module")
def preset(small_dataset):
    return small_dataset.unit[3]


def test_amount_0_is_the_preset_itself(run, preset):
    found = vary(run, preset, 0.0, 3)
    assert torch.equal(found.unit, preset.expand(3, -1))
    assert (found.distances == 0.0).all()


def test_neighbours_are_ordered_by_what_is_heard_and_spread_up_to_the_amount(run, preset):
    found = vary(run, preset, 0.3, 8)
    metric = LogMelDistance(run.voice, run.settings.sample_rate)
    np.testing.assert_allclose(
        found.distances, pairwise(metric.spectrograms(preset[None]), metric.spectrograms(found.unit))[0], atol=1e-3
    )
    assert (np.diff(found.distances) >= 0).all()
    assert not found.remark
    targets = 0.3 * found.reach * np.arange(1, 9) / 8
    np.testing.assert_allclose(found.distances, targets, rtol=0.35)
    apart = pairwise(metric.spectrograms(found.unit))
    assert apart[~np.eye(8, dtype=bool)].min() > 0.0
    assert found.unit.min() >= 0.0
    assert found.unit.max() <= 1.0
    torch.testing.assert_close(found.latent, run.encode(found.unit))


def test_more_is_further_and_a_seed_is_repeated(run, preset):
    small, large = vary(run, preset, 0.1, 4, seed=1), vary(run, preset, 0.6, 4, seed=1)
    assert (small.distances < large.distances).all()
    assert torch.equal(small.unit, vary(run, preset, 0.1, 4, seed=1).unit)
    assert not torch.equal(small.unit, vary(run, preset, 0.1, 4, seed=2).unit)


@pytest.mark.parametrize("keep", [["pitch", "duration"], ["envelope"], ["mixer.noise", "modulation"]])
def test_what_is_kept_is_kept_to_the_bit(run, preset, keep):
    found = vary(run, preset, 0.4, 5, keep)
    held = columns_of(run.parameters, GROUPS, keep)
    assert held.any()
    assert torch.equal(found.unit[:, held], preset[held].expand(5, -1))
    assert (found.unit[:, ~held] != preset[~held]).any(dim=0).float().mean() > 0.9


def test_amounts_beyond_the_model_are_reported(run, preset):
    keep = [name for name in run.parameters.names if name != "adsr_1.alpha"]
    found = vary(run, preset, 1.0, 3, keep)
    assert "stay nearer than asked for" in found.remark


def test_groups_cover_what_their_names_say():
    def names(group, space):
        return {name for name, inside in zip(space.names, columns_of(space, GROUPS, [group]), strict=True) if inside}

    assert names("pitch", VOICE_63) == {
        "keyboard.midi_f0",
        "vco_1.tuning",
        "vco_2.tuning",
        "vco_1.mod_depth",
        "vco_2.mod_depth",
        "mod_matrix.adsr_1->vco_1_pitch",
        "mod_matrix.adsr_2->vco_2_pitch",
    }
    assert len(names("pitch", VOICE_78)) == 13
    assert names("duration", VOICE_63) == {"keyboard.duration"}
    every = set().union(*(names(group, VOICE_78) for group in GROUPS))
    assert every == set(VOICE_78.names)
    for group in GROUPS:
        assert names(group, VOICE_63)


@pytest.mark.parametrize(
    ("argument", "value", "part"),
    [
        ("amount", -0.1, ""),
        ("amount", math.nan, ""),
        ("amount", 1.5, ""),
        ("count", 0, ""),
        ("count", -4, ""),
        ("count", 1000, "1 to 256"),
        ("keep", list(VOICE_63.names), "nothing to vary"),
        ("seed", -1, ""),
    ],
)
def test_bad_arguments_are_refused(run, preset, argument, value, part):
    with user_error(argument, value, part):
        vary(run, preset, **{argument: value})


def test_an_unknown_name_to_keep_is_refused(run, preset):
    with user_error("keep", "pich", "did you mean pitch"):
        vary(run, preset, keep=["pich"])


def test_a_preset_that_is_none_is_refused(run, preset):
    with pytest.raises(UserError, match="nan"):
        vary(run, torch.where(torch.arange(63) == 3, torch.nan, preset))
