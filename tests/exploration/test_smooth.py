from __future__ import annotations

import numpy as np
import pytest
import torch

from synthvae.audio.descriptors import DESCRIPTORS, TIMBRE, describe_timbre
from synthvae.exploration.paths import ParameterPath
from synthvae.exploration.smooth import HELD_OUT, OPTIMISED, ROUNDS, free_parameters, path_cost, straighten
from synthvae.metrics.paths import interpolate, path_scores
from synthvae.synths.voice.kind import GROUPS
from tests import sine

COLUMNS = [TIMBRE.index(name) for name in OPTIMISED]


@pytest.fixture(scope="module")
def straight(run, small_dataset):
    return ParameterPath(run, small_dataset.unit[[5, 40]])(torch.linspace(0, 1, 6, dtype=torch.float64))


@pytest.fixture(scope="module")
def free(run):
    return free_parameters(run.parameters, GROUPS)


def cost(voice, nodes):
    with torch.inference_mode():
        return float(path_cost(describe_timbre(voice(nodes), voice.sample_rate)[:, COLUMNS]))


def test_every_descriptor_is_either_optimised_or_held_out():
    assert set(OPTIMISED) | set(HELD_OUT) == set(DESCRIPTORS)
    assert not set(OPTIMISED) & set(HELD_OUT)


def test_the_cost_is_the_sum_of_both_scores_in_their_usual_values():
    paths = np.random.default_rng(0).standard_normal((3, 7, len(OPTIMISED)))
    scores = path_scores(paths, np.ones(len(OPTIMISED)))
    usual = np.array(list(OPTIMISED.values()))
    expected = (scores.nonlinearity / usual[:, 0] + scores.smoothness / usual[:, 1]).sum(axis=1)
    np.testing.assert_allclose(path_cost(paths), expected)
    assert path_cost(interpolate(paths[0, 0], paths[1, 0], 5)) == pytest.approx(0.0, abs=1e-9)


def test_pitch_rates_and_phases_stay_on_the_line(run, free):
    fixed = {name for name, moves in zip(run.parameters.names, free.tolist(), strict=True) if not moves}
    assert fixed == {
        "keyboard.midi_f0",
        *(f"vco_{k}.{part}" for k in (1, 2) for part in ("tuning", "mod_depth", "initial_phase")),
        *(f"lfo_{k}.{part}" for k in (1, 2) for part in ("frequency", "mod_depth", "initial_phase")),
        *(f"mod_matrix.adsr_{k}->vco_{k}_pitch" for k in (1, 2)),
    }
    assert free_parameters(sine.SPACE, {}).tolist() == [False, True, True]


def test_a_straightened_path_costs_less_and_has_its_ends(run, straight, free):
    told = []
    nodes = straighten(run.voice, straight, free, seed=1, progress=lambda: told.append(None))
    assert cost(run.voice, nodes) < 0.9 * cost(run.voice, straight)
    assert torch.equal(nodes[[0, -1]], straight[[0, -1]])
    assert torch.equal(nodes[:, ~free], straight[:, ~free])
    assert nodes.min() >= 0.0
    assert nodes.max() <= 1.0
    assert len(told) == ROUNDS


def test_the_seed_is_all_that_is_random(run, straight, free):
    first, again, other = (straighten(run.voice, straight[:4], free, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_sound_to_itself_stays(run, small_dataset, free):
    still = small_dataset.unit[5].repeat(4, 1)
    assert torch.equal(straighten(run.voice, still, free), still)


def test_nothing_moves_without_inner_nodes_or_free_parameters(run, straight, free):
    assert torch.equal(straighten(run.voice, straight[:2], free), straight[:2])
    assert torch.equal(straighten(run.voice, straight, torch.zeros_like(free)), straight)


def test_another_synth_is_straightened_too():
    voice = sine.Sine(sine.SPACE, seconds=0.5)
    line = torch.lerp(torch.tensor([0.2, 0.1, 1.0]), torch.tensor([0.8, 1.0, 0.2]), torch.linspace(0, 1, 5)[:, None])
    nodes = straighten(voice, line, free_parameters(sine.SPACE, {}))
    assert torch.equal(nodes[:, 0], line[:, 0])
    assert cost(voice, nodes) < cost(voice, line)
