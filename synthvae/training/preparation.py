"""What a run has to know of its dataset before it starts: what is heard, and how errors are heard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from synthvae.errors import UserError
from synthvae.features import build_feature
from synthvae.losses import PnpLoss
from synthvae.perception import PerceptualMetric, effect_on_dataset, metric_path, read_metric
from synthvae.presets.dataset import Dataset
from synthvae.synth.routing import heard_as_pitch
from synthvae.training.config import PNP, TrainConfig

__all__ = ["Preparation", "needs_effect", "perceptual_loss", "prepare"]

#: The feature whose metric and effects count.
HEARD = "logmel"


@dataclass(frozen=True)
class Preparation:
    """What was found out.

    Attributes:
        effect: how much each parameter is heard over its range, ``(P,)`` in dB²; None where nothing asks for it.
        held: columns that the sound holds as pitch alone, which the selective network does not correct.
        metric: the dataset's perceptual metric; None where nothing asks for it.
    """

    effect: Tensor | None = None
    held: tuple[int, ...] = ()
    metric: PerceptualMetric | None = None


def needs_effect(config: TrainConfig, dataset: Dataset) -> bool:
    """Whether `prepare` will have to render, for some ten seconds, because no metric file holds the effects."""
    return config.network == "selective" and not metric_path(dataset.path, HEARD).exists()


def prepare(
    config: TrainConfig,
    dataset: Dataset,
    voice: nn.Module | None,
    progress: Callable[[int], object] = lambda done: None,
) -> Preparation:
    """Read or measure what the settings ask for.

    Args:
        config: the settings.
        dataset: the presets; its metric is looked for beside it.
        voice: renders unit parameters ``(B, P)``; needed for the selective network.
        progress: called with the number of parameters whose effect was measured.

    Returns:
        What the `Trainer` takes.

    Raises:
        UserError: if a metric is needed and not there, or belongs to another dataset.
    """
    path = metric_path(Path(dataset.path), HEARD)
    metric = None
    if any(phase.loss == PNP for phase in config.phases) or (config.network == "selective" and path.exists()):
        metric = read_metric(path)
        metric.require(dataset, str(path))
    if config.network != "selective":
        return Preparation(metric=metric)
    held = tuple(dataset.parameters.index(name) for name in heard_as_pitch(dataset.parameters))
    if metric is not None:
        return Preparation(metric.effect, held, metric)
    if voice is None:
        raise ValueError("the selective network needs a voice, to find out which parameters are heard")
    feature = build_feature(HEARD, dataset.header.settings.sample_rate)
    return Preparation(effect_on_dataset(voice, feature, dataset, progress), held)


def perceptual_loss(config: TrainConfig, metric: PerceptualMetric, source: str) -> PnpLoss:
    """The loss ``pnp`` as a phase's settings want it.

    Args:
        config: of the phase.
        metric: of the dataset.
        source: name of the metric's file, for the message.

    Raises:
        UserError: if matrices of single presets are wanted and the file keeps none.
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
            f"{source}: keeps no single presets' matrices; make it again with 'synthvae metric DATASET --keep 10000 "
            "--overwrite', or choose another --metric"
        )
    return PnpLoss(mean, config.damping, metric.limited_presets if config.metric_limited else metric.presets)
