"""What the sounds of a map are made from, by what a run can be asked for: presets of a synth, or recorded sounds.

All else of the studio is written for any `Source`.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.audio.resampling import resample
from synthvae.core.errors import UserError
from synthvae.features.mel import log_mel
from synthvae.models.audio_encoder import ENCODER_FILE, AudioEncoder, read_encoder
from synthvae.studio.collection import Collection
from synthvae.studio.errors import ConflictError
from synthvae.synths.registry import synth_kind
from synthvae.synths.rendering import Renderer
from synthvae.training.run import Run

__all__ = ["TOOLS", "Layout", "Moved", "PresetSource", "Source"]

Floats = NDArray[np.float32]

#: What the page offers besides the map: sliders of parameters, keys, the bank, matching, the local plane, which sounds
#: are playable, and the recordings beside what is decoded.
TOOLS = ("parameters", "keys", "bank", "match", "plane", "playable", "originals")
#: The key of the timbre layout, and its level: root mean square of the samples.
TIMBRE_NOTE, TIMBRE_LEVEL = 60.0, 0.1
#: Decibels below the loudest cell of a spectrogram that pictures show.
SHOWN = 80.0
#: Gains at which a recording is compared with presets.
LEVELS = (1.0, 0.5, 0.25, 0.125, 0.0625)
#: How much further the far half of variations goes.
FAR = 3.0
#: Shares of a blend's weights that are tried until it is audible, and the least root mean square that is.
SHARES, AUDIBLE = (1.0, 0.75, 0.5, 0.25), 10 ** (-50 / 20)


@dataclass(frozen=True)
class Layout:
    """What sounds are laid out by.

    Attributes:
        name: name of the view where neighbours lie together; the one by principal components is called ``NAME-pca``.
        label: as a person reads it.
        meaning: what lies together, in a sentence.
    """

    name: str
    label: str
    meaning: str


def by_name(*layouts: Layout) -> dict[str, Layout]:
    """Layouts by their names."""
    return {layout.name: layout for layout in layouts}


SOUND = Layout("sound", "Sound", "Sounds that sound alike lie together (log-mel spectrograms).")


@dataclass(frozen=True)
class Moved:
    """Sounds near another one, or on the way from one to another.

    Attributes:
        rows: ``(N, R)``.
        latents: ``(N, D)``.
        distances: distances in dB: of variations from the sound ``(N,)``, of a path from each to the next ``(N - 1,)``.
        remark: what there is to say about them in one line; empty where there is nothing.
    """

    rows: Floats
    latents: Floats
    distances: NDArray[np.float64]
    remark: str = ""


class Source(ABC):
    """How the sounds of a run are made; safe under threads.

    A sound that is made has a row of numbers ``(R,)``: the unit parameters of a preset, for one. Its latents lie in the
    space that places between the points of a map are interpolated in.

    Attributes:
        run: the model.
        layouts: available layouts, by name.
        latent_layout: the layout by latents, which takes no sounds.
        tools: what the page can offer besides the map.
    """

    layouts: ClassVar[Mapping[str, Layout]]
    latent_layout: ClassVar[str]
    tools: frozenset[str]

    def __init__(self, run: Run) -> None:
        self.run = run

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the views: two of each layout."""
        return tuple(name + ending for name in self.layouts for ending in ("", "-pca"))

    @property
    def at_once(self) -> str:
        """The view that takes no sounds: shown until there is another one."""
        return f"{self.latent_layout}-pca"

    @property
    @abstractmethod
    def sample_rate(self) -> int:
        """In Hz."""

    @property
    @abstractmethod
    def seconds(self) -> float:
        """Of a sound, as the layouts compare it."""

    @property
    @abstractmethod
    def latent_size(self) -> int:
        """Numbers of the latents of a sound."""

    @abstractmethod
    def warm(self) -> None:
        """Make one sound, so that the first click does not wait for what has to be loaded."""

    @abstractmethod
    def samples(self, rows: Floats) -> Floats:
        """Sounds ``(B, T)`` of rows ``(B, R)``, as they are measured."""

    @abstractmethod
    def played(self, row: Floats, note: float | None = None, hold: float | None = None) -> Floats:
        """One sound ``(T,)`` for listening, without a click at its end.

        Args:
            row: ``(R,)``.
            note: MIDI number of a key.
            hold: seconds for which the key is down.

        Raises:
            UserError: if its sounds cannot be played at a note, or held.
        """

    @abstractmethod
    def spectrograms(self, layout: str, rows: Floats) -> Floats:
        """Log-mel spectrograms in dB of rows ``(B, R)``, as a layout by sound compares them."""

    @abstractmethod
    def encode(self, rows: Floats) -> Floats:
        """Latents ``(B, D)`` of rows ``(B, R)``."""

    @abstractmethod
    def decode(self, latents: Floats) -> Floats:
        """Rows ``(B, R)`` of latents ``(B, D)``."""

    @abstractmethod
    def values(self, row: Floats) -> dict[str, float] | None:
        """Human values by name of a row ``(R,)``; None where it is no preset."""

    @abstractmethod
    def blend(self, collection: Collection, rows: Floats, weights: Floats, base: Floats | None) -> tuple[Floats, float]:
        """A weighted sum of sounds; with weights of either sign, arithmetic on sounds.

        Args:
            collection: collection of the map.
            rows: ``(N, R)``.
            weights: ``(N,)``.
            base: ``(R,)``, to which each sound adds its difference from it, times its weight.

        Returns:
            A row ``(R,)``, and the share of the weights that is audible.

        Raises:
            UserError: for weights that make no sound.
        """

    @abstractmethod
    def vary(
        self, collection: Collection, row: Floats, amount: float, count: int, keep: Sequence[str], seed: int, far: bool
    ) -> Moved:
        """Variations of a sound, the nearest first.

        Args:
            collection: collection of the map.
            row: ``(R,)``.
            amount: how far they may go, 0 to 1.
            count: how many.
            keep: parameters, or groups of them, that stay as they are.
            seed: seed of the draws.
            far: whether half of them go up to three times as far.

        Raises:
            UserError: if there is nothing of that name to keep.
        """

    @abstractmethod
    def path(self, corners: Floats, steps: int, way: str | None, even: bool | None) -> Moved:
        """Steps of a path.

        Args:
            corners: ``(N, R)``, at least 2, that it passes.
            steps: how many.
            way: kind of path; the source's own by default.
            even: whether steps are perceptually equal; by default as `way`.

        Raises:
            UserError: if there is no such way, or there are too few steps.
        """

    @abstractmethod
    def recorded(self, audio: Tensor) -> Floats:
        """Spectrograms ``(L, bands, frames)`` of the beginning of a recording ``(T,)``, for the layout by sound.

        There are several, at different levels, where the level of a recording says nothing.
        """

    @property
    @abstractmethod
    def estimates(self) -> bool:
        """Whether recordings can be encoded."""

    @abstractmethod
    def estimate(self, audio: Tensor, sample_rate: int, name: str) -> Floats:
        """Latents ``(1, D)`` of a recording ``(T,)``.

        Raises:
            UserError: naming the recording, if the answer is not finite.
            ConflictError: if the encoder is not the run's.
        """

    def placed(self, latents: Floats) -> Floats:
        """The part of latents ``(B, D)`` that the layout by latents compares."""
        return latents

    def decoded(self, layout: str, latents: Floats) -> Floats:
        """Spectrograms of what latents ``(B, D)`` decode to."""
        return self.spectrograms(layout, self.decode(latents))

    def pictures(self, latents: Floats) -> Floats:
        """Spectrograms ``(B, bands, frames)`` of what latents ``(B, D)`` decode to, 0 to 1 over 80 dB."""
        found = self.decoded(SOUND.name, latents)
        return np.clip(1.0 + (found - found.max(axis=(1, 2), keepdims=True)) / SHOWN, 0.0, 1.0)

    def point_samples(self, collection: Collection, numbers: NDArray[np.intp]) -> Floats:
        """Sounds ``(B, T)`` of points of a map."""
        return self.samples(collection.rows[numbers])

    def point_spectrograms(self, layout: str, collection: Collection, numbers: NDArray[np.intp]) -> Floats:
        """Their spectrograms, as `spectrograms` gives them."""
        return self.spectrograms(layout, collection.rows[numbers])


class PresetSource(Source):
    """Presets, rendered by the synth of a run: rows are unit parameters.

    Args:
        run: the model, which has parameters.
    """

    layouts = by_name(
        SOUND,
        Layout("timbre", "Timbre", "As Sound, with every sound at the same key and level."),
        Layout("parameters", "Parameters", "Presets with similar latents lie together: the space the model learned."),
    )
    latent_layout = "parameters"
    tools = frozenset({"parameters", "keys", "bank", "match", "plane", "playable"})

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.renderer = Renderer(run)
        self._read: AudioEncoder | None = None
        self._lock = threading.Lock()

    @property
    def sample_rate(self) -> int:
        """Of the run's presets."""
        return self.renderer.sample_rate

    @property
    def seconds(self) -> float:
        """Of the run's presets."""
        return self.run.settings.seconds

    @property
    def latent_size(self) -> int:
        """Of the run."""
        return self.run.latent_size

    def warm(self) -> None:
        """Render and encode the middle of the cube."""
        middle = np.full((1, len(self.run.parameters)), 0.5, np.float32)
        held = synth_kind(self.run.settings.synth).hold
        self.played(middle[0], None, 0.5 if held else None)
        self.decode(self.encode(middle))

    def samples(self, rows: Floats) -> Floats:
        """Of the run's length."""
        return self.renderer.samples(rows)

    def played(self, row: Floats, note: float | None = None, hold: float | None = None) -> Floats:
        """With its release."""
        return self.renderer.played(row, note, hold)

    def spectrograms(self, layout: str, rows: Floats) -> Floats:
        """At one key and level where the layout is that of timbre."""
        if layout != "timbre":
            return self.renderer.log_mel(rows)
        note = synth_kind(self.run.settings.synth).note
        return self.renderer.log_mel(rows, TIMBRE_NOTE if note in self.run.parameters.names else None, TIMBRE_LEVEL)

    def encode(self, rows: Floats) -> Floats:
        """Posterior means."""
        with torch.inference_mode():
            return self.run.encode(torch.from_numpy(np.ascontiguousarray(rows, np.float32))).numpy()

    def decode(self, latents: Floats) -> Floats:
        """Unit parameters."""
        with torch.inference_mode():
            return self.run.decode(torch.from_numpy(np.ascontiguousarray(latents, np.float32))).numpy()

    def values(self, row: Floats) -> dict[str, float]:
        """Without those that the run holds fixed."""
        human = self.run.parameters.denormalise(row.astype(np.float64))
        return dict(zip(self.run.parameters.names, human.tolist(), strict=True))

    def blend(self, collection: Collection, rows: Floats, weights: Floats, base: Floats | None) -> tuple[Floats, float]:
        """As `synthvae.exploration.morph.blend`; where the sum is silent, of smaller weights."""
        from synthvae.exploration.morph import blend

        if base is None:
            return blend(self.run, torch.from_numpy(rows), torch.from_numpy(weights)).numpy(), 1.0
        every = torch.from_numpy(np.concatenate([base[None], rows]))
        for share in SHARES:
            moved = np.concatenate([[1.0 - share * weights.sum()], share * weights]).astype(np.float32)
            tried = blend(self.run, every, torch.from_numpy(moved)).numpy()
            if np.sqrt(np.square(self.samples(tried[None])).mean()) > AUDIBLE:
                return tried, share
        return base, 0.0

    def vary(
        self, collection: Collection, row: Floats, amount: float, count: int, keep: Sequence[str], seed: int, far: bool
    ) -> Moved:
        """As `synthvae.exploration.vary.vary`."""
        from synthvae.exploration.vary import vary

        unit, near = torch.from_numpy(row), count - count // 2 if far else count
        parts = [vary(self.run, unit, amount, near, tuple(keep), seed)]
        if near < count:
            parts.append(vary(self.run, unit, min(1.0, FAR * amount), count - near, tuple(keep), seed + 1))
        distances = np.concatenate([part.distances for part in parts])
        order = np.argsort(distances, kind="stable")
        rows, latents = (torch.cat([getattr(part, name) for part in parts]).numpy() for name in ("unit", "latent"))
        remark = next((part.remark for part in parts if part.remark), "")
        return Moved(rows[order], latents[order], distances[order], remark)

    def path(self, corners: Floats, steps: int, way: str | None, even: bool | None) -> Moved:
        """As `synthvae.exploration.morph.morph`; smooth unless told otherwise."""
        from synthvae.exploration.morph import morph

        walk = morph(self.run, torch.from_numpy(corners), steps, way or "smooth", even)
        return Moved(walk.unit.numpy(), walk.latent.numpy(), walk.distances)

    def recorded(self, audio: Tensor) -> Floats:
        """At several levels: a recording's is that of its production."""
        samples = round(self.seconds * self.sample_rate)
        beginning = torch.nn.functional.pad(audio[:samples], (0, max(0, samples - len(audio))))
        with torch.inference_mode():
            return log_mel(torch.tensor(LEVELS)[:, None] * beginning, self.sample_rate).numpy()

    @property
    def estimates(self) -> bool:
        """Whether the run has an audio encoder."""
        return (self.run.path / ENCODER_FILE).exists()

    def estimate(self, audio: Tensor, sample_rate: int, name: str) -> Floats:
        """Of the run's audio encoder, which is read when it is first needed."""
        encoder = self._encoder()
        if encoder.sample_rate != sample_rate:
            audio = torch.from_numpy(resample(audio.numpy(), sample_rate, encoder.sample_rate))
        with torch.inference_mode():
            latent = encoder.encode(audio[None])[0].float().numpy()
        if not np.isfinite(latent).all():
            raise UserError(
                name, name, "train it again with synthvae train-encoder", "the encoder's output is not finite"
            )
        return latent

    def _encoder(self) -> AudioEncoder:
        with self._lock:
            if self._read is None:
                try:
                    self._read = read_encoder(self.run.path / ENCODER_FILE, self.run.weights_hash)
                except UserError as error:
                    raise ConflictError(*error.args) from None
            return self._read
