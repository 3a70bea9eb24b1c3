"""``analyze`` for runs on recorded sounds: measure them, and write JSON, CSV, figures, sounds and an HTML report."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from synthvae.analysis.recorded_sounds import (
    ONE_GAUSSIAN,
    RunMeasurement,
    SoundWork,
    decode_sounds,
    draw_sounds,
    find_library,
)
from synthvae.core.errors import UserError
from synthvae.core.files import atomic_write, ensure_directory
from synthvae.core.provenance import hardware, versions
from synthvae.core.store import Store
from synthvae.data.library import Library
from synthvae.exploration.recorded_sounds import write_decoded
from synthvae.features import log_mel
from synthvae.features.mel import mel_centres
from synthvae.metrics.reconstruction import preset_errors
from synthvae.report import figures
from synthvae.report.document import (
    Bar,
    Column,
    Command,
    FigureItem,
    Headline,
    Judgement,
    Measured,
    Overview,
    Provenance,
    Report,
    Section,
    Sound,
    SoundRow,
    SoundTable,
    Table,
    Verdict,
    sound_row,
    write_csv,
    write_metrics_json,
)
from synthvae.report.html import write_report
from synthvae.report.judgement import of_differences, of_ratio
from synthvae.report.metrics_json import sound_metrics_document
from synthvae.report.sound_sets import SET_METHODS, sets_section
from synthvae.training.log import read_metrics
from synthvae.training.sounds import SoundRun
from synthvae.training.tasks.spectrogram import ACTIVE_VARIANCE

__all__ = ["SoundResults", "analyze_sounds", "build_sound_report", "plan_sounds"]

#: Test sounds with players, and draws.
EXAMPLES, DRAWS = 12, 16
#: Players of draws in one row.
EACH_ROW = 4
#: Largest error relative to the mean spectrogram, and its description.
CLOSENESS = ((0.1, "very close to the originals"), (0.3, "close to the originals"), (0.7, "roughly like the originals"))
PRIORS = {
    "aggregate": "mixture of Gaussians",
    ONE_GAUSSIAN: "one Gaussian",
    "normal": "standard normal",
}
TERMS = {
    "total": "total loss",
    "squared_error": "squared error",
    "cross_entropy": "cross-entropy (nats)",
    "level": "squared level error (dB²)",
    "kl": "KL divergence (nats)",
    "to_mean_spectrogram": "share of the mean spectrogram's error",
}

METHODS = {
    "Squared error": "Each test sound is encoded without noise and decoded. The squared error of its spectrogram, "
    "as the network sees it, is summed over sounds and divided by that of the mean spectrogram of the same "
    "sounds: 0 is exact, 1 is no better than the mean. Intervals are 95 % bootstrap intervals over "
    "sounds. Shares of runs with different representations are not comparable; log-mel errors are.",
    "Baselines without a model": "Mean of the label: the mean training spectrogram of the sound's label, which is not "
    "available to a model without labels.",
    "Nearest training sound": "The one whose spectrogram is nearest to the test sound's. Finding it requires the "
    "original, so it is not an alternative to the model but a reference: how close the library comes to a sound that "
    "it does not contain.",
    "Log-mel error": "Mean absolute difference of log-mel spectrograms of sounds in dB (STFT Hann 2048, hop 512, "
    "128 HTK-mel bands, 20 log10(mel + 1e-4)), over at most 60 test sounds. Recovered original: the original's "
    "own spectrogram converted back to audio, the floor of the representation. Mean sound: the mean training "
    "spectrogram as a sound.",
    "Use of latents": "KL divergence from the prior, mean over test sounds; a dimension is active if the variance "
    f"of its latents without noise is above {ACTIVE_VARIANCE:g} (Burda et al. 2016).",
    "Draws": "Fréchet distance in the log-mel embedding of 64 dimensions between draws and twice as many training "
    "sounds. The floor is that between two halves of these training sounds. Draws have the labels or pitches of "
    "training sounds where the run has those. Latents are drawn from a mixture of Gaussians fitted to those of "
    "the training sounds, from one Gaussian fitted to them, or from the standard normal distribution.",
    **SET_METHODS,
    "Click crest": "Largest over median energy of the second difference by position within the hop of the "
    "transform, at least 1. Griffin-Lim: the originals' magnitudes with a phase found by it.",
    "Sources": "Networks and representations: Rebnord (2022), García López (2025); changes are listed in synthvae's "
    "docs/representations.md and docs/libraries.md.",
}


@dataclass(frozen=True)
class SoundResults:
    """A run with its figures and the sounds that are played.

    Attributes:
        model: the run.
        measured: its figures.
        answers: reconstructions of the examples, ``(N, T)``.
        errors: their log-mel errors in dB, ``(N,)``.
        latents: latents of the draws, ``(K, D)``.
        draws: ``(K, T)``.
        draw_labels: labels of the draws; empty for a run without labels.
    """

    model: SoundRun
    measured: RunMeasurement
    answers: Tensor
    errors: NDArray[np.float64]
    latents: Tensor
    draws: Tensor
    draw_labels: Sequence[str]

    @property
    def name(self) -> str:
        """Of the run."""
        return self.measured.name


def plan_sounds(
    models: Sequence[SoundRun], out: Path, library: Path | None = None, seed: int = 0, limit: int = 1000
) -> SoundWork:
    """Plan the measurements of runs on recorded sounds that are comparable.

    Args:
        models: the runs.
        out: the directory that will be written to; results are cached in ``.cache`` next to it.
        library: a copy of the library that they were trained on; that one itself where None.
        seed: seed of draws.
        limit: largest number of test sounds.

    Raises:
        UserError: if two have one name, they were trained on different libraries, or theirs is gone or another one.
    """
    names = [model.run.name for model in models]
    if len(set(names)) < len(names):
        raise UserError("runs", names, "rename one directory", f"two runs are called {max(names, key=names.count)!r}")
    if len({model.run.dataset_hash for model in models}) > 1:
        raise UserError("runs", names, "analyse them one by one", "they were trained on different libraries")
    return SoundWork(models, find_library(models[0], library), seed, limit, Store(out.parent / ".cache"))


def analyze_sounds(
    work: SoundWork,
    out: Path,
    command: str,
) -> Path:
    """Measure runs on recorded sounds, and write the results.

    Args:
        work: the measurements, from `plan_sounds`.
        out: the directory to write to.
        command: command that reproduces the analysis, for the page.

    Returns:
        The page, ``report.html``. ``metrics.json``, ``figures/``, tables (``reconstruction_RUN.csv``, a row per test
        sound; ``labels_RUN.csv``; ``latents_RUN.csv``) and draws (``draws_RUN/``) are in the same directory.

    Raises:
        UserError: for an unwritable directory, or sounds that are not finite.
    """
    ensure_directory(out)
    models, library, seed = work.models, work.library, work.seed
    measured = work.measure()
    work.agenda.tell("writing the page")
    examples = _examples(measured[0].errors.rows, library)
    originals = torch.from_numpy(np.array(library.audio[examples]))
    results = [_results(model, one, library, examples, seed) for model, one in zip(models, measured, strict=True)]
    for run in results:
        for name, table in sound_tables(run.measured, library).items():
            write_csv(table, out / f"{name}_{run.name}.csv")
        names = [f"draw_{number:02d}" for number in range(DRAWS)]
        write_decoded(out / f"draws_{run.name}", run.model, names, run.latents, iter(run.draws.numpy()))
    for ending in ("png", "svg"):
        for old in (out / "figures").glob(f"*.{ending}"):
            old.unlink()
    images = {}
    for name, figure in _figures(results, library, examples, originals).items():
        images[name], drawing = figures.both_bytes(figure)
        atomic_write(out / "figures" / f"{name}.png", images[name])
        atomic_write(out / "figures" / f"{name}.svg", drawing)
    write_metrics_json(vars(sound_metrics_document(measured, library, seed)), out / "metrics.json")
    page = out / "report.html"
    write_report(build_sound_report(results, library, examples, originals, images, command, seed), page)
    return page


def sound_tables(run: RunMeasurement, library: Library) -> dict[str, pd.DataFrame]:
    """Tables of a run's measurements: per test sound, per label and per latent dimension."""
    errors, rows = run.errors, list(run.errors.rows)
    files = library.items["file"].astype(str).to_numpy()[rows]
    found = {"sound": rows, "label": errors.labels, "file": files, "squared_error": errors.model}
    found |= {"class_mean": errors.class_mean, "nearest": errors.nearest, "mean_spectrogram": errors.mean}
    if errors.level is not None:
        found["level_error"] = errors.level
    decoded = pd.Series(run.compared.errors, index=run.compared.rows)
    labels = [
        {
            "label": label,
            "sounds": quality.sounds,
            "share": quality.model.value,
            "class_mean": quality.class_mean.value,
            "nearest": quality.nearest.value,
            "level_error": quality.level,
        }
        for label, quality in run.labels.items()
    ]
    latents: dict[str, object] = {"dimension": np.arange(len(run.latents.variance)), "variance": run.latents.variance}
    if run.latents.kl_divergence:
        latents["kl_divergence"] = run.latents.kl_divergence
    return {
        "reconstruction": pd.DataFrame(found).assign(logmel_l1=decoded.reindex(rows).to_numpy()),
        "labels": pd.DataFrame(labels),
        "latents": pd.DataFrame(latents),
    }


def build_sound_report(
    results: Sequence[SoundResults],
    library: Library,
    examples: Sequence[int],
    originals: Tensor,
    images: Mapping[str, bytes],
    command: str,
    seed: int,
) -> Report:
    """Build the report: text, tables, figures and sounds.

    Args:
        results: results of the runs.
        library: library that the runs were trained on.
        examples: numbers of the test sounds that are played.
        originals: these, ``(N, T)``.
        images: PNG content by figure name.
        command: command that reproduces the page.
        seed: seed of the analysis.
    """
    names = ", ".join(run.name for run in results)
    count = "1 model" if len(results) == 1 else f"{len(results)} models"
    tested = results[0].measured.quality.sounds
    best = _best(results)
    return Report(
        title=f'Analysis of run "{names}"' if len(results) == 1 else f"Analysis of {len(results)} runs",
        lead=f"{count} ({names}) on {tested:,} test sounds of {library.path.name}: {len(library.labels)} labels, "
        f"{library.samples / library.sample_rate:g} s at {library.sample_rate:,} Hz.",
        headlines=_headlines(best, len(results) > 1),
        findings=[finding for run in results for finding in _findings(run.measured)],
        sections=[
            _figures_section(results),
            *sets_section([run.measured for run in results]),
            *(_labels_section(run, len(results) > 1) for run in results),
            _listening(results, library, examples, originals),
            *(_draws_section(run) for run in results),
            *(_latents_section(run, images) for run in results),
        ],
        methods=METHODS,
        provenance=Provenance(
            command,
            seed,
            versions(),
            hardware(),
            {f"library {library.path.name}": library.hash}
            | {f"run {run.name}": run.model.run.weights_hash for run in results},
        ),
        overview=_overview(best, results, library, images),
    )


def _best(results: Sequence[SoundResults]) -> SoundResults:
    """The run with the smallest log-mel error, which compares runs with different representations."""
    return min(results, key=lambda run: run.measured.decoded.reconstructions.mean)


def _examples(rows: Sequence[int], library: Library) -> list[int]:
    """Test sounds of as many labels as there are: the first of each label, then the second of each, and so on."""
    labels = library.items["label"].astype(str).to_numpy()[list(rows)]
    place = pd.Series(labels).groupby(labels).cumcount().to_numpy()
    chosen = np.lexsort((labels, place))[:EXAMPLES]
    return [rows[int(number)] for number in sorted(chosen, key=lambda number: (labels[number], number))]


def _results(
    model: SoundRun, measured: RunMeasurement, library: Library, examples: list[int], seed: int
) -> SoundResults:
    originals = torch.from_numpy(np.array(library.audio[examples]))
    answers = decode_sounds(model, library, examples)
    target, decoded = (log_mel(sounds, library.sample_rate).numpy() for sounds in (originals, answers))
    latents = model.sample(DRAWS * model.latents_per_sound, seed)
    draws, rows = draw_sounds(model, library, latents, seed)
    labels = library.items["label"].astype(str).to_numpy()[rows] if model.config.condition == "label" else []
    return SoundResults(model, measured, answers, preset_errors(target, decoded).l1, latents, draws, list(labels))


def _figures(
    results: Sequence[SoundResults], library: Library, examples: Sequence[int], originals: Tensor
) -> dict[str, Figure]:
    best = _best(results)
    middle = int(np.argsort(best.errors)[len(best.errors) // 2])
    sounds = {
        f"Original: {_title(library, examples[middle])}": originals[middle],
        "Its reconstruction": best.answers[middle],
        "A new sound": best.draws[0],
    }
    rate = library.sample_rate
    spectrograms = {title: log_mel(sound[None], rate)[0].numpy() for title, sound in sounds.items()}
    drawn = {"spectrograms": figures.spectrogram_column(spectrograms, mel_centres(rate), library.samples / rate)}
    for run in results:
        latents = run.measured.latents
        drawn[f"{run.name}_latents"] = figures.latent_use_chart(
            latents.variance, latents.kl_divergence or None, ACTIVE_VARIANCE
        )
        curves = run.model.run.path / "metrics.csv"
        if curves.exists():
            rows = read_metrics(curves)
            panels = {
                label: [f"{split}/{term}" for split in ("train", "validation") if f"{split}/{term}" in rows.columns]
                for term, label in TERMS.items()
            }
            drawn[f"{run.name}_training"] = figures.loss_curves(rows, {k: v for k, v in panels.items() if v})
    return drawn


def _title(library: Library, number: int) -> str:
    return f"{library.items['label'].iloc[number]} {number}"


# The first screen.


def _overview(
    best: SoundResults, results: Sequence[SoundResults], library: Library, images: Mapping[str, bytes]
) -> Overview:
    several = len(results) > 1
    decoded = best.measured.decoded
    bars = [
        Bar(run.name if several else "reconstructions", _decibels(run.measured.decoded.reconstructions.mean), own=True)
        for run in results
    ]
    bars += [
        Bar("recovered originals", _decibels(decoded.recovered.mean)),
        Bar("mean sound", _decibels(decoded.mean_sound.mean)),
    ]
    found = _plain_findings(best.measured)
    return Overview(
        _closeness(best, several),
        bars,
        [finding for finding in found if finding.judgement == "good"],
        [finding for finding in found if finding.judgement != "good"],
        _commands(best, library),
        None,
        picture=FigureItem(
            images["spectrograms"],
            "Log-mel spectrograms of an original, its reconstruction and a new sound",
            "Log-mel spectrograms in dB: a test sound with the median error, its reconstruction, and a draw.",
        ),
        note="Mean absolute error of log-mel spectrograms. Grey: the originals' own spectrograms converted back to "
        "audio, which is the floor of the representation, and the mean sound in place of every reconstruction.",
    )


def _closeness(best: SoundResults, several: bool) -> str:
    of = f"The best run, {best.name}: reconstructions" if several else "Reconstructions"
    share, decoded = best.measured.quality.model, best.measured.decoded
    size = f"On average a band of the spectrogram is {decoded.reconstructions.mean:.1f} dB off"
    if share.value is None or of_ratio(share) != "good":
        closer = "may be no" if of_ratio(share) == "neutral" else "are not"
        return f"{of} {closer} closer to the originals than the mean of all sounds. {size}."
    words = next((words for most, words in CLOSENESS if share.value <= most), "only a little closer than the mean")
    return (
        f"{of} are {words}: they explain {100 * (1 - share.value):.0f}\u00a0% of the variance of spectrograms. {size}."
    )


def _commands(best: SoundResults, library: Library) -> list[Command]:
    path, data = (shlex.quote(str(_near(folder))) for folder in (best.model.run.path, library.path))
    examples = {"label": ["--label", library.labels[0]], "pitch": ["--pitch", "60"]}
    given = examples.get(best.model.config.condition, [])
    label = "".join(f" {word}" for word in map(shlex.quote, given))
    found = [
        Command(f"synthvae decode {path} --random 8{label} --out sounds", "Make 8 new sounds, as WAV files."),
        Command(f"synthvae morph A.wav B.wav --run {path}{label}", "Morph from one recording to another."),
    ]
    if any(finding.judgement == "bad" for finding in _reconstructed(best.measured)):
        epochs = 4 * best.model.config.epochs
        longer = f"synthvae train --data {data} --epochs {epochs}"
        found.append(Command(longer, "Train longer: a baseline without a model is closer to the originals."))
    return found


def _near(folder: Path) -> Path:
    folder = folder.absolute()
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


# Judgements.


def _findings(run: RunMeasurement) -> list[Verdict]:
    """Each figure of a run against baselines without a model."""
    found = [*_reconstructed(run), *_decoded(run), *_level(run), _active(run), *_drawn(run), *_clicks(run)]
    return [Verdict(one.judgement, f"{run.name}: {one.text}") for one in found]


def _plain_findings(run: RunMeasurement) -> list[Verdict]:
    """Findings of the first screen, without those that are neither good nor bad, such as the number of used latents."""
    used = _active(run)
    found = [*_reconstructed(run), *_decoded(run), *_drawn(run), *_clicks(run)]
    found += [used] if used.judgement == "bad" else []
    return [Verdict(one.judgement, one.text[:1].upper() + one.text[1:]) for one in found]


def _reconstructed(run: RunMeasurement) -> list[Verdict]:
    """Reconstructions against two baselines without a model, and the nearest training sound."""
    errors = run.errors
    nulls = {"the mean of all sounds": errors.mean, "the mean of the sound's label": errors.class_mean}
    return [*(_against(run, null, words) for words, null in nulls.items()), _beside_nearest(run)]


def _beside_nearest(run: RunMeasurement) -> Verdict:
    """Reconstructions against the nearest training sound, a reference that a model need not reach."""
    found = _against(run, run.errors.nearest, "the nearest training sound, found using the original")
    return Verdict("good" if found.judgement == "good" else "neutral", found.text)


def _against(run: RunMeasurement, null: NDArray[np.float64], words: str) -> Verdict:
    errors = run.errors
    judgement = of_differences((errors.model - null) / max(float(errors.mean.mean()), np.finfo(float).tiny))
    nearer = 100 * float((errors.model < null).mean())
    means = {
        "good": "reconstructions are closer than",
        "bad": "reconstructions are not closer than",
        "neutral": "it is undecided whether reconstructions are closer than",
    }
    return Verdict(judgement, f"{means[judgement]} {words} (closer for {nearer:.0f}\u00a0% of the sounds).")


def _decoded(run: RunMeasurement) -> list[Verdict]:
    own, floor, null = run.decoded.reconstructions, run.decoded.recovered, run.decoded.mean_sound
    if own.low is None or own.high is None or null.low is None or null.high is None:
        return []
    judgement: Judgement = "good" if own.high < null.low else "bad" if own.low > null.high else "neutral"
    return [
        Verdict(
            judgement,
            f"as audio, reconstructions are {own.mean:.1f} dB off; the mean sound is {null.mean:.1f} dB off, and the "
            f"originals' own spectrograms converted back to audio {floor.mean:.1f} dB.",
        )
    ]


def _level(run: RunMeasurement) -> list[Verdict]:
    level = run.quality.level
    return [] if level is None else [Verdict("neutral", f"the RMS error of levels is {level:.1f} dB.")]


def _active(run: RunMeasurement) -> Verdict:
    """Number of used dimensions: bad only if it is 0, a collapsed posterior."""
    active = run.latents.active
    text = f"{active} of {len(run.latents.variance)} latent dimensions are used."
    return Verdict("neutral" if active else "bad", text)


def _drawn(run: RunMeasurement) -> list[Verdict]:
    draws = run.draws
    if draws is None or not draws.floor:
        return [Verdict("neutral", "new sounds were not compared as a set: the library has too few training sounds.")]
    own = draws.priors["aggregate"]
    judgement: Judgement = "good" if own <= draws.floor else "neutral" if own < draws.mean_sound else "bad"
    words = {
        "good": "as a set, new sounds are like the training sounds",
        "neutral": "as a set, new sounds are unlike the training sounds, but less so than the mean sound repeated",
        "bad": "as a set, new sounds are no more like the training sounds than the mean sound repeated",
    }
    text = (
        f"{words[judgement]}: a Fréchet distance of {own / draws.floor:.1f} times the floor, the mean sound "
        f"{draws.mean_sound / draws.floor:.1f} times."
    )
    return [Verdict(judgement, text)]


def _clicks(run: RunMeasurement) -> list[Verdict]:
    crest = run.crest
    if crest is None:
        return []
    few = crest.reconstructions <= max(crest.originals, crest.griffin_lim)
    # Without similar magnitudes, the click crest is no evidence about the phase.
    judgement: Judgement = "good" if few and of_ratio(run.quality.model) == "good" else "neutral"
    words = "no more clicks" if few else "more clicks"
    text = (
        f"reconstructions have {words} at the hop of the transform than originals: a click crest of "
        f"{crest.reconstructions:.2f}, originals {crest.originals:.2f}, with Griffin-Lim {crest.griffin_lim:.2f}."
    )
    return [Verdict(judgement, text)]


# The body.


def _headlines(best: SoundResults, several: bool) -> list[Headline]:
    of = f"{best.name} (the best): " if several else ""
    run, share = best.measured, best.measured.quality.model
    nearest = run.quality.nearest.value
    found = [
        Headline(
            f"{of}squared error relative to the mean spectrogram",
            Measured(share.value, "ratio", share.low, share.high),
            "below 1: some variance is explained" if nearest is None else f"nearest training sound: {nearest:.2f}",
        ),
        Headline(
            f"{of}log-mel error of reconstructions",
            _decibels(
                run.decoded.reconstructions.mean, run.decoded.reconstructions.low, run.decoded.reconstructions.high
            ),
            f"floor {run.decoded.recovered.mean:.1f} dB, mean sound {run.decoded.mean_sound.mean:.1f} dB",
        ),
        Headline(
            f"{of}active latent dimensions",
            Measured(run.latents.active, "dimensions"),
            f"of {len(run.latents.variance)}"
            + (f", {sum(run.latents.kl_divergence):.3g} nats in all" if run.latents.kl_divergence else ""),
        ),
    ]
    if run.draws is not None:
        found.append(
            Headline(
                f"{of}Fréchet distance of new sounds",
                Measured(run.draws.priors["aggregate"], "dB²"),
                f"floor {run.draws.floor:.3g} dB²",
            )
        )
    return found


def _decibels(value: float, low: float | None = None, high: float | None = None) -> Measured:
    return Measured(value, "dB", low, high)


def _figures_section(results: Sequence[SoundResults]) -> Section:
    runs = [run.measured for run in results]
    tables = [
        Table(
            "Squared error of spectrograms of test sounds, as a share of that of their mean spectrogram",
            [
                Column("run"),
                Column("steps", "steps", "of training, up to the best epoch"),
                Column("model"),
                Column("mean of the label"),
                Column("nearest training sound"),
                Column("level error", "dB", "root mean square"),
            ],
            [
                [
                    run.name,
                    run.steps,
                    *(
                        Measured(ratio.value, "ratio", ratio.low, ratio.high)
                        for ratio in (run.quality.model, run.quality.class_mean, run.quality.nearest)
                    ),
                    run.quality.level,
                ]
                for run in runs
            ],
            "1 is the mean spectrogram for all sounds. The nearest training sound is found using the original: a "
            "reference. Shares of runs with different representations are not comparable.",
        ),
        Table(
            "Log-mel error of sounds",
            [Column("run"), Column("reconstructions"), Column("recovered originals"), Column("mean sound")],
            [
                [
                    run.name,
                    *(
                        _decibels(one.mean, one.low, one.high)
                        for one in (run.decoded.reconstructions, run.decoded.recovered, run.decoded.mean_sound)
                    ),
                ]
                for run in runs
            ],
            f"Of {runs[0].decoded.sounds} test sounds. Recovered originals are the floor of the representation.",
        ),
        Table(
            "Log-spectral distance of sounds over linear frequency",
            [Column("run"), Column("reconstructions"), Column("recovered originals"), Column("mean sound")],
            [
                [
                    run.name,
                    *(
                        _decibels(one.mean, one.low, one.high)
                        for one in (
                            run.compared.linear.reconstructions,
                            run.compared.linear.recovered,
                            run.compared.linear.mean_sound,
                        )
                    ),
                ]
                for run in runs
            ],
            "Of the same sounds.",
        ),
    ]
    accuracies = [(run.name, run.compared.accuracy) for run in runs if run.compared.accuracy is not None]
    if accuracies:
        tables.append(
            Table(
                "Accuracy of magnitude and phase",
                [Column("run"), Column("of"), *(Column(words, "%") for words in ("both", "magnitude", "phase"))],
                [
                    [name, words, one.both, one.magnitude, one.phase]
                    for name, found in accuracies
                    for words, one in (
                        ("reconstructions", found.model),
                        ("exact magnitude, zero phase", found.zero_phase),
                        ("mean spectrogram", found.mean),
                    )
                ],
                "100 is exact, 0 no better than silence. Not comparable between sizes of the transform.",
            )
        )
    drawn = [(run.name, run.draws) for run in runs if run.draws is not None]
    if drawn:
        tables.append(
            Table(
                "Fréchet distance of new sounds to training sounds, by distribution of the latents",
                [
                    Column("run"),
                    *(Column(words, "dB²") for words in PRIORS.values()),
                    Column("floor", "dB²", "two halves of the training sounds"),
                    Column("mean sound", "dB²"),
                ],
                [
                    [name, *(draws.priors[prior] for prior in PRIORS), draws.floor, draws.mean_sound]
                    for name, draws in drawn
                ],
            )
        )
    clicks = [(run.name, run.crest) for run in runs if run.crest is not None]
    if clicks:
        tables.append(
            Table(
                "Click crest, medians",
                [
                    Column("run"),
                    Column("originals", "ratio"),
                    Column("originals with Griffin-Lim", "ratio"),
                    Column("reconstructions", "ratio"),
                ],
                [[name, crest.originals, crest.griffin_lim, crest.reconstructions] for name, crest in clicks],
                "At least 1. Short sounds have higher values even without clicks: compare with the originals.",
            )
        )
    text = []
    if len(drawn) < len(runs):
        text.append("New sounds are not compared as a set: half of the training sounds are too few for a covariance.")
    return Section("Figures", text, tables)


def _labels_section(run: SoundResults, several: bool) -> Section:
    table = Table(
        "Squared error by label, as a share of that of the mean spectrogram of all test sounds",
        [
            Column("label"),
            Column("sounds", "sounds"),
            Column("model"),
            Column("mean of the label", "ratio"),
            Column("nearest training sound", "ratio"),
            Column("level error", "dB"),
        ],
        [
            [
                label,
                quality.sounds,
                Measured(quality.model.value, "ratio", quality.model.low, quality.model.high),
                quality.class_mean.value,
                quality.nearest.value,
                quality.level,
            ]
            for label, quality in run.measured.labels.items()
        ],
    )
    return Section(f"Labels: {run.name}" if several else "Labels", (), [table])


def _listening(
    results: Sequence[SoundResults], library: Library, examples: Sequence[int], originals: Tensor
) -> Section:
    several = len(results) > 1
    rows = []
    for index, number in enumerate(examples):
        labels = ["original", *(run.name if several else "reconstruction" for run in results)]
        audio = [originals[index].numpy(), *(run.answers[index].numpy() for run in results)]
        row = sound_row(_title(library, number), labels, audio, library.sample_rate)
        far = ["", *(f"{run.errors[index]:.1f} dB off" for run in results)]
        sounds = [
            Sound(sound.label, sound.wav, detail, sound.gain) for sound, detail in zip(row.sounds, far, strict=True)
        ]
        rows.append(SoundRow(row.name, sounds, str(library.items["file"].iloc[number])))
    text = "Test sounds of different labels, selected by position in the library, and their reconstructions."
    return Section("Listen", [text], [SoundTable("Test sounds and their reconstructions", rows)])


def _draws_section(run: SoundResults) -> Section:
    names = [f"draw {number}" for number in range(len(run.draws))]
    if run.draw_labels:
        names = [f"{name} ({label})" for name, label in zip(names, run.draw_labels, strict=True)]
    rows = [
        sound_row(
            f"draws {first} to {first + EACH_ROW - 1}",
            names[first : first + EACH_ROW],
            list(run.draws[first : first + EACH_ROW].numpy()),
            run.model.sample_rate,
        )
        for first in range(0, len(names), EACH_ROW)
    ]
    text = (
        "New sounds, decoded from draws of the mixture of Gaussians that was fitted to the latents of the training "
        f"sounds. WAV files and latents are in draws_{run.name}/."
    )
    return Section(f"New sounds: {run.name}", [text], [SoundTable("Draws", rows)])


def _latents_section(run: SoundResults, images: Mapping[str, bytes]) -> Section:
    items = [
        FigureItem(
            images[f"{run.name}_latents"],
            f"Use of each latent dimension by {run.name}",
            "Each dimension from the most to the least used, over the test sounds.",
        )
    ]
    if f"{run.name}_training" in images:
        items.append(
            FigureItem(
                images[f"{run.name}_training"],
                f"Training curves of {run.name}",
                "Terms of the loss by epoch, unweighted.",
            )
        )
    return Section(f"Latents and training: {run.name}", (), items)
