"""What the report of an analysis says, in plain words, and in what order."""

from __future__ import annotations

from collections.abc import Mapping

from synthvae.analysis.comparison import Comparisons
from synthvae.analysis.report import Report, collect_provenance
from synthvae.analysis.results import Results
from synthvae.analysis.sections.latent import latent_space
from synthvae.analysis.sections.listening import listening, one_sound
from synthvae.analysis.sections.movement import movement
from synthvae.analysis.sections.reconstruction import reconstruction
from synthvae.analysis.sections.sets import distances_of_sets
from synthvae.analysis.sections.summary import findings, headlines
from synthvae.data.presets import Dataset
from synthvae.training.tasks.presets import ACTIVE_NATS

__all__ = ["METHODS", "build_report"]

METHODS = {
    "Reconstruction": "Each test preset is encoded, its posterior mean decoded, and both are rendered. Errors are "
    "means over bands and frames: of the log-mel spectrogram in dB (STFT Hann 2048, hop 512, 128 HTK-mel bands, "
    "20 log10(mel + 1e-4)), of STFT and CQT magnitudes, and of MFCCs. Intervals are 95 % bootstrap intervals over "
    "presets.",
    "Null models": "Mean preset: 0.5 in every unit parameter, for every target. Mean spectrogram: the mean of the "
    "test features, which no preset needs to have. Random preset: another test preset. A ratio below 1 is better "
    "than the null.",
    "Waveforms": "Complex STFT: mean squared magnitude of the difference of complex spectra over bins and frames. "
    "Waveform: mean absolute difference of samples. Correlation: largest cross-correlation over lags up to 20 ms, over "
    "the product of norms. Silence is a null model here: a sound with a phase of its own is further from the original "
    "than silence is. Rise of the level: slope of the line through the difference of levels (mean squares of 2048 "
    "samples every 512, in dB).",
    "Distances": "Spectral convergence and multi-resolution STFT as the losses of these names; log-spectral distance: "
    "RMS over bins in dB, mean over frames (Gray and Markel 1976); warped MFCC: mean distance along the path of "
    "dynamic time warping; transport: squared Wasserstein distance of power over frequency; envelope similarity: "
    "cosine between RMS envelopes; f0 error in cents (YIN) where both sounds have a pitch. Training presets and null "
    "models: on 500 presets at most.",
    "Fréchet audio distance": "FAD, between Gaussians fitted to an embedding of the sounds. Where no other embedding "
    "is named it is the log-mel embedding of 64 dimensions (mean and standard deviation over time of 32 pooled bands), "
    "not VGGish, in which FAD was defined (Kilgour et al. 2019). The floor is the distance between two halves of the "
    "test sounds; it lies above what equal sets of the full size would read. The distance of infinitely many sounds is "
    "extrapolated against 1 / N (Gui et al. 2024), and the kernel distance is unbiased (Chung et al. 2025).",
    "Latent map": "Posterior means of 10,000 presets, as many as in the thesis, whatever the size of the dataset: the "
    "first of the training split and, where there are fewer, further ones that are drawn as they were with a seed of "
    "their own and are in no split. UMAP to two dimensions, DBSCAN and HDBSCAN on the map and in the latent space, "
    "DBCV; by default with the thesis's settings. The same on standard normal noise and on collapsed encoders stands "
    "beside it, because there are clusters there too. DBCV is repeatable to about 0.03.",
    "Collapsed encoder": "A network of the run's widths, trained on the mapped presets for 1,000 steps of 256 (Adam, "
    "1e-3) with the squared parameter error, 100 times the clamp penalty and the weight 1 that the thesis prints for "
    "the KL divergence, without the spectral term. Its posterior falls onto the prior; what is mapped is the posterior "
    "means that are left.",
    "Cosine similarity": "Mean over all pairs of members within, and across, DBSCAN's clusters on the first map, "
    "beside what the same pairs give under 200 random orders of the labels (95 %). Of latents as seen from the origin; "
    "of sounds in the log-mel embedding with every dimension standardised over the mapped presets.",
    "Maps of the test presets": "UMAP as above; the first two principal components, with the share of the variance "
    "they show, beside that of normal noise; t-SNE with a perplexity of 30, begun from the principal components. "
    "Density is counted in squares and blurred, as a share of the most crowded place.",
    "Active dimensions": f"Latent dimensions whose mean KL divergence over the test presets is above {ACTIVE_NATS} "
    "nats.",
    "Neighbourhoods": "Euclidean distances of test latents and of log-mel embeddings; the share of the 10 nearest that "
    "are near in sound too, with intervals over presets; trustworthiness and continuity of the map.",
    "Paths": "Smoothness: RMS second derivative of each descriptor of timbre along a path; nonlinearity: RMS distance "
    "from the straight line between the originals, both in standard deviations over the test presets; Wilcoxon's "
    "signed-rank test with Holm's correction.",
    "Effects of parameters": "Each parameter alone is moved over its range in nine steps, from 64 test presets. "
    "Movement: largest minus smallest value of a latent dimension, mean over presets. Linearity: R² of a straight line "
    "for each preset, over all presets together; of values that have nothing to do with the parameter a line explains "
    "one eighth.",
    "Differences between runs": "Kruskal-Wallis with epsilon squared as the size of the effect, Dunn's test between "
    "pairs with Holm's correction, and chi-squared with Cramér's V on counts. Where a method was trained with several "
    "seeds each seed is one value, its mean over presets, and p is that of all relabellings where there are few; "
    "else each preset is one.",
}


def build_report(
    results: Results,
    comparisons: Comparisons | None,
    images: Mapping[str, bytes],
    dataset: Dataset,
    command: str,
    seed: int,
    example: int = 0,
) -> Report:
    """Put everything that was measured into words, tables, figures and sounds.

    Args:
        results: everything that was measured.
        comparisons: of the runs; None for a single one.
        images: PNG content by figure name.
        dataset: the presets.
        command: that makes the page again.
        seed: of the analysis.
        example: place among the test presets of the one that is shown of all runs.

    Returns:
        The report.
    """
    runs = results.runs
    sections = [reconstruction(results, comparisons, images), one_sound(results, images, example)]
    sections += [listening(run, results, images, seed) for run in runs]
    sections += [latent_space(run, results, images) for run in runs]
    sections += [movement(run, results, images) for run in runs]
    sections += [distances_of_sets(results)]
    names = ", ".join(run.name for run in runs)
    settings = dataset.header.settings
    count = "1 model" if len(runs) == 1 else f"{len(runs)} models"
    hashes = {f"run {run.name}": run.run.dataset_hash for run in runs}
    return Report(
        title=f"What {names} learnt" if len(runs) == 1 else f"What {len(runs)} runs learnt",
        lead=f"{count} ({names}) on {len(results.tests.unit):,} test presets of {dataset.path.name}, "
        f"{len(dataset.parameters)} parameters, {settings.seconds:g} s at {settings.sample_rate:,} Hz.",
        headlines=headlines(results),
        findings=findings(results, comparisons),
        sections=sections,
        methods=METHODS,
        provenance=collect_provenance(command, seed, {f"dataset {dataset.path.name}": dataset.hash, **hashes}),
    )
