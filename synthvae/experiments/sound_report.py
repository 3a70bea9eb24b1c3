"""Report on the published configurations and schedules: tables beside the published figures, and verdicts on claims."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd

from synthvae.core.errors import UserError
from synthvae.core.files import atomic_write, ensure_directory
from synthvae.core.provenance import hardware, versions
from synthvae.data.library import Library
from synthvae.experiments.cases import scale_label
from synthvae.experiments.compare import Interval, mean_value
from synthvae.experiments.recorded_sounds import SOUND_CASES, SOURCES, SoundJob, plan_sounds
from synthvae.experiments.runner import is_done
from synthvae.experiments.sound_measures import SoundCaseMeasures, read_sounds_case
from synthvae.experiments.tables import Cell, Table
from synthvae.report.document import write_csv

__all__ = ["CLAIMS", "Claim", "finished_sounds", "judge", "published_rows", "sound_table", "write_sound_report"]

#: Results by case, one per seed; those of one seed at one place.
Measures = Mapping[str, Mapping[int, SoundCaseMeasures]]
Value = Callable[[SoundCaseMeasures], float]

#: Published tables, which come with synthvae, and the columns that are shown of each, with their headings.
PUBLISHED: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "r": ("r_results.csv", "model", {"ndb_of_50": "NDB [1]", "fid": "FID [2]", "odg": "ODG [3]"}),
    "g": (
        "g_vae_runs.csv",
        "run",
        {
            "shape": "schedule",
            "valid_mse_best": "MSE [1]",
            "kl_last_per_dimension": "KL per dimension [2]",
            "click_crest_median_of_5": "click crest [3]",
            "author_verdict": "by ear [4]",
        },
    ),
    "g-ae": (
        "g_ae_results.csv",
        "row",
        {
            "n_fft": "FFT",
            "hop": "hop",
            "latent": "latent",
            "accuracy_percent": "accuracy, % [1]",
            "exact_magnitude_zero_phase_percent": "zero phase, % [2]",
            "best_valid_loss": "MSE [3]",
        },
    ),
    "d": ("d_results.csv", "row", {"clips": "clips", "latent": "latent", "epochs": "epochs", "loss": "loss [1]"}),
}
ACCURACIES: Mapping[str, Value] = {
    "accuracy, %": lambda found: found.accuracy["both"],
    "of magnitude, %": lambda found: found.accuracy["magnitude"],
    "of phase, %": lambda found: found.accuracy["phase"],
}
VALUES: Mapping[str, Mapping[str, Value]] = {
    "r": {
        "squared error": lambda found: found.share,
        "different bins, reconstructions": lambda found: found.bins["reconstructions"],
        "different bins, draws from N(0, I)": lambda found: found.bins["normal"],
        "different bins, draws from a mixture": lambda found: found.bins["aggregate"],
        "Fréchet, reconstructions": lambda found: found.frechet["reconstructions"],
        "KL per dimension, nats": lambda found: found.kl,
        "active dimensions, %": lambda found: 100.0 * found.active,
    },
    "g": {
        "squared error": lambda found: found.share,
        **ACCURACIES,
        "KL per dimension, nats": lambda found: found.kl,
        "active dimensions, %": lambda found: 100.0 * found.active,
        "click crest": lambda found: found.crest["reconstructions"],
    },
    "g-ae": {
        "squared error": lambda found: found.share,
        **ACCURACIES,
        "accuracy of exact magnitude with zero phase, %": lambda found: found.zero_phase["both"],
        "click crest": lambda found: found.crest["reconstructions"],
        "of originals": lambda found: found.crest["originals"],
    },
    "d": {
        "mean squared error": lambda found: found.error["model"],
        "squared error": lambda found: found.share,
        "KL per dimension, nats": lambda found: found.kl,
        "active dimensions, %": lambda found: 100.0 * found.active,
        "distance and unevenness, paths [2]": lambda found: found.unevenness.get("latent", math.nan),
        "distance and unevenness, blends [2]": lambda found: found.unevenness.get("blend", math.nan),
    },
}
#: What needs no model, as further rows: by name, a value by column.
NULLS: Mapping[str, Mapping[str, Mapping[str, Value]]] = {
    "r": {
        "test sounds themselves": {
            "different bins, reconstructions": lambda found: found.bins["test"],
            "Fréchet, reconstructions": lambda found: found.frechet["test"],
        },
        "mean of the label": {"squared error": lambda found: found.class_mean},
        "nearest training sound": {"squared error": lambda found: found.nearest},
    },
    "g": {
        "exact magnitude, zero phase": {
            "accuracy, %": lambda found: found.zero_phase["both"],
            "of magnitude, %": lambda found: found.zero_phase["magnitude"],
            "of phase, %": lambda found: found.zero_phase["phase"],
        },
        "originals": {"click crest": lambda found: found.crest["originals"]},
        "originals with Griffin-Lim": {"click crest": lambda found: found.crest["griffin_lim"]},
        "mean of the label": {"squared error": lambda found: found.class_mean},
        "nearest training sound": {"squared error": lambda found: found.nearest},
    },
    "g-ae": {},
    "d": {
        "mean spectrogram": {
            "mean squared error": lambda found: found.error["mean"],
            "squared error": lambda found: 1.0,
        },
        "mean of the label": {"squared error": lambda found: found.class_mean},
        "nearest training sound": {"squared error": lambda found: found.nearest},
    },
}
NOTES = {
    "r": (
        "Left: published, on other data (a commercial drum library of 10,275 sounds, 2 s); right: ours. Squared "
        "error is "
        "a share of that of the mean spectrogram.",
        "[1] Statistically different bins of 50, of reconstructions of test sounds; the test set itself had 1. With a "
        "level of 0.05 chance alone gives 2.5, and up to 5 in 95 of 100 cases: only Beta's 11 is a difference. Ours "
        "are "
        "of reconstructions and of draws apart, by the same test on mel spectrograms shrunk to 16 x 32.",
        "[2] Inception-v3 on images of spectrograms of 1,027 reconstructions, rank-deficient and biased upward; its "
        "floor "
        "was 43.5. Ours is of the log-mel embedding, in dB²: another scale, with its own floor in the row of the test "
        "sounds.",
        "[3] PEAQ's grade is limited to about -3.9: all models have grades between -3.65 and -3.84, each over "
        "different sounds, without an interval; and Griffin-Lim alone has -1.97 on other sounds. No figure of ours is "
        "comparable.",
    ),
    "g": (
        "Left: published, on other data (NSynth, 289,205 notes of 4 s); right: ours. Squared error is a share of "
        "that of "
        "the mean spectrogram, magnitude and phase together.",
        "[1] Nearly all of it is phase in radians, of which no run learns anything: the phase of zero has 1.4.",
        "[2] Of the last epoch. With a weight of 1 from the start (03) it is 29.6: no collapse.",
        "[3] Median of five drawn sounds; originals have 1.2 to 3.3, those with zero phase 4 to 11, with Griffin-Lim "
        "1.3 "
        "to 1.6. Ours is of reconstructions.",
        "[4] Of one listener. 06 and 07 have the same settings and were judged differently.",
        "Accuracy rises with the size of the transform by itself: the exact magnitude with a phase of zero has what "
        "the "
        "row says.",
    ),
    "g-ae": (
        "Left: published, on other data (NSynth, 289,205 notes of 4 s); right: ours. Squared error is a share of "
        "that of "
        "the mean spectrogram, magnitude and phase together.",
        "[1] It rises with the size of the transform by itself, since magnitude grows with the window and phase does "
        "not: "
        "the published column follows [2] below it, and so rows are not comparable.",
        "[2] Of the exact magnitude with a phase of zero, on 60 peak-normalised notes of the same data.",
        "[3] Nearly all of it is phase in radians; losses of rows are not comparable either.",
    ),
    "d": (
        "Left: published, on other data (clips of 4 s in 21 classes, and of seven instruments); right: ours. The mean "
        "squared error is of a value of the spectrogram, from 0 to 1; the squared error is a share of that of the mean "
        "spectrogram.",
        "[1] Of which scaling, and of training or held-out sounds, is not said; a KL divergence in nats has no room in "
        "it unless it is averaged away or the posterior has collapsed. Not comparable with ours.",
        "[2] Rank correlation over 40 pairs of test sounds between the distance of their latents and the unevenness of "
        "the path from one to the other: the largest of eight steps, as a difference of log-mel spectrograms, over "
        "their mean; none where no dimension is active. A blend in dB of the same sounds needs no model.",
    ),
}


@dataclass(frozen=True)
class Claim:
    """What a publication says of two of its rows.

    Attributes:
        experiment: `r`, `g` or `d`.
        text: the claim.
        case: the case it is about.
        other: the case it is compared with; empty where the column is compared with 0.
        column: column of the table by which it is judged here.
        side: `lower` or `higher`, where the claim says the case lies.
    """

    experiment: str
    text: str
    case: str
    other: str
    column: str
    side: str


ERROR, PATHS = "squared error", "distance and unevenness, paths [2]"
CLAIMS = (
    Claim("r", "8 dimensions are too few.", "r-8dim", "r-64dim", ERROR, "higher"),
    Claim("r", "256 dimensions are better than 64.", "r-256dim", "r-64dim", ERROR, "lower"),
    Claim("r", "Flows help: 20 are better than none.", "r-20flow", "r-0flow", ERROR, "lower"),
    Claim("r", "A KL weight of 128 makes reconstructions worse.", "r-beta", "r-64dim", ERROR, "higher"),
    Claim(
        "r", "With it, kinds of sounds are missing.", "r-beta", "r-64dim", "different bins, reconstructions", "higher"
    ),
    Claim("r", "Half of the steps without dropout are worse.", "r-nodropout", "r-64dim", ERROR, "higher"),
    Claim("r", "The schedule that was tried first ends too early.", "r-underfit", "r-64dim", ERROR, "higher"),
    Claim("r", "Continued training is best.", "r-overfit", "r-64dim", ERROR, "lower"),
    Claim("g", "Logistic annealing has fewer clicks than cosine.", "g-vae-06", "g-vae-02", "click crest", "lower"),
    Claim("g", "It has fewer clicks than linear annealing.", "g-vae-06", "g-vae-04", "click crest", "lower"),
    Claim("g", "A cyclical restart brings clicks back.", "g-vae-08", "g-vae-06", "click crest", "higher"),
    Claim("g", "Annealing improves reconstructions.", "g-vae-06", "g-vae-03", ERROR, "lower"),
    Claim("g", "Without annealing the posterior collapses.", "g-vae-03", "g-vae-06", "active dimensions, %", "lower"),
    Claim("g", "07, with the settings of 06, is noisier than 06.", "g-vae-07", "g-vae-06", ERROR, "higher"),
    *(
        Claim("d", f"{text} the further apart two points, the less even the path.", case, "", PATHS, "higher")
        for case, text in (
            ("d-nonharmonic", "Non-harmonic sounds:"),
            ("d-harmonic", "Harmonic sounds:"),
            ("d-mended", "With our corrections:"),
        )
    ),
)


def published_rows(experiment: str) -> pd.DataFrame:
    """The published table of an experiment, by the name of its row."""
    name, index, _ = PUBLISHED[experiment]
    with (resources.files("synthvae.experiments") / name).open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype={index: str}).set_index(index)


def finished_sounds(experiment: str, scale: float, data: Path, runs: Path) -> list[SoundJob]:
    """The finished runs of an experiment.

    Args:
        experiment: one of `SOUND_CASES`.
        scale: fraction of the published steps.
        data: the library.
        runs: where they are.

    Raises:
        UserError: if there is none.
    """
    found = []
    for case in SOUND_CASES[experiment]:
        seeds = [path.name.removeprefix("seed-") for path in (runs / scale_label(scale) / case).glob("seed-*")]
        most = max((int(seed) + 1 for seed in seeds if seed.isdigit()), default=0)
        found += [job for job in plan_sounds([case], most, scale, data, runs) if is_done(job)] if most else []
    if not found:
        place = runs / scale_label(scale)
        remedy = f"make some with 'synthvae experiment run {experiment} --scale {scale:g}'"
        raise UserError(place, place, remedy, "no finished run of a case there")
    return found


def sound_table(experiment: str, measures: Measures) -> Table:
    """An experiment's table: published figures, ours with intervals over seeds, and what needs no model."""
    published, columns = published_rows(experiment), PUBLISHED[experiment][2]
    values = VALUES[experiment]
    rows: list[tuple[Cell, ...]] = []
    for case, row in SOUND_CASES[experiment].items():
        own = measures.get(case, {})
        left = [published.loc[row, column] if row in published.index else None for column in columns]
        cells = [None if pd.isna(cell) else cell for cell in left]
        steps = float(np.mean([one.steps for one in own.values()])) if own else None
        right = [_over_seeds([value(one) for one in own.values()]) for value in values.values()]
        rows.append((row, *cells, float(len(own)), steps, *right))
    every = [one for own in measures.values() for one in own.values()]
    for name, known in NULLS[experiment].items() if every else ():
        right = [
            float(np.mean([known[column](one) for one in every])) if column in known else None for column in values
        ]
        rows.append((name, *(None for _ in columns), None, None, *right))
    title = f"{SOURCES[experiment][:1].upper()}{SOURCES[experiment][1:]}"
    headings = ("row", *columns.values(), "seeds", "steps", *values)
    return Table(experiment, title, headings, tuple(rows), "\n\n".join(NOTES[experiment]))


def _over_seeds(values: Sequence[float]) -> Cell:
    """Mean and interval over the seeds that have a value; the value alone of one seed."""
    values = [value for value in values if math.isfinite(value)]
    if not values:
        return None
    return mean_value(np.array(values)[:, None]) if len(values) > 1 else values[0]


def judge(claim: Claim, measures: Measures) -> tuple[str, Interval | None]:
    """Verdict on a claim, with the mean difference over seeds, or the mean, and its interval: the seed is the unit.

    Returns:
        `confirmed`, `reversed` or `cannot be told`; None where no seed has the figures.
    """
    value = VALUES[claim.experiment][claim.column]
    first, second = measures.get(claim.case, {}), measures.get(claim.other, {})
    common = sorted(set(first) & set(second)) if claim.other else sorted(first)
    pairs = [(value(first[seed]), value(second[seed]) if claim.other else 0.0) for seed in common]
    differences = [own - other for own, other in pairs if math.isfinite(own - other)]
    if not differences:
        return "cannot be told", None
    interval = mean_value(np.array(differences)[:, None])
    if interval.verdict == "undecided":
        return "cannot be told", interval
    return ("confirmed" if interval.side == claim.side else "reversed"), interval


def write_sound_report(jobs: Sequence[SoundJob], library: Library, out: Path, command: str) -> Path:
    """Write the table of an experiment and the verdicts on its claims.

    Args:
        jobs: finished and measured runs of one experiment and scale.
        library: library that the runs were trained on.
        out: the report is written to ``out/libraries/scale-S``.
        command: command that made the report.

    Returns:
        The Markdown file; the table is beside it as CSV.

    Raises:
        UserError: if the directory cannot be written to.
    """
    scale = jobs[0].scale
    experiment = _experiment(jobs)
    directory = ensure_directory(out / "libraries" / scale_label(scale))
    measures: dict[str, dict[int, SoundCaseMeasures]] = {}
    for job in jobs:
        measures.setdefault(job.name, {})[job.seed] = read_sounds_case(job)
    table = sound_table(experiment, measures)
    write_csv(table.frame(), directory / f"{experiment}.csv", "%.6g")
    claims = [claim for claim in CLAIMS if claim.experiment == experiment]
    page = directory / f"{experiment}.md"
    atomic_write(page, _page(table, claims, measures, jobs, library, command))
    return page


def _page(
    table: Table, claims: Sequence[Claim], measures: Measures, jobs: Sequence[SoundJob], library: Library, command: str
) -> str:
    scale, config = jobs[0].scale, jobs[0].config
    batches = sorted({job.config.batch_size for job in jobs})
    rates = sorted({job.config.lr for job in jobs})
    lines = [
        f"# {table.title} at scale {scale:g}",
        "",
        f"{len(library.items):,} sounds of {library.samples / library.sample_rate:g} s at {library.sample_rate:,} Hz "
        f"({library.header.source}; {len(library.rows('train')):,} for training, {len(library.rows('test')):,} "
        "tested), "
        f"{scale:g} of the published training steps, batches of {' and '.join(map(str, batches))}, learning rates of "
        f"{' and '.join(f'{rate:.2g}' for rate in rates)}, {config.precision}. Intervals are 95 % of Student's t over "
        "training seeds.",
        "",
        table.markdown(),
        "## Claims",
        "",
        "Differences of the two rows over seeds, paired, or the row's own mean; the seed is the unit. A claim is "
        "confirmed or reversed where the "
        "whole interval is on one side of 0; otherwise these runs cannot tell.",
        "",
        "| claim | judged by | difference | seeds | verdict |",
        "|---|---|---|---|---|",
    ]
    for claim in claims:
        verdict, interval = judge(claim, measures)
        names = SOUND_CASES[claim.experiment]
        less = f" less {names[claim.other]}" if claim.other else ""
        by = f"{claim.column}, {names[claim.case]}{less}"
        found = "not trained" if claim.case not in measures else "no figure"
        if interval is not None:
            found = f"{interval.value:+.3g}"
            found += f" ({interval.low:+.3g} to {interval.high:+.3g})" if interval.seeds > 1 else ""
        lines.append(f"| {claim.text} | {by} | {found} | {interval.seeds if interval else 0} | {verdict} |")
    listed = [", ".join(f"{name} {value}" for name, value in part.items()) for part in (hardware(), versions())]
    lines += ["", "## Commands and versions", "", f"    {_run_command(jobs)}", f"    {command}", ""]
    lines += [f"Library {library.hash}. {', '.join(listed)}.", ""]
    return "\n".join(lines)


def _run_command(jobs: Sequence[SoundJob]) -> str:
    experiment = _experiment(jobs)
    seeds = max(job.seed for job in jobs) + 1
    return f"synthvae experiment run {experiment} --scale {jobs[0].scale:g} --seeds {seeds}"


def _experiment(jobs: Sequence[SoundJob]) -> str:
    return next(name for name, cases in SOUND_CASES.items() if jobs[0].name in cases)
