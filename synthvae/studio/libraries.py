"""Recorded sounds on a map: the sounds of a library as they are, and what a run decodes from latents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.audio.resampling import resample
from synthvae.core.errors import UserError
from synthvae.core.randomness import generator
from synthvae.data.library import Library
from synthvae.exploration.even import choose_stops
from synthvae.exploration.recorded_sounds import decode_all
from synthvae.features.mel import at_level, log_mel
from synthvae.maps.aspects import aspect_rows
from synthvae.maps.labels import held_out_guesses, predict_labels
from synthvae.maps.spectra import SpectralFeatures
from synthvae.metrics.logmel_distance import consecutive, paired, pairwise
from synthvae.studio.collection import Collection
from synthvae.studio.sources import FAR, SOUND, TIMBRE_LEVEL, Layout, Moved, Source, by_name
from synthvae.synths.rendering import fade_out
from synthvae.training.run import Run
from synthvae.training.sounds import SoundRun
from synthvae.training.tasks.spectrogram import conditions

__all__ = ["Aspects", "Guesses", "LibrarySource", "encode_library", "guess_all", "measure_aspects"]

Floats = NDArray[np.float32]

#: Sounds whose spectrograms are made at a time.
_BATCH = 128
#: Sounds that a classifier of labels learns from, at most.
LEARNT = 5000
#: Points of a path per step, among which evenly spaced ones are chosen.
POINTS_PER_STEP = 4


class LibrarySource(Source):
    """Sounds that a run decodes: rows are the latents of a sound, in a row, and behind them its condition.

    Sounds are compared at one level, because that of a recording says nothing of the sound.

    Args:
        run: the model, which has sounds.
    """

    layouts = by_name(
        SOUND, Layout("latent", "Latent", "Sounds with similar latents lie together: the space the model learned.")
    )
    latent_layout = "latent"
    tools = frozenset({"originals"})

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.model = SoundRun(run)

    @property
    def sample_rate(self) -> int:
        """Of the library."""
        return self.model.sample_rate

    @property
    def seconds(self) -> float:
        """Of a sound of the library."""
        return self.model.seconds

    @property
    def latent_size(self) -> int:
        """Those of all frames, with the condition."""
        return self._width + int(self.run.description["condition_size"])

    @cached_property
    def _width(self) -> int:
        return self.model.latents_per_sound * self.run.latent_size

    def warm(self) -> None:
        """Decode the middle of the latent space."""
        self.played(np.zeros(self.latent_size, np.float32))

    def samples(self, rows: Floats) -> Floats:
        """Of the library's length."""
        given = torch.from_numpy(np.ascontiguousarray(rows, np.float32))
        latents = given[:, : self._width].reshape(-1, self.run.latent_size)
        return np.stack(list(decode_all(self.model, latents, given[:, self._width :])))

    def played(self, row: Floats, note: float | None = None, hold: float | None = None) -> Floats:
        """Faded out at its end."""
        for argument, value in (("note", note), ("hold", hold)):
            if value is not None:
                raise UserError(argument, value, "leave it out", why="but recorded sounds are not played on keys")
        return fade_out(self.samples(row[None])[0], self.sample_rate)

    def spectrograms(self, layout: str, rows: Floats) -> Floats:
        """Of what the rows decode to."""
        return np.concatenate([self.compared(self.samples(part)) for part in _parts(rows)])

    def encode(self, rows: Floats) -> Floats:
        """Rows are latents."""
        return rows

    def decode(self, latents: Floats) -> Floats:
        """Latents are rows."""
        return latents

    def pictures(self, latents: Floats) -> Floats:
        """Of what the network answers, where that is a mel spectrogram from 0 to 1: nothing has to become sound."""
        representation = self.model.representation
        if not representation.bounded or representation.shape[0] != 1 or self.model.latents_per_sound != 1:
            return super().pictures(latents)
        given = torch.from_numpy(np.ascontiguousarray(latents, np.float32))
        frames = representation.frames(self.model.samples)
        found = [
            self.model.spectrograms(part[:, : self._width], part[:, self._width :], frames).values
            for part in given.split(_BATCH)
        ]
        return torch.cat(found)[:, 0].numpy()

    def placed(self, latents: Floats) -> Floats:
        """Without the condition."""
        return latents[:, : self._width]

    def point_samples(self, collection: Collection, numbers: NDArray[np.intp]) -> Floats:
        """The recordings."""
        return collection.recordings(numbers)

    def point_spectrograms(self, layout: str, collection: Collection, numbers: NDArray[np.intp]) -> Floats:
        """Of the recordings."""
        return np.concatenate([self.compared(collection.recordings(part)) for part in _parts(numbers)])

    def values(self, row: Floats) -> None:
        """There are no parameters."""

    def blend(self, collection: Collection, rows: Floats, weights: Floats, base: Floats | None) -> tuple[Floats, float]:
        """The weighted mean of latents; with weights of either sign, their differences from a base, added to it.

        Without a base that is the mean of the map's latents. The condition is the mean of those that are added.
        """
        added = np.clip(weights, 0.0, None)
        if base is None and (weights >= 0.0).all():
            if not added.any():
                raise UserError("weights", weights, "give at least one other", "all 0, which is no blend")
            return (added / added.sum()) @ rows, 1.0
        start = collection.latents.mean(axis=0) if base is None else base
        found = start + weights @ (rows - start)
        condition = start if not added.any() else (added / added.sum()) @ rows
        return np.concatenate([found[: self._width], condition[self._width :]]).astype(np.float32), 1.0

    def vary(
        self, collection: Collection, row: Floats, amount: float, count: int, keep: Sequence[str], seed: int, far: bool
    ) -> Moved:
        """The latents with normal noise, whose deviation is a share of that of the map's latents."""
        if keep:
            raise UserError("keep", keep[0], "leave it out", why="but a run on recorded sounds has no parameters")
        near = count - count // 2 if far else count
        shares = np.concatenate(
            [np.arange(1, near + 1) / near, 1.0 + (FAR - 1.0) * np.arange(1, count - near + 1) / max(1, count - near)]
        )
        noise = torch.randn(count, self._width, generator=generator(seed)).numpy()
        spread = self.placed(collection.latents).std(axis=0)
        rows = np.repeat(row[None], count, axis=0)
        rows[:, : self._width] += (amount * shares)[:, None] * spread * noise
        distances = paired(*(torch.from_numpy(self.spectrograms("sound", one)) for one in (row[None], rows)))
        order = np.argsort(distances, kind="stable")
        return Moved(rows[order], rows[order], distances[order])

    def path(self, corners: Floats, steps: int, way: str | None, even: bool | None) -> Moved:
        """Straight lines between latents."""
        if way not in (None, "latent"):
            raise UserError("way", way, "choose latent", why="which takes parameters")
        if steps < len(corners):
            raise UserError("steps", steps, f"give at least {len(corners)}, one for each sound")
        count = POINTS_PER_STEP * (steps - 1) + 1 if even else steps
        given = np.arange(len(corners), dtype=np.float64)
        at = np.linspace(0.0, given[-1], count)
        at = np.union1d(at, given) if even else at
        before = np.minimum(at.astype(np.intp), len(corners) - 2)
        rows = (corners[before] + (at - before)[:, None] * (corners[before + 1] - corners[before])).astype(np.float32)
        spectra = torch.from_numpy(self.spectrograms("sound", rows)).flatten(1)
        if even:
            stops = choose_stops(pairwise(spectra), at, steps, np.searchsorted(at, given).tolist())
            rows, spectra = rows[stops], spectra[torch.from_numpy(stops)]
        return Moved(rows, rows, consecutive(spectra))

    def recorded(self, audio: Tensor) -> Floats:
        """Cut or filled up with silence to the length of the library's sounds."""
        return self.compared(audio[None].numpy())

    def estimate(self, audio: Tensor, sample_rate: int, name: str) -> Floats:
        """The encoder's answer, without noise, under the mean condition."""
        latents = self.model.encode(self._fitted(audio)[None], torch.zeros(1, self.latent_size - self._width))
        return np.concatenate([latents.flatten().numpy(), np.zeros(self.latent_size - self._width, np.float32)])[None]

    @property
    def estimates(self) -> bool:
        """Every such run has an encoder."""
        return True

    def _fitted(self, audio: Tensor) -> Tensor:
        samples = self.model.samples
        return torch.nn.functional.pad(audio[:samples], (0, max(0, samples - len(audio))))

    def compared(self, sounds: Floats) -> Floats:
        """Log-mel spectrograms in dB of sounds ``(B, T)`` of any length, as the layout by sound compares them."""
        audio = torch.stack([self._fitted(sound) for sound in torch.from_numpy(sounds)])
        with torch.inference_mode():
            return log_mel(at_level(audio, TIMBRE_LEVEL), self.sample_rate).numpy()


def encode_library(source: LibrarySource, library: Library, numbers: NDArray[np.intp]) -> Floats:
    """Rows ``(N, R)`` of items of a library.

    Raises:
        UserError: if the library does not have what the network is given besides sounds.
    """
    model = source.model
    latents = model.library_latents(library, numbers.tolist()).reshape(len(numbers), -1)
    condition = conditions(library, model.config.condition)[torch.from_numpy(numbers)]
    rows = torch.cat([latents, condition], dim=1)
    if rows.shape[1] != source.latent_size:
        raise UserError(
            "data",
            library.path,
            "give a library with the same labels",
            f"its labels are not those of {source.run.path}",
        )
    return rows.float().numpy()


@dataclass(frozen=True)
class Guesses:
    """Labels by a classifier.

    Attributes:
        labels: ``(N,)``, numbers of the labels of the library that the classifier was trained on.
    """

    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Aspects:
    """Rows of the points, as `synthvae.maps.aspects.aspect_rows` gives them.

    Attributes:
        rows: ``(N, K)`` by aspect.
    """

    rows: Mapping[str, Floats]


def measure_aspects(source: Source, collection: Collection) -> Aspects:
    """Aspects of all points of a map."""
    parts = [
        aspect_rows(source.point_spectrograms(SOUND.name, collection, part))
        for part in _parts(np.arange(len(collection)))
    ]
    return Aspects({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def guess_all(source: Source, collection: Collection, features: SpectralFeatures) -> Guesses:
    """Guess the label of each point by a classifier that was trained on the recordings of a labelled library.

    Where that is the library on the map, each point by one that was trained on others.

    Args:
        source: source of the sounds.
        collection: the points.
        features: features of the layout by sound, which the classifier compares.
    """
    reference = collection.named_by
    assert isinstance(source, LibrarySource)
    assert reference is not None
    assert collection.library is not None
    every = {label: number for number, label in enumerate(reference.labels)}
    numbers = np.arange(min(LEARNT, len(reference))) * len(reference) // min(LEARNT, len(reference))
    labels = np.array([every[label] for label in reference.items["label"].to_numpy()[numbers]])
    if reference.hash == collection.library.hash:
        groups = collection.library.items["group"].to_numpy()[collection.numbers]
        return Guesses(held_out_guesses(features.rows, collection.labels, groups).astype(np.int64))
    known = []
    for part in _parts(numbers):
        sounds = np.array(reference.audio[part])
        if reference.sample_rate != source.sample_rate:
            sounds = np.stack([resample(sound, reference.sample_rate, source.sample_rate) for sound in sounds])
        known.append(features.project(source.compared(sounds.astype(np.float32))))
    return Guesses(predict_labels(np.concatenate(known), labels, features.rows).astype(np.int64))


def _parts(rows: NDArray) -> list[NDArray]:
    return [rows[first : first + _BATCH] for first in range(0, len(rows), _BATCH)]
