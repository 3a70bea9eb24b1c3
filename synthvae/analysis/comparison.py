"""Tests of differences between runs; the unit is the seed if a method was trained with several, else the preset."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from synthvae.analysis.results import RunResults
from synthvae.metrics.statistics import CountTest, GroupComparison, by_seed, compare_counts, compare_groups
from synthvae.training.tasks.presets import ACTIVE_NATS

__all__ = ["LOGMEL", "Comparisons", "compare_runs"]

#: The audible measure among those that are compared.
LOGMEL = "L1 error on logmel"

Values = Callable[[RunResults], NDArray[np.float64]]


@dataclass(frozen=True)
class Comparisons:
    """Tests of differences.

    Attributes:
        unit: ``preset`` or ``seed``: the independent unit of the tests.
        groups: name of each group to the names of its runs.
        errors: errors by measure; less is better.
        counts: numbers of events, by event.
        note: consequence of the unit for the conclusions, in a sentence.
    """

    unit: str
    groups: Mapping[str, Sequence[str]]
    errors: Mapping[str, GroupComparison]
    counts: Mapping[str, CountTest]
    note: str


def compare_runs(runs: Sequence[RunResults], null: NDArray[np.float64]) -> Comparisons | None:
    """Compare runs with each other.

    Runs that were trained alike but for their seed are one group, as long as there is another; their unit is the seed
    (`by_seed`), and every seed has one value.

    Args:
        runs: at least one.
        null: log-mel error of the mean preset on each test preset.

    Returns:
        The tests; None for a single run.
    """
    if len(runs) < 2:
        return None
    methods = _methods(runs)
    measures: dict[str, Values] = {
        f"L1 error on {feature}": lambda run, feature=feature: run.sounds.errors[feature].l1  # type: ignore[misc]
        for feature in runs[0].sounds.errors
    }
    several = 1 < len(methods) < len(runs)
    groups = methods if several else {run.name: [run] for run in runs}
    errors = {}
    for measure, values in measures.items():
        found = {name: [values(run) for run in group] for name, group in groups.items()}
        units = by_seed(found) if several else {name: presets for name, (presets,) in found.items()}
        errors[measure] = compare_groups(units, measure, "methods" if several else "runs")
    active = {name: np.concatenate([run.sounds.kl for run in group]) > ACTIVE_NATS for name, group in groups.items()}
    tables = {
        "active latent dimensions": {
            name: {"active": int(found.sum()), "unused": int((~found).sum())} for name, found in active.items()
        }
    }
    note = "The seed is the unit: each value is the mean of one trained network over all presets."
    if not several:
        tables["presets that sound closer than the mean preset"] = {run.name: _closer(run, null) for run in runs}
        note = "The presets are the unit here: a difference between trained networks, not between methods."
        if len(methods) == 1:
            note += " These runs differ in nothing but their seed."
    names = {name: [run.name for run in group] for name, group in groups.items()}
    counts = {what: compare_counts(table, what) for what, table in tables.items()}
    return Comparisons("seed" if several else "preset", names, errors, counts, note)


def _methods(runs: Sequence[RunResults]) -> dict[str, list[RunResults]]:
    """Runs grouped by all settings but the seed, each group with a unique name."""
    alike: dict[object, list[RunResults]] = {}
    for run in runs:
        config = run.run.config
        machine = {"data": "", "device": "", "devices": 1, "nodes": 1, "strategy": ""}
        key = repr(dataclasses.replace(config, seed=0, on_nonfinite="stop", **machine))
        alike.setdefault(key, []).append(run)
    groups: dict[str, list[RunResults]] = {}
    for group in alike.values():
        names = [run.name for run in group]
        common = "".join(
            letters[0] for letters in takewhile(lambda each: len(set(each)) == 1, zip(*names, strict=False))
        )
        name = re.sub(r"[-_ ]*(seed)?[-_ ]*$", "", common) if len(group) > 1 else common
        groups[name if name and name not in groups else group[0].name] = group
    return groups


def _closer(run: RunResults, null: NDArray[np.float64]) -> dict[str, int]:
    closer = int((run.sounds.errors["logmel"].mse < null).sum())
    return {"closer": closer, "not closer": len(null) - closer}
