from __future__ import annotations

import pytest
import torch

from synthvae.exploration.paths import LatentPath, ParameterPath, straight_line
from synthvae.synths.angles import angles


@pytest.mark.parametrize("kind", [LatentPath, ParameterPath])
def test_paths_pass_through_their_presets_and_stay_in_the_cube(run, small_dataset, kind):
    unit = small_dataset.unit[:4]
    path = kind(run, unit)
    torch.testing.assert_close(path(torch.linspace(0, 1, 4, dtype=torch.float64)), unit, atol=1e-5, rtol=0)
    far = path(torch.linspace(-1, 2, 50, dtype=torch.float64))
    assert far.min() >= 0.0
    assert far.max() <= 1.0
    assert path.latent(torch.tensor([0.0, 1.0], dtype=torch.float64)).shape == (2, run.latent_size)


def test_a_path_moves_in_small_steps_everywhere_but_at_the_seam_of_angles(run, small_dataset):
    path = LatentPath(run, small_dataset.unit[:3])
    rows = path(torch.linspace(-0.2, 1.2, 2001, dtype=torch.float64))
    change = rows.diff(dim=0)
    change = torch.where(path.circular, change - change.round(), change)
    assert change.abs().max() < 0.01


def test_beyond_the_end_a_line_goes_on(run):
    nodes = torch.full((2, len(run.parameters)), 0.4)
    nodes[1] = 0.6
    path = ParameterPath(run, nodes)
    assert torch.allclose(path(torch.tensor([1.5], dtype=torch.float64)), torch.tensor(0.7))
    uneven = ParameterPath(run, torch.stack((nodes[0], nodes[1], nodes[1])), torch.tensor([0.0, 0.25, 1.0]))
    assert torch.allclose(uneven(torch.tensor([0.125, 0.5], dtype=torch.float64)).mean(1), torch.tensor([0.5, 0.6]))


def test_angles_are_the_phases_and_go_the_shorter_way(run):
    circular = angles(run.parameters)
    names = {name for name, turns in zip(run.parameters.names, circular, strict=True) if turns}
    assert names == {f"{module}.initial_phase" for module in ("lfo_1", "lfo_2", "vco_1", "vco_2")}
    ends = torch.full((2, len(circular)), 0.1)
    ends[1] = 0.9
    path = ParameterPath(run, ends)
    middle = path(torch.tensor([0.5], dtype=torch.float64))[0]
    assert torch.allclose(middle[~circular], torch.tensor(0.5))
    seam = torch.minimum(middle[circular], 1.0 - middle[circular])
    assert torch.allclose(seam, torch.zeros(4), atol=1e-6)


def test_a_straight_line_has_both_ends():
    line = straight_line(torch.tensor([[0.0, 1.0], [2.0, 0.0]]), 3)
    assert torch.equal(line, torch.tensor([[0.0, 1.0], [1.0, 0.5], [2.0, 0.0]]))
