from __future__ import annotations

import torch

from synthvae.synths.angles import unwrapped, within


def test_within_leaves_the_cube_alone_and_turns_angles_back():
    unit = torch.tensor([[0.0, 1.0, -0.25, 1.25], [0.5, 0.0, 1.0, 1.0]])
    circular = torch.tensor([True, True, True, False])
    assert torch.equal(within(unit, circular), torch.tensor([[0.0, 1.0, 0.75, 1.0], [0.5, 0.0, 1.0, 1.0]]))
    assert torch.allclose(unwrapped(torch.tensor([[0.9], [0.1], [0.8]]), torch.tensor([True]))[:, 0].diff().abs(),
                          torch.tensor([0.2, 0.3]))  # fmt: skip
