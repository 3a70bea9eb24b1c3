"""Recordings on the map, encoded by the run's audio encoder and kept while the studio runs."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from synthvae.core.errors import UserError
from synthvae.matching.target import Target, read_target
from synthvae.models.audio_encoder import ENCODER_FILE, AudioEncoder, read_encoder
from synthvae.studio.errors import ConflictError
from synthvae.training.run import Run

__all__ = ["Imported", "Imports", "prepare"]

#: Samples of all channels: what is short as a file can be long as a sound, and takes 8 bytes each.
MOST_SAMPLES = 16_000_000


def prepare(content: bytes, name: str, sample_rate: int) -> Target:
    """A recording as the matching engine wants it.

    Args:
        content: of a file in any format that libsndfile reads.
        name: what to call it.
        sample_rate: wanted, in Hz.

    Raises:
        UserError: if it is empty, no audio, too long, silent, or not finite.
    """
    if not content:
        raise UserError(name, content, "send the recording's bytes", "the body is empty")
    try:
        found = soundfile.info(io.BytesIO(content))
    except (soundfile.LibsndfileError, RuntimeError, TypeError):
        raise UserError(name, name, "send a WAV, FLAC, OGG, MP3 or AIFF", "not audio that can be read") from None
    if found.frames * found.channels > MOST_SAMPLES:
        raise UserError(name, found.frames, "cut out the part to match", f"{found.frames:,} samples are too many")
    return read_target(io.BytesIO(content), sample_rate, name)


#: Recordings that are kept; after them the studio says that it is full.
MOST = 10_000


@dataclass(frozen=True)
class Imported:
    """A recording on the map.

    Attributes:
        id: its number, from 0.
        name: of its file.
        label: of its folder.
        latent: ``(D,)``.
    """

    id: int
    name: str
    label: str
    latent: NDArray[np.float32]


class Imports:
    """Imported recordings and their encoder.

    Args:
        run: the model; its encoder is read when it is first needed.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._encoder: AudioEncoder | None = None
        self._lock = threading.Lock()
        self.all: list[Imported] = []

    @property
    def possible(self) -> bool:
        """Whether the run has an encoder."""
        return (self._run.path / ENCODER_FILE).exists()

    def add(self, content: bytes, name: str, label: str) -> Imported:
        """Put a recording on the map.

        Args:
            content: its file's bytes.
            name: of its file.
            label: of its folder.

        Raises:
            ConflictError: if the run has no encoder that fits, or the studio is full.
            UserError: if it is no sound.
        """
        encoder = self._ready()
        target = prepare(content, name, encoder.sample_rate)
        with torch.inference_mode():
            latent = encoder.encode(target.audio[None])[0][0].float().numpy()
        if not np.isfinite(latent).all():
            raise UserError(
                name, name, "train it again with synthvae train-encoder", "the encoder's output is not finite"
            )
        with self._lock:
            if len(self.all) >= MOST:
                raise ConflictError("recordings", MOST, "restart synthvae explore", f"{MOST:,} are on the map already")
            self.all.append(Imported(len(self.all), name, label, latent))
            return self.all[-1]

    def clear(self) -> int:
        """Forget them all; how many there were."""
        with self._lock:
            count = len(self.all)
            self.all = []
            return count

    def _ready(self) -> AudioEncoder:
        with self._lock:
            if self._encoder is None:
                command = f"synthvae train-encoder {self._run.path.name}"
                if not self.possible:
                    raise ConflictError(self._run.path.name, self._run.path, f"run '{command}'", "no audio encoder")
                try:
                    self._encoder = read_encoder(self._run.path / ENCODER_FILE, self._run.weights_hash)
                except UserError as error:
                    raise ConflictError(*error.args) from None
            return self._encoder
