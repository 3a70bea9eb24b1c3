"""Figures of an analysis, as matplotlib `Figure` objects without any global state.

Colours are those of Okabe and Ito (2008), distinguishable with all common forms of colour vision; maps use magma and
viridis, whose lightness is linear.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, PercentFormatter, ScalarFormatter
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage, stats

from synthvae.core.checks import finite_matrix, finite_values, require_finite
from synthvae.core.errors import UserError
from synthvae.metrics.paths import PathComparison
from synthvae.report.document import true_minus

__all__ = [
    "both_bytes",
    "cluster_map",
    "cluster_spectra",
    "density_map",
    "effect_heatmap",
    "error_distributions",
    "interpolation_chart",
    "latent_use_chart",
    "loss_curves",
    "path_grid",
    "png_bytes",
    "point_density",
    "sensitivity_chart",
    "sound_comparison",
    "spectrogram_column",
    "svg_bytes",
    "value_map",
    "waveform_overlays",
]

BLUE, ORANGE, GREEN, PINK, SKY, VERMILLION, YELLOW = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#F0E442",
)
INK, QUIET, FAINT = "#1f2430", "#6b7280", "#d5d9e0"
CYCLE = (BLUE, VERMILLION, GREEN, ORANGE, PINK, SKY, INK)
DPI = 150
_NAMED_CLUSTERS = 6

#: Settings of the machine that a figure does not depend on, and that are not to be changed for one.
_OF_MACHINE = (
    "backend",
    "date.epoch",
    "figure.max_open",
    "interactive",
    "savefig.directory",
    "timezone",
    "tk.",
    "toolbar",
    "webagg.",
)

#: matplotlib's own settings, whatever the user's matplotlibrc says, such as usetex without TeX, and ours over them.
STYLE: dict[Any, Any] = {
    **{name: value for name, value in matplotlib.rcParamsDefault.items() if not name.startswith(_OF_MACHINE)},
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.labelsize": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#e8eaee",
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "lines.solid_capstyle": "round",
    "path.simplify": True,
}


#: Quantiles that the ends of a colour bar stand for: a single outlier would leave one colour for all others.
_COLOUR_RANGE = (0.02, 0.98)
#: Changes beyond this share of the reference are cut, and written out.
_LARGEST_CHANGE = 1.0
_BANDS_PER_OCTAVE = 12
#: How far below the highest level the scale of a spectrogram or a spectrum reaches, in dB.
_SPAN_DB = 80.0
#: Length of the excerpt of a waveform around its loudest sample.
_ZOOM_SECONDS = 0.02
_LOWEST_HERTZ = 20.0


def waveform_overlays(target: ArrayLike, reconstructions: Mapping[str, ArrayLike], sample_rate: int) -> Figure:
    """One sound and its reconstruction by each of several models, a row each: whole sound and loudest excerpt.

    Args:
        target: shape (T,), full scale 1.
        reconstructions: name of each model to its reconstruction, shape (T,).
        sample_rate: sample rate in Hz.

    Returns:
        The figure; all rows have one scale.

    Raises:
        ValueError: if the lengths differ.
        UserError: if there is no reconstruction, or a sound is empty or not finite.
    """
    if not reconstructions:
        raise UserError("waveforms", [], "name at least one run", "0 reconstructions to draw")
    first = finite_values(target, "target audio", "sample")
    answers = {name: finite_values(audio, f"audio of {name}", "sample") for name, audio in reconstructions.items()}
    peak = 1.05 * max(1e-3, *(float(np.abs(sound).max()) for sound in (first, *answers.values())))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 0.9 + 1.25 * len(answers)))
        grid = figure.subplots(len(answers), 2, squeeze=False, sharex="col", width_ratios=(1, 1.4))
        for (whole, moment), (name, second) in zip(grid, answers.items(), strict=True):
            _draw_overlay(whole, moment, first, second, sample_rate)
            whole.set_title(name)
            for axes in (whole, moment):
                axes.set_ylim(-peak, peak)
                axes.grid(axis="y")
                axes.margins(x=0)
        grid[-1][0].set_xlabel("time (s), outer bounds")
        grid[-1][1].set_xlabel("time (ms), the shaded moment")
        figure.supylabel("amplitude (full scale)", fontsize=10)
        figure.legend(*moment.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure


def path_grid(
    sounds: Sequence[ArrayLike],
    spectrograms: Sequence[ArrayLike],
    names: Sequence[str],
    frequencies: ArrayLike,
    sample_rate: int,
) -> Figure:
    """The sounds of a path from left to right: their waveforms above their spectrograms.

    Args:
        sounds: shape (T,) each, full scale 1.
        spectrograms: one for each, shape (F, frames), in dB.
        names: one for each.
        frequencies: shape (F,), centre of each band in Hz, rising.
        sample_rate: sample rate in Hz.

    Returns:
        The figure; all waveforms have one scale, and all spectrograms, of 80 dB below the loudest peak.

    Raises:
        ValueError: if the numbers of sounds, spectrograms and names differ.
        UserError: if there is no sound, or one is empty or not finite.
    """
    if not sounds:
        raise UserError("path", [], "give at least one", "0 sounds to draw")
    waves = [finite_values(sound, "audio", "sample") for sound in sounds]
    images = [finite_matrix(spectrogram, "spectrogram", "band") for spectrogram in spectrograms]
    centres = finite_values(frequencies, "frequencies", "band")
    peak = 1.05 * max(1e-3, *(float(np.abs(wave).max()) for wave in waves))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.5, 3.6))
        grid = figure.subplots(2, len(waves), squeeze=False, sharey="row")
        for axes, wave, name in zip(grid[0], waves, names, strict=True):
            low, high = _columns(wave)
            edge = np.arange(len(low)) / max(1, len(low) - 1) * len(wave) / sample_rate
            axes.fill_between(edge, low, high, color=BLUE, lw=0.5)
            axes.set_ylim(-peak, peak)
            axes.margins(x=0)
            axes.set_title(name)
        image = _draw_images(list(grid[1]), images, centres, len(waves[0]) / sample_rate)
        grid[0][0].set_ylabel("amplitude")
        _colour_bar(figure, image, list(grid[1]), "level (dB)", pad=0.01, aspect=14)
    return figure


def sound_comparison(
    target: ArrayLike,
    reconstruction: ArrayLike,
    target_spectrogram: ArrayLike,
    reconstructed_spectrogram: ArrayLike,
    frequencies: ArrayLike,
    sample_rate: int,
) -> Figure:
    """Two sounds over one another, whole and where the original is loudest, above both spectrograms on one scale.

    Args:
        target: shape (T,), full scale 1.
        reconstruction: shape (T,).
        target_spectrogram: shape (F, frames), in dB.
        reconstructed_spectrogram: shape (F, frames), in dB.
        frequencies: shape (F,), centre of each band in Hz, rising.
        sample_rate: sample rate in Hz.

    Returns:
        The figure.

    Raises:
        ValueError: if the shapes do not agree.
        UserError: if a sound is empty or not finite.
    """
    first = finite_values(target, "target audio", "sample")
    second = finite_values(reconstruction, "reconstructed audio", "sample")
    images = (
        finite_matrix(target_spectrogram, "target spectrogram", "band"),
        finite_matrix(reconstructed_spectrogram, "reconstructed spectrogram", "band"),
    )
    centres = finite_values(frequencies, "frequencies", "band")
    peak = 1.05 * max(1e-3, np.abs(first).max(), np.abs(second).max())
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 7.6))
        figure.set_layout_engine("constrained", wspace=0.06)
        above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(4.2, 3.4))[:, 0]
        whole, moment = above.subplots(2, 1, height_ratios=(1, 1.15))
        _draw_overlay(whole, moment, first, second, sample_rate)
        for axes in (whole, moment):
            axes.set_ylim(-peak, peak)
            axes.set_ylabel("amplitude (full scale)")
            axes.grid(axis="y")
            axes.margins(x=0)
        whole.set_xlabel("time (s), outer bounds of the wave")
        moment.set_xlabel("time (ms), the shaded moment above")
        above.legend(*moment.get_legend_handles_labels(), loc="outside upper right", ncols=2)
        panels = below.subplots(1, 2, sharey=True)
        image = _draw_images(panels, images, centres, len(first) / sample_rate)
        panels[0].set_title("Original")
        panels[1].set_title("Reconstruction")
        _colour_bar(below, image, panels, "level (dB)", pad=0.015, aspect=24)
    return figure


def spectrogram_column(spectrograms: Mapping[str, ArrayLike], frequencies: ArrayLike, seconds: float) -> Figure:
    """Spectrograms of sounds of one length below each other, on one scale.

    Args:
        spectrograms: shape (F, frames), in dB, by title.
        frequencies: shape (F,), centre of each band in Hz, rising.
        seconds: length of the sounds.

    Returns:
        The figure.

    Raises:
        ValueError: if the shapes do not agree.
        UserError: if a spectrogram is empty or not finite.
    """
    images = [finite_matrix(values, title, "band") for title, values in spectrograms.items()]
    centres = finite_values(frequencies, "frequencies", "band")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 0.4 + 2.1 * len(images)))
        panels = list(figure.subplots(len(images), 1, sharex=True, squeeze=False)[:, 0])
        image = _draw_images(panels, images, centres, seconds)
        for axes, title in zip(panels, spectrograms, strict=True):
            axes.set_title(title)
            axes.set_ylabel("frequency (Hz)")
            axes.set_xlabel("time (s)" if axes is panels[-1] else "")
        _colour_bar(figure, image, panels, "level (dB)", pad=0.015, aspect=40)
    return figure


def latent_use_chart(variance: ArrayLike, kl: ArrayLike | None, least: float) -> Figure:
    """Use of each latent dimension, from the most to the least used: KL divergence and variance of the latents.

    Args:
        variance: shape (D,), of the latents over sounds.
        kl: shape (D,), KL divergence in nats; None where there is none.
        least: variance above which a dimension is active.

    Returns:
        The figure.

    Raises:
        ValueError: if the shapes do not agree.
        UserError: if a value is not finite.
    """
    spread = finite_values(variance, "variance", "dimension")
    shown = [("variance of the latents", np.maximum(spread, 1e-6))]
    if kl is not None:
        shown.insert(0, ("KL divergence (nats)", finite_values(kl, "kl", "dimension")))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 0.4 + 2.1 * len(shown)))
        for axes, (label, values) in zip(figure.subplots(len(shown), 1, squeeze=False)[:, 0], shown, strict=True):
            if values.shape != spread.shape:
                raise ValueError(f"{len(spread)} variances, {len(values)} divergences")
            axes.bar(np.arange(1, len(values) + 1), np.sort(values)[::-1], color=BLUE, width=0.8)
            axes.set_ylabel(label)
            axes.set_xlabel("dimension, by rank")
            axes.set_xlim(0.4, len(values) + 0.6)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(axis="y")
        axes.axhline(least, color=VERMILLION, lw=1.0, ls="--", label="active above")
        axes.set_yscale("log")
        axes.legend(loc="upper right")
    return figure


def density_map(points: ArrayLike, null: ArrayLike | None = None) -> Figure:
    """A map coloured by point density, with the map of noise next to it if given.

    Density is a fine histogram smoothed by a Gaussian whose width falls with the sixth root of N (Scott's
    rule in two dimensions, at less than half its width so that islands stay apart), relative to its peak.

    Args:
        points: shape (N, 2).
        null: shape (M, 2), the map of noise.

    Returns:
        The figure.

    Raises:
        UserError: if a map is empty or not finite.
    """
    maps = [("Latents", points)] if null is None else [("Latents", points), ("Normal noise, same recipe", null)]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.6 if null is None else 9.0, 4.6))
        panels = np.atleast_1d(figure.subplots(1, len(maps)))
        for axes, (title, values) in zip(panels, maps, strict=True):
            where = _planar(values)
            density = point_density(where)
            order = np.argsort(density)  # the crowded places on top
            x, y = where[order].T
            drawn = axes.scatter(x, y, c=density[order], cmap="viridis", vmin=0, vmax=1, s=_dot(len(where)), lw=0)
            _bare(axes, "UMAP", f"{title} ({len(where):,} points)")
        _colour_bar(figure, drawn, panels, "density (share of the peak)", pad=0.015, aspect=28)
    return figure


def cluster_map(points: ArrayLike, labels: NDArray[np.integer], marked: Sequence[int] = ()) -> Figure:
    """A map with its clusters: the largest in colours and named, the others in greys, noise as crosses.

    Args:
        points: shape (N, 2).
        labels: shape (N,), cluster from 0 or -1 for noise.
        marked: clusters whose place is shown by a ring and their number.

    Returns:
        The figure.

    Raises:
        ValueError: if the lengths differ.
        UserError: if the map is empty or not finite.
    """
    where = _planar(points)
    if labels.shape != (len(where),):
        raise ValueError(f"expected {len(where)} labels, got shape {labels.shape}")
    names, sizes = np.unique(labels[labels >= 0], return_counts=True)
    ranked = names[np.argsort(-sizes, kind="stable")]
    size, (x, y) = _dot(len(where)), where.T
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.0, 4.6))
        axes = figure.subplots()
        noise = labels < 0
        if noise.any():
            label = f"noise, {noise.sum():,} points"
            axes.scatter(x[noise], y[noise], marker="x", s=size * 1.4, lw=0.7, color="#b3b9c4", label=label)
        others = np.isin(labels, ranked[_NAMED_CLUSTERS:])
        if others.any():
            shades = np.array(["#aab3c2", "#8490a5", "#c3c9d4"])[labels[others] % 3]
            count = max(0, len(ranked) - _NAMED_CLUSTERS)
            axes.scatter(x[others], y[others], s=size, lw=0, c=shades, label=f"{count:,} smaller clusters")
        for colour, name in zip(CYCLE, ranked[:_NAMED_CLUSTERS], strict=False):
            chosen = labels == name
            label = f"cluster {name}, {chosen.sum():,} points"
            axes.scatter(x[chosen], y[chosen], s=size, lw=0, color=colour, label=label)
        for name in marked:
            middle = np.median(where[labels == name], axis=0)
            axes.plot(*middle, "o", ms=15, mfc="none", mec="white", mew=4.0)
            axes.plot(*middle, "o", ms=15, mfc="none", mec=INK, mew=2.0)
            axes.annotate(
                str(name), middle, xytext=(9, 9), textcoords="offset points", color=INK, fontweight="bold",
                path_effects=[withStroke(linewidth=2.5, foreground="white")],
            )  # fmt: skip
        _bare(axes, "UMAP", f"{len(names):,} clusters, {noise.sum():,} of {len(where):,} points are noise")
        legend = figure.legend(loc="outside right upper", markerscale=2.2)
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_alpha(1.0)
    return figure


def error_distributions(
    groups: Mapping[str, ArrayLike], label: str, nulls: Mapping[str, ArrayLike] | None = None
) -> Figure:
    """The distribution of per-preset errors of each run, with the mean of each null model as a line.

    Each row is a kernel density of the values (of their logarithms where they span more than a decade), the
    box from the first to the third quartile, the median as a white dot, and the mean as a diamond.

    Args:
        groups: name of each run to its errors, shape (N,).
        label: what the errors are, with their unit.
        nulls: name of each null model to its errors, or their mean, in the same unit.

    Returns:
        The figure.

    Raises:
        UserError: if there is no group, or a group is empty or not finite.
    """
    if not groups:
        raise UserError(label, 0, "name at least one", "0 runs to draw")
    arrays = {name: finite_values(values, f"{label} of {name}") for name, values in groups.items()}
    lines = {
        name.replace("_", " "): float(np.asarray(errors, np.float64).mean()) for name, errors in (nulls or {}).items()
    }
    everything = np.concatenate([*arrays.values(), np.array(list(lines.values()), dtype=np.float64)])
    require_finite(everything, label)
    logarithmic = bool(everything.min() > 0.0 and everything.max() > 10.0 * everything.min())
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 1.7 + 0.75 * len(arrays)))
        axes = figure.subplots()
        if logarithmic:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
        for row, (name, values) in enumerate(arrays.items()):
            _distribution(axes, row, values, CYCLE[row % len(CYCLE)], logarithmic)
            axes.text(0.0, row - 0.33, name, transform=axes.get_yaxis_transform(), weight="bold", va="bottom")
        for style, (name, value) in zip(("--", ":", "-."), lines.items(), strict=False):
            axes.axvline(value, color=INK, lw=1.3, ls=style, label=true_minus(f"{name}: {value:.3g}"))
        axes.set_ylim(len(arrays) - 0.6, -0.62)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.set_xlabel(label)
        if lines:
            figure.legend(loc="outside upper left", ncols=len(lines))
    return figure


def loss_curves(rows: pd.DataFrame, panels: Mapping[str, Sequence[str]]) -> Figure:
    """Learning curves, one panel per term.

    Args:
        rows: rows of ``metrics.csv`` (`synthvae.training.log.read_metrics`), a row per epoch; NaN is a gap.
        panels: label of each panel, with unit, to the columns it shows.

    Returns:
        The figure, two panels to a row; curves of positive values over more than a decade have a
        logarithmic axis.

    Raises:
        UserError: if there are no rows or panels, or a column is missing.
    """
    for name in ["epoch", *(column for names in panels.values() for column in names)]:
        if name not in rows.columns:
            raise UserError("metrics", name, f"it has {', '.join(rows.columns)}", f"no column {name!r}")
    if not panels or not len(rows):
        raise UserError("metrics", len(rows), "train for at least one epoch first", "there is nothing to draw")
    wide = min(2, len(panels))
    high = -(-len(panels) // wide)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4 if wide == 2 else 6.0, 0.3 + 2.4 * high))
        grid = figure.subplots(high, wide, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for axes, (label, names) in zip(grid.flat, panels.items(), strict=False):
            _curves(axes, rows, names)
            axes.set_xlabel("epoch")
            axes.set_ylabel(label)
    return figure


def sensitivity_chart(names: Sequence[str], values: ArrayLike, feature: str) -> Figure:
    """Sensitivity of the sound to each parameter: one bar per parameter, the largest first, coloured by module.

    Args:
        names: ``module.parameter``, P of them.
        values: root mean square change of the feature when each parameter alone is drawn anew, shape (P,).
        feature: its name; ``logmel`` is in dB.

    Returns:
        The figure.

    Raises:
        ValueError: if the lengths differ.
        UserError: if a value is not finite.
    """
    heights = finite_values(values, "sensitivity", "parameter")
    if len(heights) != len(names):
        raise ValueError(f"sensitivity: {len(names)} names for {len(heights)} values")
    order = np.argsort(heights)
    modules = list(dict.fromkeys(name.split(".")[0].removesuffix("_adsr") for name in names))
    colour = {module: CYCLE[i % len(CYCLE)] for i, module in enumerate(modules)}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 0.8 + 0.17 * len(names)))
        axes = figure.subplots()
        colours = [colour[names[i].split(".")[0].removesuffix("_adsr")] for i in order]
        axes.barh(np.arange(len(names)), heights[order], color=colours, height=0.75)
        axes.set_yticks(np.arange(len(names)), [names[i] for i in order], fontsize=7)
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.set_xlabel(
            f"root mean square change of {feature} when drawn anew ({'dB' if feature == 'logmel' else 'its unit'})"
        )
        axes.grid(axis="x")
    return figure


def png_bytes(figure: Figure, dpi: int = DPI) -> bytes:
    """The figure as a PNG, the same bytes for the same figure.

    Args:
        figure: figure to draw.
        dpi: dots per inch.

    Returns:
        The file's content.
    """
    figure.set_dpi(dpi)
    return _print(figure, FigureCanvasAgg(figure).print_png, {"Software": None})


def svg_bytes(figure: Figure) -> bytes:
    """The figure as an SVG, the same bytes for the same figure; the points of maps are an image in it.

    Args:
        figure: figure to draw.

    Returns:
        The file's content.
    """
    figure.set_dpi(DPI)
    return _print(figure, FigureCanvasSVG(figure).print_svg, {"Date": None, "Creator": None})


def both_bytes(figure: Figure) -> tuple[bytes, bytes]:
    """The figure as `png_bytes` and as `svg_bytes`, laid out once; it keeps that layout.

    Args:
        figure: figure to draw.

    Returns:
        Content of the PNG and of the SVG.
    """
    return png_bytes(figure), svg_bytes(figure)


def _print(figure: Figure, write: Callable[..., object], metadata: dict[str, None]) -> bytes:
    """The file that a canvas writes. `Figure.savefig` would draw twice, the first time only to compute the layout."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": "synthvae"}):
        _lay_out(figure)
        write(buffer, metadata=metadata)
    return buffer.getvalue()


def _lay_out(figure: Figure) -> None:
    """Lay a figure out once: that is a third of the work of drawing.

    Positions are rounded. Their last bits differ between processes, and matplotlib names clip paths by a hash of them.
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position(tuple(np.round(axes.get_position(original=True).bounds, 6)))


def _colour_bar(figure: Figure | SubFigure, drawn: ScalarMappable, axes: Any, label: str, **place: Any) -> None:  # noqa: ANN401
    bar = figure.colorbar(drawn, ax=axes, **place)
    bar.set_label(label)
    bar.outline.set_visible(False)


def _draw_overlay(
    whole: Axes, moment: Axes, first: NDArray[np.float64], second: NDArray[np.float64], sample_rate: int
) -> None:
    """Original and reconstruction over one another: the bounds of the whole, and where the original is loudest."""
    if first.shape != second.shape:
        raise ValueError(f"target has {len(first)} samples, reconstruction {len(second)}")
    length = min(len(first), max(2, round(_ZOOM_SECONDS * sample_rate)))
    start = min(int(np.abs(first).argmax()), len(first) - length)
    seconds = np.arange(len(first)) / sample_rate
    bounds = _columns(first, second)
    edge = np.arange(len(bounds[0])) / max(1, len(bounds[0]) - 1) * len(first) / sample_rate
    whole.fill_between(edge, bounds[0], bounds[1], color=BLUE, alpha=0.45, lw=0)
    for bound in bounds[2:]:
        whole.plot(edge, bound, color=VERMILLION, lw=1.0)
    whole.axvspan(seconds[start], seconds[start + length - 1], color=INK, alpha=0.15, lw=0)
    rows = slice(start, start + length)
    moment.plot(1000 * seconds[rows], first[rows], color=BLUE, lw=2.2, label="original")
    moment.plot(1000 * seconds[rows], second[rows], color=VERMILLION, lw=1.5, label="reconstruction")


def _draw_images(
    panels: Sequence[Axes], images: Sequence[NDArray[np.float64]], centres: NDArray[np.float64], seconds: float
) -> AxesImage:
    """Spectrograms beside each other on one colour scale, frequencies named on the first; gives the last image."""
    if any(values.shape != images[0].shape or len(centres) != len(values) for values in images):
        raise ValueError(f"shapes differ: {[values.shape for values in images]}, {len(centres)} frequencies")
    top = max(values.max() for values in images)
    bottom = max(top - _SPAN_DB, min(values.min() for values in images))
    if bottom == top:
        bottom = top - 1.0  # silence has no range of its own
    ticks, positions = _hertz_ticks(centres)
    for axes, values in zip(panels, images, strict=True):
        image = axes.imshow(
            values, origin="lower", aspect="auto", interpolation="nearest", cmap="magma", vmin=bottom, vmax=top,
            extent=(0.0, seconds, 0.0, len(centres)),
        )  # fmt: skip
        axes.set_xlabel("time (s)")
        axes.spines[:].set_visible(False)
        axes.yaxis.set_major_locator(FixedLocator(positions))
        axes.set_yticklabels([_hertz(hertz) for hertz in ticks])
    panels[0].set_ylabel("frequency (Hz)")
    return image


def _columns(*sounds: NDArray[np.float64], columns: int = 100) -> list[NDArray[np.float64]]:
    """Lowest and highest sample of each sound in each of `columns` stretches of time."""
    bounds = []
    for sound in sounds:
        starts = np.unique(np.arange(columns) * len(sound) // columns)
        bounds += [np.minimum.reduceat(sound, starts), np.maximum.reduceat(sound, starts)]
    return bounds


def _planar(points: ArrayLike) -> NDArray[np.float64]:
    where = finite_matrix(points, "map", "point")
    if where.shape[1] != 2:
        raise ValueError(f"map: expected shape (N, 2), got {where.shape}")
    return where


def point_density(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Point density of a map at each of its points, relative to its maximum.

    Points are counted in 192 by 192 squares and blurred, wider where there are fewer points.

    Args:
        points: shape (N, 2).

    Returns:
        Shape (N,), above 0 up to 1.
    """
    cells, low = 192, points.min(axis=0)
    width = np.maximum(points.max(axis=0) - low, 1e-12)
    place = (points - low) / width * (cells - 1)
    counts = np.zeros((cells, cells))
    np.add.at(counts, tuple(np.rint(place).astype(int).T), 1.0)
    width_in_cells = 0.1 * cells * len(points) ** (-1 / 6)
    smooth = ndimage.gaussian_filter(counts, width_in_cells, mode="constant")
    density = ndimage.map_coordinates(smooth, place.T, order=1)
    return density / max(density.max(), 1e-12)


def _dot(n: int) -> float:
    """Area of a dot in square points: large for a few, fine for many."""
    return float(np.clip(9000.0 / n, 2.5, 22.0))


def _distribution(axes: Axes, row: int, values: NDArray[np.float64], colour: str, logarithmic: bool) -> None:
    scale = np.log(values) if logarithmic else values
    spread = float(scale.std())
    if len(values) > 2 and spread > 1e-9 * max(1.0, float(np.abs(scale).max())):
        grid = np.linspace(scale.min(), scale.max(), 256)
        sample = scale if len(scale) <= 5000 else scale[np.linspace(0, len(scale) - 1, 5000).astype(int)]
        density = stats.gaussian_kde(sample)(grid)
        height = 0.3 * density / density.max()
        ends = np.exp(grid) if logarithmic else grid
        axes.fill_between(ends, row - height, row + height, color=colour, alpha=0.28, lw=0)
    q25, median, q75 = np.quantile(values, [0.25, 0.5, 0.75])
    axes.plot([q25, q75], [row, row], color=colour, lw=7, solid_capstyle="butt")
    axes.plot(median, row, "o", color="white", ms=5, mec=colour, mew=1.2)
    axes.plot(values.mean(), row, "D", color=INK, ms=4.5, mec="white", mew=0.8)


def _hertz_ticks(centres: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Round frequencies, from the top, as long as they do not crowd, and where they lie on the band axis."""
    ticks: list[float] = []
    positions: list[float] = []
    for hertz in (20e3, 10e3, 5e3, 2e3, 1e3, 500.0, 200.0, 100.0, 50.0):
        place = float(np.interp(hertz, centres, np.arange(len(centres)) + 0.5))
        crowded = bool(positions) and positions[-1] - place < 0.06 * len(centres)
        if centres[0] <= hertz <= centres[-1] and not crowded:
            ticks.append(hertz)
            positions.append(place)
    return ticks, positions


def _hertz(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def _curves(axes: Axes, rows: pd.DataFrame, names: Sequence[str]) -> None:
    drawn = []
    for colour, name in zip(cycle(CYCLE), names, strict=False):
        present = rows[["epoch", name]].dropna().to_numpy().T
        drawn.append(present[1])
        split, _, term = name.partition("/")
        label = split if term and split in ("train", "validation") else name
        marker = "o" if len(present[1]) == 1 else ""
        axes.plot(*present, color=colour, lw=1.8, marker=marker, ms=4, label=label)
    together = np.concatenate(drawn)
    if together.size and together.min() > 0 and together.max() > 10 * together.min():
        axes.set_yscale("log")
    else:
        axes.yaxis.set_major_formatter(ScalarFormatter(useOffset=False))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.grid()
    if 1 < len(names) <= len(CYCLE):  # more lines than colours are a bundle, which no legend could tell apart
        axes.legend()


def value_map(points: ArrayLike, values: ArrayLike, label: str, axes_name: str = "UMAP") -> Figure:
    """A map coloured by a value of each point: a parameter, a descriptor, an error.

    Colours run from the 2nd to the 98th percentile; points beyond have the end's colour, and the colour bar is
    pointed there. Points are drawn in a random order, so that no colour lies on top.

    Args:
        points: shape (N, 2).
        values: shape (N,).
        label: what the values are, with their unit.
        axes_name: name of the map's axes: ``UMAP``, ``PCA`` or ``t-SNE``.

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
        dot = float(np.clip(18000.0 / len(where), 4.0, 26.0))
        x, y = where[order].T
        drawn = axes.scatter(x, y, c=shown[order], cmap="viridis", vmin=low, vmax=high, s=dot, lw=0)
        _bare(axes, axes_name, f"{len(where):,} points")
        extend = beyond[bool(shown.min() < low), bool(shown.max() > high)]
        _colour_bar(figure, drawn, axes, label, pad=0.015, aspect=28, extend=extend)
    return figure


def effect_heatmap(values: ArrayLike, names: Sequence[str], label: str, strength: ArrayLike | None = None) -> Figure:
    """Heat map of the effect of each parameter on each latent dimension: parameters in rows, the strongest first.

    Rows are sorted by the root sum of squares of `strength` over dimensions, columns by that over parameters, so that
    what matters is at the top left, and figures of one strength can be compared cell by cell.

    Args:
        values: shape (P, D), 0 or more, such as the `movement` of `synthvae.metrics.paths.ParameterEffects`; NaN is
            drawn grey.
        names: P names of the parameters.
        label: what the values are, with their unit.
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
        raise UserError(label, label, "there is nothing to draw", "no parameter moves anything")
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
            cmap="magma",
            vmin=0.0,
            vmax=largest,
        )
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_yticks(np.arange(count), [names[i] for i in rows], fontsize=7)
        axes.set_xticks(np.arange(dimensions), [f"z{i}" for i in columns], fontsize=8)
        axes.set_xlabel("latent dimension, the most moved first")
        _colour_bar(figure, image, axes, label, pad=0.02, aspect=40, fraction=0.05)
    return figure


def interpolation_chart(comparisons: Mapping[str, PathComparison]) -> Figure:
    """Change of each descriptor's smoothness and nonlinearity relative to the reference.

    One panel per score, one bar per descriptor: the change of the mean as a share of the reference's, solid where it
    is significant, faint where it is not. Left of 0 is better. Bars beyond 100 % are cut and their change is written.

    Args:
        comparisons: comparisons of `synthvae.metrics.paths.compare_paths`.

    Returns:
        The figure; descriptors are sorted by the first score, the most improved first.

    Raises:
        ValueError: if the comparisons are of different descriptors.
        UserError: if there is none.
    """
    if not comparisons:
        raise UserError("interpolation", [], "compare paths first", "0 scores to draw")
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


def cluster_spectra(spectra: Mapping[str, ArrayLike], frequencies: ArrayLike) -> Figure:
    """Mean spectra of clusters over one another, in bands of a twelfth of an octave.

    A line through every bin of a Fourier transform hides the others; the level of a band is that of the mean power of
    its bins.

    Args:
        spectra: name of each cluster to its levels in dB, shape (F,), as `mean_spectrum` gives them.
        frequencies: shape (F,), of the bins in Hz, rising.

    Returns:
        The figure.

    Raises:
        ValueError: if the shapes do not agree.
        UserError: if there is no cluster, a level is not finite, or no bin lies above 20 Hz.
    """
    if not spectra:
        raise UserError("spectra", [], "name at least one", "0 clusters to draw")
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
        axes.xaxis.set_major_formatter(FuncFormatter(lambda h, _: _hertz(h)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(max(top - _SPAN_DB, bottom - 3.0), top + 3.0)
        axes.set_xlabel("frequency (Hz)")
        axes.set_ylabel("mean level (dB of full scale)")
        axes.grid()
        figure.legend(loc="outside upper left", ncols=min(len(levels), 4))
    return figure


def _bare(axes: Axes, name: str, title: str) -> None:
    """Label the axes of a map, which has no scale worth ticks."""
    axes.set_rasterization_zorder(1.5)  # thousands of dots would make an SVG of megabytes
    axes.set_title(title)
    axes.set_xlabel(f"{name} 1 (no unit)")
    axes.set_ylabel(f"{name} 2 (no unit)")
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
        raise UserError("hertz", float(hertz[-1]), f"give bins above {_LOWEST_HERTZ:g}", why="the highest frequency")
    band = np.floor(_BANDS_PER_OCTAVE * np.log2(hertz[audible] / _LOWEST_HERTZ))
    starts = audible[np.concatenate([[True], np.diff(band) > 0])]
    ends = np.append(starts[1:], len(hertz))
    return np.sqrt(hertz[starts] * hertz[ends - 1]), [int(start) for start in starts]
