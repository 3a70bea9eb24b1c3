"""``analyze``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthvae.cli.progress import progress_bar
from synthvae.core.errors import UserError

if TYPE_CHECKING:
    from synthvae.core.store import Agenda

__all__ = ["check_maps", "register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("analyze")(analyze)


def analyze(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Run directories made with train; several are compared.  [default: the newest run]"),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="The dataset.  [default: the first run's]")] = None,
    out: Annotated[Path | None, typer.Option(help="The directory to write to.  [default: analysis/RUN]")] = None,
    limit: Annotated[int, typer.Option(help="Maximum number of test presets.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of null models, maps and samples.")] = 0,
    workers: Annotated[
        int | None, typer.Option(help="Number of parallel processes.  [default: one per core, up to 2]")
    ] = None,
    embedding: Annotated[
        str,
        typer.Option(
            help="Embeddings of Fréchet distances, comma-separated: logmel, vggish, panns, clap, encodec (docs/fad.md)."
        ),
    ] = "logmel",
    weights_dir: Annotated[
        Path | None, typer.Option(help="Folder with the weights of pretrained embeddings; disables downloads.")
    ] = None,
    example: Annotated[
        int | None, typer.Option(help="Number of the test preset shown for every run.  [default: the first]")
    ] = None,
    eps: Annotated[
        float, typer.Option(help="Radius of DBSCAN on the map; the thesis has 0.05 in experiment 3.")
    ] = 0.04,
    min_samples: Annotated[int, typer.Option(help="DBSCAN's min_samples: neighbours that make a core point.")] = 4,
    neighbours: Annotated[int, typer.Option(help="UMAP's n_neighbors.")] = 50,
    min_distance: Annotated[float, typer.Option("--min-dist", help="UMAP's min_dist.")] = 0.0,
    map_grid: Annotated[
        bool, typer.Option("--map-grid", help="Also cluster over a grid of eps and n_neighbors.")
    ] = False,
    map_presets: Annotated[int, typer.Option(help="Number of presets on the map.")] = 10_000,
    map_nulls: Annotated[int, typer.Option(help="Number of maps per null model.")] = 5,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the steps and their estimated duration, and exit.")
    ] = False,
) -> None:
    """Compare runs with their null models; writes metrics, figures and an HTML report with sounds.

    The report begins with one screen in plain words: what the model can do, what it cannot, and what to do next.

    Results are cached next to the output, and maps next to the dataset: a second call with one more run measures only
    that run, and one with another radius draws no map.

    Example: `synthvae analyze experiments/runs/first --out analysis/first`

    Example: `synthvae analyze experiments/runs/first --eps 0.05 --map-grid` for the thesis's experiment 3, with a table
    of how clusters depend on their settings.
    """
    if not 0 <= seed < 2**32:
        raise UserError("seed", seed, "give a number from 0 to 4294967295")
    if limit < 2:
        raise UserError("limit", limit, "give at least 2 test presets")
    if workers is not None and workers < 1:
        raise UserError("workers", workers, "give 1 or more")
    check_maps(map_presets, map_nulls)
    from synthvae.exploration.latent_files import find_run
    from synthvae.maps.clusters import MapSettings
    from synthvae.training.run import load_run

    settings = MapSettings(eps, min_samples, neighbours, min_distance)
    settings.check()
    if not runs:
        newest, choice = find_run(argument="runs")
        print(choice)
        runs = [newest]
    models = [load_run(path, needs="parameters") for path in runs]
    from synthvae.analysis.plan import MapPlan
    from synthvae.analysis.sounds import example_index
    from synthvae.data.presets import read_dataset
    from synthvae.report.analysis import analyze_runs, plan_analysis

    dataset = read_dataset(data or models[0].dataset_path)
    for model in models:
        if data is None:
            model.require_own_dataset(dataset)
        model.require_unseen(dataset)
    directory = out or Path("analysis") / "-".join(model.name for model in models)
    command = shlex.join(["synthvae", *sys.argv[1:]])
    embeddings = [name.strip() for name in embedding.split(",")]
    shown = example_index(dataset.indices("test")[:limit], example)
    maps = MapPlan(settings, map_presets, tuple(range(map_nulls)), map_grid)
    work = plan_analysis(models, dataset, directory, limit, seed, workers, embeddings, weights_dir, maps)
    if plan:
        _print_plan(work.agenda)
        return
    with progress_bar("analyzing", round(work.agenda.seconds) or 1) as update:
        work.agenda.progress = lambda seconds, what: update(round(seconds), what)
        page = analyze_runs(work, directory, command, shown)
    print(f"{page}: the report; metrics.json, a CSV per run and figures are in the same directory")


def check_maps(presets: int, nulls: int) -> None:
    """Refuse ``--map-presets`` and ``--map-nulls`` that are too small.

    Raises:
        UserError: naming the option.
    """
    if presets < 4:
        raise UserError("map_presets", presets, "give 4 or more, such as the thesis's 10000")
    if nulls < 1:
        raise UserError("map_nulls", nulls, "give 1 or more, 2 or more for an interval")


def _print_plan(agenda: Agenda) -> None:
    for step in agenda.steps:
        print(f"{'cached' if step.kept else f'{max(1, round(step.seconds))} s':>7}  {step.label}")
    print(f"about {max(1, round(agenda.seconds))} s in all on two cores, and some for figures")
