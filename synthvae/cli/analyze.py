"""``analyze``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from synthvae.cli.common import DEFAULT_RUN, PRESETS_OR_SOUNDS, end_interrupted, refuse_given
from synthvae.cli.progress import progress_bar
from synthvae.core.errors import UserError

if TYPE_CHECKING:
    from synthvae.core.store import Agenda
    from synthvae.training.run import Run

__all__ = ["check_maps", "register"]

Value = TypeVar("Value")
#: What options stand for that were not given, with runs on presets.
EMBEDDING, EPS, MIN_SAMPLES, NEIGHBOURS, MIN_DISTANCE, MAP_PRESETS, MAP_NULLS = "logmel", 0.04, 4, 50, 0.0, 10_000, 5


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("analyze")(analyze)


def analyze(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help=f"Run directories made with train; several are compared.  [default: {DEFAULT_RUN}]"),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="The dataset or library.  [default: the first run's]")] = None,
    out: Annotated[Path | None, typer.Option(help="The directory to write to.  [default: analysis/RUN]")] = None,
    limit: Annotated[
        int,
        typer.Option(
            help="Maximum number of test presets or sounds. It does not shorten the maps of latents, which take most "
            "of the time of a small analysis: --map-presets does."
        ),
    ] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of null models, maps and draws.")] = 0,
    workers: Annotated[
        int | None, typer.Option(help="Number of parallel processes.  [default: one per core, up to 2]")
    ] = None,
    embedding: Annotated[
        str | None,
        typer.Option(
            help="Embeddings of Fréchet distances, comma-separated: logmel, vggish, panns, clap, encodec (docs/fad.md)."
            f"  [default: {EMBEDDING}]"
        ),
    ] = None,
    weights_dir: Annotated[
        Path | None, typer.Option(help="Folder with the weights of pretrained embeddings; disables downloads.")
    ] = None,
    example: Annotated[
        int | None, typer.Option(help="Number of the test preset shown for every run.  [default: the first]")
    ] = None,
    eps: Annotated[
        float | None,
        typer.Option(help=f"Radius of DBSCAN on the map; 0.05 in the thesis's experiment 3.  [default: {EPS}]"),
    ] = None,
    min_samples: Annotated[
        int | None,
        typer.Option(help=f"DBSCAN's min_samples: neighbours that make a core point.  [default: {MIN_SAMPLES}]"),
    ] = None,
    neighbours: Annotated[int | None, typer.Option(help=f"UMAP's n_neighbors.  [default: {NEIGHBOURS}]")] = None,
    min_distance: Annotated[
        float | None, typer.Option("--min-dist", help=f"UMAP's min_dist.  [default: {MIN_DISTANCE}]")
    ] = None,
    map_grid: Annotated[
        bool, typer.Option("--map-grid", help="Also cluster over a grid of eps and n_neighbors.")
    ] = False,
    map_presets: Annotated[
        int | None,
        typer.Option(help=f"Number of presets on the map of latents, whatever --limit is.  [default: {MAP_PRESETS}]"),
    ] = None,
    map_nulls: Annotated[
        int | None, typer.Option(help=f"Number of maps per null model.  [default: {MAP_NULLS}]")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the steps and their estimated duration, and exit.")
    ] = False,
) -> None:
    """Compare runs with their null models; writes metrics, figures and an HTML report with sounds.

    The report starts with a one-page summary: what the model can do, what it cannot, and suggested next commands.

    Results are cached next to the output, and maps next to the dataset: after adding a run, only that run is measured;
    after changing the radius, no map is recomputed.

    Runs on recorded sounds are compared with model-free baselines on their library; the options for embeddings and
    maps apply only to runs on presets.

    Example: `synthvae analyze experiments/runs/first --out analysis/first`

    Example: `synthvae analyze experiments/runs/first --eps 0.05 --map-grid` for the thesis's experiment 3, with a table
    of how clusters depend on their settings.
    """
    if not 0 <= seed < 2**32:
        raise UserError("seed", seed, "give a number from 0 to 4294967295")
    if limit < 2:
        raise UserError("limit", limit, "give at least 2 test presets or sounds")
    if workers is not None and workers < 1:
        raise UserError("workers", workers, "give 1 or more")
    presets, nulls = _given(map_presets, MAP_PRESETS), _given(map_nulls, MAP_NULLS)
    check_maps(presets, nulls)
    from synthvae.exploration.latent_files import find_run
    from synthvae.maps.clusters import MapSettings
    from synthvae.training.run import load_run

    settings = MapSettings(
        _given(eps, EPS),
        _given(min_samples, MIN_SAMPLES),
        _given(neighbours, NEIGHBOURS),
        _given(min_distance, MIN_DISTANCE),
    )
    settings.check()
    if not runs:
        newest, choice = find_run(argument="runs", needs=PRESETS_OR_SOUNDS)
        print(choice)
        runs = [newest]
    models = [load_run(path, needs=PRESETS_OR_SOUNDS) for path in runs]
    directory = out or Path("analysis") / "-".join(model.name for model in models)
    command = shlex.join(["synthvae", *sys.argv[1:]])
    if _all_sounds(models):
        refuse_given(
            models[0],
            workers=workers,
            embedding=embedding,
            weights_dir=weights_dir,
            example=example,
            eps=eps,
            min_samples=min_samples,
            neighbours=neighbours,
            min_distance=min_distance,
            map_grid=map_grid,
            map_presets=map_presets,
            map_nulls=map_nulls,
        )
        from synthvae.report.recorded_sounds import analyze_sounds, plan_sounds
        from synthvae.training.sounds import SoundRun

        sounds = plan_sounds([SoundRun(model) for model in models], directory, data, seed, limit)
        _analyze(sounds.agenda, plan, lambda: analyze_sounds(sounds, directory, command), "CSV files, draws")
        return
    from synthvae.analysis.plan import MapPlan
    from synthvae.analysis.sounds import example_index
    from synthvae.data.presets import read_dataset
    from synthvae.report.analysis import analyze_runs, plan_analysis

    dataset = read_dataset(data or models[0].dataset_path)
    for model in models:
        if data is None:
            model.require_own_dataset(dataset)
        model.require_unseen(dataset)
    embeddings = [name.strip() for name in _given(embedding, EMBEDDING).split(",")]
    shown = example_index(dataset.indices("test")[:limit], example)
    maps = MapPlan(settings, presets, tuple(range(nulls)), map_grid)
    work = plan_analysis(models, dataset, directory, limit, seed, workers, embeddings, weights_dir, maps)
    _analyze(work.agenda, plan, lambda: analyze_runs(work, directory, command, shown), "a CSV per run")


def _given(value: Value | None, usual: Value) -> Value:
    return usual if value is None else value


def _all_sounds(models: Sequence[Run]) -> bool:
    """Whether runs are on recorded sounds, not on presets.

    Raises:
        UserError: if some are and some are not.
    """
    sounds = [model for model in models if "sounds" in model.task.abilities]
    if not sounds or len(sounds) == len(models):
        return bool(sounds)
    names = [model.name for model in models]
    why = f"{sounds[0].name} is a run on recorded sounds, and others are on presets"
    raise UserError("runs", names, "analyse them one by one", why)


def _analyze(agenda: Agenda, plan: bool, write: Callable[[], Path], tables: str) -> None:
    """Print the plan, or do the work with a progress bar and say where the report is."""
    if plan:
        _print_plan(agenda)
        return
    with progress_bar("analyzing", round(agenda.seconds) or 1) as update:
        agenda.progress = lambda seconds, what: update(round(seconds), what)
        try:
            page = write()
        except KeyboardInterrupt:
            end_interrupted("stopped; what is finished is kept, and the same command goes on with the rest")
    print(f"{page}: the report; metrics.json, {tables} and figures are in the same directory")


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
