"""Figures of the latent space: maps by any value, what parameters move, how evenly paths sound, clusters' spectra.

Made like those of `synthvae.analysis.figures`: matplotlib `Figure` objects without any global state, in its style.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter
from numpy.typing import ArrayLike, NDArray

from synthvae.analysis.figures import BLUE, CYCLE, FAINT, INK, QUIET, STYLE, VERMILLION
from synthvae.core.checks import finite_matrix, finite_values
from synthvae.core.errors import UserError
from synthvae.metrics.paths import PathComparison

__all__ = ["cluster_spectra", "effect_heatmap", "interpolation_chart", "value_map"]

#: Quantiles that the ends of a colour bar stand for: a single outlier would leave one colour for all others.
_COLOUR_RANGE = (0.02, 0.98)
#: Changes beyond this share of the reference are cut, and written out.
_LARGEST_CHANGE = 1.0
_BANDS_PER_OCTAVE = 12
_LOWEST_HERTZ = 20.0


def value_map(points: ArrayLike, values: ArrayLike, label: str, axes_name: str = "UMAP") -> Figure:
    """A map coloured by a value of each point: a parameter, a descriptor, an error.

    Colours run from the 2nd to the 98th percentile; points beyond have the end's colour, and the colour bar is
    pointed there. Points are drawn in a random order, so that no colour lies on top.

    Args:
        points: shape (N, 2).
        values: shape (N,).
        label: what the values are, with their unit.
        axes_name: of the map: ``UMAP``, ``PCA`` or ``t-SNE``.

    Returns:
        The figure.

    Raises:
        ValueError: if the shapes do not agree.
        UserError: if there is no point, or a number is not finite.
    """
    where, shown = finite_matrix(points, "map", "point"), finite_values(values, label, "point")
    if where.shape != (len(shown), 2):
        raise ValueError(f"map: expected shape {(len(shown), 2)}, got {where.shape}")
    low, high = (float(q) for q in np.quantile(shown, _COLOUR_RANGE))
    if low == high:  # most points share a value: the range of the others, or a range of its own
        low, high = float(shown.min()), float(shown.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    beyond = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}
    order = np.random.default_rng(0).permutation(len(shown))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.2, 4.8))
        axes = figure.subplots()
        drawn = axes.scatter(
            where[order, 0],
            where[order, 1],
            c=shown[order],
            cmap="viridis",
            vmin=low,
            vmax=high,
            s=float(np.clip(18000.0 / len(where), 4.0, 26.0)),
            lw=0,
        )
        _bare(axes, axes_name)
        axes.set_title(f"{len(where):,} points")
        extend = beyond[bool(shown.min() < low), bool(shown.max() > high)]
        bar = figure.colorbar(drawn, ax=axes, pad=0.015, aspect=28, extend=extend)
        bar.set_label(label)
        bar.outline.set_visible(False)
    return figure


def effect_heatmap(
    values: ArrayLike, names: Sequence[str], label: str, signed: bool = False, strength: ArrayLike | None = None
) -> Figure:
    """What each parameter does to each latent dimension: parameters in rows, the strongest first.

    Rows are sorted by the root sum of squares of `strength` over dimensions, columns by that over parameters, so that
    what matters is at the top left, and figures of one strength can be compared cell by cell.

    Args:
        values: shape (P, D), such as the `movement` or `slope` of `synthvae.metrics.paths.ParameterEffects`; NaN
            is drawn grey.
        names: P names of the parameters.
        label: what the values are, with their unit.
        signed: whether the sign matters; the colours then have a middle at 0.
        strength: shape (P, D), what to sort by, such as the `movement` for its `linearity`; by default the values.

    Returns:
        The figure.

    Raises:
        ValueError: if the shapes do not agree.
        UserError: if there is no number to draw, or one is infinite.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or len(table) != len(names):
        raise ValueError(f"{label}: {len(names)} names for shape {table.shape}")
    known = np.where(np.isnan(table), 0.0, table)
    finite_matrix(known, label, "parameter")
    if np.isnan(table).all():
        raise UserError(f"{label}: no parameter moves anything; there is nothing to draw")
    sorting = known if strength is None else finite_matrix(strength, "strength", "parameter")
    if sorting.shape != table.shape:
        raise ValueError(f"{label}: values {table.shape} sorted by {sorting.shape}")
    rows, columns = (np.argsort(-np.linalg.norm(sorting, axis=axis), kind="stable") for axis in (1, 0))
    largest = float(np.abs(known).max()) or 1.0
    count, dimensions = table.shape
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.2 + 0.26 * dimensions, 1.3 + 0.16 * count))
        axes = figure.subplots()
        axes.set_facecolor(FAINT)
        image = axes.imshow(
            np.ma.masked_invalid(table[np.ix_(rows, columns)]),
            aspect="auto",
            interpolation="nearest",
            cmap="RdBu_r" if signed else "magma",
            vmin=-largest if signed else 0.0,
            vmax=largest,
        )
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_yticks(np.arange(count), [names[i] for i in rows], fontsize=7)
        axes.set_xticks(np.arange(dimensions), [f"z{i}" for i in columns], fontsize=8)
        axes.set_xlabel("latent dimension, the most moved first")
        bar = figure.colorbar(image, ax=axes, pad=0.02, aspect=40, fraction=0.05)
        bar.set_label(label)
        bar.outline.set_visible(False)
    return figure


def interpolation_chart(comparisons: Mapping[str, PathComparison]) -> Figure:
    """How much smoother and straighter each descriptor moves than along the reference.

    One panel per score, one bar per descriptor: the change of the mean as a share of the reference's, solid where it
    is significant, faint where it is not. Left of 0 is better. Bars beyond 100 % are cut and their change is written.

    Args:
        comparisons: of `synthvae.metrics.paths.compare_paths`.

    Returns:
        The figure; descriptors are sorted by the first score, the most improved first.

    Raises:
        ValueError: if the comparisons are of different descriptors.
        UserError: if there is none.
    """
    if not comparisons:
        raise UserError("interpolation: 0 scores to draw; compare paths first")
    first = next(iter(comparisons.values()))
    names = [change.descriptor for change in first.changes]
    for comparison in comparisons.values():
        if [change.descriptor for change in comparison.changes] != names:
            raise ValueError(f"interpolation: {comparison.score} is of other descriptors than {first.score}")
    order = np.argsort([0.0 if change.mean is None else change.mean for change in first.changes], kind="stable")
    colour = {"improved": BLUE, "worsened": VERMILLION, "same": QUIET}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 1.7 + 0.17 * len(names)))
        panels = np.atleast_1d(figure.subplots(1, len(comparisons), sharey=True))
        for axes, comparison in zip(panels, comparisons.values(), strict=True):
            for row, index in enumerate(order):
                change = comparison.changes[int(index)]
                _change_bar(axes, row, change.mean, colour[change.verdict], change.verdict != "same")
            axes.axvline(0.0, color=INK, lw=0.8)
            if comparison.mean_change is not None:
                mean = float(np.clip(comparison.mean_change, -_LARGEST_CHANGE, _LARGEST_CHANGE))
                axes.axvline(mean, color=INK, lw=1.3, ls="--")
            _change_axis(axes, comparison)
        panels[0].set_yticks(np.arange(len(names)), [names[int(i)] for i in order], fontsize=7)
        panels[0].set_ylim(len(names) - 0.4, -0.6)
        handles = [
            Patch(color=BLUE, label="better"),
            Patch(color=VERMILLION, label="worse"),
            Patch(color=QUIET, alpha=0.35, label="no significant difference"),
            Line2D([], [], color=INK, lw=1.3, ls="--", label="mean over descriptors"),
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))
    return figure


def cluster_spectra(spectra: Mapping[str, ArrayLike], frequencies: ArrayLike, span_db: float = 80.0) -> Figure:
    """Mean spectra of clusters over one another, in bands of a twelfth of an octave.

    A line through every bin of a Fourier transform hides the others; the level of a band is that of the mean power of
    its bins.

    Args:
        spectra: name of each cluster to its levels in dB, shape (F,), as `mean_spectrum` gives them.
        frequencies: shape (F,), of the bins in Hz, rising.
        span_db: how far below the highest level the scale reaches.

    Returns:
        The figure.

    Raises:
        ValueError: if the shapes do not agree.
        UserError: if there is no cluster, a level is not finite, or no bin lies above 20 Hz.
    """
    if not spectra:
        raise UserError("spectra: 0 clusters to draw; name at least one")
    hertz = finite_values(frequencies, "frequencies", "bin")
    levels = {name: finite_values(values, f"spectrum of {name}", "bin") for name, values in spectra.items()}
    for name, level in levels.items():
        if level.shape != hertz.shape:
            raise ValueError(f"spectrum of {name}: {len(level)} levels for {len(hertz)} frequencies")
    centres, starts = _bands(hertz)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.8))
        axes = figure.subplots()
        top, bottom = -np.inf, np.inf
        for place, (name, level) in enumerate(levels.items()):
            power = 10 ** (level / 10)
            ends = [*starts[1:], len(hertz)]
            band = 10 * np.log10([power[a:b].mean() for a, b in zip(starts, ends, strict=True)])
            axes.plot(centres, band, color=CYCLE[place % len(CYCLE)], lw=1.6, label=name)
            top, bottom = max(top, float(band.max())), min(bottom, float(band.min()))
        axes.set_xscale("log")
        axes.set_xlim(_LOWEST_HERTZ, max(float(hertz[-1]), 2 * _LOWEST_HERTZ))
        ticks = [h for h in (20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000) if h <= hertz[-1]]
        axes.set_xticks(ticks)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda h, _: f"{h / 1000:g}k" if h >= 1000 else f"{h:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(max(top - span_db, bottom - 3.0), top + 3.0)
        axes.set_xlabel("frequency (Hz)")
        axes.set_ylabel("mean level (dB of full scale)")
        axes.grid()
        figure.legend(loc="outside upper left", ncols=min(len(levels), 4))
    return figure


def _bare(axes: Axes, name: str) -> None:
    """A map has no scale worth ticks."""
    axes.set_rasterization_zorder(1.5)  # thousands of dots would make an SVG of megabytes
    axes.set_xlabel(f"{name} 1")
    axes.set_ylabel(f"{name} 2")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(FAINT)
    axes.set_aspect("equal", adjustable="datalim")


def _change_bar(axes: Axes, row: int, change: float | None, colour: str, solid: bool) -> None:
    if change is None:
        axes.text(0.02, row, "none in the reference", fontsize=6, va="center", color=QUIET)
        return
    axes.barh(row, np.clip(change, -_LARGEST_CHANGE, _LARGEST_CHANGE), color=colour, alpha=1.0 if solid else 0.35)
    if change > _LARGEST_CHANGE:
        axes.text(_LARGEST_CHANGE - 0.02, row, f"{change:+,.0%}", fontsize=6, va="center", ha="right", color="white")


def _change_axis(axes: Axes, comparison: PathComparison) -> None:
    lengths = [abs(change.mean) for change in comparison.changes if change.mean is not None]
    reach = float(np.clip(1.05 * max(lengths, default=0.0), 0.1, _LARGEST_CHANGE))
    axes.set_xlim(-reach, reach)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_title(f"{comparison.score.capitalize()}: {comparison.improved} better, {comparison.worsened} worse")
    axes.set_xlabel("change against the reference, below 0 is better")


def _bands(hertz: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[int]]:
    """Bands of a twelfth of an octave, or of one bin where bins are wider: centres, and the first bin of each."""
    audible = np.flatnonzero(hertz >= _LOWEST_HERTZ)
    if not len(audible):
        raise UserError(f"spectra: the highest frequency is {hertz[-1]:g} Hz, bins above {_LOWEST_HERTZ:g} are needed")
    band = np.floor(_BANDS_PER_OCTAVE * np.log2(hertz[audible] / _LOWEST_HERTZ))
    starts = audible[np.concatenate([[True], np.diff(band) > 0])]
    ends = np.append(starts[1:], len(hertz))
    return np.sqrt(hertz[starts] * hertz[ends - 1]), [int(start) for start in starts]
