"""Listening tests: the page for listeners, webMUSHRA's configuration, and the report of the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import signal

from synthvae.analysis.listening import (
    ANCHORS,
    KINDS,
    NO_PREFERENCE,
    REFERENCE,
    SCALES,
    Classification,
    ListeningResults,
    Preference,
    Ratings,
)
from synthvae.audio.files import AUDIO_ENDINGS, wav_bytes
from synthvae.audio.loudness import CEILING, LOUDNESS, integrated_loudness, true_peak
from synthvae.audio.recordings import read_recording
from synthvae.core.errors import UserError, choose_one
from synthvae.core.files import atomic_write, ensure_directory
from synthvae.core.provenance import hardware, versions
from synthvae.data.names import slug
from synthvae.metrics.statistics import p_text
from synthvae.report.document import (
    Cell,
    Column,
    Headline,
    Measured,
    Provenance,
    Report,
    Section,
    Table,
    Verdict,
    write_csv,
    write_metrics_json,
)
from synthvae.report.html import data_uri, render_template, write_report

__all__ = ["PAGE", "Made", "Trial", "make_listening_test", "plan_trials", "write_listening_report"]

#: Name of the page for listeners.
PAGE = "test.html"
#: Seconds of a stimulus at most.
LONGEST = 20.0
#: Cut-off of the anchors in Hz (BS.1534-3, 5.1), and taps of the linear-phase low-pass at 48 kHz.
CUT_OFFS = {"anchor35": 3500.0, "anchor70": 7000.0}
TAPS = 511
#: Question and answers of each kind of test; the answers of `classify` are the labels.
QUESTIONS = {
    "mushra": "How good is the quality of each sound compared with the reference? One of them is the reference itself.",
    "mos": "How good is the quality of this sound?",
    "ab": "Which of the two sounds do you prefer?",
    "classify": "What is this sound?",
    "smoothness": "How smoothly does this sound change from its start to its end?",
}
ANSWERS = {
    "mos": {"5": "excellent", "4": "good", "3": "fair", "2": "poor", "1": "bad"},
    "smoothness": {"5": "very smoothly", "4": "smoothly", "3": "fairly", "2": "unevenly", "1": "very unevenly"},
}


@dataclass(frozen=True)
class Trial:
    """A page of a test.

    Attributes:
        name: name of the sound, the same for all systems.
        label: label of the sound; empty if it has none.
        files: condition to file: with MUSHRA the reference first, a pair for ``ab``, else one.
    """

    name: str
    label: str
    files: Mapping[str, Path]


@dataclass(frozen=True)
class Made:
    """What was written.

    Attributes:
        page: the page for listeners.
        trials: how many.
        loudness: loudness of all stimuli, in LUFS; None for their own levels.
        notes: remarks, one per line.
    """

    page: Path
    trials: int
    loudness: float | None
    notes: Sequence[str]


def plan_trials(kind: str, folders: Sequence[Path]) -> list[Trial]:
    """Trials of a test from folders of sounds, one for each system, which has its folder's name.

    Sounds of one path below their folders belong together; the folder that a sound lies in, below that of its system,
    is its label. With ``mushra`` the first folder holds the references. Only sounds that all folders have are used
    where they are compared (``mushra`` and ``ab``).

    Raises:
        UserError: for an unknown kind, too few folders, two of one name, a folder without sounds, or none in common.
    """
    if kind not in KINDS:
        raise UserError("kind", kind, choose_one(kind, KINDS))
    least = 2 if kind in ("mushra", "ab") else 1
    if len(folders) < least:
        what = "the folder of references, then one for each system" if kind == "mushra" else "a folder for each system"
        raise UserError("folders", [*map(str, folders)], f"give {what}", f"{len(folders)} are too few for {kind}")
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names) or {REFERENCE, *ANCHORS, NO_PREFERENCE} & set(names[kind == "mushra" :]):
        reserved = ", ".join((REFERENCE, *ANCHORS, NO_PREFERENCE))
        raise UserError("folders", names, f"give each system a name of its own, and none of {reserved}")
    found = [_sounds(folder) for folder in folders]
    if kind not in ("mushra", "ab"):
        trials = [
            Trial(Path(path).stem, _label(path), {name: file})
            for name, files in zip(names, found, strict=True)
            for path, file in files.items()
        ]
        if kind == "classify" and len({trial.label for trial in trials}) < 2:
            raise UserError("folders", names, "put sounds into folders by label", "fewer than two labels")
        return trials
    common = [path for path in found[0] if all(path in files for files in found[1:])]
    if not common:
        raise UserError("folders", names, "give sounds the same file names in all folders", "no sound in common")
    if kind == "mushra":
        labels = (REFERENCE, *names[1:])
        return [
            Trial(Path(p).stem, _label(p), {n: files[p] for n, files in zip(labels, found, strict=True)})
            for p in common
        ]
    pairs = list(combinations(range(len(names)), 2))
    return [
        Trial(Path(p).stem, _label(p), {names[i]: found[i][p], names[j]: found[j][p]}) for p in common for i, j in pairs
    ]


def _sounds(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise UserError(folder, folder, "give a folder of sounds", "no such folder")
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in AUDIO_ENDINGS and file.name[0] != ".")
    if not files:
        raise UserError(folder, folder, f"give one with {', '.join(AUDIO_ENDINGS)} files", "no sounds in it")
    return {str(file.relative_to(folder).with_suffix("")): file for file in files}


def _label(path: str) -> str:
    return Path(path).parent.name


def make_listening_test(
    kind: str,
    folders: Sequence[Path],
    out: Path,
    title: str = "Listening test",
    loudness: float | None = LOUDNESS,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Made:
    """Write a page that asks listeners and saves their answers as CSV, and webMUSHRA's configuration beside it.

    ``test.html`` holds everything and needs no server; ``webmushra.yaml`` names the same sounds as files in
    ``stimuli/``, for a folder ``configs/resources/TEST`` of webMUSHRA.

    Args:
        kind: one of `KINDS`.
        folders: as `plan_trials` takes them.
        out: the directory.
        title: title of the page.
        loudness: loudness of all stimuli in LUFS, less where a peak would be above -1 dB; None for their own.
        progress: called with the number of trials done, and of all.

    Raises:
        UserError: as `plan_trials`, or for a sound that cannot be read, a sound of more than 20 seconds, or an
            unwritable directory.
    """
    trials = plan_trials(kind, folders)
    ensure_directory(out / "stimuli")
    sounds: list[dict[str, tuple[NDArray[np.float32], int]]] = []
    notes = []
    for number, trial in enumerate(trials):
        stimuli = {}
        for condition, file in trial.files.items():
            recording = read_recording(file, LONGEST)
            stimuli[condition] = (recording.audio.astype(np.float32), recording.sample_rate)
        if kind == "mushra":
            audio, rate = stimuli[REFERENCE]
            for name, hertz in CUT_OFFS.items():
                if hertz < 0.45 * rate:
                    stimuli[name] = (low_pass(audio, rate, hertz), rate)
                else:
                    notes.append(
                        f"{trial.name}: no {name}, its sample rate of {rate} Hz has nothing above {hertz:g} Hz"
                    )
        sounds.append(stimuli)
        progress(number + 1, len(trials))
    level = _common_loudness([one for stimuli in sounds for one in stimuli.values()], loudness)
    if level is not None and loudness is not None and level < loudness - 0.05:
        notes.append(f"all sounds are at {level:.1f} LUFS: at {loudness:g} a peak would be above -1 dB")
    pages = []
    for number, (trial, stimuli) in enumerate(zip(trials, sounds, strict=True)):
        entries = []
        for condition, (audio, rate) in stimuli.items():
            content = wav_bytes(_at(audio, rate, level), rate, "int16")
            name = f"stimuli/{number + 1:03d}_{slug(trial.name)}_{slug(condition)}.wav"
            atomic_write(out / name, content)
            entries.append({"condition": condition, "file": name, "wav": data_uri(content, "audio/wav")})
        pages.append({"trial": trial.name, "label": trial.label, "stimuli": entries})
    labels = sorted({trial.label for trial in trials if trial.label})
    answers = ANSWERS.get(kind, {label: label for label in labels} if kind == "classify" else {})
    test = f"{kind}-{slug(title)}"
    values = {
        "kind": kind,
        "title": title,
        "question": QUESTIONS[kind],
        "answers": answers,
        "test": test,
        "pages": pages,
    }
    atomic_write(out / "webmushra.yaml", render_template("synthvae.report", "webmushra.yaml", {}, **values))
    page = out / PAGE
    data = {
        "kind": kind,
        "test": test,
        "answers": answers,
        "none": NO_PREFERENCE,
        "reference": REFERENCE,
        "pages": pages,
    }
    atomic_write(page, render_template("synthvae.report", "listening.html", {}, data=data, **values))
    return Made(page, len(trials), level, notes)


def low_pass(audio: NDArray[np.float32], sample_rate: int, hertz: float) -> NDArray[np.float32]:
    """A sound ``(T,)`` through a zero-delay low-pass: 6 dB down at `hertz`, 50 dB from 200 Hz above it."""
    taps = 2 * round(TAPS * sample_rate / 48000 / 2) + 1
    kernel = signal.firwin(taps, hertz, fs=sample_rate)
    return np.asarray(signal.convolve(audio, kernel, "full")[taps // 2 :][: len(audio)], np.float32)


def _common_loudness(sounds: Sequence[tuple[NDArray[np.float32], int]], wanted: float | None) -> float | None:
    """The wanted loudness, or the highest that all sounds reach below the ceiling; None for their own."""
    if wanted is None:
        return None
    most = [
        integrated_loudness(audio, rate) + 20.0 * np.log10(CEILING / true_peak(audio))
        for audio, rate in sounds
        if audio.any() and np.isfinite(integrated_loudness(audio, rate))
    ]
    return float(min([wanted, *most]))


def _at(audio: NDArray[np.float32], rate: int, level: float | None) -> NDArray[np.float32]:
    measured = integrated_loudness(audio, rate)
    return audio if level is None or not np.isfinite(measured) else audio * np.float32(10 ** ((level - measured) / 20))


# The report.

METHODS = {
    "Unit": "All answers of one listener to one system are averaged first: listeners are independent, their answers "
    "are not. Intervals are 95 % bootstrap intervals over listeners.",
    "Screening": "ITU-R BS.1534-3, 4.1.2: listeners are excluded who rate the hidden reference below 90, or the "
    "7 kHz anchor above 90, in more than 15 % of the trials.",
    "Tests": "Between systems, without hidden reference and anchors: Kruskal-Wallis with epsilon squared, Dunn's test "
    "with Holm's correction, Levene about the medians, Shapiro-Wilk of each system. Preferences: Wilcoxon's "
    "signed-rank test of listeners' shares against a half. Classes: the same against chance, chi-squared between label "
    "and answer, and between systems.",
    "Power": "Of the F test at the 5 % level with the observed spread between listeners, and the efficiency of "
    "Kruskal-Wallis, 3 / pi. Post-hoc power adds nothing to the p value: use the detectable difference, and the number "
    "of listeners that the next test needs.",
}
_UNITS = {"mushra": "points", "mos": "grades", "smoothness": "grades"}


def write_listening_report(results: ListeningResults, answers: pd.DataFrame, out: Path, command: str) -> Path:
    """Write ``report.html``, ``metrics.json`` and CSV files of a test.

    Args:
        results: results of the answers.
        answers: all of them, for ``answers.csv``.
        out: the directory.
        command: command that reproduces the page.

    Raises:
        UserError: for an unwritable directory.
    """
    ensure_directory(out)
    write_csv(answers, out / "answers.csv")
    left = pd.DataFrame({"listener": results.listeners})
    write_csv(
        left.assign(left_out=[results.left_out.get(name, "") for name in results.listeners]), out / "listeners.csv"
    )
    for name, table in _csv_tables(results).items():
        write_csv(table, out / f"{name}.csv")
    write_metrics_json(vars(results), out / "metrics.json")
    page = out / "report.html"
    write_report(_report(results, command), page)
    return page


def _csv_tables(results: ListeningResults) -> dict[str, pd.DataFrame]:
    found = {}
    if results.ratings is not None:
        found["conditions"] = pd.DataFrame([{"condition": n, **vars(s)} for n, s in results.ratings.conditions.items()])
        if results.ratings.comparison is not None:
            found["pairs"] = pd.DataFrame([vars(pair) for pair in results.ratings.comparison.dunn])
    if results.preferences:
        found["preferences"] = pd.DataFrame(
            [
                {"first": p.first, "second": p.second, "for_first": p.counts[0], "for_second": p.counts[1],
                 "neither": p.counts[2], "share": p.share.mean, "low": p.share.low, "high": p.share.high,
                 "p_value": p.p_value}
                for p in results.preferences
            ]
        )  # fmt: skip
    if results.classification is not None:
        labels = results.classification.labels
        for system, counts in results.classification.confusion.items():
            table = pd.DataFrame(counts, columns=list(labels))
            table.insert(0, "label", list(labels))
            found[f"confusion_{slug(system)}"] = table
    return found


def _report(results: ListeningResults, command: str) -> Report:
    kept = len(results.listeners) - len(results.left_out)
    sections: list[Section] = []
    findings: list[Verdict] = []
    headlines = [
        Headline("listeners", Measured(kept, "listeners"), f"{len(results.left_out)} left out by screening"),
        Headline("answers", Measured(results.answers, "answers"), f"kind of test: {results.kind}"),
    ]
    if results.ratings is not None:
        _add_ratings(results.ratings, results.kind, sections, findings, headlines)
    if results.preferences:
        _add_preferences(results.preferences, sections, findings)
    if results.classification is not None:
        _add_classification(results.classification, sections, findings)
    if results.left_out:
        rows = [[name, why] for name, why in results.left_out.items()]
        table = Table("Listeners who were left out", [Column("listener"), Column("reason")], rows)
        sections.append(Section("Screening", (), [table]))
    return Report(
        title="Listening test",
        lead=f"{results.kind}: {results.answers:,} answers of {kept} listeners.",
        headlines=headlines,
        findings=findings,
        sections=sections,
        methods=METHODS,
        provenance=Provenance(command, 0, versions(), hardware()),
    )


def _add_ratings(
    ratings: Ratings, kind: str, sections: list[Section], findings: list[Verdict], headlines: list[Headline]
) -> None:
    unit = _UNITS[kind]
    rows: list[list[Cell]] = [
        [name, Measured(one.mean, unit, one.low, one.high), one.median, one.q25, one.q75, one.n]
        for name, one in sorted(ratings.conditions.items(), key=lambda item: -item[1].mean)
    ]
    columns = [Column("condition"), Column("mean"), Column("median", unit), Column("lower quartile", unit)]
    columns += [Column("upper quartile", unit), Column("listeners", "listeners")]
    low, high, _ = SCALES[kind]
    tables = [Table(f"Ratings from {low:g} to {high:g}", columns, rows, "Of the means of listeners.")]
    text = []
    compared, power = ratings.comparison, ratings.power
    if compared is None or power is None:
        text.append("A single system: nothing to compare.")
        sections.append(Section("Ratings", text, tables))
        return
    significant = compared.kruskal_wallis.p_value < 0.05
    findings.append(Verdict("good" if significant else "neutral", compared.kruskal_wallis.sentence))
    findings += [Verdict("good" if p.p_value < 0.05 else "neutral", p.sentence) for p in compared.dunn]
    size = f"epsilon squared {compared.kruskal_wallis.epsilon_squared:.2f}"
    size += f", {compared.epsilon_squared_by_chance:.2f} by chance"
    headlines.append(Headline("Kruskal-Wallis between systems", Measured(compared.kruskal_wallis.p_value, "p"), size))
    pairs: list[list[Cell]] = [
        [f"{p.first}, {p.second}", p.p_value, 1.0 - p.share_lower, p.effect] for p in compared.dunn
    ]
    columns = [
        Column("pair"),
        Column("Dunn's p", "after Holm"),
        Column("second above first", "share"),
        Column("effect"),
    ]
    tables.append(Table("Pairs of systems", columns, pairs))
    shapes: list[list[Cell]] = [[n, s.statistic, s.p_value, s.skewness] for n, s in compared.shapiro_wilk.items()]
    columns = [Column("system"), Column("Shapiro-Wilk W", "ratio"), Column("p", "p"), Column("skewness", "ratio")]
    tables.append(Table("Normality of the means of listeners", columns, shapes, compared.levene.sentence))
    if power.detectable is not None and power.needed is not None:
        text.append(
            f"With {power.listeners} listeners, a difference of {power.detectable:.2g} {unit} is detected with 80 % "
            f"power; detecting {power.wanted:g} {unit} takes {power.needed} listeners."
        )
    sections.append(Section("Ratings", text, tables))


def _add_preferences(pairs: Sequence[Preference], sections: list[Section], findings: list[Verdict]) -> None:
    rows: list[list[Cell]] = []
    for p in pairs:
        chosen = p.p_value is not None and p.p_value < 0.05
        better = p.first if p.share.mean > 0.5 else p.second
        size = "no preferences" if p.p_value is None else p_text(p.p_value)
        text = (
            f"{better} is preferred of {p.first} and {p.second}"
            if chosen
            else f"{p.first} and {p.second}: no clear preference"
        )
        findings.append(
            Verdict("good" if chosen else "neutral", f"{text} (share of {p.first} {p.share.mean:.2f}, {size}).")
        )
        share = Measured(p.share.mean, "share", p.share.low, p.share.high)
        rows.append([f"{p.first}, {p.second}", *p.counts, share, p.p_value, p.counts_p_value])
    columns = [
        Column("pair"),
        *(Column(name, "answers") for name in ("for the first", "for the second", "neither")),
        Column("share of the first"),
        Column("Wilcoxon", "p"),
        Column("chi-squared", "p", "as if all answers were independent"),
    ]
    sections.append(Section("Preferences", (), [Table("Preferences", columns, rows, "0.5 is no preference.")]))


def _add_classification(found: Classification, sections: list[Section], findings: list[Verdict]) -> None:
    tables = []
    for system, counts in found.confusion.items():
        one, p_value = found.accuracy[system], found.p_values[system]
        above = p_value is not None and p_value < 0.05
        words = "are recognised above chance" if above else "are not recognised significantly above chance"
        size = "all at chance" if p_value is None else p_text(p_value)
        shares = f"{100 * one.mean:.0f} % right, chance is {100 * found.chance:.0f} % ({size})"
        findings.append(Verdict("good" if above else "neutral", f"Sounds of {system} {words}: {shares}."))
        rows: list[list[Cell]] = [[label, *map(int, row)] for label, row in zip(found.labels, counts, strict=True)]
        note = found.association[system].sentence if system in found.association else ""
        columns = [Column("label of the sound"), *(Column(label, "answers") for label in found.labels)]
        tables.append(Table(f"Answers to sounds of {system}", columns, rows, note))
    if found.between is not None:
        findings.append(Verdict("neutral", found.between.sentence))
    accuracy: list[list[Cell]] = [
        [system, Measured(one.mean, "share", one.low, one.high), found.chance, found.p_values[system]]
        for system, one in found.accuracy.items()
    ]
    columns = [Column("system"), Column("right answers"), Column("by chance", "share"), Column("Wilcoxon", "p")]
    tables.insert(0, Table("Accuracy, over listeners", columns, accuracy))
    sections.append(Section("Classes", (), tables))
