"""``analyze``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthvae.cli.progress import progress_bar
from synthvae.errors import UserError

if TYPE_CHECKING:
    from synthvae.analysis.steps import Agenda

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("analyze")(analyze)


def analyze(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Directories made with train; several are compared.  [default: the newest run]"),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="The dataset.  [default: the first run's]")] = None,
    out: Annotated[Path | None, typer.Option(help="The directory to write to.  [default: analysis/RUN]")] = None,
    limit: Annotated[int, typer.Option(help="Test presets at most.")] = 2000,
    seed: Annotated[int, typer.Option(help="Of null models, maps and samples.")] = 0,
    workers: Annotated[int | None, typer.Option(help="Processes at once.  [default: one per core, up to 2]")] = None,
    embedding: Annotated[
        str,
        typer.Option(
            help="Of sets of sounds; several with commas: logmel, vggish, panns, clap, encodec (docs/fad.md)."
        ),
    ] = "logmel",
    weights_dir: Annotated[
        Path | None, typer.Option(help="Folder with the weights of pretrained embeddings; nothing is fetched then.")
    ] = None,
    example: Annotated[
        int | None, typer.Option(help="Number of the test preset that is shown of every run.  [default: the first]")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be done and how long it takes.")] = False,
) -> None:
    """Measure runs against their null models; writes metrics, figures and a page with sounds.

    What was measured is kept beside the output, so that a second call with one more run measures only that one.

    Example: `synthvae analyze experiments/runs/first --out analysis/first`
    """
    if not 0 <= seed < 2**32:
        raise UserError(f"--seed is {seed}; give a number from 0 to 4294967295")
    if limit < 2:
        raise UserError(f"--limit is {limit}; give at least 2 test presets")
    if workers is not None and workers < 1:
        raise UserError(f"--workers is {workers}; give 1 or more")
    from synthvae.exploration.finding import find_run
    from synthvae.training.run_directory import load_run

    if not runs:
        newest, choice = find_run(option="RUNS")
        print(choice)
        runs = [newest]
    models = [load_run(path) for path in runs]
    from synthvae.analysis.measure import example_index
    from synthvae.analysis.pipeline import analyze_runs, plan_analysis
    from synthvae.presets.dataset import read_dataset

    dataset = read_dataset(data or Path(models[0].config.data))
    for model in models:
        if data is None:
            model.require_own_dataset(dataset)
        model.require_unseen(dataset)
    directory = out or Path("analysis") / "-".join(model.name for model in models)
    command = shlex.join(["synthvae", *sys.argv[1:]])
    embeddings = [name.strip() for name in embedding.split(",")]
    work = plan_analysis(models, dataset, directory, limit, seed, workers, embeddings, weights_dir)
    shown = example_index(dataset.indices("test")[:limit], example)
    if plan:
        _print_plan(work.agenda)
        return
    with progress_bar("analyzing", round(work.agenda.seconds) or 1) as update:
        work.agenda.progress = lambda seconds, what: update(round(seconds), what)
        page = analyze_runs(work, directory, command, shown)
    print(f"{page}: the report; beside it metrics.json, a CSV per run, and figures")


def _print_plan(agenda: Agenda) -> None:
    for step in agenda.steps:
        print(f"{'kept' if step.kept else f'{max(1, round(step.seconds))} s':>7}  {step.label}")
    print(f"about {max(1, round(agenda.seconds))} s in all on two cores, and some for figures")
