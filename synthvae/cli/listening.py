"""``listening-test``: make a listening test, and analyse its answers."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from synthvae.cli.common import LoudnessOption, parse_loudness
from synthvae.cli.progress import progress_bar
from synthvae.core.counts import counted

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="markdown",
        help="Make a listening test as one offline page, and analyse the answers.",
    )
    group.command("make")(make)
    group.command("analyze")(analyze)
    app.add_typer(group, name="listening-test")


def make(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER...",
            help="One folder of sounds per system; with mushra, the folder of references first. Sounds are matched by "
            "relative path; a sound's parent folder is its label.",
        ),
    ],
    kind: Annotated[
        str,
        typer.Option(
            help="mushra (rate against a reference, with hidden reference and low-pass anchors), mos (rate each "
            "sound), ab (prefer one of two), classify (name the label) or smoothness (rate each morph)."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Output directory.")] = Path("listening-test"),
    title: Annotated[str, typer.Option(help="Title of the page.")] = "Listening test",
    loudness: LoudnessOption = "-18",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing test.")] = False,
) -> None:
    """Make a listening test: an HTML page that needs no server and saves answers as CSV, and a webMUSHRA YAML file.

    Sounds are normalised to one loudness, at most --loudness, that all of them reach without clipping. Pages are
    shuffled for each listener, after one practice page.

    Example: `synthvae listening-test make --kind mushra originals vae-8 vae-64 --out test`
    """
    from synthvae.core.json import check_target
    from synthvae.report.listening import PAGE, make_listening_test

    check_target(out / PAGE, overwrite)
    level = parse_loudness(loudness)
    with progress_bar("reading", 100) as update:
        made = make_listening_test(
            kind, folders, out, title, level, lambda done, total: update(100 * done // total, "")
        )
    for note in made.notes:
        print(note)
    at = "their own levels" if made.loudness is None else f"{made.loudness:.1f} LUFS"
    print(f"{made.page}: {counted(made.trials, 'page')}, sounds at {at}; webmushra.yaml and stimuli/ are beside it")


def analyze(
    files: Annotated[
        list[Path], typer.Argument(metavar="CSV...", help="CSV files of answers, from the page or from webMUSHRA.")
    ],
    out: Annotated[Path, typer.Option(help="Output directory.")] = Path("listening-results"),
) -> None:
    """Analyse the answers of a listening test: screening, tests between systems, confusion, intervals and power.

    Writes report.html, metrics.json and CSV files. MUSHRA listeners are screened according to ITU-R BS.1534-3.

    Example: `synthvae listening-test analyze answers/*.csv --out results`
    """
    from synthvae.analysis.listening import analyse_answers, read_answers
    from synthvae.report.listening import write_listening_report

    answers = read_answers(files)
    results = analyse_answers(answers)
    page = write_listening_report(results, answers, out, shlex.join(["synthvae", *sys.argv[1:]]))
    for name, reason in results.left_out.items():
        print(f"left out: {name}, who {reason}")
    if results.ratings is not None and results.ratings.comparison is not None:
        print(results.ratings.comparison.kruskal_wallis.sentence)
    kept = len(results.listeners) - len(results.left_out)
    print(f"{page}: {counted(results.answers, 'answer')} of {counted(kept, 'listener')}")
