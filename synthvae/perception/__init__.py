"""How parameters are heard: the metric that the Voice's Jacobian puts on the space of presets."""

from synthvae.perception.effect import EFFECT_PRESETS, effect_on_dataset, total_effect
from synthvae.perception.metric import (
    PerceptualMetric,
    compute_metric,
    limit_slopes,
    metric_path,
    read_metric,
    write_metric,
)

__all__ = [
    "EFFECT_PRESETS",
    "PerceptualMetric",
    "compute_metric",
    "effect_on_dataset",
    "limit_slopes",
    "metric_path",
    "read_metric",
    "total_effect",
    "write_metric",
]
