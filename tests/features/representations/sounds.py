"""Sounds that the tests of representations share, and how far apart two are."""

from __future__ import annotations

import numpy as np
import torch

RATE = 16000


def chord(samples: int, seed: int = 0) -> torch.Tensor:
    """Harmonics that decay, above a little noise."""
    time = np.arange(samples) / RATE
    tones = [np.sin(2 * np.pi * 220.0 * n * time) / n for n in range(1, 12)]
    noise = 0.003 * np.random.default_rng(seed).standard_normal(samples)
    return torch.from_numpy(0.4 * np.exp(-3 * time) * np.sum(tones, axis=0) + noise).float()


def level_of(audio: torch.Tensor) -> np.ndarray:
    """RMS in dB of each row."""
    return (10 * torch.log10(audio.double().square().mean(1))).numpy()


def log_distance(target: torch.Tensor, answer: torch.Tensor) -> float:
    """RMS difference of levels over the bins of a frame, down to 80 dB below a full-scale sine, mean over frames."""
    window = torch.hann_window(512)
    spectra = [torch.stft(audio, 512, 128, window=window, return_complex=True).abs() for audio in (target, answer)]
    levels = [20 * torch.log10(s / 128 + 1e-4) for s in spectra]
    return float((levels[0] - levels[1]).square().mean(1).sqrt().mean())
