"""A small library of decaying sines and noises, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.core.randomness import generator
from synthvae.data.library import Library, LibraryHeader, content_hash, read_library, write_library
from synthvae.training.sound_config import SoundConfig
from synthvae.training.tasks.spectrogram import SpectrogramTask

RATE, SAMPLES = 16000, 4000
COUNTS = {"train": 24, "validation": 10, "test": 6}
LABELS = ("noise", "tone")


def made(count: int, samples: int = SAMPLES) -> tuple[NDArray[np.float32], Tensor]:
    """Sounds, half of them tones and half of them noises, and their pitches."""
    time = torch.arange(samples) / RATE
    drawn = torch.rand(count, 3, generator=generator(7))
    notes = 48.0 + 24.0 * drawn[:, 0]
    tone = torch.sin(2 * torch.pi * 440.0 * 2 ** ((notes[:, None] - 69) / 12) * time)
    noise = torch.randn(count, samples, generator=generator(8)) * 0.3
    audio = torch.where((torch.arange(count) % 2 == 1)[:, None], tone, noise)
    audio = audio * torch.exp(-time / (0.02 + 0.1 * drawn[:, 1:2])) * (0.1 + 0.9 * drawn[:, 2:])
    return audio.numpy(), notes


@dataclass
class SmallLibrary:
    """The attributes of a library that the task uses."""

    path: Path = Path("datasets/small")
    hash: str = "0123456789abcdef"
    sample_rate: int = RATE
    samples: int = SAMPLES
    labels: tuple[str, ...] = LABELS
    counts: dict[str, int] = field(default_factory=lambda: dict(COUNTS))

    def __post_init__(self) -> None:
        count = sum(self.counts.values())
        self.audio, notes = made(count, self.samples)
        splits = [split for split, number in self.counts.items() for _ in range(number)]
        labels = [LABELS[number % 2] for number in range(count)]
        self.items = pd.DataFrame({"number": range(count), "split": splits, "label": labels, "pitch": notes.numpy()})

    def rows(self, split: str) -> range:
        first = 0
        for name, count in self.counts.items():
            if name == split:
                return range(first, first + count)
            first += count
        raise KeyError(split)


#: Small enough for a step in a tenth of a second.
TINY = {"data": "datasets/small", "epochs": 2, "batch_size": 8, "device": "cpu", "precision": "32-true", "latent": 4}


def sound_task(library: SmallLibrary | None = None, **changes: Any) -> SpectrogramTask:
    settings = SoundConfig(**TINY | changes)
    return SpectrogramTask(settings, library or SmallLibrary())  # type: ignore[arg-type]


def write_small_library(directory: Path) -> Library:
    """The same sounds as a library on disk."""
    small = SmallLibrary()
    header = LibraryHeader(RATE, SAMPLES, COUNTS, LABELS, "made", 0, {}, {"found": 0, "imported": 0, "skipped": 0}, {})
    items = [
        {
            "number": number,
            "split": row.split,
            "label": row.label,
            "file": f"{number}.wav",
            "start": 0.0,
            "channels": 1,
            "sample_rate": RATE,
            "peak": float(np.abs(small.audio[number]).max()),
            "content_hash": content_hash(small.audio[number]),
            "group": number,
            "pitch": row.pitch,
        }
        for number, row in enumerate(small.items.itertuples())
    ]
    directory.mkdir(parents=True, exist_ok=True)
    write_library(directory, header, iter(small.audio), items, [])
    return read_library(directory)
