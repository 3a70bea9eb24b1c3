"""Report section on distances between sets of sounds."""

from __future__ import annotations

from synthvae.analysis.distributions import AudioDistances, EmbeddedTests
from synthvae.analysis.results import Results
from synthvae.report.document import Cell, Column, Measured, Section, Table

__all__ = ["distances_of_sets"]

#: Square of an embedding's unit, where it has one.
UNITS = {"logmel": "dB²"}


def distances_of_sets(results: Results) -> Section:
    """Fréchet and kernel distances of reconstructions, of the prior and of the nulls, in each embedding."""
    return Section(
        "Distances between sets of sounds",
        [
            "Distances of sets of sounds to the test sounds, or to the training sounds that were reconstructed. "
            "FAD and KAD are distances in an embedding, named above each table; figures of different embeddings cannot "
            "be compared. The floor is the distance between two sets of one distribution."
        ],
        [_table(results, tests) for tests in results.embedded.values()],
    )


def _table(results: Results, tests: EmbeddedTests) -> Table:
    unit = UNITS.get(tests.embedding, "embedding²")
    rows: list[list[Cell]] = []
    for run in results.runs:
        sets = run.sets[tests.embedding]
        for name, found in (
            ("reconstructions", sets.test),
            ("prior samples", sets.prior),
            ("reconstructions of training presets", sets.training),
        ):
            rows.append(_row(f"{run.name}: {name}", found, unit))
    nulls = tests.nulls
    floor = _row(
        "floor: two halves of the test sounds",
        AudioDistances(nulls.frechet_audio_distance_of_halves, None, None, nulls.reason),
        unit,
    )
    if nulls.kernel_audio_distance_of_halves is not None:
        floor[3] = nulls.kernel_audio_distance_of_halves.high
        floor[5] = "kernel distance: 95th percentile of halves"
    preset = nulls.mean_preset
    mean_preset = AudioDistances(preset.frechet_audio_distance, None, preset.kernel_audio_distance, preset.reason)
    rows += [floor, _row("null: the mean preset", mean_preset, unit)]
    columns = [
        Column("sounds"),
        Column("FAD"),
        Column("FAD, infinitely many", note="extrapolated against 1 / N, with its 95 % interval"),
        Column("KAD", "MMD²", "kernel audio distance, unbiased"),
        Column("N", "rows"),
        Column("remark"),
    ]
    return Table(f"Fréchet and kernel audio distances, {tests.embedding} embedding", columns, rows)


def _row(name: str, found: AudioDistances, unit: str) -> list[Cell]:
    frechet, extrapolated, kernel = (
        found.frechet_audio_distance,
        found.frechet_audio_distance_infinity,
        found.kernel_audio_distance,
    )
    return [
        name,
        Measured(frechet.value if frechet else None, unit),
        Measured(extrapolated.value, unit, extrapolated.low, extrapolated.high)
        if extrapolated
        else Measured(None, unit),
        kernel.value if kernel else None,
        min(frechet.n, frechet.other_n) if frechet else None,
        found.reason + (" extrapolated below 0" if extrapolated and extrapolated.clipped else ""),
    ]
