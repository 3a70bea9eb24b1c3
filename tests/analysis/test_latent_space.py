from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from synthvae.analysis.latent_space import (
    STEPS,
    measure_movement,
    measure_neighbourhoods,
    parameter_paths,
    path_pairs,
    walk,
)
from synthvae.audio.descriptors import DESCRIPTORS, describe
from synthvae.data.presets import Dataset
from synthvae.maps.clusters import MapSettings
from synthvae.maps.stability import survey_latents
from synthvae.synths.angles import angles
from synthvae.synths.voice.voice import Voice
from synthvae.training.run import load_run


def test_paths_begin_and_end_where_they_should(small_run: Path, small_dataset: Dataset):
    run = load_run(small_run)
    first, last = small_dataset.unit[:3], small_dataset.unit[3:6]
    circular = angles(run.parameters)
    for kind in ("parameter", "straight", "arc"):
        path = walk(run, first, last, kind, 5)
        assert path.shape == (3, 5, 63)
        assert torch.equal(path[:, [0, 4]], torch.stack([first, last], 1))
        assert path.min() >= 0.0
        assert path.max() <= 1.0
    middle = walk(run, first, last, "parameter", 5)[:, 2]
    torch.testing.assert_close(middle[:, ~circular], ((first + last) / 2)[:, ~circular])
    turn = torch.tensor([[0.9, 0.5]]), torch.tensor([[0.1, 0.5]])
    near = [torch.full((1, 63), 0.5).masked_scatter(circular, end[0, :1].expand(4)) for end in turn]
    torch.testing.assert_close(walk(run, *near, "parameter", 5)[0, 1, circular], torch.full((4,), 0.95))


def test_latent_paths_carry_along_what_is_not_reproduced(small_run: Path, small_dataset: Dataset):
    run = load_run(small_run)
    first, last = small_dataset.unit[:3], small_dataset.unit[3:6]
    latents, rest = [], []
    for unit in (first, last):
        latents.append(run.encode(unit))
        rest.append(unit - run.decode(latents[-1]))
    middle = (run.decode(sum(latents) / 2) + sum(rest) / 2).clamp(0.0, 1.0)
    plain = ~angles(run.parameters)
    found = walk(run, first, last, "straight", 5)[:, 2]
    torch.testing.assert_close(found[:, plain], middle[:, plain], rtol=1e-4, atol=1e-5)


def test_movement_scores_every_descriptor_that_varies(small_run: Path, small_dataset: Dataset, small_voice: Voice):
    run, unit = load_run(small_run), small_dataset.split("test")
    descriptors = describe(small_voice(unit), 16000)
    reference = parameter_paths(small_voice, unit, descriptors, 0)
    found = measure_movement(run, unit, descriptors, reference, 0, lambda what: None)
    assert found.pairs.shape == (4, 2)
    assert len(np.unique(found.pairs)) == 8
    varying = [name for name, spread in zip(DESCRIPTORS, descriptors.std(axis=0), strict=True) if spread > 0]
    for comparisons in (found.paths.linear, found.paths.slerp):
        assert [c.descriptor for c in comparisons["smoothness"].changes] == varying
        assert comparisons["nonlinearity"].paths == 4
    assert found.effects.movement.shape == (63, run.latent_size)


def test_the_reference_describes_the_sounds_of_straight_paths(
    small_run: Path, small_dataset: Dataset, small_voice: Voice
):
    unit = small_dataset.split("test")
    descriptors = describe(small_voice(unit), 16000)
    found = parameter_paths(small_voice, unit, descriptors, 3)
    first, last = torch.from_numpy(path_pairs(len(unit), 3)).T
    path = walk(load_run(small_run), unit[first], unit[last], "parameter", STEPS)
    np.testing.assert_allclose(found[1], describe(small_voice(path[1]), 16000), rtol=1e-5, atol=1e-5)


def test_equal_presets_have_no_movement_to_score(small_run: Path, small_dataset: Dataset, small_voice: Voice):
    unit = small_dataset.unit[:1].expand(6, -1).contiguous()
    descriptors = np.repeat(describe(small_voice(unit[:1]), 16000), 6, axis=0)
    reference = parameter_paths(small_voice, unit, descriptors, 0)
    found = measure_movement(load_run(small_run), unit, descriptors, reference, 0, lambda what: None)
    assert found.paths.linear == found.paths.slerp == {}


def test_neighbourhoods_of_what_is_heard_are_trusted_and_those_of_noise_are_not():
    generator = np.random.default_rng(0)
    latents, noise = generator.standard_normal((2, 120, 3))
    survey = survey_latents(latents, seeds=(0,))
    heard = measure_neighbourhoods(latents, 2.0 * latents, latents, latents, survey, 0)
    assert heard.latents_and_sounds is not None
    assert heard.latents_and_sounds.spearman == pytest.approx(1.0)
    assert heard.latents_and_sounds.precision.mean == pytest.approx(1.0)
    unheard = measure_neighbourhoods(latents, noise, latents, noise, survey, 0)
    assert unheard.latents_and_sounds is not None
    assert unheard.latents_and_sounds.precision.mean == pytest.approx(unheard.latents_and_sounds.chance, abs=0.04)
    assert heard.umap is not None
    assert heard.umap.trustworthiness > heard.umap.chance


def test_too_few_presets_are_a_reason():
    latents = np.random.default_rng(0).standard_normal((5, 3))
    survey = survey_latents(latents, seeds=(0,))
    found = measure_neighbourhoods(latents[:2], latents[:2], latents, latents, survey, 0)
    assert found.latents_and_sounds is None
    assert found.reason


def test_sounds_of_a_cluster_are_alike_where_the_cluster_is_one_of_sounds():
    generator = np.random.default_rng(0)
    owner = np.repeat([0, 1, 2], 40)
    latents = np.eye(3)[owner] * 20 + generator.standard_normal((120, 3))
    levels = -80.0 + 5.0 * np.eye(3)[owner] + generator.standard_normal((120, 3))  # dB, all far below 0
    settings = MapSettings(eps=2.0, neighbours=15)
    survey = survey_latents(latents, (0,), settings)
    near = measure_neighbourhoods(latents, levels, latents, levels, survey, 0)
    shuffled = measure_neighbourhoods(
        latents, levels, latents, generator.permutation(levels), survey, 0
    ).cosine_similarity_of_sounds
    for cosine in (near.cosine_similarity, near.cosine_similarity_of_sounds):
        assert cosine.within > 0.5 > cosine.across
        assert cosine.within > cosine.random_within[1]
    assert abs(shuffled.within) < 0.1
