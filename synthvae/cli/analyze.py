"""``analyze``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from synthvae.cli.progress import progress_bar
from synthvae.errors import UserError

__all__ = ["register"]

#: What `analyze_runs` reports: once for the targets (7) and the writing (2), and per run (9).
SHARED_STEPS, RUN_STEPS = 8, 9


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("analyze")(analyze)


def analyze(
    runs: Annotated[list[Path], typer.Argument(help="Directories made with train; several are compared.")],
    data: Annotated[Path | None, typer.Option(help="The dataset.  [default: the first run's]")] = None,
    out: Annotated[Path | None, typer.Option(help="The directory to write to.  [default: analysis/RUN]")] = None,
    limit: Annotated[int, typer.Option(help="Test presets at most.")] = 2000,
    seed: Annotated[int, typer.Option(help="Of null models, maps and samples.")] = 0,
) -> None:
    """Measure runs against their null models; writes metrics, figures and a page with sounds.

    Example: `synthvae analyze experiments/runs/first --out analysis/first`
    """
    if not 0 <= seed < 2**32:
        raise UserError(f"--seed is {seed}; give a number from 0 to 4294967295")
    if limit < 2:
        raise UserError(f"--limit is {limit}; give at least 2 test presets")
    from synthvae.training.run_directory import load_run

    models = [load_run(path) for path in runs]
    from synthvae.analysis.pipeline import analyze_runs
    from synthvae.presets.dataset import read_dataset

    dataset = read_dataset(data or Path(models[0].config.data))
    for model in models:
        if data is None:
            model.require_own_dataset(dataset)
        model.require_unseen(dataset)
    directory = out or Path("analysis") / "-".join(model.path.name for model in models)
    command = shlex.join(["synthvae", *sys.argv[1:]])
    done = 0
    with progress_bar("analyzing", SHARED_STEPS + RUN_STEPS * len(models)) as update:

        def progress(what: str) -> None:
            nonlocal done
            update(done, what)
            done += 1

        page = analyze_runs(models, dataset, directory, command, limit, seed, progress)
    print(f"{page}: the report; beside it metrics.json, a CSV per run, and figures")
