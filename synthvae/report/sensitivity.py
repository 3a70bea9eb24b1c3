"""The table and the figure beside a perceptual metric."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from synthvae.core.files import atomic_write
from synthvae.report.document import write_csv
from synthvae.report.figures import png_bytes, sensitivity_chart
from synthvae.synths.sensitivity import PerceptualMetric

__all__ = ["write_sensitivity"]


def write_sensitivity(path: Path, names: Sequence[str], metric: PerceptualMetric) -> None:
    """Write the effects and slopes of a metric, the largest first, as CSV and PNG beside its file `path`.

    Raises:
        UserError: if a file cannot be written.
    """
    changes = metric.effect.sqrt().numpy()
    order = changes.argsort()[::-1]
    table = pd.DataFrame(
        {
            "parameter": [names[i] for i in order],
            "rms_change_over_range": changes[order],
            "rms_slope_per_unit": metric.slope.numpy()[order],
        }
    )
    write_csv(table, path.with_suffix(".csv"))
    atomic_write(path.with_suffix(".png"), png_bytes(sensitivity_chart(names, changes, metric.feature)))
