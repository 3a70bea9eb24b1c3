"""First screen of the report: what the model can do, what it cannot, and what to do next, in plain words."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthvae.analysis.results import Results, RunResults
from synthvae.audio.descriptors import DESCRIPTORS
from synthvae.metrics.reconstruction import error_ratio, summarise
from synthvae.report.document import (
    Bar,
    Command,
    Judgement,
    MapItem,
    Measured,
    Overview,
    SoundTable,
    Verdict,
    sound_row,
)
from synthvae.report.figures import point_density
from synthvae.report.judgement import against_mean_preset, of_all, of_clusters, of_differences, of_paths, of_ratio
from synthvae.report.sections.listening import answer
from synthvae.report.sections.summary import best_run, drawn_sounds, near_latents
from synthvae.training.spaces import find_space

__all__ = ["EXPLORE_ADDRESS", "closeness", "comparison", "first_screen", "marked_sounds", "spread"]

#: Where `synthvae explore` serves by default.
EXPLORE_ADDRESS = "http://127.0.0.1:8321"
#: Sounds of the map that play: each has two WAVs in the page.
MARKED = 24
#: Sounds that are played by every run, where there are several.
COMPARED = 3
#: Cents within which a pitch counts as right: half a semitone.
NEAR_PITCH = 50.0
#: Share of the variance of spectrograms that reconstructions explain, and how close that is in words.
CLOSENESS = ((0.9, "very close to the originals"), (0.6, "close to the originals"), (0.3, "roughly like the originals"))
#: Descriptors that colour the map: column, label and conversion of its values to the unit of the label.
COLOURS = (
    ("centroid", "brightness (Hz)", np.exp2),
    ("aperiodicity", "noisiness (0 to 1)", np.asarray),
    ("rms", "level (dB)", np.asarray),
    ("log_attack_time", "attack (s)", lambda values: np.power(10.0, values)),
    ("effective_duration", "duration (s)", np.asarray),
)


def first_screen(results: Results) -> Overview:
    """The first screen, of the run with the smallest log-mel error."""
    run = best_run(results)
    nulls = results.nulls.nulls["logmel"]
    similar = _similar(run, results)
    found = [similar]
    for finding in (_pitch(run, results), _attack(run, results), _new_sounds(run, results), _neighbours(run)):
        found += [finding] if finding else []
    found += [*_paths(run, similar.judgement == "good"), _groups(run)]
    own = {_label(every, results): every.sounds.errors["logmel"] for every in results.runs}
    answers = {
        **own,
        "mean spectrogram": nulls.mean_spectrogram,
        "mean preset": nulls.mean_preset,
        "random preset": nulls.random_preset,
    }
    bars = [Bar(label, Measured(float(errors.l1.mean()), "dB"), own=label in own) for label, errors in answers.items()]
    return Overview(
        closeness(run, results),
        bars,
        [finding for finding in found if finding.judgement == "good"],
        [finding for finding in found if finding.judgement != "good"],
        commands(run),
        _map(run, results),
        comparison(results),
    )


def _label(run: RunResults, results: Results) -> str:
    return run.name if len(results.runs) > 1 else "reconstructions"


def comparison(results: Results) -> SoundTable | None:
    """Some test sounds and their reconstructions by every run; chosen by their place on the map, whatever the runs."""
    chosen = marked_sounds(results)[:COMPARED]
    if len(results.runs) < 2 or not chosen:
        return None
    rows = []
    for index in chosen:
        audio = [results.tests.audio[index], *(answer(run, index) for run in results.runs)]
        labels = ["original", *(run.name for run in results.runs)]
        row = sound_row(results.title(index), labels, [sound.numpy() for sound in audio], results.tests.sample_rate)
        far = ["", *(f"{run.sounds.errors['logmel'].l1[index]:.1f} dB off" for run in results.runs)]
        judged = [replace(sound, detail=text) for sound, text in zip(row.sounds, far, strict=True)]
        rows.append(replace(row, sounds=judged))
    return SoundTable("The same test sounds, reconstructed by every model", rows)


def closeness(run: RunResults, results: Results) -> str:
    """How close reconstructions are, in a sentence."""
    errors = run.sounds.errors["logmel"]
    ratio = error_ratio(errors.mse, results.nulls.nulls["logmel"].mean_spectrogram.mse)
    of = f"The best run, {run.name}: reconstructions" if len(results.runs) > 1 else "Reconstructions"
    size = f"On average a band of the spectrogram is {errors.l1.mean():.1f} dB off"
    if ratio.value is None or of_ratio(ratio) != "good":
        return f"{of} are not closer to the originals than an average sound is. {size}."
    share = 1.0 - ratio.value
    words = next((words for least, words in CLOSENESS if share >= least), "only a little closer than an average sound")
    return f"{of} are {words}: they explain {100 * share:.0f}\u00a0% of the variance of spectrograms. {size}."


def commands(run: RunResults) -> list[Command]:
    """Suggested next commands."""
    folder = run.run.path
    shipped = find_space(folder.name) == folder
    near = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    path = shlex.quote(folder.name if shipped else str(near))
    return [
        Command(
            f"synthvae explore {path}",
            "Play any sound on a map in the browser; while it runs, at",
            EXPLORE_ADDRESS,
        ),
        Command(f"synthvae decode {path} --random 8 --out sounds", "Make 8 new sounds, as WAV files and presets."),
    ]


def marked_sounds(results: Results) -> list[int]:
    """Test presets whose dots play when they are clicked: audible, and spread over the map of sounds."""
    audible = [index for index in range(len(results.sound_map)) if results.names[index] != "silence"]
    return [audible[number] for number in spread(results.sound_map[audible], MARKED)]


def spread(points: NDArray[np.float64], count: int) -> list[int]:
    """Some of the points ``(N, 2)``, each the farthest from those before (Gonzalez 1985); the first is central."""
    if not len(points):
        return []
    chosen = [int(np.square(points - np.median(points, axis=0)).sum(axis=1).argmin())]
    nearest = np.full(len(points), np.inf)
    while len(chosen) < min(count, len(points)):
        nearest = np.minimum(nearest, np.square(points - points[chosen[-1]]).sum(axis=1))
        chosen.append(int(nearest.argmax()))
    return chosen


def _map(run: RunResults, results: Results) -> MapItem | None:
    """The test sounds by their spectrograms; None where they are too few."""
    points = results.sound_map
    if not len(points):
        return None
    table, columns = results.descriptors[: len(points)], list(DESCRIPTORS)
    values = {label: plain(table[:, columns.index(name)]) for name, label, plain in COLOURS}
    marked = marked_sounds(results)
    rate, tests, errors = results.tests.sample_rate, results.tests, run.sounds.errors["logmel"].l1
    label = f"reconstruction by {run.name}" if len(results.runs) > 1 else "reconstruction"
    sounds = {
        index: sound_row(
            results.title(index),
            ("original", label),
            (tests.audio[index].numpy(), answer(run, index).numpy()),
            rate,
            f"{errors[index]:.1f} dB off",
        )
        for index in marked
    }
    name = "similar spectrograms lie near each other"
    return MapItem(
        f"{len(points):,} test sounds, arranged by similarity",
        [results.title(index) for index in range(len(points))],
        {name: points},
        {"sound": values},
        {name: point_density(points)},
        marked,
        sounds,
    )


def _similar(run: RunResults, results: Results) -> Verdict:
    """Reconstructions against both average answers, and how many presets are nearer than the mean preset."""
    own, nulls = run.sounds.errors["logmel"].mse, results.nulls.nulls["logmel"]
    judgement = of_all([of_ratio(error_ratio(own, null.mse)) for null in (nulls.mean_preset, nulls.mean_spectrogram)])
    nearer = 100 * float((own < nulls.mean_preset.mse).mean())
    text = f"Reconstruction: nearer than the mean preset for {nearer:.0f}\u00a0% of the sounds"
    more = {"good": ".", "bad": ".", "neutral": ", not clearly better than average answers."}[judgement]
    return Verdict(judgement, text + more)


def _pitch(run: RunResults, results: Results) -> Verdict | None:
    """Share of pitches within half a semitone, against that of the mean preset."""
    own, null = run.distances["f0_error"], results.null_distances["mean preset"]["f0_error"]
    if not own.defined.any():
        return None
    right = float((own.kept <= NEAR_PITCH).mean())
    count = len(null.values)
    both = own.defined[:count] & null.defined
    missed = [(values[:count][both] > NEAR_PITCH).astype(float) for values in (own.values, null.values)]
    by_null = f" (mean preset: {100 * (1.0 - missed[1].mean()):.0f}\u00a0%)" if both.any() else ""
    return Verdict(
        of_differences(missed[0] - missed[1]),
        f"Pitch: right to half a semitone for {100 * right:.0f}\u00a0% of pitched sounds{by_null}.",
    )


def _attack(run: RunResults, results: Results) -> Verdict:
    null = results.null_distances["mean preset"]["attack_error"]
    mean, of_null = (summarise(measured.kept).mean for measured in (run.distances["attack_error"], null))
    text = f"Attack: {mean:.0f} ms too short or too long on average (mean preset: {of_null:.0f} ms)."
    return Verdict(against_mean_preset(run, "attack_error", null), text)


def _new_sounds(run: RunResults, results: Results) -> Verdict | None:
    finding = next(iter(drawn_sounds(run, results)), None)
    if finding is None:
        return None
    words = {
        "good": "as a set, like the dataset",
        "neutral": "as a set, unlike the dataset, but less so than one sound repeated",
        "bad": "as a set, no more like the dataset than one sound repeated",
    }
    return Verdict(finding.judgement, f"New sounds: {words[finding.judgement]}.")


def _neighbours(run: RunResults) -> Verdict | None:
    finding, trust = next(iter(near_latents(run)), None), run.neighbourhoods.latents_and_sounds
    if finding is None or trust is None:
        return None
    return Verdict(
        finding.judgement,
        f"Neighbours: {100 * trust.near.mean:.0f}\u00a0% of the nearest points have similar sounds (chance: "
        f"{100 * trust.near_chance:.0f}\u00a0%).",
    )


def _paths(run: RunResults, similar: bool) -> list[Verdict]:
    """Smoothness of morphs; neutral where reconstructions, between which they go, are not like the originals."""
    comparison = run.movement.paths.linear.get("smoothness")
    if comparison is None:
        return []
    text = (
        f"Morphs: smoother than in parameters in {comparison.improved} of {len(comparison.changes)} "
        f"descriptors, rougher in {comparison.worsened}"
    )
    if similar:
        return [Verdict(of_paths(comparison), f"{text}.")]
    return [Verdict("neutral", f"{text}, but not between the original sounds.")]


def _groups(run: RunResults) -> Verdict:
    row = run.survey.rows[0]
    judgement: Judgement = of_clusters(row.dbcv, [null.led for null in row.nulls.values()])
    text = {
        "good": "Groups: clusters on the map of latents are better separated than on maps without information.",
        "bad": "Groups: clusters on the map of latents are no better separated than on maps without information.",
        "neutral": "Groups: it is undecided whether clusters on the map of latents are significant.",
    }
    return Verdict(judgement, text[judgement])
