from __future__ import annotations

import pytest
import torch
from auraloss.freq import MultiResolutionSTFTLoss

from synthvae.losses import build_loss


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_example_has_auralosss_value_and_gradient(dtype):
    audio = torch.randn(2, 1, 9000, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)
    theirs = MultiResolutionSTFTLoss()
    for loss in theirs.stft_losses:
        loss.window = loss.window.to(dtype)
    results = []
    for compare in (
        lambda x, y: build_loss("mrstft", 16000)(x, y).sum(),
        lambda x, y: theirs(x[:, None], y[:, None]),
    ):
        estimate = audio[0].clone().requires_grad_()
        value = compare(estimate, audio[1])
        value.backward()
        results.append((value.detach(), estimate.grad))
    torch.testing.assert_close(*(value for value, _ in results))
    torch.testing.assert_close(*(gradient for _, gradient in results), rtol=1e-3, atol=1e-7)
