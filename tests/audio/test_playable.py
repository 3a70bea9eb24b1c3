"""Which sounds are playable, and why others are not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synthvae.audio.descriptors import measure
from synthvae.audio.playable import REASONS, columns_of, tails_complete, unplayable_reason

RATE = 16000
QUIET, LOW, HIGH, CUT, VAGUE = REASONS


def tone(hz: float, seconds: float = 1.0, decay: float = 0.1, gain: float = 0.3) -> np.ndarray:
    """A sine that decays, and is held where the decay is infinite."""
    t = np.arange(round(seconds * RATE)) / RATE
    return (gain * np.exp(-t / decay) * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def noise(seconds: float, decay: float) -> np.ndarray:
    """Noise around 1 kHz."""
    generator = np.random.default_rng(0)
    t = np.arange(round(seconds * RATE)) / RATE
    spectrum = np.fft.rfft(generator.standard_normal(len(t)))
    frequency = np.fft.rfftfreq(len(t), 1 / RATE)
    spectrum[(frequency < 500) | (frequency > 2000)] = 0
    return (0.5 * np.exp(-t / decay) * np.fft.irfft(spectrum, len(t))).astype(np.float32)


@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        (tone(440.0), ""),
        (tone(440.0, gain=1e-3), QUIET),
        (np.zeros(RATE, np.float32), QUIET),
        (tone(55.0), LOW),
        (tone(6000.0), HIGH),
        (tone(440.0, decay=np.inf), CUT),
        (noise(1.0, 0.05), ""),
        (noise(4.0, 0.5), VAGUE),
    ],
    ids=["pitched", "quiet", "silent", "low", "high", "cut", "burst", "noise"],
)
def test_a_sound_is_playable_or_says_why_not(sound: np.ndarray, reason: str):
    (measured,) = measure(torch.from_numpy(sound[None]), RATE)
    assert unplayable_reason(columns_of([measured.descriptors]), tails_complete(sound[None], RATE)).tolist() == [reason]


def test_a_batch_is_judged_as_its_sounds_alone():
    sounds = np.stack([tone(440.0), tone(55.0), noise(1.0, 0.05), tone(440.0, decay=np.inf), np.zeros(RATE)])
    sounds = sounds.astype(np.float32)
    columns = columns_of([one.descriptors for one in measure(torch.from_numpy(sounds), RATE)])
    together = unplayable_reason(columns, tails_complete(sounds, RATE))
    alone = [
        unplayable_reason(
            {name: values[[row]] for name, values in columns.items()}, tails_complete(sounds[[row]], RATE)
        )
        for row in range(len(sounds))
    ]
    assert together.tolist() == np.concatenate(alone).tolist() == ["", LOW, "", CUT, QUIET]
