from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from synthvae.exploration.plane import EDGE, LocalPlane, local_plane
from synthvae.metrics.logmel_distance import LogMelDistance, pairwise
from synthvae.synths.registry import synth_kind
from synthvae.training.run import Run, load_run


@pytest.fixture(scope="module")
def run(small_run: Path) -> Run:
    return load_run(small_run)


@pytest.fixture(scope="module")
def preset(small_dataset) -> torch.Tensor:
    return small_dataset.unit[3]


@pytest.fixture(scope="module")
def plane(run: Run, preset: torch.Tensor) -> LocalPlane:
    return local_plane(run, preset)


def test_its_centre_is_the_preset_to_the_bit(plane: LocalPlane, preset: torch.Tensor):
    assert torch.equal(plane.at(0.0, 0.0), preset)
    assert torch.equal(plane.at(-0.0, 0.0), preset)


def test_every_place_is_a_preset(plane: LocalPlane):
    for a, b in np.random.default_rng(0).uniform(-1.5, 1.5, (50, 2)).tolist():
        unit = plane.at(a, b)
        assert ((unit >= 0) & (unit <= 1)).all()
    assert torch.equal(plane.at(2.0, -3.0), plane.at(1.0, -1.0))


def test_the_edges_are_as_far_as_they_say(run: Run, plane: LocalPlane, preset: torch.Tensor):
    metric = LogMelDistance(run.voice, run.settings.sample_rate)
    edges = torch.stack([plane.at(-1, 0), plane.at(1, 0), plane.at(0, -1), plane.at(0, 1)])
    found = pairwise(metric.spectrograms(preset[None]), metric.spectrograms(edges))[0]
    np.testing.assert_allclose(found, plane.distances.ravel(), atol=1e-3)
    assert (plane.distances <= EDGE).all()
    assert plane.distances.max() > 0.5


def test_pitch_stays(run: Run, plane: LocalPlane, preset: torch.Tensor):
    fixed = [run.parameters.index(name) for name in synth_kind(run.settings.synth).pitch_only(run.parameters)]
    assert torch.equal(plane.at(0.7, -0.4)[fixed], preset[fixed])


def test_the_directions_are_the_first_singular_vectors_of_the_spectrogram_by_the_latent(
    run: Run, plane: LocalPlane, preset: torch.Tensor
):
    metric = LogMelDistance(run.voice, run.settings.sample_rate)
    latent = run.encode(preset[None])
    step = 1e-3 * torch.eye(latent.shape[1])
    decoder = (run.decode(latent + step) - run.decode(latent - step)) / 2e-3
    decoder[:, [run.parameters.index(name) for name in synth_kind(run.settings.synth).pitch_only(run.parameters)]] = 0
    by_latent = decoder.double() @ run.voice.jacobian(preset[None], metric.feature)[0].flatten(1).double()
    vectors, lengths, _ = torch.linalg.svd(by_latent, full_matrices=False)
    assert lengths[0] > 1.1 * lengths[2], "directions that are equally audible have no order"
    for axis in (0, 1):
        expected = vectors[:, axis].float() @ decoder
        cosine = torch.nn.functional.cosine_similarity(plane.directions[axis, 1], expected, dim=0)
        assert abs(float(cosine)) > 0.99
