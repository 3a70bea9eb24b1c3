"""``train``. Its options are the settings of `synthvae.training.config.TrainConfig`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import typer
from typer.core import TyperCommand

from synthvae.cli.progress import progress_bar
from synthvae.training.config import TrainConfig, read_overlay, resolve_config
from synthvae.training.settings import LOSS, OPTIMISATION, RUN, settings_of

if TYPE_CHECKING:
    from synthvae.data.presets import Dataset
    from synthvae.training.trainer import Trainer

__all__ = ["register"]

#: Validation presets that the verdict rests on, at most.
JUDGED = 1000


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("train", cls=_ListingChoices)(_with_flags())


class _ListingChoices(TyperCommand):
    """Adds the legal values of each setting to its help; registries are loaded only when the help is printed."""

    def get_help(self, ctx: Any) -> str:  # noqa: ANN401 - Typer brings its own click
        known = settings_of(TrainConfig)
        for parameter in self.params:
            names = known[parameter.name].names if parameter.name in known else ()
            if names:
                setting = known[str(parameter.name)]
                more = " or a number" if setting.number else ""
                parameter.help = f"{setting.help} One of {', '.join(names)}{more}."  # type: ignore[attr-defined]
        return super().get_help(ctx)


def _with_flags() -> Any:  # noqa: ANN401
    """`train` with an option for every setting that has one, in the order of the panels."""
    own = dict(inspect.signature(train, eval_str=True).parameters)
    del own["flags"]
    types, defaults = get_type_hints(TrainConfig), {f.name: f.default for f in fields(TrainConfig)}
    generated = {}
    for name, known in settings_of(TrainConfig).items():
        if known.flag:
            kind = str if get_args(types[name]) else types[name]
            option = typer.Option(
                help=known.help,
                rich_help_panel=known.panel,
                show_default=known.shown or True,
            )
            generated[name] = inspect.Parameter(
                name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=defaults[name],
                annotation=Annotated[kind, option],
            )

    def command(**given: Any) -> None:  # noqa: ANN401
        context = given["context"]
        chosen = {n: given.pop(n) for n in generated}
        source = {name: context.get_parameter_source(name) for name in chosen}
        train(**given, flags={n: v for n, v in chosen.items() if source[n] is not None and source[n].name != "DEFAULT"})

    parameters = [own["context"], *generated.values(), *(own[name] for name in own if name != "context")]
    command.__doc__ = train.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def train(
    context: typer.Context,
    flags: dict[str, Any],
    then: Annotated[
        str | None,
        typer.Option(
            help="Loss of a second phase through the Voice, from the best weights of the first.", rich_help_panel=LOSS
        ),
    ] = None,
    then_epochs: Annotated[
        int | None,
        typer.Option(
            help="Maximum epochs of the second phase.", rich_help_panel=OPTIMISATION, show_default="as the first"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Output directory of the run.", rich_help_panel=RUN, show_default="experiments/runs/LOSS-FEATURE-SEED"
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Settings from a TOML file, such as experiments/best-16.toml; options override it.",
            rich_help_panel=RUN,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Resume the run in --out, if there is one.", rich_help_panel=RUN),
    ] = False,
) -> None:
    """Train a variational autoencoder on the presets of a dataset.

    With --synth-layer the spectral loss is computed on rendered sound and back-propagated through the synthesizer.
    Without it the loss is only measured, and is used for early stopping.

    Example: `synthvae train --loss sclp --synth-layer --out experiments/runs/first`

    Our best model with 16 dimensions, in a quarter of an hour: `synthvae train --config experiments/best-16.toml`
    """
    from synthvae.core.files import ensure_directory
    from synthvae.experiments.cases import find_overlay
    from synthvae.exploration.latent_files import find_dataset

    overlay = read_overlay(find_overlay(config)) if config else None
    if "data" not in flags and not (overlay and overlay.settings.get("data")):
        found, choice = find_dataset()
        print(choice)
        flags["data"] = str(found)
    settings = resolve_config(overlay, {**flags, "then": {"loss": then, "epochs": then_epochs}})
    from synthvae.data.presets import read_dataset
    from synthvae.losses import LOSSES
    from synthvae.synths.rendering import build_synth
    from synthvae.training.tasks.presets import PresetTask
    from synthvae.training.trainer import Interrupted, Trainer

    dataset = read_dataset(Path(settings.data))
    through = "-synth" if settings.synth_layer else ""
    directory = out or Path(f"experiments/runs/{settings.loss}-{settings.feature}{through}-{settings.seed}")
    task = PresetTask(settings, dataset, build_synth(dataset.parameters, dataset.header.settings))
    if parts := task.preparation_parts:
        with progress_bar("measuring parameter sensitivity", parts, "parameters") as update:
            task.prepare(lambda done: update(done, ""))
    latest = ""
    with progress_bar("training", sum(phase.epochs for phase in settings.phases), "epochs") as update:

        def on_epoch(row: Mapping[str, float]) -> None:
            nonlocal latest
            # Weights move, so totals of two epochs are not comparable: the best one's is shown with today's weights.
            latest = (
                f"validation {row['validation/total']:.4g}, the best epoch's {row['validation/best']:.4g}, "
                f"{row['active_units']:.0f} active"
            )
            update(int(row["epoch"]) + 1, latest)

        def on_step(epoch: int, step: int, steps: int) -> None:
            update(epoch, f"step {step}/{steps}{latest and ', '}{latest}")

        trainer = Trainer(task, directory, resume, on_step, on_epoch)
        if LOSSES[settings.loss].compares == "audio" and not settings.synth_layer:
            print(
                "spectral term: measured on rendered sound for early stopping, no gradient (add --synth-layer for that)"
            )
        ensure_directory(directory)
        _print_estimate(trainer)
        try:
            position = trainer.run()
        except Interrupted as stop:
            print(f"{stop}; run the same command with --resume to continue (--out {directory})", file=sys.stderr)
            raise typer.Exit(130) from None
    print(
        f"{directory}: {position.finished} after {position.epoch} epochs and {position.seconds:.0f} s; "
        f"best in epoch {position.best_epoch + 1}"
    )
    _print_verdict(directory, dataset)


def _print_verdict(directory: Path, dataset: Dataset) -> None:
    """Print how much of the sound of validation presets the model keeps, and what to try where that is little."""
    import torch

    from synthvae.training.quality import QualityMeter
    from synthvae.training.run import load_run

    run, unit = load_run(directory), dataset.split("validation")[:JUDGED]
    if len(unit) < 2:
        return
    with torch.inference_mode():
        quality = QualityMeter(run.voice, unit).measure(run.decode(run.encode(unit)))
    shown = [
        f"{ratio.value:.2f} of the {null}'s ({ratio.low:.2f} to {ratio.high:.2f})"
        for null, ratio in (("mean preset", quality.mean_preset), ("mean spectrogram", quality.mean_spectrogram))
        if ratio.value is not None and ratio.low is not None
    ]
    if not shown:
        return
    print(f"log-mel error on {len(unit):,} validation presets: {', '.join(shown)}; below 1 is better than no model")
    if (quality.mean_spectrogram.value or 0.0) >= 1.0:
        selective = run.config.network == "selective"
        remedy = "more presets, or" if selective else "--network selective, or our best model:"
        print(f"the mean spectrogram, which needs no model, is closer: try {remedy} --config experiments/best-16.toml")


def _print_estimate(trainer: Trainer) -> None:
    """Print the estimated duration of an epoch and of the training."""
    from synthvae.cli.progress import spoken

    if trainer.position.finished:
        return
    phase = trainer.phase
    seconds = trainer.measure_epoch()
    end = f", or until {phase.patience} in a row bring no improvement" if phase.patience else ""
    print(
        f"{trainer.task.items:,} presets in {trainer.steps:,} steps: about {spoken(seconds)} an epoch on this "
        f"machine; {phase.epochs:,} epochs{end} (at most {spoken(seconds * phase.epochs)})",
        flush=True,
    )
