from __future__ import annotations

import torch

from synthvae.losses import build_loss
from synthvae.losses.envelope import envelope


def test_a_full_scale_sine_reads_minus_three_decibels_and_silence_minus_eighty():
    time = torch.arange(16384, dtype=torch.float64)
    level = envelope(torch.sin(2 * torch.pi * 100 * time / 2048)[None])
    torch.testing.assert_close(level[0, 4:-4], torch.full_like(level[0, 4:-4], -10 * torch.log10(torch.tensor(2.0))))
    assert level.shape == (1, 33)
    torch.testing.assert_close(envelope(torch.zeros(1, 600)), torch.full((1, 2), -80.0))


def test_half_the_amplitude_is_six_decibels_whatever_the_waveform():
    noise = torch.randn(1, 9000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    other = torch.randn(1, 9000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    loss = build_loss("envelope", 16000)
    torch.testing.assert_close(loss(0.5 * noise, noise).item(), 6.0206, rtol=1e-3, atol=0)
    assert loss(other, noise).item() < 0.5
