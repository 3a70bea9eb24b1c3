"""The figures of an experiment report: ratios with their intervals, and distributions of errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.figure import Figure

from synthvae.analysis.figures import BLUE, CYCLE, INK, QUIET, STYLE
from synthvae.experiments.compare import Interval

__all__ = ["ratio_chart"]

TICKS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)


def ratio_chart(
    groups: Mapping[str, Mapping[str, Interval]], label: str, lines: Mapping[str, float], logarithmic: bool = True
) -> Figure:
    """Ratios, or other means, with their intervals, a row each.

    Args:
        groups: name of each series to its rows, the same rows in each.
        label: of the axis.
        lines: values to mark by name, such as a null model's.
        logarithmic: whether the axis is, as suits ratios.

    Returns:
        The figure.
    """
    rows: Sequence[str] = list(dict.fromkeys(name for series in groups.values() for name in series))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 1.3 + max(0.3, 0.12 * len(groups)) * len(rows)))
        axes = figure.subplots()
        for value in lines.values():
            axes.axvline(value, color=QUIET, linewidth=1.0, linestyle=(0, (4, 3)))
        for number, (name, series) in enumerate(groups.items()):
            shift = min(0.22, 0.8 / len(groups)) * (number - (len(groups) - 1) / 2)
            colour = CYCLE[number % len(CYCLE)] if len(groups) > 1 else BLUE
            places = [rows.index(row) + shift for row in series]
            values = [interval.value for interval in series.values()]
            below = [max(0.0, i.value - i.low) for i in series.values()]
            above = [max(0.0, i.high - i.value) for i in series.values()]
            axes.errorbar(
                values, places, xerr=[below, above], fmt="o", markersize=4.5, color=colour, label=name, linewidth=1.4
            )
        if logarithmic:
            axes.set_xscale("log")
            low, high = axes.get_xlim()
            ticks = [tick for tick in TICKS if low <= tick <= high]
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.minorticks_off()
        axes.set_yticks(range(len(rows)), rows)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(axis="x")
        axes.set_xlabel(label)
        for name, value in lines.items():
            axes.annotate(
                name, (value, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 3), textcoords="offset points",
                ha="center", va="bottom", fontsize=8.5, color=INK,
            )  # fmt: skip
        if len(groups) > 1:
            figure.legend(loc="outside lower center", ncols=len(groups))
    return figure
