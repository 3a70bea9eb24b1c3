"""How parameters are heard: the metric that the Voice's Jacobian puts on the space of presets."""

from synthvae.perception.effect import total_effect
from synthvae.perception.metric import PerceptualMetric, compute_metric, metric_path, read_metric, write_metric

__all__ = ["PerceptualMetric", "compute_metric", "metric_path", "read_metric", "total_effect", "write_metric"]
