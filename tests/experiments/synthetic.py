"""Measures with known ratios, in place of hours of training."""

from __future__ import annotations

import numpy as np

from synthvae.experiments.cases import Case, list_cases
from synthvae.experiments.maps import MapNull
from synthvae.experiments.measures import CaseMeasures, NullMeasures
from synthvae.experiments.tables import Results
from synthvae.maps.clusters import ClusterQuality
from synthvae.maps.nulls import COLLAPSED, NOISE
from synthvae.metrics.waveforms import PHASE_JUDGES

FEATURES = ("logmel", "stft", "mfcc", "cqt")
PRESETS = 40


def quality(clusters: int, dbcv: float | None) -> dict[str, object]:
    return {
        "points": 500,
        "dimension": 2,
        "clusters": clusters,
        "noise": 50,
        "noise_share": 0.1,
        "dbcv": dbcv,
        "reason": "",
    }


#: DBCVs of three maps of each null: what one more map would have ends at 0.25 and at 0.55.
NULL_DBCVS = {NOISE: (0.18, 0.2, 0.22), COLLAPSED: (0.25, 0.3, 0.35)}


def null_maps(case: Case) -> dict[str, MapNull]:
    """Nulls of a case: 5 clusters on every map."""
    return {
        name: MapNull(name, (16,), case.eps, tuple(ClusterQuality(**quality(5, dbcv)) for dbcv in dbcvs))
        for name, dbcvs in NULL_DBCVS.items()
    }


def nulls() -> NullMeasures:
    base = np.random.default_rng(0).gamma(2.0, 1.0, PRESETS)
    models = {"mean_preset": 1.0, "mean_spectrogram": 0.5, "random_preset": 1.2}
    errors = {f: {name: (base * factor).tolist() for name, factor in models.items()} for f in FEATURES}
    phase = {"mean_preset": 1.0, "random_preset": 1.2, "silence": 0.8}
    heard = {judge: {name: (base * factor).tolist() for name, factor in phase.items()} for judge in PHASE_JUDGES}
    slopes = {"mean_preset": 5.0, "random_preset": 0.0, "silence": 20.0}
    heard["level_slope"] = {name: [slope] * PRESETS for name, slope in slopes.items()}
    return NullMeasures("key", PRESETS, errors, errors, heard, 10.0, 400.0, [4.0] * PRESETS)


def measures(factor: float, seed: int, dbcv: float | None = 0.4, fad: float | None = 20.0) -> CaseMeasures:
    """A run whose error on every preset is `factor` times the mean preset's, moved a little by the seed.

    Its level rises by 100 dB/s times what the factor has above 0.8, give or take 1 dB/s a preset.
    """
    moved = factor * (1.0 + 0.01 * (seed - 1))
    errors = {f: (moved * np.array(nulls().mse[f]["mean_preset"])).tolist() for f in FEATURES}
    heard = {judge: (moved * np.array(nulls().waveforms[judge]["mean_preset"])).tolist() for judge in PHASE_JUDGES}
    heard["level_slope"] = (100.0 * (factor - 0.8) + np.random.default_rng(seed).normal(0.0, 1.0, PRESETS)).tolist()
    return CaseMeasures(
        "key", 30 + seed, 25, "all epochs done", 60.0, errors, errors, heard, [2.0] * PRESETS, fad, fad, fad,
        [1.0, 0.01], quality(7, dbcv),
    )  # fmt: skip


def results(factors: dict[str, float], seeds: int = 3, **others: float | None) -> Results:
    """Results of named cases, each with its factor."""
    known = {case.name: case for case in list_cases()}
    cases: tuple[Case, ...] = tuple(known[name] for name in factors)
    runs = {(name, s): measures(factor, s, **others) for name, factor in factors.items() for s in range(seeds)}
    of_seeds = {name: tuple(range(seeds)) for name in factors}
    return Results(cases, of_seeds, runs, nulls(), null_maps={case.name: null_maps(case) for case in cases})
