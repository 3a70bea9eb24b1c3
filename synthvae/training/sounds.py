"""Encoding and decoding of sounds with a run on recorded sounds, and sampling of new ones."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from synthvae.audio.notes import HIGHEST_NOTE
from synthvae.core.errors import UserError, choose_one
from synthvae.core.files import load_tensors, save_tensors
from synthvae.core.randomness import generator
from synthvae.data.library import Library, read_library
from synthvae.features.representations import Encoded, Representation, build_representation
from synthvae.models.spectrogram import SpectrogramModel
from synthvae.training.run import Run
from synthvae.training.sound_config import SoundConfig
from synthvae.training.tasks.base import SOUNDS
from synthvae.training.tasks.spectrogram import CHUNK, condition_on_pitch, conditions

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

__all__ = ["PRIORS", "SoundRun", "own_library"]

#: Distributions of new latents: the aggregate posterior of the training sounds, or the standard normal distribution.
PRIORS = ("aggregate", "normal")
#: Maximum number of Gaussians of the aggregate posterior, and minimum number of sounds per Gaussian.
COMPONENTS, SOUNDS_EACH = 10, 20
#: Added to the variances of the Gaussians.
REGULARISATION = 1e-4
LATENTS = "training-latents.safetensors"


@dataclasses.dataclass(frozen=True)
class SoundRun:
    """Encoding, decoding and sampling of sounds with a run.

    Attributes:
        run: the run; rejected with a `UserError` where its task has no sounds.
    """

    run: Run

    def __post_init__(self) -> None:
        self.run.require(SOUNDS)

    @property
    def model(self) -> SpectrogramModel:
        """The network, in evaluation mode."""
        assert isinstance(self.run.model, SpectrogramModel)
        return self.run.model

    @property
    def config(self) -> SoundConfig:
        """Settings of the training."""
        assert isinstance(self.run.config, SoundConfig)
        return self.run.config

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the library."""
        return tuple(self.run.description["labels"])

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return int(self.run.description["sample_rate"])

    @property
    def samples(self) -> int:
        """Number of samples of each sound of the library."""
        return int(self.run.description["samples"])

    @property
    def seconds(self) -> float:
        """Duration of each sound of the library in seconds."""
        return self.samples / self.sample_rate

    @property
    def latents_per_sound(self) -> int:
        """Number of latents of a sound of the library's length: 1 except for networks that encode frames."""
        return self.model.latents_of(self.representation.shape[2])

    @cached_property
    def representation(self) -> Representation:
        """The representation that the network encodes."""
        return build_representation(**self.run.description["representation"])

    def condition(self, count: int, label: str | None = None, pitch: float | None = None) -> Tensor:
        """Conditions ``(count, K)`` for sounds of one label or one pitch; K is 0 where the network has none.

        Raises:
            UserError: if a condition that the network needs is missing, one that it lacks is given, the label is
                unknown, or the pitch is not a MIDI note number.
        """
        kind = self.config.condition
        for argument, value in (("label", label), ("pitch", pitch)):
            if value is not None and kind != argument:
                raise UserError(
                    argument, value, "leave it out", why=f"but {self.run.path} was trained with condition {kind}"
                )
            if value is None and kind == argument:
                raise UserError(argument, value, f"give one, {self.run.path} was trained with them", "missing")
        if pitch is not None:
            if not 0 <= pitch <= HIGHEST_NOTE:
                raise UserError("pitch", pitch, f"give a MIDI note number, 0 to {HIGHEST_NOTE}")
            return condition_on_pitch(torch.full((count,), float(pitch)))
        found = torch.zeros(count, int(self.run.description["condition_size"]))
        if label is not None:
            if label not in self.labels:
                raise UserError("label", label, choose_one(label, self.labels))
            found[:, self.labels.index(label)] = 1.0
        return found

    @torch.inference_mode()
    def encode(self, audio: Tensor, condition: Tensor | None = None) -> Tensor:
        """Latents ``(N, D)`` of sounds ``(B, T)`` at the library's rate, without noise; N is B except for frames.

        Sounds are truncated or padded with silence to the library's length where the network requires it.
        """
        return self.model.embed(*self.representation.analyse(self._fitted(audio)), condition)

    def _fitted(self, audio: Tensor) -> Tensor:
        if not self.model.fixed_length:
            return audio
        return torch.nn.functional.pad(audio, (0, max(0, self.samples - audio.shape[1])))[:, : self.samples]

    @torch.inference_mode()
    def spectrograms(self, latent: Tensor, condition: Tensor | None = None, frames: int = 0) -> Encoded:
        """Values and levels of latents ``(N, D)``; values are in [0, 1] where the representation is bounded."""
        values, level = self.model.decode(latent.float(), condition, frames)
        return Encoded(values.clamp(0.0, 1.0) if self.representation.bounded else values, level)

    def decode(
        self,
        latent: Tensor,
        condition: Tensor | None = None,
        samples: int | None = None,
        phase: str = "default",
    ) -> Tensor:
        """Sounds ``(B, T)`` of latents ``(N, D)``.

        Args:
            latent: latents in the form that `encode` returns.
            condition: conditions ``(B, K)``, from `condition`.
            samples: length T in samples; by default that of the library. Others need a network of frames.
            phase: method of phase recovery, see `synthvae.features.representations.Representation.invert`.
        """
        samples = self.samples if samples is None else samples
        encoded = self.spectrograms(latent, condition, self.representation.frames(samples))
        return self.representation.invert(encoded, samples, phase)

    @torch.inference_mode()
    def library_latents(self, library: Library, rows: Iterable[int], seed: int | None = None) -> Tensor:
        """Latents of items of a library, in the order of `rows`.

        Args:
            library: library with the run's sample rate and length.
            rows: numbers of items.
            seed: seed of a draw from each posterior; None for latents without noise.

        Returns:
            Latents ``(N, D)``.
        """
        numbers, every = list(rows), conditions(library, self.config.condition)
        found = []
        for first in range(0, len(numbers), CHUNK):
            part = numbers[first : first + CHUNK]
            encoded = self.representation.analyse(torch.from_numpy(np.array(library.audio[part])))
            condition = every[part]
            if seed is None:
                found.append(self.model.embed(encoded.values, encoded.level, condition))
                continue
            count = len(part) * self.model.latents_of(encoded.values.shape[3])
            noise = torch.randn(count, self.model.latent_size, generator=generator(seed, first))
            found.append(self.model(encoded.values, encoded.level, condition, noise).latent)
        return torch.cat(found)

    def training_latents(self) -> Tensor:
        """Draws ``(N, D)`` from the posterior of each training sound, stored in the run's directory.

        Raises:
            UserError: if neither they nor the library exist.
        """
        path = self.run.path / LATENTS
        if path.exists():
            tensors, state = load_tensors(path)
            if state.get("weights_hash") == self.run.weights_hash:
                return tensors["latents"]
        library = own_library(self.run)
        found = self.library_latents(library, library.rows("train"), seed=0)
        with contextlib.suppress(UserError):  # read-only run: computed again next time
            save_tensors(path, {"latents": found}, {"weights_hash": self.run.weights_hash})
        return found

    @cached_property
    def aggregate_posterior(self) -> GaussianMixture:
        """The distribution of the training sounds' latents as a mixture of Gaussians."""
        from sklearn.mixture import GaussianMixture

        latents = self.training_latents().double().numpy()
        components = max(1, min(COMPONENTS, len(latents) // SOUNDS_EACH))
        mixture = GaussianMixture(components, reg_covar=REGULARISATION, random_state=0)
        return mixture.fit(latents)

    def sample(self, count: int, seed: int = 0, prior: str = "aggregate") -> Tensor:
        """New latents ``(count, D)``.

        Args:
            count: number of latents.
            seed: seed of the draws.
            prior: one of `PRIORS`. Where the latents of sounds are unlike the standard normal distribution, draws from
                ``normal`` fall between them.

        Raises:
            UserError: for any other prior.
        """
        if prior not in PRIORS:
            raise UserError("prior", prior, choose_one(prior, PRIORS))
        random = generator(seed)
        noise = torch.randn(count, self.model.latent_size, generator=random)
        if prior == "normal":
            return noise
        mixture = self.aggregate_posterior
        chosen = torch.multinomial(torch.from_numpy(mixture.weights_), count, replacement=True, generator=random)
        roots = torch.linalg.cholesky(torch.from_numpy(mixture.covariances_))[chosen]
        drawn = torch.from_numpy(mixture.means_)[chosen] + (roots @ noise.double()[:, :, None])[:, :, 0]
        return drawn.float()

    @torch.inference_mode()
    def around(self, audio: Tensor, count: int, seed: int = 0, condition: Tensor | None = None) -> Tensor:
        """Latents ``(count, D)`` around one sound ``(1, T)``: draws from its posterior.

        For a network of frames these are `count` draws of each of its latents, one draw after the other.
        """
        encoded = self.representation.analyse(self._fitted(audio))
        values, level = (part.expand(count, *part.shape[1:]) for part in encoded)
        latents = count * self.model.latents_of(values.shape[3])
        noise = torch.randn(latents, self.model.latent_size, generator=generator(seed))
        condition = None if condition is None else condition.expand(count, -1)
        return self.model(values, level, condition, noise).latent


def own_library(run: Run) -> Library:
    """The library that a run was trained on.

    Raises:
        UserError: if it is missing or was changed.
    """
    library = read_library(Path(run.config.data))
    if library.hash != run.dataset_hash:
        raise UserError(
            library.path,
            library.hash,
            "restore it, or name a copy of that one with `data`",
            f"is no longer the library that {run.path} was trained on (hash {library.hash}, not {run.dataset_hash})",
        )
    return library
