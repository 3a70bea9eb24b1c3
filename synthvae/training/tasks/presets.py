"""Training task on presets: statistics computed before training, loss terms, and validation.

Total = parameter weight * parameter error + alpha * clamp + beta * (spectral or perceptual) + kl_weight * KL.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from synthvae.core.errors import UserError
from synthvae.core.randomness import epoch_order, frame_offset, posterior_noise
from synthvae.core.stopwatch import Stopwatch
from synthvae.data.presets import MOST_JSON, Dataset
from synthvae.data.streaming import ShuffledPresets
from synthvae.features import EVERY_FRAME, Frames, build_feature
from synthvae.losses import LOSSES, AudioLoss, BetaController, PnpLoss, build_loss
from synthvae.losses.terms import clamp_penalty, free_bits, kl_divergence, parameter_error
from synthvae.models import LatentModel, SelectiveVAE, VAEOutput, build_model, parse_architecture
from synthvae.synths.base import Synth
from synthvae.synths.registry import synth_kind
from synthvae.synths.sensitivity import PerceptualMetric, effect_on_dataset, metric_path, read_metric
from synthvae.training.clipping import clip_gradient_per_preset
from synthvae.training.config import TrainConfig, resolve_config
from synthvae.training.finite import listed
from synthvae.training.quality import QualityMeter
from synthvae.training.rows import ROWS, row_by_row
from synthvae.training.schedules import kl_factor
from synthvae.training.targets import TargetSounds, check_room
from synthvae.training.tasks.base import PARAMETERS, Place, Task, Validation

__all__ = ["ACTIVE_NATS", "COMPARED", "TERMS", "Objective", "Preparation", "PresetTask", "Weights"]
__all__ += ["perceptual_loss", "typical"]

TERMS = ("parameter", "clamp", "perceptual", "spectral", "kl")
#: Terms that measure the audible distance of a preset from its target; a phase has at most one of them.
COMPARED = ("perceptual", "spectral")
#: Minimised KL divergence, with free bits subtracted.
ABOVE_FREE = "kl_above_free"
#: A latent dimension counts as active where its mean KL divergence is above this many nats.
ACTIVE_NATS = 0.05
VALIDATION_BATCH = 128
#: Number of validation presets that are compared with null models after each epoch.
METERED = 256
#: Feature whose metric and effects are used.
AUDIBLE_FEATURE = "logmel"


#: Sounds ``(high - low, T)`` of the rows `low` to `high` of a batch.
Targets = Callable[[int, int], Tensor]


@dataclass(frozen=True)
class Preparation:
    """Statistics computed before training: perceptual metric and sensitivities.

    Attributes:
        effect: how much each parameter changes the sound over its range, ``(P,)`` in dB²; None if not needed.
        held: columns that affect the sound only through oscillator phases, which the selective network does not
            correct.
        metric: the dataset's perceptual metric; None if not needed.
    """

    effect: Tensor | None = None
    held: tuple[int, ...] = ()
    metric: PerceptualMetric | None = None


class PresetTask(Task[TrainConfig]):
    """An autoencoder of presets, compared by their parameters and by their sounds."""

    name = "presets"
    settings_type = TrainConfig
    abilities = frozenset({PARAMETERS})
    changeable = Task.changeable | {"data", "cache_targets"}

    def __init__(
        self, settings: TrainConfig, dataset: Dataset, voice: nn.Module | None, preparation: Preparation | None = None
    ) -> None:
        """Check settings against each other.

        The metric is read from beside the dataset. `voice` renders ``(B, P)`` to ``(B, T)``, and is not needed where no
        loss compares sounds; `preparation` is the result of `prepare`, if known.

        Raises:
            UserError: for unknown or contradictory settings.
        """
        super().__init__(settings)
        self.dataset, self.voice, self.preparation = dataset, voice, preparation
        parse_architecture(settings.architecture, len(dataset.parameters), settings.latent)
        for phase in settings.phases:
            _check_phase(phase, dataset, voice)

    def _check_targets(self) -> str:
        """Message about the memory for the sounds of `cache_targets`; raises where those of any phase do not fit."""
        phases = [phase for phase in self.settings.phases if LOSSES[phase.loss].compares == "audio"]
        if not self.settings.cache_targets or not phases:
            return ""
        count = max(min(phase.validation_limit, len(self.dataset.split("validation"))) for phase in phases)
        if any(phase.synth_layer for phase in phases):
            count += len(self.dataset.split("train"))
        rendered = self.dataset.header.settings
        needed = check_room(count, round(rendered.seconds * rendered.sample_rate), self.device)
        return f"sounds of {count:,} targets kept in memory: {needed / 1e9:.2g} GB"

    def describe(self) -> dict[str, Any]:
        """The synth and its settings, the dataset, and the parameter table."""
        header, parameters = self.dataset.header, self.dataset.parameters
        return {
            "synth": synth_kind(header.settings.synth).header,
            **header.settings.to_dict(),
            "dataset_hash": self.dataset.hash,
            "dataset": {"source": header.source, "seed": header.seed, "train": list(header.splits["train"])},
            "parameter_hash": parameters.hash,
            "parameters": parameters.to_table(),
            "fixed": dict(parameters.fixed),
        }

    def record(self) -> dict[str, Any]:
        """Settings, with the dataset's file as an absolute path."""
        return asdict(self.settings) | {"data": str(Path(self.settings.data).resolve())}

    @classmethod
    def read_settings(cls, values: Mapping[str, Any], source: str) -> TrainConfig:
        """The settings, with those of a second phase."""
        return resolve_config(None, values, source)

    @classmethod
    def build(cls, settings: TrainConfig, description: Mapping[str, Any]) -> LatentModel:
        """Build the network for the number of parameters in the table."""
        count = len(description["parameters"])
        widths = parse_architecture(settings.architecture, count, settings.latent)
        return build_model(settings.network, count, widths, settings.output, settings.initialisation)

    def require_same(self, out: Path, description: Mapping[str, Any]) -> None:
        """Reject another dataset."""
        before, now = description.get("dataset_hash"), self.dataset.hash
        if before != now:
            raise UserError(
                self.dataset.path,
                now,
                f"give that one, or {self.otherwise}",
                f"is not the dataset {before} that {out} was trained on (hash {now})",
            )

    @property
    def _measures(self) -> bool:
        """Whether `prepare` has to render, for about ten seconds, because no metric file holds the effects."""
        selective = self.settings.network == "selective" and self.preparation is None
        return selective and not metric_path(self.dataset.path, AUDIBLE_FEATURE).exists()

    @property
    def preparation_parts(self) -> int:
        """One part for each parameter whose effect is measured."""
        return len(self.dataset.parameters) if self._measures else 0

    def prepare(self, progress: Callable[[int], object] = lambda done: None) -> None:
        """Read or measure the statistics that the settings need.

        Raises:
            UserError: if a metric is needed and missing, or belongs to another dataset.
            ValueError: if sounds are needed and there is no voice.
        """
        if self.preparation is not None:
            return
        settings, dataset = self.settings, self.dataset
        selective = settings.network == "selective"
        path = metric_path(Path(dataset.path), AUDIBLE_FEATURE)
        metric = None
        if any(LOSSES[phase.loss].needs_metric for phase in settings.phases) or (selective and path.exists()):
            metric = read_metric(path)
            metric.require(dataset, str(path))
        if not selective:
            self.preparation = Preparation(metric=metric)
            return
        kind = synth_kind(dataset.header.settings.synth)
        held = tuple(dataset.parameters.index(name) for name in kind.pitch_only(dataset.parameters))
        if metric is not None:
            effect = metric.effect
        elif self.voice is None:
            raise ValueError("the selective network needs a voice, to find out which parameters change the sound")
        else:
            feature = build_feature(AUDIBLE_FEATURE, dataset.header.settings.sample_rate)
            effect = effect_on_dataset(self.voice, feature, dataset, progress)
        self.preparation = Preparation(effect, held, metric)

    @property
    def prepared(self) -> Preparation:
        """The results of `prepare`."""
        assert self.preparation is not None, "prepare was not called"
        return self.preparation

    def adopt(self, model: nn.Module) -> None:
        """Set the parameters that the selective network keeps."""
        if isinstance(model, SelectiveVAE) and self.prepared.effect is not None:
            model.select(self.prepared.effect, self.prepared.held)

    def begin(self, phase: TrainConfig) -> None:
        """Set up the terms and weights of a phase, and the presets it is trained on."""
        super().begin(phase)
        self.beta = BetaController(phase.beta, phase.beta_ratio).to(self.device)  # type: ignore[arg-type]
        spectral = perceptual = None
        compares = LOSSES[phase.loss].compares
        if compares == "parameters":
            assert self.prepared.metric is not None
            perceptual = perceptual_loss(phase, self.prepared.metric, str(metric_path(self.dataset.path)))
        elif compares == "audio":
            spectral = build_loss(phase.loss, self.dataset.header.settings.sample_rate, phase.feature)
        self.objective = Objective(
            None if spectral is None else self.voice,
            spectral,
            phase.synth_layer,
            phase.gradient_clip,
            phase.hold_phases,
            perceptual,
            self.stopwatch,
        ).to(self.device)
        kept = len(perceptual.presets) if perceptual is not None and perceptual.presets is not None else None
        self.items = len(self.dataset.indices("train")[:kept])
        #: Presets that are not held in memory as a whole, but read during the epoch.
        self.stream = ShuffledPresets(self.dataset, "train") if self.items > MOST_JSON else None
        train = self.dataset.split("train", 0 if self.stream else kept)
        self.train_unit = train.to(self.device)
        self.validation_unit = self.dataset.split("validation", phase.validation_limit).to(self.device)
        self.validation_items = len(self.validation_unit)
        self._train_targets: TargetSounds | None = None
        self._validation_targets: TargetSounds | None = None
        self.remark = self._check_targets()
        if phase.cache_targets and compares == "audio" and self.voice is not None:
            rendered = self.dataset.header.settings
            samples = round(rendered.seconds * rendered.sample_rate)
            self._validation_targets = TargetSounds(self.voice, self.validation_unit, samples)
            if phase.synth_layer:
                self._train_targets = TargetSounds(self.voice, self.train_unit, samples)
        metered = self.validation_unit[:METERED]
        self.meter = QualityMeter(self.voice, metered) if isinstance(self.voice, Synth) and len(metered) > 1 else None
        self._order: tuple[tuple[int, int], Tensor] | None = None

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The running averages behind the weight of the compared term."""
        return {"beta": self.beta}

    def batch(self, place: Place) -> dict[str, Tensor]:
        """Numbers of the presets, and the noise of their posterior samples."""
        part = self._part(place)
        noise = posterior_noise(place.seed, place.epoch, place.step, len(part), self._latent)
        if self.stream is None:
            return {"rows": self._rows(place), "noise": noise}
        rows, unit = self.stream.read(place.seed, place.epoch, part.start, part.stop)
        return {"rows": rows, "unit": unit, "noise": noise}

    def _part(self, place: Place) -> range:
        """Range of positions in the order of the epoch."""
        size = self.phase.batch_size
        return range(self.items)[place.step * size : (place.step + 1) * size]

    def _rows(self, place: Place) -> Tensor:
        part = self._part(place)
        if self.stream is not None:
            return self.stream.rows(place.seed, place.epoch, part.start, part.stop)
        key = (place.epoch, self.items)
        if self._order is None or self._order[0] != key:
            self._order = key, epoch_order(place.seed, place.epoch, self.items)
        return self._order[1][part.start : part.stop]

    def locate(self, rows: Tensor, place: Place | None) -> str:
        """Numbers of the presets in the dataset."""
        numbers = self._rows(place)[rows] if place else rows
        first = self.dataset.indices("train" if place else "validation").start
        return f"presets {listed((numbers + first).tolist())} of {self.dataset.path.name}"

    @property
    def _latent(self) -> int:
        settings = self.settings
        return parse_architecture(settings.architecture, len(self.dataset.parameters), settings.latent)[-1]

    def terms(self, model: nn.Module, batch: Mapping[str, Tensor], place: Place) -> dict[str, Tensor]:
        """One pass of the network, and the terms of `Objective.terms`."""
        phase = self.phase
        unit = batch["unit"] if "unit" in batch else self.train_unit[batch["rows"]]
        output = model(unit, batch["noise"])
        self.stopwatch.lap("network")
        first = frame_offset(place.seed, place.epoch, place.step, phase.frame_step)
        frames = Frames(first, phase.frame_step) if phase.frame_step > 1 else EVERY_FRAME
        targets = self._train_targets
        kept = None if targets is None else lambda low, high: targets(batch["rows"][low:high])
        terms = self.objective.terms(
            output, unit, phase.synth_layer, frames, batch["rows"], kept, self.items_per_process
        )
        if phase.free_bits:
            terms[ABOVE_FREE] = free_bits(self.objective.kl(output), phase.free_bits)
        return terms

    def summarise(self, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Typical values, and of the compared term the mean as well."""
        named = {name: value for name, value in terms.items() if name in TERMS}
        means = {f"{name}_mean": value.mean() for name, value in named.items() if name in COMPARED}
        return typical(named, LOSSES[self.phase.loss].heavy_tailed) | means

    def follow(self, summary: Mapping[str, Tensor], validation: bool = False) -> None:
        """Update the weight of the compared term, if this phase has one.

        Validation presets change it only where training renders nothing; a perceptual term is part of every step.
        """
        for name in COMPARED:
            if name in summary and not (validation and (self.phase.synth_layer or name == "perceptual")):
                self.beta.update(summary["parameter"], summary[name])

    @property
    def wants_start(self) -> bool:
        """A constant weight is set for the initial network."""
        return self.phase.beta == "constant" and not self.beta.weight_sum

    def weights(self, progress: float) -> Weights:
        """The weights at a point of the phase; at infinity those at its end, by which epochs are compared."""
        phase = self.phase
        warm = 1.0 if progress == math.inf else kl_factor(phase.kl_schedule, progress, phase.kl_warmup)
        return Weights(phase.alpha, self.beta.beta, warm * phase.kl_weight, phase.parameter_weight)

    def weigh(self, terms: Mapping[str, Tensor], progress: float) -> Tensor:
        """The weighted sum of the means, with free bits."""
        means = {name: value.mean() for name, value in terms.items() if name in TERMS}
        if ABOVE_FREE in terms:
            means["kl"] = terms[ABOVE_FREE].mean()
        return self.weights(progress).total(means)

    def validate(self, model: nn.Module, limit: int | None = None) -> Validation:
        """Typical terms of the validation presets, their means, and the KL divergence of every latent dimension."""
        collected: dict[str, list[Tensor]] = {}
        kl, answers = [], []
        numbers = torch.arange(len(self.validation_unit[:limit]), device=self.device)
        targets = self._validation_targets
        for rows in numbers.split(VALIDATION_BATCH):
            unit = self.validation_unit[rows]
            output = model(unit)
            kept = None if targets is None else lambda low, high, rows=rows: targets(rows[low:high])
            for name, value in self.objective.terms(output, unit, targets=kept).items():
                collected.setdefault(name, []).append(value)
            kl.append(self.objective.kl(output))
            answers.append(output.unit)
        every = {name: torch.cat(values).double() for name, values in collected.items()}
        details = {f"{name}_mean": every[name].mean() for name in COMPARED if name in every}
        details["kl"] = torch.cat(kl).double().mean(0)
        answered = torch.cat(answers)[:METERED]
        if self.meter is not None and bool(answered.isfinite().all()):  # otherwise a term is not finite either
            found = self.meter.measure(answered)
            for null, ratio in (("mean_preset", found.mean_preset), ("mean_spectrogram", found.mean_spectrogram)):
                if ratio.value is not None:
                    details[f"log_mel_to_{null}"] = torch.tensor(ratio.value)
        return Validation(typical(every, LOSSES[self.phase.loss].heavy_tailed), details, every)

    def row(self, train: Mapping[str, Tensor], validation: Validation, progress: float) -> dict[str, float]:
        """Terms of both splits, the variable weights, and the KL divergence of every latent dimension."""
        details = validation.details
        ordered = {name: validation.terms[name] for name in TERMS if name in validation.terms}
        row = super().row(train, Validation(ordered), progress)
        for name in COMPARED:
            for split, means in (("train", train), ("validation", details)):
                if f"{name}_mean" in means:
                    row[f"{split}/{name}_mean"] = float(means[f"{name}_mean"])
        row |= {f"validation/{name}": float(value) for name, value in details.items() if name.startswith("log_mel_to")}
        row["beta"] = float(self.beta.beta)
        row["kl_weight"] = self.weights(progress).kl
        row["active_units"] = float((details["kl"] > ACTIVE_NATS).sum())
        return row | {f"kl/{number:02d}": float(value) for number, value in enumerate(details["kl"])}

    @property
    def remedy(self) -> str:
        """Advice for a loss that is not finite."""
        return f"{super().remedy} or `gradient_clip` (now {self.phase.gradient_clip:g})"


@dataclass(frozen=True)
class Weights:
    """The weight of each term.

    Attributes:
        alpha: weight of the clamp penalty.
        beta: weight of the spectral or the perceptual term.
        kl: weight of the KL divergence.
        parameter: weight of the parameter error.
    """

    alpha: float
    beta: float | Tensor
    kl: float
    parameter: float = 1.0

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of named terms, whatever their common shape; absent terms count as 0."""
        weights: dict[str, float | Tensor] = {"parameter": self.parameter, "clamp": self.alpha, "kl": self.kl}
        weights |= {name: self.beta for name in COMPARED}
        return torch.stack([weights[name] * value for name, value in terms.items()]).sum(0)


def typical(terms: Mapping[str, Tensor], heavy_tailed: bool = True) -> dict[str, Tensor]:
    """Scalars by name for terms ``(B,)`` of a batch: the mean, or the median for a spectral term with a heavy tail.

    A quiet target means a small denominator: at the start of training the mean of a convergence loss over presets is
    six times its median, and single presets reach a thousand times it. Weights and early stopping have to reflect
    most presets; in the gradient each preset's contribution is clipped instead.
    """
    return {
        name: value.median() if name == "spectral" and heavy_tailed else value.mean() for name, value in terms.items()
    }


class Objective(nn.Module):
    """Computes the unweighted terms of a batch, one value per preset.

    The Voice and the losses are passed in; with `through_voice` the gradient of the spectral term passes through the
    Voice into the decoder and the encoder, otherwise the term is only measured.
    """

    def __init__(
        self,
        voice: nn.Module | None = None,
        spectral: AudioLoss | None = None,
        through_voice: bool = False,
        gradient_clip: float = 0.0,
        hold_phases: bool = False,
        perceptual: PnpLoss | None = None,
        stopwatch: Stopwatch | None = None,
        rows: int = ROWS,
    ) -> None:
        """Set up.

        Args:
            voice: maps unit parameters ``(B, P)`` to audio ``(B, T)``; None where nothing is rendered.
            spectral: compares two batches of audio; None for no spectral term.
            through_voice: whether the spectral term has a gradient.
            gradient_clip: maximum norm of one preset's gradient at the input of the Voice; 0 for no limit. It bounds
                the preset's own weighted term: the caller is expected to average over the rows.
            hold_phases: whether that gradient excludes the effect of pitch on the oscillator phases.
            perceptual: perceptual loss between parameters; None for no such term.
            stopwatch: times synth and loss, forward and backward.
            rows: number of presets rendered and compared at once on a CPU; other devices process all at once.
        """
        super().__init__()
        self.stopwatch, self.rows = stopwatch or Stopwatch(), rows
        self.voice, self.spectral, self.perceptual = voice, spectral, perceptual
        self.through_voice, self.gradient_clip, self.hold_phases = through_voice, gradient_clip, hold_phases

    def terms(
        self,
        output: VAEOutput,
        unit: Tensor,
        with_spectral: bool = True,
        frames: Frames = EVERY_FRAME,
        rows: Tensor | None = None,
        targets: Targets | None = None,
        averaged_over: float = 0.0,
    ) -> dict[str, Tensor]:
        """Compute the terms.

        Args:
            output: output of the network for `unit`.
            unit: target presets ``(B, P)``.
            with_spectral: whether to render and compare.
            frames: frames of the sounds to compare.
            rows: numbers of the targets in the training split, where single presets have a metric of their own.
            targets: returns the sounds of a range of rows of `unit`; rendered if None.
            averaged_over: number of presets that the caller averages over; all of `unit` if 0.

        Returns:
            ``parameter``, ``clamp``, ``kl`` and, if requested and set up, ``perceptual`` and ``spectral``, each
            ``(B,)``.
        """
        raw = output.raw.to(unit.dtype)
        decoded = raw.clamp(0.0, 1.0)
        terms = {
            "parameter": parameter_error(decoded, unit),
            "clamp": clamp_penalty(raw),
            "kl": self.kl(output).to(unit.dtype).sum(dim=1),
        }
        if self.perceptual is not None:
            terms["perceptual"] = self.perceptual(decoded, unit, rows)
        if with_spectral and self.spectral is not None and self.voice is not None:
            terms["spectral"] = self._compare(
                self.voice, self.spectral, decoded, unit, frames, targets, averaged_over or len(unit)
            )
        return terms

    def kl(self, output: VAEOutput) -> Tensor:
        """KL divergence of each preset and latent dimension, ``(B, D)``, in nats."""
        return kl_divergence(output.mean.float(), output.log_variance.float())

    def _compare(
        self,
        voice: nn.Module,
        spectral: AudioLoss,
        decoded: Tensor,
        unit: Tensor,
        frames: Frames,
        targets: Targets | None,
        averaged_over: float,
    ) -> Tensor:
        lap = self.stopwatch.lap

        def compare(decoded: Tensor, low: int, high: int) -> Tensor:
            with torch.no_grad():
                target = voice(unit[low:high]) if targets is None else targets(low, high)
            lap("synth, targets")
            decoded = self.stopwatch.lap_backward(decoded, "synth, backward")
            audio = voice(decoded, hold_phases=True) if self.hold_phases else voice(decoded)
            lap("synth, forward")
            audio = self.stopwatch.lap_backward(audio, "loss, backward")
            result: Tensor = spectral(audio, target, frames)
            lap("loss")
            return result

        with torch.set_grad_enabled(torch.is_grad_enabled() and self.through_voice):
            if self.gradient_clip > 0:
                decoded = clip_gradient_per_preset(decoded, self.gradient_clip / averaged_over)
            rows = self.rows if decoded.device.type == "cpu" else len(decoded)
            return row_by_row(decoded, rows, compare)


def perceptual_loss(config: TrainConfig, metric: PerceptualMetric, source: str) -> PnpLoss:
    """Build the loss ``pnp`` with a phase's settings.

    Args:
        config: settings of the phase.
        metric: metric of the dataset.
        source: name of the metric's file, for the message.

    Raises:
        UserError: if matrices of single presets are requested and the file has none.
    """
    mean = metric.limited if config.metric_limited else metric.mean
    if config.metric == "effect":
        return PnpLoss(metric.ceiling, config.damping)
    if config.metric == "diagonal":
        return PnpLoss(mean.diagonal(), config.damping)
    if config.metric == "full":
        return PnpLoss(mean, config.damping)
    if not len(metric.presets):
        raise UserError(
            source,
            source,
            "compute it again with 'synthvae metric DATASET --keep 10000 --overwrite', or choose another `metric`",
            "has no single-preset matrices",
        )
    return PnpLoss(mean, config.damping, metric.limited_presets if config.metric_limited else metric.presets)


def _check_phase(phase: TrainConfig, dataset: Dataset, voice: nn.Module | None) -> None:
    """Reject settings that contradict each other.

    Raises:
        UserError: naming them.
        ValueError: if sounds are to be compared without a voice.
    """
    spec = LOSSES[phase.loss]
    if spec.compares != "parameters":
        build_loss(phase.loss, dataset.header.settings.sample_rate, phase.feature)
    if spec.compares == "audio" and voice is None:
        raise ValueError(f"the loss {phase.loss} needs a voice")
    if spec.compares != "audio" and phase.synth_layer:
        raise UserError(
            "loss",
            phase.loss,
            "name a loss that compares sounds",
            why="which gives `synth_layer` no gradient to send through the Voice",
        )
    if phase.hold_phases and isinstance(voice, Synth) and not voice.holds_phases:
        raise UserError(
            "hold_phases", True, "leave it out", f"{dataset.header.settings.synth} has no phases that could be held"
        )
    if phase.hold_phases and not phase.synth_layer:
        raise UserError(
            "hold_phases", True, "add `synth_layer`", "without `synth_layer` there is no gradient through the Voice"
        )
    if phase.frame_step > 1 and not spec.features:
        raise UserError(
            "frame_step",
            phase.frame_step,
            "leave it out",
            why=f"but the loss {phase.loss} has no frames to choose from",
        )
