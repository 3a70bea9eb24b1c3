"""How far sets of sounds are from each other as wholes."""

from __future__ import annotations

from synthvae.analysis.measure import Frechet
from synthvae.analysis.report import Cell, Column, Measured, Section, Table
from synthvae.analysis.results import Results

__all__ = ["distances_of_sets"]


def distances_of_sets(results: Results) -> Section:
    """Fréchet and kernel distances of reconstructions, of the prior and of the nulls."""
    rows: list[list[Cell]] = []
    for run in results.runs:
        for name, found in (("reconstructions", run.sets.reconstructions), ("prior samples", run.sets.prior)):
            extrapolated, kernel = found.extrapolated, found.kernel
            rows.append(
                [
                    f"{run.name}: {name}",
                    Measured(found.frechet.value if found.frechet else None, "dB²"),
                    Measured(extrapolated.value, "dB²", extrapolated.low, extrapolated.high)
                    if extrapolated
                    else Measured(None, "dB²"),
                    kernel.value if kernel else None,
                    min(found.frechet.n, found.frechet.other_n) if found.frechet else None,
                    found.reason + (" extrapolated below 0" if extrapolated and extrapolated.clipped else ""),
                ]
            )
        train = run.sounds.train_distance
        rows.append(_row(f"{run.name}: reconstructions of training presets", train))
    floor, half = results.nulls.floor, results.set_floor
    rows.append(_row("floor: two halves of the test sounds", floor))
    if half.kernel is not None:
        rows[-1][3] = half.kernel.high
        rows[-1][5] = "kernel distance: what 5 % of the halves exceed"
    rows.append(_row("null: the mean preset", results.nulls.mean_preset_distance))
    columns = [
        Column("sounds"),
        Column("FAD"),
        Column("FAD, infinitely many", note="extrapolated against 1 / N, with its 95 % interval"),
        Column("KAD", "MMD²", "kernel audio distance, unbiased"),
        Column("N", "sounds"),
        Column("remark"),
    ]
    return Section(
        "Distances between sets of sounds",
        [
            "How far a set of sounds is from the test sounds as a whole, or from the training sounds it was made of; "
            "the floor is what equal sets read."
        ],
        [Table("Fréchet and kernel audio distances, log-mel embedding", columns, rows)],
    )


def _row(name: str, result: Frechet) -> list[Cell]:
    d = result.distance
    value = Measured(d.value if d else None, "dB²")
    return [name, value, Measured(None, "dB²"), None, min(d.n, d.other_n) if d else None, result.reason]
