"""Index of rendered presets for nearest-neighbour search by sound.

The presets are drawn by number, so that only their embeddings are stored: 64 numbers each
(`synthvae.metrics.embeddings.logmel.logmel_embedding`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from synthvae.core.errors import UserError
from synthvae.core.files import load_tensors, save_tensors, user_cache
from synthvae.data.names import slug
from synthvae.data.sampling import uniform_unit
from synthvae.features.mel import log_mel
from synthvae.metrics.embeddings.logmel import logmel_embedding
from synthvae.synths.parameters import ParameterSpace
from synthvae.synths.registry import DEFAULT
from synthvae.synths.rendering import build_synth
from synthvae.synths.settings import RenderSettings

__all__ = ["PRESETS", "SoundIndex", "index_path", "open_index"]

FORMAT, VERSION = "synthvae-sound-index", 1
#: Number of presets of an index, half a minute of rendering on two cores.
PRESETS = 30_000
#: Seed of the draws: no dataset has it by default, and no search uses it.
SEED = 2**62 + 1
BATCH = 128
#: Dimension of an embedding.
EMBEDDING = 64

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SoundIndex:
    """An index of rendered sounds.

    Attributes:
        parameters: parameters of the presets.
        settings: render settings.
        embedding: embeddings ``(N, 64)`` float32, in dB.
    """

    parameters: ParameterSpace
    settings: RenderSettings
    embedding: NDArray[np.float32]

    def nearest(self, audio: Tensor, count: int) -> Tensor:
        """The `count` presets most similar to a recording, the closest first, ``(count, P)``.

        The recording is truncated to the length ``(T,)`` of the index's sounds, at its sample rate.
        """
        samples = round(self.settings.seconds * self.settings.sample_rate)
        sound = F.pad(audio[:samples], (0, max(0, samples - len(audio))))
        point = _embed(sound[None], self.settings.sample_rate)[0]
        far = np.square(self.embedding - point).sum(axis=1)
        order = np.argsort(far, kind="stable")[:count]
        rows = [uniform_unit(SEED, int(number), 1, len(self.parameters))[0] for number in order]
        return torch.from_numpy(np.stack(rows).astype(np.float32))


def index_path(parameters: ParameterSpace, settings: RenderSettings, presets: int = PRESETS) -> Path:
    """Path of an index in the user's cache directory, named by its contents."""
    synth = "" if settings.synth == DEFAULT else f"{slug(settings.synth)}-"
    how = f"{settings.sample_rate}-{settings.seconds:g}-{settings.control_rate}"
    return user_cache() / f"sounds-{synth}{parameters.hash}-{how}-{presets}.safetensors"


def open_index(
    parameters: ParameterSpace,
    settings: RenderSettings,
    presets: int = PRESETS,
    path: Path | None = None,
    progress: Callable[[int], object] = lambda done: None,
) -> SoundIndex:
    """Index of `presets` presets of a parameter space; computed and stored at `path`, or `index_path`, if missing.

    A failure to write to the user's cache directory is ignored.

    Raises:
        UserError: if a file at `path` cannot be written.
    """
    chosen = path is not None
    path = path or index_path(parameters, settings, presets)
    wanted = {"parameter_hash": parameters.hash, "presets": presets, **settings.to_dict()}
    wanted |= {} if settings.synth == DEFAULT else {"synth": settings.synth}
    if path.exists():
        try:
            tensors, state = load_tensors(path)
            embedding = tensors["embedding"]
            kept = {name: state.get(name) for name in wanted}
            of_this = state.get("format") == FORMAT and state.get("version") == VERSION and kept == wanted
            if of_this and embedding.shape == (presets, EMBEDDING) and bool(embedding.isfinite().all()):
                return SoundIndex(parameters, settings, embedding.numpy())
        except (UserError, KeyError):
            pass  # damaged: recomputed
    voice = build_synth(parameters, settings)
    parts = []
    for first in range(0, presets, BATCH):
        unit = uniform_unit(SEED, first, min(BATCH, presets - first), len(parameters)).astype(np.float32)
        with torch.inference_mode():
            parts.append(_embed(voice(torch.from_numpy(unit)), settings.sample_rate))
        progress(first + len(unit))
    found = np.concatenate(parts).astype(np.float32)
    try:
        save_tensors(path, {"embedding": torch.from_numpy(found)}, {"format": FORMAT, "version": VERSION, **wanted})
    except UserError as error:
        if chosen:
            raise
        _log.warning("%s: the index is not kept, and computed again next time", error)
    return SoundIndex(parameters, settings, found)


def _embed(audio: Tensor, sample_rate: int) -> NDArray[np.float64]:
    return logmel_embedding(log_mel(audio, sample_rate).numpy())
