"""What the report of an analysis says, in plain words, and in what order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from synthvae.analysis.measure import FEATURE_UNITS, Frechet, RunMeasures, TestSounds
from synthvae.analysis.reconstruction import Ratio, error_ratio, summarise
from synthvae.analysis.report import (
    Cell,
    Column,
    FigureItem,
    Finding,
    Headline,
    Item,
    Measured,
    Report,
    Section,
    Sound,
    SoundRow,
    SoundTable,
    Table,
    Verdict,
    collect_provenance,
    sound_pair,
    wav_bytes,
)
from synthvae.analysis.statistics import GroupTest
from synthvae.presets.dataset import Dataset
from synthvae.training.config import PNP, TrainConfig
from synthvae.training.loop import ACTIVE_NATS
from synthvae.training.run_directory import Run

__all__ = ["METHODS", "build_report", "example_indices"]

#: Quantiles of the log-mel error at which a run's example sounds are taken.
EXAMPLES = (0.05, 0.25, 0.5, 0.75, 0.95)
PRIOR_EXAMPLES = 4

METHODS = {
    "Reconstruction": "Each test preset is encoded, its posterior mean decoded, and both are rendered. Errors are "
    "means over bands and frames: of the log-mel spectrogram in dB (STFT Hann 2048, hop 512, 128 HTK-mel bands, "
    "20 log10(mel + 1e-4)), of STFT and CQT magnitudes, and of MFCCs. Intervals are 95 % bootstrap intervals over "
    "presets.",
    "Null models": "Mean preset: 0.5 in every unit parameter, for every target. Mean spectrogram: the mean of the "
    "test features, which no preset needs to have. Random preset: another test preset. A ratio below 1 is better "
    "than the null.",
    "Fréchet audio distance": "Between Gaussians fitted to a 64-dimensional log-mel embedding (mean and standard "
    "deviation over time of 32 pooled bands). The floor is the distance between two halves of the test sounds; it "
    "lies above what equal sets of the full size would read.",
    "Latent map": "Posterior means of the first tenth of the training presets (of 500 where there are so many), "
    "UMAP to two dimensions (50 neighbours, min_dist 0), DBSCAN (eps 0.04, 4 samples), DBCV. The same recipe on "
    "standard normal noise of the same shape stands beside it, because it finds clusters there too. Its eps was "
    "chosen for about 10,000 points; with far fewer nearly every point counts as noise. DBCV is repeatable to about "
    "0.03.",
    "Active dimensions": f"Latent dimensions whose mean KL divergence over the test presets is above {ACTIVE_NATS} "
    "nats.",
    "Kruskal-Wallis": "Whether the per-preset L1 errors of several runs have the same distribution, with epsilon "
    "squared as the size of the effect.",
}

#: DBCV has to lie this far above that of noise to count as evidence.
DBCV_MARGIN = 0.05


def build_report(
    runs: Sequence[Run],
    measures: Sequence[RunMeasures],
    test: TestSounds,
    tests: Mapping[str, GroupTest],
    images: Mapping[str, bytes],
    dataset: Dataset,
    command: str,
    seed: int,
) -> Report:
    """Put everything that was measured into words, tables, figures and sounds.

    Args:
        runs: the runs.
        measures: of each run.
        test: the test sounds and their nulls.
        tests: of differences across runs, by feature.
        images: PNG content by figure name.
        dataset: the presets.
        command: that makes the page again.
        seed: of the analysis.

    Returns:
        The report.
    """
    sections = [_reconstruction(measures, test, tests, images)]
    sections += [_listening(measured, test, images) for measured in measures]
    sections += [_latent_space(run, measured, images) for run, measured in zip(runs, measures, strict=True)]
    sections += [_distances(measures, test)]
    best = min(measures, key=lambda measured: float(measured.errors["logmel"].mse.mean()))
    names = ", ".join(measured.name for measured in measures)
    return Report(
        title=f"What {names} learnt" if len(measures) == 1 else f"What {len(measures)} runs learnt",
        lead=f"{_plural(len(measures), 'model')} ({names}) on {len(test.unit):,} test presets of {dataset.path.name}, "
        f"{len(dataset.parameters)} parameters, {runs[0].settings.seconds:g} s at {runs[0].settings.sample_rate:,} Hz.",
        headlines=_headlines(best, test, best.name if len(measures) > 1 else ""),
        findings=[finding for measured in measures for finding in _findings(measured, test)] + _comparison(tests),
        sections=sections,
        methods=METHODS,
        provenance=collect_provenance(
            command,
            seed,
            {f"dataset {dataset.path.name}": dataset.hash, **{f"run {r.path.name}": r.dataset_hash for r in runs}},
        ),
    )


def _logmel_ratios(measured: RunMeasures, test: TestSounds) -> tuple[Ratio, Ratio]:
    errors, nulls = measured.errors["logmel"].mse, test.nulls["logmel"]
    return error_ratio(errors, nulls.mean_preset.mse), error_ratio(errors, nulls.mean_spectrogram.mse)


def _headlines(measured: RunMeasures, test: TestSounds, name: str) -> list[Headline]:
    """Four numbers of one run; of several it is the one with the smallest log-mel error, and `name` says so."""
    of = f"{name} (the best): " if name else ""
    to_preset, to_spectrogram = _logmel_ratios(measured, test)
    quality, noise = measured.map.quality, measured.noise.quality
    active = int((measured.kl > ACTIVE_NATS).sum())
    prior = measured.prior_distance.distance
    floor = test.floor.distance
    return [
        Headline(
            f"{of}log-mel error, of the mean preset's",
            Measured(to_preset.value, "ratio", to_preset.low, to_preset.high),
            "1 is what one preset for everything gives",
        ),
        Headline(
            f"{of}log-mel error, of the mean spectrogram's",
            Measured(to_spectrogram.value, "ratio", to_spectrogram.low, to_spectrogram.high),
            "below 1 something is explained",
        ),
        Headline(
            f"{of}active latent dimensions",
            Measured(active, "dimensions"),
            f"of {len(measured.kl)}, {measured.kl.sum():.3g} nats in all",
        ),
        Headline(
            f"{of}FAD of prior samples",
            Measured(prior.value if prior else None, "dB²"),
            f"floor {floor.value:.3g} dB²" if floor else "too few sounds for a floor",
        )
        if prior
        else Headline(
            f"{of}clusters in the latent map", Measured(quality.clusters, "clusters"), f"{noise.clusters} in pure noise"
        ),
    ]


def _findings(measured: RunMeasures, test: TestSounds) -> list[Finding]:
    name = measured.name
    found = []
    for ratio, null in zip(_logmel_ratios(measured, test), ("the mean preset", "the mean spectrogram"), strict=True):
        if ratio.value is None:
            perfect = not measured.errors["logmel"].mse.any()
            verdict = "as good as" if perfect else "worse than"
            text = f"{name} is {verdict} {null}, which makes no error at all: the targets are all alike."
            found.append(Finding("neutral" if perfect else "bad", text))
        elif ratio.low is None or ratio.high is None:
            found.append(
                Finding("neutral", f"{name}: {ratio.value:.2f} of {null}'s error, too few presets for an interval.")
            )
        elif ratio.beats_null:
            text = f"{name} reconstructs better than {null}: {ratio.value:.2f} of its log-mel error"
            found.append(Finding("good", f"{text} ({ratio.low:.2f} to {ratio.high:.2f})."))
        else:
            text = f"{name} does not beat {null}: {ratio.value:.2f} times its log-mel error"
            found.append(Finding("bad", f"{text} ({ratio.low:.2f} to {ratio.high:.2f})."))
    active = int((measured.kl > ACTIVE_NATS).sum())
    found.append(
        Finding(
            "good" if active == len(measured.kl) else "bad" if active == 0 else "neutral",
            f"{name} uses {active} of its {len(measured.kl)} latent dimensions.",
        )
    )
    quality, noise = measured.map.quality, measured.noise.quality
    if quality.dbcv is None or noise.dbcv is None:
        why = quality.reason or noise.reason
        found.append(Finding("neutral", f"{name}: no verdict on clusters ({why})."))
    else:
        better = quality.dbcv > noise.dbcv + DBCV_MARGIN
        found.append(
            Finding(
                "good" if better else "bad",
                f"{name}: the map has {quality.clusters} clusters with DBCV {quality.dbcv:.2f}; the same recipe finds "
                f"{noise.clusters} with {noise.dbcv:.2f} in pure noise"
                + ("." if better else ", so they are no evidence of structure."),
            )
        )
    return found


def _comparison(tests: Mapping[str, GroupTest]) -> list[Finding]:
    return [Finding("neutral", result.sentence) for result in tests.values()]


def _reconstruction(
    measures: Sequence[RunMeasures], test: TestSounds, tests: Mapping[str, GroupTest], images: Mapping[str, bytes]
) -> Section:
    columns = [
        Column("answer"),
        Column("feature"),
        Column("mean squared error", note="with its 95 % interval"),
        Column("mean absolute error"),
        Column("to mean preset", "ratio", "mean squared error over that of the mean preset; below 1 is better"),
        Column("to mean spectrogram", "ratio", "below 1 is better; one minus this is the explained variance"),
        Column("verdict"),
    ]
    rows: list[list[Cell]] = []
    for feature, unit in FEATURE_UNITS.items():
        nulls = test.nulls[feature]
        for measured in measures:
            errors = measured.errors[feature]
            mse, l1 = summarise(errors.mse), summarise(errors.l1)
            to_preset = error_ratio(errors.mse, nulls.mean_preset.mse)
            to_spectrogram = error_ratio(errors.mse, nulls.mean_spectrogram.mse)
            beaten = to_preset.beats_null + to_spectrogram.beats_null
            rows.append(
                [
                    measured.name,
                    feature,
                    Measured(mse.mean, f"{unit}²", mse.low, mse.high),
                    Measured(l1.mean, unit, l1.low, l1.high),
                    to_preset.value,
                    to_spectrogram.value,
                    Verdict(
                        ("bad", "neutral", "good")[beaten],
                        ("beats no null", "beats one null", "beats both nulls")[beaten],
                    ),
                ]
            )
        for null, errors in vars(nulls).items():
            rows.append(
                [
                    f"null: {null.replace('_', ' ')}",
                    feature,
                    Measured(float(errors.mse.mean()), f"{unit}²"),
                    Measured(float(errors.l1.mean()), unit),
                    error_ratio(errors.mse, nulls.mean_preset.mse).value,
                    error_ratio(errors.mse, nulls.mean_spectrogram.mse).value,
                    None,
                ]
            )
    items: list[Item] = [
        Table(f"Errors of the reconstructions of {len(test.unit):,} test presets, beside their nulls", columns, rows)
    ]
    if tests:
        items.append(_comparison_table(tests))
    items += [
        FigureItem(
            images[f"errors_{feature}"],
            f"Distributions of the mean squared error on {feature}, with the null models' means",
            f"Mean squared error per test preset on {feature}; dashed lines are the means of the null models.",
        )
        for feature in FEATURE_UNITS
    ]
    return Section("Reconstruction", ["How close the decoded presets come to the test presets, as they sound."], items)


def _comparison_table(tests: Mapping[str, GroupTest]) -> Table:
    return Table(
        "Differences between the runs (Kruskal-Wallis on per-preset L1 errors)",
        [
            Column("feature"),
            Column("H", "statistic"),
            Column("p", "probability"),
            Column("ε²", "share"),
            Column("effect"),
        ],
        [[feature, t.statistic, t.p_value, t.epsilon_squared, t.effect] for feature, t in tests.items()],
        "The presets are the unit here: a difference between two trained models, not between two methods.",
    )


def example_indices(measured: RunMeasures) -> list[int]:
    """Test presets at the quantiles `EXAMPLES` of a run's log-mel error, from the best to the worst."""
    order = np.argsort(measured.errors["logmel"].mse)
    return [int(order[round(quantile * (len(order) - 1))]) for quantile in EXAMPLES]


def _listening(measured: RunMeasures, test: TestSounds, images: Mapping[str, bytes]) -> Section:
    rate = test.features["logmel"].sample_rate
    rows = []
    for quantile, index in zip(EXAMPLES, example_indices(measured), strict=True):
        number, error = test.numbers[index], measured.errors["logmel"].mse[index]
        figure = FigureItem(
            images[f"{measured.name}_preset_{number}"],
            f"Waveforms and log-mel spectrograms of preset {number} and its reconstruction",
            "Waveforms overlaid, and log-mel spectrograms in dB on one colour scale.",
        )
        detail = f"log-mel error {error:.0f} dB², better than {100 * (1 - quantile):.0f} % of the test presets"
        sounds = (_numbers(test.audio[index]), _numbers(measured.audio[index]))
        rows.append(sound_pair(f"preset {number}", *sounds, rate, detail, figure))
    prior = [
        SoundRow(f"prior sample {i}", [Sound("sound", wav_bytes(_numbers(measured.prior_audio[i]), rate))])
        for i in range(min(PRIOR_EXAMPLES, len(measured.prior_audio)))
    ]
    mean = SoundRow("mean preset", [Sound("the null", wav_bytes(_numbers(test.mean_audio[0]), rate))])
    return Section(
        f"Listen: {measured.name}",
        ["From the best reconstructions to the worst, then sounds that were never in the dataset, and the null."],
        [SoundTable("Test presets and their reconstructions", rows), SoundTable("Prior samples", [*prior, mean])],
    )


def _latent_space(run: Run, measured: RunMeasures, images: Mapping[str, bytes]) -> Section:
    rows: list[list[Cell]] = []
    for name, quality in ((measured.name, measured.map.quality), ("null: normal noise", measured.noise.quality)):
        rows.append(
            [
                name,
                quality.points,
                quality.dimension,
                quality.clusters,
                quality.noise_share,
                quality.dbcv,
                quality.reason,
            ]
        )
    columns = [
        Column("latents"),
        Column("points", "presets"),
        Column("clustered in", "dimensions"),
        Column("clusters", "clusters"),
        Column("noise", "share"),
        Column("DBCV", "index"),
        Column("remark"),
    ]
    kl_rows: list[list[Cell]] = [
        [str(number), Measured(float(value), "nats"), "active" if value > ACTIVE_NATS else "unused"]
        for number, value in enumerate(measured.kl)
    ]
    items: list[Item] = [
        Table("Clusters in the map of latents, beside the same recipe on noise", columns, rows),
        FigureItem(
            images[f"{measured.name}_map"],
            "Density-coloured UMAP of latents beside that of noise",
            f"UMAP of {len(measured.latents):,} training latents, coloured by density, beside noise of the same shape.",
        ),
        FigureItem(images[f"{measured.name}_clusters"], "UMAP of latents with DBSCAN's clusters", "DBSCAN's clusters."),
        Table(
            "What each latent dimension carries",
            [Column("dimension"), Column("KL divergence"), Column("state")],
            kl_rows,
            "Mean over the test presets.",
        ),
    ]
    if f"{measured.name}_training" in images:
        items.append(
            FigureItem(
                images[f"{measured.name}_training"], "Training curves", "Every term of the loss, epoch by epoch."
            )
        )
    phases = ", then ".join(_training(phase) for phase in run.config.phases)
    trained = f"Trained for {run.state.get('epoch')} epochs: {phases}."
    return Section(f"Latent space: {measured.name}", [trained], items)


def _training(phase: TrainConfig) -> str:
    """What a phase minimised, in words."""
    if phase.loss == "none":
        return "on parameters alone"
    if phase.loss == PNP:
        return f"the loss pnp, by the metric {phase.metric}, nothing rendered"
    through = "its gradient sent through the Voice" if phase.synth_layer else "measured but without gradient"
    held = ", phases held" if phase.hold_phases else ""
    return f"the loss {phase.loss} on {phase.feature}, {through}{held}"


def _distances(measures: Sequence[RunMeasures], test: TestSounds) -> Section:
    rows: list[list[Cell]] = []
    for measured in measures:
        rows.append(_distance_row(f"{measured.name}: reconstructions", measured.reconstruction_distance))
        rows.append(_distance_row(f"{measured.name}: reconstructions of training presets", measured.train_distance))
        rows.append(_distance_row(f"{measured.name}: prior samples", measured.prior_distance))
    rows.append(_distance_row("floor: two halves of the test sounds", test.floor))
    rows.append(_distance_row("null: the mean preset", test.mean_preset_distance))
    columns = [Column("sounds"), Column("FAD"), Column("N", "sounds"), Column("D", "dimensions"), Column("remark")]
    return Section(
        "Fréchet audio distance",
        [
            "How far a set of sounds is from the test sounds as a whole, or from the training sounds it was made of; "
            "the floor is what equal sets read."
        ],
        [Table("Fréchet audio distance, log-mel embedding", columns, rows)],
    )


def _distance_row(name: str, result: Frechet) -> list[Cell]:
    d = result.distance
    if d is None:
        return [name, None, None, None, result.reason]
    return [name, Measured(d.value, "dB²"), min(d.n, d.other_n), d.dimension, ""]


def _numbers(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()


def _plural(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
