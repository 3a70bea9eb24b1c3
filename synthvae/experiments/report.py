"""Report of the experiments at one scale: Markdown, CSV tables and figures in a folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure

from synthvae.analysis.sounds import FEATURE_UNITS, MAPPED, example_index
from synthvae.core.errors import UserError
from synthvae.core.files import atomic_write, ensure_directory
from synthvae.core.provenance import hardware, versions
from synthvae.experiments.cases import Case, dataset_size, list_cases, scale_label
from synthvae.experiments.compare import Interval
from synthvae.experiments.conclusions import Answer, answers, answers_frame, group_tests
from synthvae.experiments.distances import SetComparison, read_distances
from synthvae.experiments.maps import MapNull, read_null_maps
from synthvae.experiments.measures import read_case, read_nulls
from synthvae.experiments.runner import Job, dataset_and_voice, is_done, plan
from synthvae.experiments.tables import THESIS_FEATURES, Results, Table, audible_error_table, thesis_tables
from synthvae.maps.nulls import NULL_SEEDS
from synthvae.report.document import write_csv
from synthvae.report.figures import BLUE, CYCLE, INK, QUIET, STYLE, error_distributions, png_bytes, waveform_overlays
from synthvae.training.run import load_run, read_description

__all__ = ["Example", "draw_example", "finished_jobs", "ratio_chart", "write_report"]

TICKS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)


def ratio_chart(
    groups: Mapping[str, Mapping[str, Interval]], label: str, lines: Mapping[str, float], logarithmic: bool = True
) -> Figure:
    """Ratios, or other means, with their intervals, a row each.

    Args:
        groups: name of each series to its rows, the same rows in each.
        label: label of the axis.
        lines: values to mark by name, such as a null model's.
        logarithmic: whether the axis is, as suits ratios.

    Returns:
        The figure.
    """
    rows: Sequence[str] = list(dict.fromkeys(name for series in groups.values() for name in series))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 1.3 + max(0.3, 0.12 * len(groups)) * len(rows)))
        axes = figure.subplots()
        for value in lines.values():
            axes.axvline(value, color=QUIET, linewidth=1.0, linestyle=(0, (4, 3)))
        for number, (name, series) in enumerate(groups.items()):
            shift = min(0.22, 0.8 / len(groups)) * (number - (len(groups) - 1) / 2)
            colour = CYCLE[number % len(CYCLE)] if len(groups) > 1 else BLUE
            places = [rows.index(row) + shift for row in series]
            values = [interval.value for interval in series.values()]
            below = [max(0.0, i.value - i.low) for i in series.values()]
            above = [max(0.0, i.high - i.value) for i in series.values()]
            axes.errorbar(
                values, places, xerr=[below, above], fmt="o", markersize=4.5, color=colour, label=name, linewidth=1.4
            )
        if logarithmic:
            axes.set_xscale("log")
            low, high = axes.get_xlim()
            ticks = [tick for tick in TICKS if low <= tick <= high]
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.minorticks_off()
        axes.set_yticks(range(len(rows)), rows)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(axis="x")
        axes.set_xlabel(label)
        for name, value in lines.items():
            axes.annotate(
                name, (value, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 3), textcoords="offset points",
                ha="center", va="bottom", fontsize=8.5, color=INK,
            )  # fmt: skip
        if len(groups) > 1:
            figure.legend(loc="outside lower center", ncols=len(groups))
    return figure


PAGE = "report.md"
#: Which embedding a Fréchet distance is of.
FAD = (
    "FAD and Fréchet distance are those of the log-mel embedding of 64 dimensions, in dB², unless another embedding is",
    "named. VGGish and PANNs are measured with `synthvae experiment report --embedding vggish,panns`.",
)


def finished_jobs(scale: float, runs: Path) -> list[Job]:
    """The finished runs of the cases that come with synthvae.

    Args:
        scale: fraction of the thesis's presets.
        runs: where they are.

    Raises:
        UserError: if there is none.
    """
    place = runs / scale_label(scale)
    jobs = []
    for case in list_cases():
        seeds = [path.name.removeprefix("seed-") for path in (place / case.name).glob("seed-*")]
        most = max((int(seed) + 1 for seed in seeds if seed.isdigit()), default=0)
        jobs += [job for job in plan([case], most, scale, runs) if is_done(job)] if most else []
    if not jobs:
        raise UserError(
            place,
            place,
            f"make some with 'synthvae experiment run exp1 exp2 exp3 --scale {scale:g}'",
            "no finished run of a case there",
        )
    return jobs


@dataclass(frozen=True)
class Example:
    """One test sound and its reconstruction by every case.

    Attributes:
        number: number of the test preset in the dataset.
        seeds: the first finished seed of each case, which is the one that is shown, by the case's name.
        png: the figure.
    """

    number: int
    seeds: Mapping[str, int]
    png: bytes


def draw_example(jobs: Sequence[Job], limit: int, example: int | None = None) -> Example:
    """Plot a test sound and its reconstruction by the first seed of each case.

    Args:
        jobs: finished runs of one scale.
        limit: test presets that are measured at most.
        example: number of one of them; the first by default.

    Raises:
        UserError: if it is none of them, or a run cannot be read.
    """
    dataset, voice = dataset_and_voice(Path(jobs[0].config.data))
    numbers = dataset.indices("test")[:limit]
    number = numbers[example_index(numbers, example)]
    first: dict[str, Job] = {}
    for job in sorted(jobs, key=lambda job: (_place(job.case), job.seed)):
        first.setdefault(job.case.name, job)
    unit = dataset.units(range(number, number + 1))
    with torch.inference_mode():
        target = voice(unit)[0].numpy()
        answers = {}
        for name, job in first.items():
            run = load_run(job.directory)
            answers[name] = run.voice(run.decode(run.encode(unit)))[0].numpy()
    figure = waveform_overlays(target, answers, dataset.header.settings.sample_rate)
    return Example(number, {name: job.seed for name, job in first.items()}, png_bytes(figure))


def write_report(
    jobs: list[Job],
    out: Path,
    command: str,
    comparison: SetComparison | None = None,
    example: Example | None = None,
    mapped: int = MAPPED,
    nulls: int = len(NULL_SEEDS),
) -> Path:
    """Write the report.

    Args:
        jobs: finished and measured runs of one scale.
        out: the report is written to ``out/thesis/scale-S``.
        command: command that made the report.
        comparison: Fréchet distances in pretrained embeddings that were measured; none by default.
        example: a test sound and its reconstructions; none by default.
        mapped: presets on each map.
        nulls: maps of each null.

    Returns:
        The Markdown file; ``tables/``, ``figures/`` and ``conclusions.csv`` are in the same directory.

    Raises:
        UserError: if the directory cannot be written to.
    """
    scale = jobs[0].scale
    directory = ensure_directory(out / "thesis" / scale_label(scale))
    results = _results(jobs, comparison, read_null_maps(jobs, mapped, nulls))
    tables = [audible_error_table(results), *thesis_tables(results)]
    found = answers(results)
    for old in ("tables", "figures"):
        shutil.rmtree(directory / old, ignore_errors=True)
    for table in tables:
        write_csv(table.frame(), directory / "tables" / f"{table.name}.csv", "%.6g")
    write_csv(answers_frame(found), directory / "conclusions.csv", "%.4g")
    figures = _figures(results, found) | ({"waveforms": example.png} if example else {})
    for name, png in figures.items():
        atomic_write(directory / "figures" / f"{name}.png", png)
    atomic_write(directory / PAGE, _page(jobs, results, tables, found, list(figures), command, example))
    return directory / PAGE


def _results(jobs: list[Job], comparison: SetComparison | None, null_maps: dict[str, dict[str, MapNull]]) -> Results:
    cases = {job.case.name: job.case for job in jobs}
    seeds = {name: tuple(job.seed for job in jobs if job.case.name == name) for name in cases}
    measures = {(job.case.name, job.seed): read_case(job) for job in jobs}
    ordered = sorted(cases.values(), key=_place)
    distances = read_distances(jobs, comparison) if comparison else {}
    return Results(tuple(ordered), seeds, measures, read_nulls(jobs[0]), distances, null_maps)


def _place(case: Case) -> tuple[bool, str, int, str]:
    """Sort key of a case in tables: those of the thesis first, by experiment."""
    return (not case.thesis, case.group, _order(case), case.name)


def _order(case: Case) -> int:
    """The thesis's own order of an experiment's cases."""
    order = ("lmsl", "scl", "logsl", "lslp", "sclp", "logslp", "stft", "mfcc", "cqt")
    kind = case.name.partition("-")[2]
    return order.index(kind) if kind in order else len(order)


def _figures(results: Results, found: list[Answer]) -> dict[str, bytes]:
    mean_spectrogram = _mean(results, "mean_spectrogram") / _mean(results, "mean_preset")
    ratios = {case.name: results.to_null(case.name, "logmel") for case in results.cases}
    chart = ratio_chart(
        {"log-mel": ratios},
        "log-mel MSE, relative to the mean preset",
        {"mean preset": 1.0, "mean spectrogram": mean_spectrogram},
    )
    images = {"audible": png_bytes(chart)}
    for answer in found:
        if answer.name == "nulls":
            continue  # which the first figure shows
        series: dict[str, dict[str, Interval]] = {}
        for c in answer.comparisons:
            series.setdefault(c.feature, {})[f"{c.case} / {c.other}"] = c.interval
        if answer.name == "level":
            rise = float(np.mean(results.nulls.waveforms["level_slope"]["mean_preset"]))
            lines = {"originals": 0.0, "mean preset": rise}
            slopes = {c.case: c.interval for c in answer.comparisons if c.other == "the originals"}
            chart = ratio_chart({"level": slopes}, "level slope (dB/s)", lines, logarithmic=False)
            images[answer.name] = png_bytes(chart)
            continue
        images[answer.name] = png_bytes(ratio_chart(series, "ratio of errors", {"no difference": 1.0}))
    for experiment in ("exp1", "exp2", "exp3"):
        cases = [case.name for case in results.cases if case.group == experiment]
        for feature in THESIS_FEATURES if cases else ():
            groups = {name: np.mean([m.l1[feature] for m in results.of(name)], axis=0) for name in cases}
            label = f"mean absolute error on {feature} ({FEATURE_UNITS[feature]})"
            figure = error_distributions(groups, label, results.nulls.l1[feature])
            images[f"{experiment}-{feature}"] = png_bytes(figure)
        if cases:
            groups = {name: np.mean([m.waveforms["waveform"] for m in results.of(name)], axis=0) for name in cases}
            label, nulls = "mean absolute error of samples (full scale)", results.nulls.waveforms["waveform"]
            figure = error_distributions(groups, label, nulls)
            images[f"{experiment}-waveform"] = png_bytes(figure)
    return images


def _mean(results: Results, null: str) -> float:
    return float(np.mean(results.nulls.mse["logmel"][null]))


def _page(
    jobs: list[Job],
    results: Results,
    tables: list[Table],
    found: list[Answer],
    figures: list[str],
    command: str,
    example: Example | None,
) -> str:
    scale = jobs[0].scale
    size = dataset_size(scale)
    seeds = sorted({len(results.seeds[case.name]) for case in results.cases})
    made = read_description(jobs[0].directory)
    lines = [
        f"# The thesis's experiments at scale {scale:g}",
        "",
        f"Scale {scale:g}: {size:,} presets of dataset seed 0 ({results.nulls.presets:,} test presets measured), "
        f"{' to '.join(str(n) for n in dict.fromkeys((seeds[0], seeds[-1])))} training seed(s) a case. Intervals are "
        "95 % of Student's t over seeds and presets. A case is *lower* or *higher* only if its whole interval is.",
        "",
    ]
    if scale < 1:
        full, small = jobs[0].case.config(Path("x.json")), jobs[0].config
        lines += [
            f"Epochs shrink with the scale to the power 2/3 ({jobs[0].case.name}: {full.epochs:,} to "
            f"{small.epochs:,}), the batch with 1/3 ({full.batch_size} to {small.batch_size}), the learning rate grows "
            f"with 1/3 ({full.lr:.3g} to {small.lr:.3g}), and losses through the Voice compare every fourth "
            "frame per step. At this scale models are trained less than the thesis's; the cases are compared at equal "
            "training effort.",
            "",
        ]
    lines += ["## Questions and results", ""]
    for answer in found:
        lines += [f"**{answer.question}**", "", *(f"- {sentence}" for sentence in answer.sentences), ""]
    tests = group_tests(results)
    if tests:
        lines += ["**Do the cases of an experiment differ?** (Kruskal-Wallis; each seed of a case is one value)", ""]
        lines += [f"- {experiment}: {test.sentence}" for (experiment, _), test in tests.items()]
        lines += [
            "",
            "Networks of one seed have the same initial weights; the pairs above use that, this test does not.",
            "",
        ]
    lines += ["[conclusions.csv](conclusions.csv) has every comparison with its interval.", ""]
    for name in ("audible", *(answer.name for answer in found)):
        if name in figures:
            lines += [f"![{name}](figures/{name}.png)", ""]
    lines += ["## Tables", "", *FAD, ""]
    lines += [table.markdown() for table in tables]
    distributions = [name for name in figures if name.startswith("exp")]
    if distributions:
        lines += ["## Distributions", ""]
        for name in distributions:
            lines += [f"![{name}](figures/{name}.png)", ""]
    if example:
        shown = ", ".join(str(seed) for seed in sorted(set(example.seeds.values())))
        lines += [
            "## One test sound, all cases",
            "",
            f"Test preset {example.number}, fixed before any measurement (the first by default), and its "
            f"reconstruction by the first seed of each case ({shown}). Where peaks coincide the phase is right too.",
            "",
            "![waveforms](figures/waveforms.png)",
            "",
        ]
    lines += [
        "## Commands and versions",
        "",
        f"    {_run_command(results, scale, max(seeds))}",
        f"    {command}",
        "",
        f"Trained on {_listed(made['hardware'])}; measured on {_listed(hardware())} with {_listed(versions())}.",
        "",
    ]
    return "\n".join(lines)


def _run_command(results: Results, scale: float, seeds: int) -> str:
    experiments = list(dict.fromkeys(case.group for case in results.cases))
    return f"synthvae experiment run {' '.join(experiments)} --scale {scale:g} --seeds {seeds}"


def _listed(values: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
