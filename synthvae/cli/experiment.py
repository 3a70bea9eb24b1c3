"""``experiment``: run and report the thesis's cases and our own."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from synthvae.cli.analyze import check_maps
from synthvae.cli.common import end_interrupted
from synthvae.cli.progress import progress_bar
from synthvae.cli.sharding import AddressOption, LauncherOption, ShardOption, ShardsOption, in_shards
from synthvae.core.counts import counted
from synthvae.core.errors import UserError

__all__ = ["register"]

ScaleOption = Annotated[float, typer.Option(help="Fraction of the thesis's number of presets; epochs are adapted.")]
RUNS, LIBRARY = Path("experiments/runs"), Path("datasets/library")


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(no_args_is_help=True, help="Reproduce the thesis's fifteen cases, and our own, at any scale.")
    group.command("list")(list_)
    group.command("run")(run)
    group.command("report")(report)
    app.add_typer(group, name="experiment")


def list_() -> None:
    """List all cases by experiment.

    Example: `synthvae experiment list`
    """
    from synthvae.experiments.cases import SOURCE, list_cases
    from synthvae.experiments.recorded_sounds import SOUND_CASES, SOURCES

    print(f"exp1 to exp3 are from {SOURCE}")
    groups: dict[str, list[tuple[str, str]]] = {}
    for case in list_cases():
        groups.setdefault(case.group, []).append((case.name, case.about))
    for group, rows in groups.items():
        print(f"\n{group}")
        for name, about in rows:
            print(f"  {name:25} {about}")
    for experiment, published in SOUND_CASES.items():
        print(f"\n{experiment}: {SOURCES[experiment]}, on recorded sounds")
        for name, row in published.items():
            print(f"  {name:25} its row {row}")


def run(
    names: Annotated[list[str], typer.Argument(help="Cases, experiments (all their cases), or TOML files.")],
    scale: ScaleOption = 1.0,
    out: Annotated[Path, typer.Option(help="Runs are written to OUT/scale-SCALE/CASE/seed-SEED.")] = RUNS,
    seeds: Annotated[int, typer.Option(help="Runs per case; confidence intervals need 3 or more.")] = 3,
    jobs: Annotated[
        int | None, typer.Option(help="Number of parallel runs.  [default: one per core, up to 8; 1 on a GPU]")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.  [default: the case's]")] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Library for r, g, g-ae and d, the cases on recorded sounds.  [default: datasets/library]"),
    ] = None,
    shard: ShardOption = None,
    launcher: LauncherOption = None,
    shards: ShardsOption = None,
    address: AddressOption = None,
) -> None:
    """Train cases; finished runs are skipped, interrupted runs are resumed.

    Example: `synthvae experiment run exp1 exp2 exp3 --scale 0.02`

    Example: `synthvae experiment run r --data datasets/library --scale 0.005` for configurations of recorded sounds
    """
    if jobs is not None and jobs < 1:
        raise UserError("jobs", jobs, "give 1 or more")
    if device is not None and device not in ("auto", "cpu", "cuda"):
        raise UserError("device", device, "choose auto, cpu or cuda")
    from synthvae.core.executor import Stopped, usual_jobs
    from synthvae.experiments.cases import select_cases
    from synthvae.experiments.recorded_sounds import plan_sounds, select_sounds, train_sounds
    from synthvae.experiments.runner import is_done, plan, prepare_data, run_jobs, train_job

    sounds = select_sounds(names)
    if data is not None and not sounds:
        raise UserError(
            "data", data, "leave it out, or name cases of r, g, g-ae or d", "has nothing to do with presets"
        )
    if any((shard, launcher, shards, address)):
        from synthvae.scale.works import ExperimentWork

        work = ExperimentWork.of(out, names, scale, seeds, device, data or LIBRARY)
        in_shards(work, "runs", shard, launcher, shards, address)
        return
    overrides = {} if device is None else {"device": device}
    planned: Sequence[Any] = (
        plan_sounds(sounds, seeds, scale, data or LIBRARY, out, overrides)
        if sounds
        else plan(select_cases(names), seeds, scale, out, overrides)
    )
    missing = [job for job in planned if not is_done(job)]
    done = len(planned) - len(missing)
    if not missing:
        finished = counted(len(planned), "run is done", "runs are done")
        print(f"{out}: {'all ' if len(planned) > 1 else ''}{finished}; for the report: 'synthvae experiment report'")
        return
    if not sounds:
        _make_data(prepare_data, missing)
    epochs: dict[str, int] = {}
    workers = min(jobs or usual_jobs(), len(missing))
    with progress_bar("training", sum(job.epochs for job in missing), "epochs") as update:

        def show(remark: str) -> None:
            update(sum(epochs.values()), f"{done}/{counted(len(planned), 'run')} done, {remark}")

        def on_epochs(label: str, count: int) -> None:
            epochs[label] = count
            show(f"{label} epoch {count}")

        def on_done(job: Any) -> None:  # noqa: ANN401
            nonlocal done
            done += 1
            epochs[job.label] = job.epochs  # early stopping leaves the rest out
            show(f"{job.label} done")

        try:
            run_jobs(missing, workers, on_epochs, on_done, train_sounds if sounds else train_job)
        except Stopped:
            so_far = f"{done} of {counted(len(planned), 'run')} done"
            end_interrupted(f"stopped with {so_far}; run the same command again to continue")
    print(f"{out}: {counted(len(planned), 'run')} done; for the report: 'synthvae experiment report --scale {scale:g}'")


def report(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="r, g, g-ae or d, on recorded sounds.  [default: those on presets]"),
    ] = None,
    scale: ScaleOption = 1.0,
    runs: Annotated[Path, typer.Option(help="Directory of the runs made with 'run'.")] = RUNS,
    out: Annotated[Path, typer.Option(help="The report is written to OUT/thesis/scale-SCALE.")] = Path("analysis"),
    limit: Annotated[
        int, typer.Option(help="Maximum number of test presets. Not of presets on the maps: see --map-presets.")
    ] = 2000,
    jobs: Annotated[
        int | None, typer.Option(help="Runs measured in parallel.  [default: one per core, up to 8; 1 on a GPU]")
    ] = None,
    embedding: Annotated[
        str,
        typer.Option(help="Embeddings of Fréchet distances besides logmel; in the thesis vggish,panns (docs/fad.md)."),
    ] = "logmel",
    weights_dir: Annotated[
        Path | None, typer.Option(help="Folder with the weights of pretrained embeddings; disables downloads.")
    ] = None,
    fad_limit: Annotated[
        int | None,
        typer.Option(
            help="Maximum sounds per set in pretrained embeddings.  "
            "[default: all test presets, 20 % of the training presets]"
        ),
    ] = None,
    example: Annotated[
        int | None, typer.Option(help="Number of the test preset shown for every case.  [default: the first]")
    ] = None,
    map_presets: Annotated[
        int, typer.Option(help="Number of presets on each latent map, whatever --limit is.")
    ] = 10_000,
    map_nulls: Annotated[int, typer.Option(help="Number of maps per null model of the clusters.")] = 5,
    data: Annotated[Path, typer.Option(help="Library for r, g, g-ae and d.")] = LIBRARY,
) -> None:
    """Write the published tables with our results, null models and published values, and conclusions.

    Example: `synthvae experiment report --scale 0.02`

    Example: `synthvae experiment report r --data datasets/library --scale 0.005` for configurations of recorded sounds
    """
    if jobs is not None and jobs < 1:
        raise UserError("jobs", jobs, "give 1 or more")
    if names:
        _report_sounds(names, scale, data, runs, out, jobs)
        return
    if limit < 2:
        raise UserError("limit", limit, "give at least 2 test presets")
    if fad_limit is not None and fad_limit < 2:
        raise UserError("fad_limit", fad_limit, "give at least 2 sounds")
    check_maps(map_presets, map_nulls)
    from synthvae.core.executor import usual_jobs
    from synthvae.experiments.distances import measure_reference, measure_run_distances, plan_comparison
    from synthvae.experiments.maps import measure_null, plan_nulls
    from synthvae.experiments.measures import measure_job
    from synthvae.experiments.report import draw_example, finished_jobs, write_report

    found = finished_jobs(scale, runs)
    shown = draw_example(found, limit, example)
    names = [name.strip() for name in embedding.split(",")]
    comparison = plan_comparison(found, names, weights_dir, fad_limit)
    processes = jobs or usual_jobs()
    _measure("measuring", "runs", measure_job, [(job, limit, map_presets) for job in found], processes)
    _measure("drawing maps of null models", "maps", measure_null, plan_nulls(found, map_presets, map_nulls), processes)
    if comparison.fingerprints:
        data = Path(found[0].config.data)
        sets = [(data, name, comparison) for name in comparison.fingerprints]
        _measure("embedding the dataset", "sets", measure_reference, sets, processes)
        _measure("embedding the runs", "runs", measure_run_distances, [(job, comparison) for job in found], processes)
    command = shlex.join(["synthvae", *sys.argv[1:]])
    page = write_report(found, out, command, comparison, shown, map_presets, map_nulls)
    print(f"{page}: the report; tables (CSV) and figures are in the same directory")


def _report_sounds(names: Sequence[str], scale: float, data: Path, runs: Path, out: Path, jobs: int | None) -> None:
    """Write the report of each experiment on recorded sounds."""
    from synthvae.core.executor import usual_jobs
    from synthvae.data.library import read_library
    from synthvae.experiments.recorded_sounds import SOUND_CASES
    from synthvae.experiments.sound_measures import measure_sounds_job
    from synthvae.experiments.sound_report import finished_sounds, write_sound_report

    for name in names:
        if name not in SOUND_CASES:
            raise UserError("names", name, f"choose {' or '.join(SOUND_CASES)}, or leave it out")
        found = finished_sounds(name, scale, data, runs)
        _measure("measuring", "runs", measure_sounds_job, found, jobs or usual_jobs())
        command = shlex.join(["synthvae", *sys.argv[1:]])
        page = write_sound_report(found, read_library(data), out, command)
        print(f"{page}: the report of {name}; its table (CSV) is in the same directory")


def _measure(title: str, unit: str, function: Callable[[Any], object], tasks: Sequence[Any], processes: int) -> None:
    """Call a function of `run_tasks` for each task, with a bar; raises the first error after all others ended."""
    from synthvae.core.executor import Stopped, run_tasks

    measured = 0
    with progress_bar(title, len(tasks), unit) as update:

        def on_done(task: object) -> None:
            nonlocal measured
            measured += 1

        try:
            failed = run_tasks(
                function, tasks, min(processes, len(tasks)), lambda label, count: update(measured, label), on_done
            )
        except Stopped:
            end_interrupted("stopped; run the same command again to continue")
    if failed:
        raise failed[0][1]


def _make_data(prepare_data: Any, jobs: Any) -> None:  # noqa: ANN401
    """Generate dataset and metric, with a progress bar for each."""
    with ExitStack() as bars:
        current = ""
        update: Callable[[int, str], None] = lambda done, remark: None  # noqa: E731

        def progress(what: str, done: int, total: int) -> None:
            nonlocal current, update
            if what != current:
                bars.close()
                current, update = what, bars.enter_context(progress_bar(what, total))
            update(done, "")

        prepare_data(jobs, progress)
