"""Report section on paths between presets, traversals of latent dimensions, and effects of single parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from synthvae.analysis.latent_space import walk
from synthvae.analysis.results import Results, RunResults
from synthvae.metrics.paths import traverse
from synthvae.report.document import (
    Cell,
    Column,
    FigureItem,
    Item,
    Measured,
    Section,
    SoundRow,
    SoundTable,
    Table,
    sound_row,
)
from synthvae.report.sections.listening import render
from synthvae.training.tasks.presets import ACTIVE_NATS

__all__ = ["Path", "movement", "paths"]

#: Paths that can be listened to, and sounds on each.
PATHS, STEPS = 2, 5
#: Values of a latent dimension: the middle nine tenths and more of the prior.
VALUES = (-2.0, -1.0, 0.0, 1.0, 2.0)


def movement(run: RunResults, results: Results, images: Mapping[str, bytes]) -> Section:
    """Scores and sounds of paths; traversals of dimensions; effects of parameters."""
    items: list[Item] = []
    if run.movement.paths.linear:
        items += [
            _scores(run),
            FigureItem(
                images[f"{run.name}_paths"],
                "Change of smoothness and nonlinearity of each descriptor against interpolation of parameters",
                "Change of each descriptor's smoothness and nonlinearity on straight latent paths against "
                "interpolation of the parameters; below 0 is better.",
            ),
        ]
    items += [SoundTable("Between two test presets, from left to right", _walks(run, results, images))]
    active = _dimensions(run, results)
    if active:
        items += [
            SoundTable("Traversal of every active latent dimension from -2 to 2, by decreasing KL divergence", active)
        ]
    items.append(
        FigureItem(
            images[f"{run.name}_effects"],
            "Heat map of the movement of each latent dimension by each parameter",
            f"Movement of each latent dimension when one parameter alone is moved over its range, mean over "
            f"{run.movement.effects.presets} presets.",
        )
    )
    if f"{run.name}_linearity" in images:
        items.append(
            FigureItem(
                images[f"{run.name}_linearity"],
                "Heat map of the linearity of each latent dimension in each parameter",
                "Whether it goes straight: the share of that movement that is a straight line, in the same order; grey "
                "where nothing moves.",
            )
        )
    return Section(f"Latent paths and parameter effects: {run.name}", [_lead(run)], items)


def _lead(run: RunResults) -> str:
    effects = run.movement.effects
    share = effects.mean_linearity
    if share is None:
        return "No parameter moves the latent: the encoder's output is constant."
    return (
        f"A straight line explains {100 * share:.0f} % of the movement of latents by single parameters "
        f"(R², weighted by movement; {100 * effects.linearity_by_chance:.0f} % by chance)."
    )


def _scores(run: RunResults) -> Table:
    rows: list[list[Cell]] = []
    for kind, comparisons in (("straight", run.movement.paths.linear), ("arc", run.movement.paths.slerp)):
        for name, c in comparisons.items():
            averages = (c.mean_change, c.mean_interval), (c.median_change, c.median_interval)
            changes = [cell for change, bounds in averages for cell in (_percent(change), _interval(bounds))]
            rows.append([kind, name, *changes, c.improved, c.worsened, len(c.changes)])
    columns = [
        Column("latent path"),
        Column("score"),
        Column("mean change", note="over descriptors, against interpolation of the parameters; below 0 is better"),
        Column("its interval", "%", note="95 %, by the bootstrap over paths"),
        Column("median change"),
        Column("its interval", "%", note="95 %, likewise"),
        Column("improved", "descriptors"),
        Column("worsened", "descriptors"),
        Column("of", "descriptors"),
    ]
    first = next(iter(run.movement.paths.linear.values()))
    note = (
        f"{first.paths} paths of 9 sounds between test presets, which all of them begin and end at; scores after "
        "SPINVAE (Le Vaillant and Dutoit 2023), whose best model of presets alone changes them by -4.6 % and -6.4 %."
    )
    return Table("Smoothness of timbre along latent paths", columns, rows, note)


def _percent(value: float | None) -> Measured:
    return Measured(None if value is None else 100 * value, "%")


def _interval(bounds: tuple[float, float] | None) -> str:
    return "" if bounds is None else f"{100 * bounds[0]:+.1f} to {100 * bounds[1]:+.1f}"


@dataclass(frozen=True)
class Path:
    """Sounds on the way from one test preset to another.

    Attributes:
        name: which presets it joins.
        detail: further property of the path.
        labels: labels of the sounds.
        audio: the sounds ``(STEPS, T)``.
        figure: name of the figure that shows it; empty where none does.
    """

    name: str
    detail: str
    labels: list[str]
    audio: Tensor
    figure: str


def paths(run: RunResults, results: Results) -> list[Path]:
    """Paths that can be listened to; those through the latent space have figures."""
    found = []
    labels = [f"{step + 1} of {STEPS}" for step in range(STEPS)]
    for number, pair in enumerate(run.movement.pairs[:PATHS]):
        ends = [results.tests.unit[int(index)][None] for index in pair]
        first, last = (int(index) for index in pair)
        numbers = [results.tests.numbers[index] for index in (first, last)]
        name = f"{results.names[first]} to {results.names[last]} (presets {numbers[0]} to {numbers[1]})"
        for kind, detail in (("straight", "through the latent space"), ("parameter", "by parameters")):
            audio = render(run, walk(run.run, ends[0], ends[1], kind, STEPS)[0])
            figure = f"{run.name}_path_{number + 1}" if kind == "straight" else ""
            found.append(Path(name, detail, labels, audio, figure))
    return found


def _walks(run: RunResults, results: Results, images: Mapping[str, bytes]) -> list[SoundRow]:
    rows = []
    for path in paths(run, results):
        figure = None
        if path.figure:
            figure = FigureItem(
                images[path.figure],
                f"Waveforms and log-mel spectrograms of the {STEPS} sounds from {path.name}",
                "Bounds of the waveforms, and log-mel spectrograms in dB on one colour scale.",
            )
        sounds = list(path.audio.numpy())
        rows.append(sound_row(path.name, path.labels, sounds, results.tests.sample_rate, path.detail, figure))
    return rows


def _dimensions(run: RunResults, results: Results) -> list[SoundRow]:
    rows, rate = [], results.tests.sample_rate
    for dimension in np.argsort(-run.sounds.kl, kind="stable"):
        if run.sounds.kl[dimension] <= ACTIVE_NATS:
            break
        path = traverse(np.zeros(run.run.latent_size), int(dimension), VALUES)
        audio = render(run, run.run.decode(torch.from_numpy(path)))
        labels, detail = [f"{value:g}" for value in VALUES], f"{run.sounds.kl[dimension]:.2g} nats"
        rows.append(sound_row(f"dimension {dimension}", labels, list(audio.numpy()), rate, detail))
    return rows
