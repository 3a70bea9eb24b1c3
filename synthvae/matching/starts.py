"""Starting points of a search: neighbours in the index, and outputs of the audio encoder."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from synthvae.matching.index import SoundIndex
from synthvae.matching.target import Target
from synthvae.models.audio_encoder import ENCODER_FILE, AudioEncoder, read_encoder
from synthvae.training.run import Run

__all__ = ["encoder_of", "starts_of_encoder", "starts_of_index"]

#: Number of presets from an index, and number of draws of the encoder besides its mean, as fractions of the budget.
OF_INDEX, OF_ENCODER = 0.02, 0.02
MOST = 256


def encoder_of(run: Run) -> AudioEncoder | None:
    """The run's audio encoder; None where none was trained.

    Raises:
        UserError: if there is one, and it was trained for other weights or is damaged.
    """
    path = run.path / ENCODER_FILE
    return read_encoder(path, run.weights_hash) if path.exists() else None


def starts_of_index(target: Target, index: SoundIndex, budget: int) -> Tensor:
    """Presets of an index that are nearest to the target, ``(S, P)``."""
    return index.nearest(target.audio, min(MOST, max(4, round(OF_INDEX * budget))))


def starts_of_encoder(target: Target, run: Run, encoder: AudioEncoder, budget: int, seed: int) -> Tensor:
    """The encoder's output, decoded: its mean, and draws from its Gaussian, ``(S, P)``.

    Raises:
        ValueError: if the target has another sample rate than the encoder's.
    """
    if target.sample_rate != encoder.sample_rate:
        raise ValueError(f"the encoder takes {encoder.sample_rate} Hz, the target has {target.sample_rate} Hz")
    count = min(MOST, max(4, round(OF_ENCODER * budget)))
    audio = F.pad(target.audio, (0, max(0, encoder.samples - len(target.audio))))
    mean, deviation = encoder.encode(audio[None])
    noise = torch.randn(count, encoder.latent_size, generator=torch.Generator().manual_seed(seed))
    noise[0] = 0.0
    with torch.no_grad():
        return run.decode(mean + deviation * noise)
