"""Summary of the report: headline numbers and findings."""

from __future__ import annotations

from synthvae.analysis.comparison import LOGMEL, Comparisons
from synthvae.analysis.results import Results, RunResults
from synthvae.analysis.thesis import thesis_clusters
from synthvae.maps.nulls import NOISE
from synthvae.metrics.reconstruction import Ratio, error_ratio
from synthvae.report.document import Headline, Judgement, Measured, Verdict
from synthvae.report.judgement import of_clusters, of_interval, of_paths, of_ratio
from synthvae.training.tasks.presets import ACTIVE_NATS

__all__ = ["best_run", "drawn_sounds", "findings", "headlines", "near_latents"]

NULLS = {"mean_preset": "the mean preset", "mean_spectrogram": "the mean spectrogram"}


def best_run(results: Results) -> RunResults:
    """The run with the smallest log-mel error."""
    return min(results.runs, key=lambda run: float(run.sounds.errors["logmel"].mse.mean()))


def headlines(results: Results) -> list[Headline]:
    """Four numbers of the run with the smallest log-mel error, labelled with its name if there are several runs."""
    best = best_run(results)
    of = f"{best.name} (the best): " if len(results.runs) > 1 else ""
    to_preset, to_spectrogram = (_ratio(best, results, null) for null in NULLS)
    kl = best.sounds.kl
    prior, floor = (
        best.sets["logmel"].prior.frechet_audio_distance,
        results.embedded["logmel"].nulls.frechet_audio_distance_of_halves,
    )
    row = best.survey.rows[0]
    return [
        Headline(
            f"{of}log-mel error relative to the mean preset",
            Measured(to_preset.value, "ratio", to_preset.low, to_preset.high),
            "1: error of one preset for every target",
        ),
        Headline(
            f"{of}log-mel error relative to the mean spectrogram",
            Measured(to_spectrogram.value, "ratio", to_spectrogram.low, to_spectrogram.high),
            "below 1: some variance is explained",
        ),
        Headline(
            f"{of}active latent dimensions",
            Measured(int((kl > ACTIVE_NATS).sum()), "dimensions"),
            f"of {len(kl)}, {kl.sum():.3g} nats in all",
        ),
        Headline(
            f"{of}FAD (log-mel embedding) of prior samples",
            Measured(prior.value, "dB²"),
            f"floor {floor.value:.3g} dB²" if floor else "too few sounds for a floor",
        )
        if prior
        else Headline(
            f"{of}clusters in the latent map",
            Measured(int(row.clusters.median), "clusters"),
            f"{row.nulls[NOISE].clusters.mean:.0f} in noise",
        ),
    ]


def findings(results: Results, comparisons: Comparisons | None) -> list[Verdict]:
    """Findings: comparison of each run with its nulls, and of the runs with each other."""
    found = []
    for run in results.runs:
        found += [_against(run, _ratio(run, results, null), words) for null, words in NULLS.items()]
        found += [_active(run), *drawn_sounds(run, results), *near_latents(run)]
        if run.movement.paths.linear:
            found += [Verdict(of_paths(c), f"{run.name}: {c.sentence}") for c in run.movement.paths.linear.values()]
        for row in run.survey.rows:
            led = [null.led for null in row.nulls.values()]
            found.append(Verdict(of_clusters(row.dbcv, led), f"{run.name}: {row.sentence}"))
        found += [finding for finding in _thesis(run) if finding not in found]  # runs of one network share it
    if comparisons is not None:
        found += [Verdict("neutral", c.kruskal_wallis.sentence) for c in comparisons.errors.values()]
        found += [Verdict("neutral", pair.sentence) for pair in comparisons.errors[LOGMEL].dunn]
        found += [Verdict("neutral", test.sentence) for test in comparisons.counts.values()]
    return found


def _thesis(run: RunResults) -> list[Verdict]:
    """Whether the thesis's own clusters lead the nulls of this run's maps; nothing where they cannot be compared."""
    survey, row = run.survey.latents, run.survey.rows[0]
    dbcv = {name: null.dbcv for name, null in row.nulls.items()}
    sentence = thesis_clusters(survey.settings, survey.points, survey.dimension, dbcv)
    return [Verdict("neutral", sentence)] if sentence else []


def _ratio(run: RunResults, results: Results, null: str) -> Ratio:
    return error_ratio(run.sounds.errors["logmel"].mse, getattr(results.nulls.nulls["logmel"], null).mse)


def _against(run: RunResults, ratio: Ratio, null: str) -> Verdict:
    if ratio.value is None:
        perfect = not run.sounds.errors["logmel"].mse.any()
        verdict = "as good as" if perfect else "worse than"
        text = f"{run.name} is {verdict} {null}, whose error is 0: all targets are equal."
        return Verdict("neutral" if perfect else "bad", text)
    if ratio.low is None or ratio.high is None:
        return Verdict("neutral", f"{run.name}: {ratio.value:.2f} of {null}'s error, too few presets for an interval.")
    span = f"({ratio.low:.2f} to {ratio.high:.2f})"
    judgement = of_ratio(ratio)
    words = {
        "good": f"{run.name} reconstructs better than {null}",
        "bad": f"{run.name} is not better than {null}",
        "neutral": f"{run.name} is not distinguishable from {null}",
    }
    return Verdict(judgement, f"{words[judgement]}: {ratio.value:.2f} times its log-mel error {span}.")


def drawn_sounds(run: RunResults, results: Results) -> list[Verdict]:
    """FAD of a run's prior samples relative to the floor and the mean preset; empty if one is missing."""
    nulls = results.embedded["logmel"].nulls
    prior, floor, null = (
        run.sets["logmel"].prior.frechet_audio_distance,
        nulls.frechet_audio_distance_of_halves,
        nulls.mean_preset.frechet_audio_distance,
    )
    if prior is None or floor is None or null is None or not floor.value:
        return []
    text = (
        f"FAD (log-mel embedding) of {run.name}'s prior samples to the test sounds is "
        f"{prior.value / floor.value:.3g} times that between two halves of the test sounds; that of the mean preset is "
        f"{null.value / floor.value:.3g} times."
    )
    judgement: Judgement = "good" if prior.value <= floor.value else "neutral" if prior.value < null.value else "bad"
    return [Verdict(judgement, text)]


def near_latents(run: RunResults) -> list[Verdict]:
    """Whether near latents have similar sounds; empty if there are too few presets."""
    trust = run.neighbourhoods.latents_and_sounds
    if trust is None or trust.near_chance >= 1.0:
        return []
    share, chance = trust.near, trust.near_chance
    text = (
        f"Of the {trust.neighbours} presets nearest in {run.name}'s latent space {100 * share.mean:.0f} % are among "
        f"the {100 * chance:.0f} % with the most similar sound, by chance {100 * chance:.0f} %"
    )
    low, high = (None if end is None else -end for end in (share.high, share.low))
    judgement = of_interval(low, high, -chance)
    words = {
        "good": "near latents sound more similar than by chance",
        "bad": "near latents sound less similar than by chance",
        "neutral": "no relation of latent distance and sound can be told",
    }
    return [Verdict(judgement, f"{text}: {words[judgement]}.")]


def _active(run: RunResults) -> Verdict:
    """How many dimensions are used, which says nothing of how well; none is a collapsed posterior."""
    active = int((run.sounds.kl > ACTIVE_NATS).sum())
    text = f"{run.name} uses {active} of its {len(run.sounds.kl)} latent dimensions."
    return Verdict("neutral" if active else "bad", text)
