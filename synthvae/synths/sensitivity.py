"""Parameter sensitivity: Sobol total effects over the whole range, and the perceptual metric J^T J."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from synthvae.core.errors import UserError
from synthvae.core.files import load_tensors, save_tensors
from synthvae.features import Feature
from synthvae.synths.parameters import ParameterSpace

__all__ = [
    "EFFECT_PRESETS",
    "METRIC_BATCH",
    "PerceptualMetric",
    "compute_metric",
    "effect_on_dataset",
    "limit_slopes",
    "metric_of_presets",
    "metric_path",
    "read_metric",
    "total_effect",
    "write_metric",
]

BATCH = 64
#: Number of presets for `total_effect`: enough to rank the most audible parameters, in seconds of computation.
EFFECT_PRESETS = 256


FORMAT = "synthvae-metric"
VERSION = 2
TENSORS = ("mean", "limited", "effect", "ceiling", "presets")
#: Number of presets whose Jacobians are computed at once.
METRIC_BATCH = 8
SAVE_SECONDS = 20.0
Progress = Callable[[int], object]


class Presets(Protocol):
    """Presets in named splits; a dataset is one."""

    @property
    def path(self) -> Path:
        """Path of the file."""

    @property
    def hash(self) -> str:
        """Hash of the file."""

    @property
    def parameters(self) -> ParameterSpace:
        """The columns."""

    def split(self, name: str, limit: int | None = None) -> Tensor:
        """Unit parameters ``(N, P)`` of a split, or of its first `limit` presets."""


def total_effect(
    voice: nn.Module,
    feature: nn.Module,
    unit: Tensor,
    progress: Callable[[int], object] = lambda done: None,
    columns: range | None = None,
) -> Tensor:
    """Mean squared change of a feature when a single parameter is resampled, ``(P,)`` float64.

    Jansen's estimator of the total effect (Jansen, "Analysis of variance designs for model output", Computer
    Physics Communications 117, 1999), without its division by twice the variance, so that it is in the feature's
    unit squared and half of it is the error of an otherwise perfect prediction that ignores the parameter.

    Args:
        voice: module from unit parameters ``(B, P)`` to audio ``(B, T)``.
        feature: real-valued feature of the audio.
        unit: presets ``(N, P)``, at least two; new values of a parameter are taken from other presets.
        progress: called with the number of parameters done.
        columns: columns of the parameters to compute; all by default.

    Raises:
        ValueError: if there are fewer than two presets.
    """
    if len(unit) < 2:
        raise ValueError(f"need at least two presets to exchange values between, got {len(unit)}")
    order = torch.randperm(len(unit), generator=torch.Generator().manual_seed(0))
    partner = torch.empty_like(order)
    partner[order] = order.roll(1)  # one cycle: no preset is its own partner
    before = _features(voice, feature, unit)
    effects = []
    chosen = range(unit.shape[1]) if columns is None else columns
    for done, column in enumerate(chosen, 1):
        changed = unit.clone()
        changed[:, column] = unit[partner, column]
        after = _features(voice, feature, changed)
        effects.append(
            sum((b - a).double().square().mean() * len(b) for a, b in zip(before, after, strict=True)) / len(unit)
        )
        progress(done)
    return torch.stack([torch.as_tensor(effect) for effect in effects])


def _features(voice: nn.Module, feature: nn.Module, unit: Tensor) -> list[Tensor]:
    with torch.inference_mode():
        return [feature(voice(part)) for part in unit.split(BATCH)]


def effect_on_dataset(
    voice: nn.Module,
    feature: nn.Module,
    dataset: Presets,
    progress: Callable[[int], object] = lambda done: None,
    columns: range | None = None,
) -> Tensor:
    """Total effects over the first presets of a dataset's training split; see `total_effect`.

    Raises:
        UserError: if the split has fewer than two presets.
    """
    unit = dataset.split("train", EFFECT_PRESETS)
    if len(unit) < 2:
        raise UserError(
            dataset.path, dataset.path, "what a parameter does takes at least 2 to exchange", "one training preset"
        )
    return total_effect(voice, feature, unit, progress, columns)


class DifferentiableVoice(Protocol):
    """Synth with the derivatives that the metric needs."""

    def jacobian(self, unit: Tensor, feature: Feature) -> Tensor:
        """Derivatives ``(B, P, F, N)`` of a feature with respect to unit parameters ``(B, P)``."""
        ...


@dataclass(frozen=True)
class PerceptualMetric:
    """Perceptual metric M = J^T J / n of a dataset, averaged over presets.

    Attributes:
        mean: M averaged over presets, ``(P, P)`` float64, in the feature's unit squared.
        limited: mean of the matrices limited by `limit_slopes`, ``(P, P)`` float64.
        effect: total effect of each parameter, ``(P,)`` float64, in the feature's unit squared.
        ceiling: maximum diagonal of a limited matrix, ``(P,)`` float64.
        presets: M of each of the first K presets of the training split, ``(K, P, P)`` float32; K may be 0.
        count: number of presets in the mean.
        feature: name of the feature.
        dataset_hash: hash of the dataset's file.
        parameter_hash: hash of the parameter space.
    """

    mean: Tensor
    limited: Tensor
    effect: Tensor
    ceiling: Tensor
    presets: Tensor
    count: int
    feature: str
    dataset_hash: str
    parameter_hash: str

    @property
    def limited_presets(self) -> Tensor:
        """`presets`, each limited by `limit_slopes`, ``(K, P, P)`` float32."""
        return limit_slopes(self.presets, self.ceiling.float())

    @property
    def slope(self) -> Tensor:
        """Root mean square slope of the feature along each parameter, ``(P,)``, per unit of the parameter.

        A local measure: for pitch the slope is so steep that it is valid only for negligibly small steps. The effect
        of a parameter over its range is `synthvae.synths.sensitivity.total_effect`.
        """
        return self.mean.diagonal().clamp_min(0.0).sqrt()

    def require(self, dataset: Presets, source: str) -> None:
        """Reject a metric of another dataset.

        Raises:
            UserError: naming both hashes.
        """
        if self.dataset_hash != dataset.hash:
            raise UserError(
                source,
                source,
                f"make it again with 'synthvae metric {dataset.path} --overwrite'",
                f"is the metric of the dataset {self.dataset_hash}, not of {dataset.hash}",
            )


def metric_path(dataset: Path, feature: str = "logmel") -> Path:
    """Path of a dataset's metric, in the same directory."""
    return dataset.with_suffix(f".{feature}-metric.safetensors")


def limit_slopes(matrices: Tensor, ceiling: Tensor) -> Tensor:
    """Scale rows and columns of matrices so that no diagonal entry exceeds `ceiling` ``(P,)``.

    Matrices ``(..., P, P)`` are positive semi-definite; the result is too.
    """
    diagonal = matrices.diagonal(dim1=-2, dim2=-1).clamp_min(torch.finfo(matrices.dtype).tiny)
    scale = (ceiling / diagonal).sqrt().clamp_max(1.0)
    return matrices * scale.unsqueeze(-1) * scale.unsqueeze(-2)


def metric_of_presets(
    voice: DifferentiableVoice, feature: Feature, dataset: Presets, unit: Tensor, first: int
) -> Tensor:
    """M ``(n, P, P)`` of presets ``(n, P)`` of the training split; `first` is the number of the first one.

    Raises:
        UserError: if a Jacobian is not finite.
    """
    single = torch.cat([_metric_of(voice.jacobian(part, feature)) for part in unit.split(METRIC_BATCH)])
    if not single.isfinite().all():
        row = first + int((~single.isfinite()).flatten(1).any(1).nonzero()[0])
        raise UserError(
            dataset.path, dataset.path, "please report it", f"the Jacobian of training preset {row} is not finite"
        )
    return single


def compute_metric(
    voice: DifferentiableVoice | None,
    feature: Feature,
    dataset: Presets,
    effect: Tensor,
    limit: int = 2000,
    keep: int = 0,
    resume_from: Path | None = None,
    progress: Progress = lambda done: None,
    matrices: Callable[[int, int], Tensor] | None = None,
) -> PerceptualMetric:
    """Average the metric over presets of the training split.

    Args:
        voice: synth with ``jacobian``; needed unless `matrices` is given.
        feature: feature of the audio; for complex ones, real and imaginary parts count separately.
        dataset: the presets.
        effect: total effect of each parameter, ``(P,)``, from `synthvae.synths.sensitivity`.
        limit: maximum number of presets of the training split.
        keep: number of matrices of single presets to return, from the first preset on.
        resume_from: file of an unfinished computation: read at the start if it exists, and updated regularly.
        progress: called with the number of presets done.
        matrices: function that returns known M of the training presets ``first`` to ``end - 1``.

    Raises:
        UserError: if a Jacobian is not finite.
    """
    unit = dataset.split("train", limit)
    keep = min(keep, len(unit))
    width = unit.shape[1]
    total = torch.zeros(width, width, dtype=torch.float64)
    limited = torch.zeros_like(total)
    # A constant parameter has zero effect and zero variance; the clamp avoids 0/0.
    ceiling = effect.double() / (2.0 * unit.double().var(dim=0, correction=0)).clamp_min(1e-12)
    kept = torch.zeros(keep, width, width)
    done = 0
    state = {
        "version": VERSION,
        "feature": feature.name,
        "dataset_hash": dataset.hash,
        "parameter_hash": dataset.parameters.hash,
        "limit": len(unit),
        "keep": keep,
    }
    if resume_from is not None and resume_from.exists():
        tensors, found = load_tensors(resume_from)
        if {name: found.get(name) for name in state} == state:
            total, limited, kept = (tensors[name] for name in ("total", "limited", "kept"))
            done = int(found["done"])
    saved = _now()
    while done < len(unit):
        part = unit[done : done + METRIC_BATCH]
        if matrices is not None:
            single = matrices(done, done + len(part)).double()
        else:
            assert voice is not None
            single = metric_of_presets(voice, feature, dataset, part, done).double()
        total += single.sum(dim=0)
        limited += limit_slopes(single, ceiling).sum(dim=0)
        if done < keep:
            kept[done : done + METRIC_BATCH] = single[: keep - done]
        done += len(single)
        progress(done)
        if resume_from is not None and _now() - saved > SAVE_SECONDS:
            save_tensors(resume_from, {"total": total, "limited": limited, "kept": kept}, {**state, "done": done})
            saved = _now()
    if resume_from is not None:
        resume_from.unlink(missing_ok=True)
    return PerceptualMetric(
        total / len(unit),
        limited / len(unit),
        effect.double(),
        ceiling,
        kept,
        len(unit),
        feature.name,
        dataset.hash,
        dataset.parameters.hash,
    )


def _metric_of(jacobian: Tensor) -> Tensor:
    """J^T J / n of each preset, ``(B, P, P)``, from ``(B, P, F, N)``."""
    if jacobian.is_complex():
        jacobian = torch.view_as_real(jacobian)
    flat = jacobian.flatten(2)
    return flat @ flat.transpose(1, 2) / math.prod(jacobian.shape[2:4])


def _now() -> float:
    import time

    return time.monotonic()


def write_metric(path: Path, metric: PerceptualMetric) -> None:
    """Write a metric as safetensors.

    Raises:
        UserError: if `path` cannot be written.
    """
    state = {
        "format": FORMAT,
        "version": VERSION,
        "count": metric.count,
        "feature": metric.feature,
        "dataset_hash": metric.dataset_hash,
        "parameter_hash": metric.parameter_hash,
    }
    save_tensors(path, {name: getattr(metric, name) for name in TENSORS}, state)


def read_metric(path: Path) -> PerceptualMetric:
    """Read what `write_metric` wrote.

    Raises:
        UserError: if the file is missing, damaged or not a metric.
    """
    if not path.exists():
        raise UserError(path, path, "make one with 'synthvae metric DATASET'", "no metric there")
    tensors, state = load_tensors(path)
    fields = {"count": int, "feature": str, "dataset_hash": str, "parameter_hash": str}
    if (
        (state.get("format"), state.get("version")) != (FORMAT, VERSION)
        or not set(TENSORS) <= set(tensors)
        or any(type(state.get(name)) is not kind for name, kind in fields.items())
    ):
        raise UserError(
            path, path, "make it with 'synthvae metric DATASET --overwrite'", "not a metric of this version"
        )
    values: dict[str, Any] = {**tensors, **state}
    return PerceptualMetric(**{name: values[name] for name in (*TENSORS, *fields)})
