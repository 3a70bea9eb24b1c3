"""Content and order of the report of an analysis."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from synthvae.analysis.comparison import Comparisons
from synthvae.analysis.results import Results, RunResults
from synthvae.analysis.sounds import FEATURE_UNITS
from synthvae.audio.descriptors import DESCRIPTORS
from synthvae.core.provenance import hardware, versions
from synthvae.data.presets import Dataset
from synthvae.features.mel import mel_centres
from synthvae.maps.stability import MAP
from synthvae.report import figures
from synthvae.report.document import Provenance, Report
from synthvae.report.sections.latent import COLOUR, cluster_spectra, latent_space, shown_clusters
from synthvae.report.sections.listening import answer, example_indices, listening, one_sound
from synthvae.report.sections.movement import movement, paths
from synthvae.report.sections.nulls import null_models
from synthvae.report.sections.overview import first_screen
from synthvae.report.sections.reconstruction import reconstruction
from synthvae.report.sections.sets import distances_of_sets
from synthvae.report.sections.summary import findings, headlines
from synthvae.training.log import read_metrics
from synthvae.training.tasks.presets import ACTIVE_NATS

__all__ = ["build_report"]

METHODS = {
    "Reconstruction": "Each test preset is encoded, its posterior mean decoded, and both are rendered. Errors are "
    "means over bands and frames: of the log-mel spectrogram in dB (STFT Hann 2048, hop 512, 128 HTK-mel bands, "
    "20 log10(mel + 1e-4)), of STFT and CQT magnitudes, and of MFCCs. Intervals are 95 % bootstrap intervals over "
    "presets.",
    "Null models": "Mean preset: 0.5 in every unit parameter, for every target. Mean spectrogram: the mean of the "
    "test features, which is not necessarily the sound of any preset. Random preset: another test preset. A ratio "
    "below 1 is better than the null.",
    "Waveforms": "Complex STFT: mean squared magnitude of the difference of complex spectra over bins and frames. "
    "Waveform: mean absolute difference of samples. Correlation: largest cross-correlation over lags up to 20 ms, over "
    "the product of norms. Silence is a null model here: a sound with random phase has a larger error than silence. "
    "Level slope: slope of the line fitted to the difference of levels (mean squares of 2048 samples every 512, "
    "in dB).",
    "Distances": "Spectral convergence and multi-resolution STFT: as the losses of these names; log-spectral distance: "
    "RMS over bins in dB, mean over frames (Gray and Markel 1976); warped MFCC: mean distance along the path of "
    "dynamic time warping; transport: squared Wasserstein distance of power over frequency; envelope similarity: "
    "cosine between RMS envelopes; f0 error in cents (YIN) if both sounds have a pitch; onset and attack error: "
    "differences of the times at which the envelope reaches 10 %, and from there 90 %, of its maximum; energy-weighted "
    "log-mel: RMS difference of log-mel spectrograms, weighted by the power of the louder sound. Training presets and "
    "null models: on at most 500 presets.",
    "Fréchet audio distance": "FAD, between Gaussians fitted to an embedding of the sounds. Unless another "
    "embedding is named it is the log-mel embedding of 64 dimensions (mean and standard deviation over time of 32 "
    "pooled bands), not VGGish, as FAD was defined (Kilgour et al. 2019). The floor is the distance between two "
    "halves of the test sounds; it is larger than the distance between equal sets of the full size. FAD of infinitely "
    "many sounds is extrapolated in 1 / N (Gui et al. 2024), and the kernel distance is unbiased (Chung et al. 2025).",
    "Latent map": "Posterior means of {presets:,} presets (10,000 in the thesis): the first of the training split and, "
    "if there are fewer, further presets drawn likewise with a separate seed, which are in no split. UMAP to two "
    "dimensions, DBSCAN and HDBSCAN on the map and in the latent space, DBCV; by default with the thesis's settings. "
    "Null models are standard normal noise and collapsed encoders, in which these methods find clusters too. DBCV is "
    "repeatable to about 0.03.",
    "Collapsed encoder": "A network of the run's widths, trained on the mapped presets for 1,000 steps of 256 (Adam, "
    "1e-3) with the squared parameter error, 100 times the clamp penalty and the thesis's weight 1 for the "
    "KL divergence, without the spectral term. Its posterior collapses to the prior; the map shows the remaining "
    "posterior means.",
    "Cosine similarity": "Mean over all pairs of members within, and across, DBSCAN's clusters on the first map, "
    "with the 95 % interval of 200 random permutations of the labels. Latents are not centred; sounds are in the "
    "log-mel embedding with every dimension standardised over the mapped presets.",
    "Maps of the test presets": "UMAP as above; the first two principal components, with the share of the variance "
    "they explain and that of normal noise; t-SNE with perplexity 30, initialised with the principal components. "
    "Density is a smoothed two-dimensional histogram, relative to its maximum.",
    "Active dimensions": f"Latent dimensions whose mean KL divergence over the test presets is above {ACTIVE_NATS} "
    "nats.",
    "Neighbourhoods": "Euclidean distances of test latents and of log-mel embeddings; the share of the 10 nearest "
    "latents that are also near in the log-mel embedding, with intervals over presets; trustworthiness and continuity "
    "of the map.",
    "Paths": "Smoothness: RMS second derivative of each descriptor of timbre along a path; nonlinearity: RMS distance "
    "from the straight line between the originals, both in standard deviations over the test presets; Wilcoxon's "
    "signed-rank test with Holm's correction.",
    "Effects of parameters": "Each parameter alone is moved over its range in nine steps, from 64 test presets. "
    "Movement: largest minus smallest value of a latent dimension, mean over presets. Linearity: R² of a straight line "
    "per preset, pooled over all presets; for values independent of the parameter its expectation is one eighth.",
    "Differences between runs": "Kruskal-Wallis with epsilon squared as effect size, Dunn's test between "
    "pairs with Holm's correction, and chi-squared with Cramér's V on counts. If a method was trained with several "
    "seeds, each seed is one value (its mean over presets), and p is exact by permutation for small groups; "
    "otherwise each preset is one value.",
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
    """Build the report from all measurements: text, tables, figures and sounds.

    Args:
        results: everything that was measured.
        comparisons: comparisons of the runs; None for a single one.
        images: PNG content by figure name.
        dataset: the presets.
        command: command that reproduces the page.
        seed: seed of the analysis.
        example: index of the test preset that is shown for all runs.

    Returns:
        The report.
    """
    runs = results.runs
    sections = [reconstruction(results, comparisons, images), null_models(results)]
    sections += [one_sound(results, images, example)]
    sections += [listening(run, results, images, seed) for run in runs]
    sections += [latent_space(run, results, images) for run in runs]
    sections += [movement(run, results, images) for run in runs]
    sections += [distances_of_sets(results)]
    names = ", ".join(run.name for run in runs)
    settings = dataset.header.settings
    count = "1 model" if len(runs) == 1 else f"{len(runs)} models"
    hashes = {f"run {run.name}": run.run.dataset_hash for run in runs}
    return Report(
        title=f'Analysis of run "{names}"' if len(runs) == 1 else f"Analysis of {len(runs)} runs",
        lead=f"{count} ({names}) on {len(results.tests.unit):,} test presets of {dataset.path.name}, "
        f"{len(dataset.parameters)} parameters, {settings.seconds:g} s at {settings.sample_rate:,} Hz.",
        headlines=headlines(results),
        findings=findings(results, comparisons),
        sections=sections,
        methods=METHODS | {"Latent map": METHODS["Latent map"].format(presets=len(results.mapped))},
        provenance=Provenance(
            command, seed, versions(), hardware(), {f"dataset {dataset.path.name}": dataset.hash, **hashes}
        ),
        overview=first_screen(results),
    )


def draw_figures(results: Results, example: int) -> dict[str, Figure]:
    """All figures by name; `example` is the index of the test preset that is shown for all runs."""
    sounds = {run.name: answer(run, example).numpy() for run in results.runs}
    target, rate = results.tests.audio[example].numpy(), results.tests.sample_rate
    drawn = {"waveforms": figures.waveform_overlays(target, sounds, rate)}
    for feature, unit in FEATURE_UNITS.items():
        models = vars(results.nulls.nulls[feature])
        for name, what, kind in (("errors", f"squared error on {feature} ({unit}²)", "mse"),
                                 ("l1", f"absolute error on {feature} ({unit})", "l1")):  # fmt: skip
            nulls = {null: getattr(errors, kind) for null, errors in models.items()}
            groups = {run.name: getattr(run.sounds.errors[feature], kind) for run in results.runs}
            drawn[f"{name}_{feature}"] = figures.error_distributions(groups, f"mean {what}", nulls)
    answers = vars(results.nulls.waveforms)
    drawn["l1_waveform"] = figures.error_distributions(
        {run.name: run.sounds.waveforms.waveform for run in results.runs},
        "mean absolute error of samples (full scale)",
        {name: found.waveform for name, found in answers.items()},
    )
    for run in results.runs:
        survey = run.survey
        seed = survey.latents.seeds[0]
        points = survey.latents.maps[seed]
        drawn[f"{run.name}_map"] = figures.density_map(points, survey.noise.maps[seed])
        drawn[f"{run.name}_clusters"] = figures.cluster_map(
            points, survey.latents.of(MAP, "DBSCAN")[0].labels, [example.label for example in shown_clusters(run)]
        )
        spectra, hertz = cluster_spectra(run, results)
        if spectra:
            drawn[f"{run.name}_spectra"] = figures.cluster_spectra(spectra, hertz)
        column = results.descriptors[:, list(DESCRIPTORS).index(COLOUR)]
        for name, plane in run.views.maps.items():
            label = f"{COLOUR} ({DESCRIPTORS[COLOUR].unit})"
            drawn[f"{run.name}_{name.lower()}_by_{COLOUR}"] = figures.value_map(plane, column, label, name)
        if run.movement.paths.linear:
            drawn[f"{run.name}_paths"] = figures.interpolation_chart(run.movement.paths.linear)
        logmel = results.tests.features["logmel"]
        for path in paths(run, results):
            if path.figure:
                spectrograms, steps = list(logmel(path.audio).numpy()), list(path.audio.numpy())
                drawn[path.figure] = figures.path_grid(
                    steps, spectrograms, path.labels, mel_centres(logmel.sample_rate), logmel.sample_rate
                )
        drawn |= _effects(run)
        for index in example_indices(run):
            drawn[f"{run.name}_preset_{results.tests.numbers[index]}"] = _comparison(run, results, index)
        curves = run.run.path / "metrics.csv"
        if curves.exists():
            rows = read_metrics(curves)
            drawn[f"{run.name}_training"] = figures.loss_curves(rows, _panels(list(rows.columns)))
    return drawn


def _effects(run: RunResults) -> dict[str, Figure]:
    """Two heat maps with the same cells: movement of the latent by each parameter, and its linearity; may be empty."""
    effects, names = run.movement.effects, run.run.parameters.names
    label = "movement of the latent (spread of the prior = 1)"
    drawn = {f"{run.name}_effects": figures.effect_heatmap(effects.movement, names, label)}
    if not np.isnan(effects.linearity).all():
        label = f"share that a straight line explains (R², {effects.linearity_by_chance:.3g} by chance)"
        drawn[f"{run.name}_linearity"] = figures.effect_heatmap(
            effects.linearity, names, label, strength=effects.movement
        )
    return drawn


def _panels(columns: list[str]) -> dict[str, list[str]]:
    """The training curves of a run: a panel per term, and one for all latent dimensions."""
    labels = {
        "total": "total loss",
        "parameter": "parameter error (squared)",
        "spectral": "spectral term",
        "perceptual": "perceptual term",
        "clamp": "clamp penalty",
        "kl": "KL divergence (nats)",
    }
    panels = {
        label: [f"{split}/{term}" for split in ("train", "validation") if f"{split}/{term}" in columns]
        for term, label in labels.items()
    }
    panels["KL per dimension (nats)"] = [name for name in columns if name.startswith("kl/")]
    return {label: names for label, names in panels.items() if names}


def _comparison(run: RunResults, results: Results, index: int) -> Figure:
    logmel = results.tests.features["logmel"]
    sounds = (results.tests.audio[index], answer(run, index))
    return figures.sound_comparison(
        sounds[0].numpy(),
        sounds[1].numpy(),
        logmel(sounds[0][None])[0].numpy(),
        logmel(sounds[1][None])[0].numpy(),
        mel_centres(logmel.sample_rate),
        logmel.sample_rate,
    )
