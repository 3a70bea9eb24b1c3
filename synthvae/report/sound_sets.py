"""Report section on sets of sounds beside the training sounds, round trips over maps, and labels."""

from __future__ import annotations

from collections.abc import Sequence

from synthvae.analysis.recorded_sounds import RunMeasurement
from synthvae.report.document import Column, Measured, Section, Table

__all__ = ["SET_METHODS", "sets_section"]

SET_METHODS = {
    "Linear frequency": "Log-spectral distance: RMS difference of levels over the bins of a frame (STFT Hann 1024), "
    "mean over frames, down to -80 dB.",
    "Accuracy of magnitude and phase": "max(0, 1 - |x - y|² / |x|²) of each sound, as García López (2025) has it, also "
    "for each channel. Phase weighs the less the longer the transform is, so that the exact magnitude with a phase of "
    "zero scores 71 to 87 % by itself.",
    "Sets of sounds": "Test sounds, reconstructions of test sounds, draws, and sounds at positions drawn evenly over "
    "the map (UMAP of at most 1,000 training latents), each beside the training sounds. Fréchet distances are "
    "extrapolated to infinitely many sounds, since sets of different sizes are not comparable otherwise. Kernel "
    "distance: squared maximum mean discrepancy in the log-mel embedding, times 100. Different bins: log-mel "
    "spectrograms shrunk to 16 x 32 values, k-means of the training sounds, share of each bin by a two-proportion z "
    "test at 5 % (Richardson and Weiss 2018). Copies: sounds closer to a training sound than its nearest other "
    "training sound is; about half of the test sounds are.",
    "Round trips": "Latents are laid out on a map and found again from their position: on the two directions of "
    "largest variance, or from the neighbours on the UMAP map without the point's own latent, as the page does. "
    "Explained: 1 less the squared error over the variance, so that the mean latent for all has 0.",
    "Labels by a classifier": "Logistic regression on the shrunk log-mel spectrograms of the training sounds.",
}
PROGRAMS = {
    "visqol": "ViSQOL, 1 to about 4.7",
    "odg": "PEAQ's grade, 0 to about -4, sounds joined to themselves",
    "fingerprint": "equal bits of Chromaprint's codes, 0.5 by chance",
}
SETS = {
    "test": "test sounds",
    "reconstructions": "reconstructions",
    "aggregate": "draws, mixture of Gaussians",
    "normal": "draws, standard normal",
    "map": "positions of the map",
}


def sets_section(runs: Sequence[RunMeasurement]) -> list[Section]:
    """Sets of sounds beside the training sounds, round trips and classes; nothing where sounds are too few."""
    tables = []
    for run in runs:
        drawn = run.drawn
        if drawn.sets is None:
            continue
        rows = [
            [
                SETS[key],
                one.sounds,
                Measured(one.frechet_limit, "dB²", one.frechet_low, one.frechet_high),
                one.kernel,
                None if one.bins is None else one.bins.different,
                None if one.bins is None else one.bins.empty,
                100.0 * one.copies,
            ]
            for key, one in drawn.sets.sets.items()
        ]
        bins = next((one.bins for one in drawn.sets.sets.values() if one.bins is not None), None)
        chance = f"By chance {bins.by_chance:g} of {bins.bins} bins differ, up to {bins.at_most}. " if bins else ""
        tables.append(
            Table(
                f"Sets of sounds beside {drawn.sets.training} training sounds: {run.name}",
                [
                    Column("set"),
                    Column("sounds", "sounds"),
                    Column("Fréchet distance, extrapolated"),
                    Column("kernel distance", "x 100"),
                    Column("different bins", "bins"),
                    Column("empty bins", "bins"),
                    Column("copies", "%"),
                ],
                rows,
                f"{chance}Halves of the training sounds have a kernel distance of up to {drawn.sets.kernel_floor:.2g}. "
                "The row of the test sounds is what no difference looks like.",
            )
        )
    trips = [(run.name, run.drawn.trips) for run in runs if run.drawn.trips is not None]
    if trips:
        tables.append(
            Table(
                "From latents to a map in two dimensions and back",
                [
                    Column("run"),
                    Column("PCA, explained", "%"),
                    Column("PCA", "dB", "log-mel, decoded, median"),
                    Column("UMAP, explained", "%"),
                    Column("UMAP", "dB"),
                    Column("mean latent", "dB"),
                ],
                [
                    [
                        name,
                        100.0 * found.pca.explained,
                        found.pca.decoded,
                        100.0 * found.umap.explained,
                        found.umap.decoded,
                        found.mean,
                    ]
                    for name, found in trips
                ],
                "The mean latent for all explains 0 %; below 0 a map is worse than that.",
            )
        )
    classes = [(run.name, run.drawn.sets.classes) for run in runs if run.drawn.sets and run.drawn.sets.classes]
    if classes:
        tables.append(
            Table(
                "Labels by a classifier that was trained on training sounds: share of sounds that have the original's",
                [
                    Column("run"),
                    Column("test sounds", "%"),
                    Column("reconstructions", "%"),
                    Column("most frequent label for all", "%"),
                ],
                [
                    [name, 100.0 * one.originals, 100.0 * one.reconstructions, 100.0 * one.majority]
                    for name, one in classes
                ],
            )
        )
    scores = [(run.name, *score) for run in runs for score in run.programs.scores.items()]
    if scores:
        tables.append(
            Table(
                "Scores by programs of others, means over the sounds that have all of them",
                [
                    Column("run"),
                    Column("score"),
                    Column("reconstructions", "score"),
                    Column("recovered originals", "score"),
                    Column("sounds scored", "sounds"),
                    Column("without a score", "%"),
                ],
                [
                    [name, PROGRAMS[score], one.reconstructions, one.recovered, one.scored, 100.0 * one.missing]
                    for name, score, one in scores
                ],
                "Recovered originals are what the representation itself costs. None is made for single short sounds.",
            )
        )
    return [Section("Sets of sounds, the map and labels", (), tables)] if tables else []
