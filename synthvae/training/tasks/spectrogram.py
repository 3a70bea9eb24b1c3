"""Training task on recorded sounds: an autoencoder of their spectrograms.

Total = error of the spectrogram + level weight * error of the level + kl_weight * KL, in nats per sound; with the loss
``mse`` the error and the level are per value of the spectrogram.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synthvae.core.errors import UserError
from synthvae.core.randomness import epoch_order, generator, posterior_noise, seeded
from synthvae.data.library import PITCH
from synthvae.features.representations import Encoded, Representation, build_representation
from synthvae.losses.terms import free_bits
from synthvae.models.spectrogram import SpectrogramModel, SpectrogramOutput, build_spectrogram_model
from synthvae.training.config import resolve_sound_config
from synthvae.training.finite import listed
from synthvae.training.schedules import kl_factor
from synthvae.training.sound_config import RECORDED_SOUNDS, SoundConfig
from synthvae.training.tasks.base import AUDIO, SOUNDS, Place, Task, Validation

if TYPE_CHECKING:
    from synthvae.data.library import Library

__all__ = ["ACTIVE_VARIANCE", "SpectrogramTask", "condition_on_pitch", "conditions", "find_representation"]

#: Minimised KL divergence, with free bits subtracted.
ABOVE_FREE = "kl_above_free"
#: A latent dimension is active where the variance of the sounds' latents is above this (Burda et al., ICLR 2016).
ACTIVE_VARIANCE = 0.01
#: Maximum number of training sounds that give the mean and deviation, and number of sounds analysed at a time.
STATISTICS, CHUNK = 2048, 64
#: Scale of the condition ``pitch``: the note at 0, and notes per unit.
MIDDLE_NOTE, NOTES = 60.0, 24.0
#: Lower limits of deviations and of the error, so that a library of equal sounds can be trained on.
LEAST_DEVIATION, LEAST_LEVEL_DEVIATION, LEAST_ERROR = 1e-4, 1.0, 1e-8
#: Constant that the published cross-entropy adds to a probability, and the published epsilon of Adam.
PUBLISHED_FLOOR, PUBLISHED_EPSILON = 1e-8, 1e-4


class SpectrogramTask(Task[SoundConfig]):
    """An autoencoder of a library's sounds, compared by a representation.

    Representations are computed for each batch from the library's memory-mapped audio: that takes a small share of a
    step, and its memory and disk usage do not grow with the library.
    """

    name = RECORDED_SOUNDS
    settings_type = SoundConfig
    abilities = frozenset({AUDIO, SOUNDS})
    changeable = Task.changeable | {"data"}

    def __init__(self, settings: SoundConfig, library: Library) -> None:
        """Check settings against each other and the library.

        Raises:
            UserError: for settings that contradict each other, or a library that lacks what they need.
        """
        super().__init__(settings)
        self.settings = self.phase = settings = settings.resolved()
        self.library = library
        self.representation = find_representation(settings, library.sample_rate, library.samples)
        self.logits = settings.loss == "cross-entropy" or (settings.network == "dense" and settings.as_published)
        _check(settings, self.representation, self.logits)
        for split in ("train", "validation"):
            if not library.rows(split):
                raise UserError("data", settings.data, "give one with a test split and more items", f"no {split} items")
        self.conditions = conditions(library, settings.condition)
        if settings.as_published and settings.network == "spectrogram-iaf":
            self.adam_epsilon = PUBLISHED_EPSILON

    def describe(self) -> dict[str, Any]:
        """The library and the representation."""
        library = self.library
        return {
            "dataset_hash": library.hash,
            "sample_rate": library.sample_rate,
            "samples": library.samples,
            "labels": list(library.labels),
            "items": {split: len(library.rows(split)) for split in ("train", "validation", "test")},
            "representation": self.representation.header(),
            "shape": list(self.representation.shape),
            "condition_size": self.conditions.shape[1],
        }

    def record(self) -> dict[str, Any]:
        """Settings, with the library's directory as an absolute path."""
        return asdict(self.settings) | {"data": str(Path(self.settings.data).resolve())}

    @classmethod
    def read_settings(cls, values: Mapping[str, Any], source: str) -> SoundConfig:
        """Settings written by `record`."""
        return resolve_sound_config(None, values, source)

    @classmethod
    def build(cls, settings: SoundConfig, description: Mapping[str, Any]) -> SpectrogramModel:
        """Build the network for the described spectrogram shape."""
        options = {
            "condition_size": int(description["condition_size"]),
            "logits": settings.loss == "cross-entropy" or (settings.network == "dense" and settings.as_published),
            "published": settings.as_published,
            "autoencoder": settings.autoencoder,
        }
        return build_spectrogram_model(
            settings.network,
            tuple(description["shape"]),
            settings.latent,
            flows=settings.flows,
            dropout=settings.dropout,
            widths=settings.widths,
            decoder_widths=settings.decoder_widths,
            frames=settings.frames,
            last_relu=settings.last_relu,
            options=options,
        )

    def require_same(self, out: Path, description: Mapping[str, Any]) -> None:
        """Reject another library, by its hash, or another representation of it."""
        before, now = description.get("dataset_hash"), self.library.hash
        if before != now:
            raise UserError(
                self.library.path,
                now,
                f"give that one, or {self.otherwise}",
                f"is not the library {before} that {out} was trained on (hash {now})",
            )
        super().require_same(out, description)

    # Called once.

    @property
    def _measured(self) -> range:
        """Training sounds that the network's statistics are computed from, evenly spaced."""
        rows = self.library.rows("train")
        return rows[:: -(-len(rows) // STATISTICS)]

    @property
    def preparation_parts(self) -> int:
        """One part for each measured sound."""
        return 0 if self.settings.as_published else len(self._measured)

    def prepare(self, progress: Callable[[int], object] = lambda done: None) -> None:
        """Compute the mean spectrogram, the deviation from it and the level of training sounds."""
        if self.settings.as_published or hasattr(self, "statistics"):
            return
        total = torch.zeros(self.representation.shape, dtype=torch.float64)
        square, levels, done = torch.zeros(total.shape[0], dtype=torch.float64), [], 0
        for values, level, _ in self.encoded(self._measured):
            total += values.double().sum(0)
            square += values.double().square().sum((0, 2, 3))
            levels.append(level.double())
            done += len(values)
            progress(done)
        mean, every = total / done, torch.cat(levels)
        variance = square / (done * mean[0].numel()) - mean.square().mean((1, 2))
        deviation = every.std(correction=0).clamp_min(LEAST_LEVEL_DEVIATION)
        scale = variance.clamp_min(0.0).sqrt().clamp_min(LEAST_DEVIATION)
        self.statistics = mean.float(), scale.float(), float(every.mean()), float(deviation)

    def adopt(self, model: nn.Module) -> None:
        """Set the network's statistics of the training sounds."""
        assert isinstance(model, SpectrogramModel)
        self.model = model
        if not self.settings.as_published:
            model.standardise(*self.statistics)

    def begin(self, phase: SoundConfig) -> None:
        """Set the number of items, and the maximum norm of the gradient in the units of the loss."""
        super().begin(phase)
        train, validation = self.library.rows("train"), self.library.rows("validation")
        self.items = phase.epoch_steps * phase.batch_size or len(train)
        self.validation_items = min(len(validation), phase.validation_limit)
        values = 1 if phase.loss == "mse" else math.prod(self.representation.shape)
        self.gradient_norm = 0.0 if phase.as_published else phase.gradient_clip * values
        self._orders: dict[int, Tensor] = {}

    # Called each step.

    def encoded(self, rows: range) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Values, levels and conditions of rows of the library, in chunks, on the task's device."""
        for first in range(0, len(rows), CHUNK):
            part = rows[first : first + CHUNK]
            audio = torch.from_numpy(np.array(self.library.audio[part.start : part.stop : part.step]))
            values, level = self.representation.analyse(audio.to(self.device))
            yield values, level, self.conditions[torch.tensor(part)].to(self.device)

    def batch(self, place: Place) -> dict[str, Tensor]:
        """The sounds, their conditions, and the noise of their posterior samples."""
        rows = self._rows(place) + self.library.rows("train").start
        latents = self.model.latents_of(self.representation.shape[2])
        noise = posterior_noise(place.seed, place.epoch, place.step, len(rows) * latents, self.settings.latent)
        return {
            "audio": torch.from_numpy(np.array(self.library.audio[rows.numpy()])),
            "condition": self.conditions[rows],
            "noise": noise.unflatten(0, (len(rows), latents)),
        }

    def locate(self, rows: Tensor, place: Place | None) -> str:
        """Numbers of the sounds in the library."""
        numbers = self._rows(place)[rows] if place else rows
        first = self.library.rows("train" if place else "validation").start
        return f"sounds {listed((numbers + first).tolist())} of {self.library.path.name}"

    def _rows(self, place: Place) -> Tensor:
        """Numbers of training sounds; with a fixed number of steps per epoch, passes continue across epochs."""
        size, count = self.phase.batch_size, len(self.library.rows("train"))
        if not self.phase.epoch_steps:
            return self._order(place.seed, place.epoch)[place.step * size : (place.step + 1) * size]
        first = (place.epoch * self.phase.epoch_steps + place.step) * size
        passes = range(first // count, (first + size - 1) // count + 1)
        whole = torch.cat([self._order(place.seed, number) for number in passes])
        return whole[first - passes.start * count :][:size]

    def _order(self, seed: int, number: int) -> Tensor:
        if number not in self._orders:
            while len(self._orders) > 1:
                del self._orders[min(self._orders)]
            self._orders[number] = epoch_order(seed, number, len(self.library.rows("train")))
        return self._orders[number]

    def terms(self, model: nn.Module, batch: Mapping[str, Tensor], place: Place) -> dict[str, Tensor]:
        """One pass of the network, and its unweighted loss terms."""
        encoded = self.representation.analyse(batch["audio"])
        dropout = self.settings.dropout > 0
        with seeded(self.device, place.seed, 3, place.epoch, place.step) if dropout else nullcontext():
            output = model(encoded.values, encoded.level, batch["condition"], batch["noise"].flatten(0, 1))
        terms = self._terms(output, encoded)
        if self.phase.free_bits and not self.settings.autoencoder:
            terms[ABOVE_FREE] = free_bits(output.kl, self.phase.free_bits)
        return terms

    def _terms(self, output: SpectrogramOutput, encoded: Encoded) -> dict[str, Tensor]:
        """Unweighted terms ``(B,)``: mean squared error per channel or cross-entropy, squared level error, KL."""
        values, raw = encoded.values, output.raw
        terms: dict[str, Tensor] = {}
        if self.phase.loss == "cross-entropy":
            terms["cross_entropy"] = self._cross_entropy(raw, values) - entropy(values)
        else:
            answer = torch.sigmoid(raw) if self.logits else raw
            errors = ((answer - values) / self.model.scale).square().mean((2, 3))
            terms |= dict(zip(self._errors, errors.unbind(1), strict=True))
        if output.level is not None:
            terms["level"] = (output.level - encoded.level).square()
        if not self.settings.autoencoder:
            terms["kl"] = output.kl.sum(1)
        return terms

    @property
    def _errors(self) -> list[str]:
        """Names of the squared errors: one in total, or one per channel."""
        channels = self.representation.shape[0]
        return ["squared_error"] if channels == 1 else [f"squared_error_{number}" for number in range(channels)]

    def _cross_entropy(self, raw: Tensor, values: Tensor) -> Tensor:
        if self.settings.as_published:
            answer = torch.sigmoid(raw)
            first, second = torch.log(answer + PUBLISHED_FLOOR), torch.log(1.0 - answer + PUBLISHED_FLOOR)
            return -(values * first + (1.0 - values) * second).sum((1, 2, 3))
        return F.binary_cross_entropy_with_logits(raw, values, reduction="none").sum((1, 2, 3))

    def kl_weight(self, progress: float) -> float:
        """Weight of the KL divergence at a point of the phase; at infinity its final value."""
        phase = self.phase
        if progress == math.inf:
            return phase.kl_weight
        epoch = math.floor(progress) if phase.kl_per_epoch else progress
        return phase.kl_weight * kl_factor(phase.kl_schedule, epoch, phase.kl_warmup, phase.kl_baseline)

    def weigh(self, terms: Mapping[str, Tensor], progress: float) -> Tensor:
        """The weighted sum of the means, with free bits."""
        phase, shape = self.phase, self.representation.shape
        level_weight = phase.level_weight
        if phase.loss == "cross-entropy":
            total = terms["cross_entropy"].mean()
        else:
            errors = torch.stack([terms[name].mean() for name in self._errors])
            if phase.loss == "mse":
                total, level_weight = errors.mean(), level_weight / math.prod(shape)
            elif phase.sigma == "learnt":
                # The most likely variance is the mean squared error (Rybkin et al., ICML 2021), up to constants.
                total = 0.5 * shape[1] * shape[2] * errors.clamp_min(LEAST_ERROR).log().sum()
            else:
                total = 0.5 * shape[1] * shape[2] * errors.sum() / float(phase.sigma) ** 2
        if "level" in terms:
            total = total + level_weight * terms["level"].mean()
        if "kl" in terms:
            total = total + self.kl_weight(progress) * terms.get(ABOVE_FREE, terms["kl"]).mean()
        return total

    # Called each epoch.

    def validate(self, model: nn.Module, limit: int | None = None) -> Validation:
        """Terms with one draw per sound, the same in every epoch; and errors of sounds decoded without noise."""
        rows = self.library.rows("validation")[: self.phase.validation_limit][:limit]
        latents = self.model.latents_of(self.representation.shape[2])
        collected: dict[str, list[Tensor]] = {}
        kl, codes, floors = [], [], []
        error = MeanSpectrogramRatio(self.representation.shape, self.device)
        for number, (values, level, condition) in enumerate(self.encoded(rows)):
            noise = torch.randn(
                len(values) * latents, self.settings.latent, generator=generator(self.settings.seed, 4, number)
            )
            output = model(values, level, condition, noise.to(self.device))
            for name, value in self._terms(output, Encoded(values, level)).items():
                collected.setdefault(name, []).append(value)
            kl.append(output.kl)
            if not self.settings.autoencoder:
                output = model(values, level, condition)
            codes.append(output.latent)
            error.add(torch.sigmoid(output.raw) if self.logits else output.raw, values)
            if self.phase.loss == "cross-entropy":
                floors.append(entropy(values))
        each = {name: torch.cat(values).double() for name, values in collected.items()}
        terms = {name: values.mean() for name, values in each.items()}
        details = {"kl": torch.cat(kl).double().mean(0), "variance": torch.cat(codes).double().var(0, correction=0)}
        details["to_mean_spectrogram"] = error.ratio()
        if floors:
            details["entropy"] = torch.cat(floors).double().mean()
        return Validation(terms, details, each)

    def row(self, train: Mapping[str, Tensor], validation: Validation, progress: float) -> dict[str, float]:
        """Terms of both splits, errors relative to the mean spectrogram, and the use of the latent space."""
        details = validation.details
        row = super().row(train, validation, progress)
        ratios = details["to_mean_spectrogram"].tolist()
        row["validation/to_mean_spectrogram"] = ratios[-1]
        if len(ratios) > 2:
            row |= {f"validation/to_mean_spectrogram_{number}": value for number, value in enumerate(ratios[:-1])}
        if "entropy" in details:  # entropy of the spectrograms themselves, included in the published figure
            row["validation/entropy"] = float(details["entropy"])
        row["active_units"] = float((details["variance"] > ACTIVE_VARIANCE).sum())
        if self.settings.autoencoder:
            return row
        row["kl_weight"] = self.kl_weight(progress)
        return row | {f"kl/{number:02d}": float(value) for number, value in enumerate(details["kl"])}

    @property
    def remedy(self) -> str:
        """Advice for a loss that is not finite."""
        if self.settings.as_published:
            return f"{super().remedy}, or leave out `as_published`, which trains without bounds"
        return f"{super().remedy} or `gradient_clip` (now {self.phase.gradient_clip:g})"


class MeanSpectrogramRatio:
    """Sum of squared errors relative to that of the mean spectrogram of the same sounds, per channel and in total.

    Args:
        shape: (C, H, W).
        device: device of the added tensors.
    """

    def __init__(self, shape: tuple[int, int, int], device: torch.device) -> None:
        self._total = torch.zeros(shape, dtype=torch.float64, device=device)
        self._square = torch.zeros(shape[0], dtype=torch.float64, device=device)
        self._error = torch.zeros(shape[0], dtype=torch.float64, device=device)
        self._count = 0

    def add(self, answers: Tensor, values: Tensor) -> None:
        """Add sounds: outputs of the network and target values, each ``(B, C, H, W)``."""
        exact = values.double()
        self._error += (answers.double() - exact).square().sum((0, 2, 3))
        self._total += exact.sum(0)
        self._square += exact.square().sum((0, 2, 3))
        self._count += len(values)

    def ratio(self) -> Tensor:
        """Ratios ``(C + 1,)`` of each channel and of all together; 1 if all sounds are equal."""
        null = (self._square - self._total.square().sum((1, 2)) / self._count).clamp_min(0.0)
        error, null = (torch.cat([value, value.sum()[None]]) for value in (self._error, null))
        return torch.where(null > 0.0, error / null.clamp_min(torch.finfo(torch.float64).tiny), 1.0)


def entropy(values: Tensor) -> Tensor:
    """Entropy ``(B,)`` in nats of values ``(B, C, H, W)`` as probabilities: the minimum of the cross-entropy."""
    return (torch.special.entr(values) + torch.special.entr(1.0 - values)).sum((1, 2, 3))


def find_representation(settings: SoundConfig, sample_rate: int, samples: int) -> Representation:
    """Build the representation named by resolved settings.

    Raises:
        UserError: if it does not accept its options.
    """
    return build_representation(settings.representation, sample_rate, samples, **settings.representation_options)


def conditions(library: Library, condition: str) -> Tensor:
    """Inputs of encoder and decoder besides the sound, for every item: ``(N, K)``.

    One-hot vectors of K labels, a pitch (`condition_on_pitch`), or nothing, K = 0.

    Raises:
        UserError: if the library has no pitches.
    """
    count = len(library.items)
    if condition == "label":
        number = {label: position for position, label in enumerate(library.labels)}
        found = torch.tensor([number[str(label)] for label in library.items["label"]])
        return F.one_hot(found, len(number)).float()
    if condition == "pitch":
        pitches = library.items.get(PITCH)
        if pitches is None or not np.isfinite(pitches.to_numpy(float)).all():
            raise UserError(
                "condition",
                condition,
                f"choose none or label, or import it again with a table that has a column `{PITCH}`",
                why=f"but not all items of {library.path} have a pitch",
            )
        return condition_on_pitch(torch.tensor(pitches.to_numpy(float)))
    return torch.zeros(count, 0)


def condition_on_pitch(notes: Tensor) -> Tensor:
    """Conditions ``(B, 1)`` of MIDI note numbers ``(B,)``."""
    return ((notes[:, None] - MIDDLE_NOTE) / NOTES).float()


def _check(settings: SoundConfig, representation: Representation, logits: bool) -> None:
    """Reject settings that contradict each other.

    Raises:
        UserError: naming them.
    """
    if logits and not representation.bounded:
        raise UserError(
            "representation",
            settings.representation,
            "choose one such as mel, or another `loss`",
            why=f"whose values are not all in [0, 1], as {settings.network} with {settings.loss} needs",
        )
    if settings.frames and settings.network != "dense":
        raise UserError("frames", settings.frames, "leave it out", why=f"which {settings.network} does not have")
    if settings.flows and settings.autoencoder and settings.network == "spectrogram-iaf":
        raise UserError("flows", settings.flows, "give 0", why="but an autoencoder has no posterior to move")
