"""``train``. Its options are the settings of its tasks (`synthvae.training.config.CONFIGS`)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import typer
from typer.core import TyperCommand

from synthvae.cli.common import end_interrupted, skipped_batches
from synthvae.cli.host import silent_beside_first
from synthvae.cli.progress import progress_bar
from synthvae.core.counts import counted
from synthvae.core.errors import UserError
from synthvae.training.config import (
    PRESETS,
    Overlay,
    TrainConfig,
    read_overlay,
    resolve_config,
    resolve_sound_config,
)
from synthvae.training.settings import LOSS, OPTIMISATION, RUN, Setting, settings_of
from synthvae.training.sound_config import SoundConfig

if TYPE_CHECKING:
    from synthvae.core.stopwatch import Stopwatch
    from synthvae.data.library import Library
    from synthvae.data.presets import Dataset
    from synthvae.training.tasks.base import Task
    from synthvae.training.trainer import Trainer

__all__ = ["SOUND_PANEL", "register"]

#: Maximum number of validation presets that the final evaluation uses.
JUDGED = 1000
#: Panel of the settings that only a run on recorded sounds has.
SOUND_PANEL = "Recorded sounds"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("train", cls=_ListingChoices)(_with_flags())


class _ListingChoices(TyperCommand):
    """Adds the legal values of each setting to its help; registries are loaded only when the help is printed."""

    def get_help(self, ctx: Any) -> str:  # noqa: ANN401 - Typer brings its own click
        presets, sounds = settings_of(TrainConfig), settings_of(SoundConfig)
        for parameter in self.params:
            name = str(parameter.name)
            known = presets.get(name) or sounds.get(name)
            if known is None:
                continue
            text = " ".join([known.help, *_choices(known)])
            if name in presets and name in sounds:
                text += _for_sounds(name, presets[name], sounds[name])
            parameter.help = text  # type: ignore[attr-defined]
        return super().get_help(ctx)


def _choices(known: Setting) -> list[str]:
    more = " or a number" if known.number else ""
    return [f"One of {', '.join(known.names)}{more}."] if known.names else []


def _for_sounds(name: str, presets: Setting, sounds: Setting) -> str:
    """How a setting of both tasks differs for recorded sounds."""
    before, now = (getattr(kind(), name) for kind in (TrainConfig, SoundConfig))
    parts = [] if sounds.help == presets.help else [sounds.help]
    parts += [] if sounds.names == presets.names else _choices(sounds)
    parts += [] if now == before else [f"Default {now}."]
    return f" {SOUND_PANEL}: {' '.join(parts)}" if parts else ""


def _with_flags() -> Any:  # noqa: ANN401
    """`train` with an option for every setting that has one, in the order of the panels."""
    own = dict(inspect.signature(train, eval_str=True).parameters)
    del own["flags"]
    generated = {}
    for kind, panel in ((TrainConfig, None), (SoundConfig, SOUND_PANEL)):
        types, defaults = get_type_hints(kind), {f.name: f.default for f in fields(kind)}
        for name, known in settings_of(kind).items():
            if known.flag and name not in generated:
                annotation = str if get_args(types[name]) else types[name]
                option = typer.Option(
                    help=known.help,
                    rich_help_panel=panel or known.panel,
                    show_default=known.shown or True,
                )
                generated[name] = inspect.Parameter(
                    name,
                    inspect.Parameter.POSITIONAL_OR_KEYWORD,
                    default=defaults[name],
                    annotation=Annotated[annotation, option],
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
            help="Maximum epochs of the second phase.", rich_help_panel=OPTIMISATION, show_default="same as the first"
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
    profile: Annotated[
        bool,
        typer.Option("--profile", help="Print the time of each stage of a step at the end.", rich_help_panel=RUN),
    ] = False,
) -> None:
    """Train a variational autoencoder on the presets of a dataset, or on a library of recorded sounds.

    The kind of --data decides which. On presets, with --synth-layer the spectral loss is computed on rendered sound and
    back-propagated through the synthesizer; without it the loss is only measured, for early stopping. On recorded
    sounds, spectrograms are compared.

    Example: `synthvae train --loss sclp --synth-layer --out experiments/runs/first`

    Our best model with 16 dimensions, about 15 minutes: `synthvae train --config experiments/best-16.toml`

    On recordings: `synthvae train --data datasets/lib`
    """
    several = max(flags.get("devices", 1), flags.get("nodes", 1)) > 1
    with silent_beside_first() if several else nullcontext():
        _train(flags, then, then_epochs, out, config, resume, profile)


def _train(
    flags: dict[str, Any],
    then: str | None,
    then_epochs: int | None,
    out: Path | None,
    config: Path | None,
    resume: bool,
    profile: bool,
) -> None:
    from synthvae.data.library import is_library
    from synthvae.experiments.cases import find_overlay
    from synthvae.exploration.latent_files import find_dataset

    overlay = read_overlay(find_overlay(config)) if config else None
    data = str(flags.get("data") or (overlay and overlay.settings.get("data")) or "")
    phase = {"then": then, "then_epochs": then_epochs}
    if (data and is_library(Path(data))) or (overlay and PRESETS not in overlay.tasks):
        _refuse(flags | phase, SoundConfig, "presets", f"{data} is a library of recordings" if data else str(config))
        _train_on_sounds(overlay, flags, out, resume, profile)
        return
    _check_data(data)
    library = "or name a library made with import-library or make-library"
    why = f"{data} is no library of them" if data else "no library is named"
    _refuse(flags, TrainConfig, "recorded sounds", why, f"leave it out, {library}")
    if not data:
        found, choice = find_dataset()
        print(choice)
        flags["data"] = str(found)
    _train_on_presets(overlay, {**flags, "then": {"loss": then, "epochs": then_epochs}}, out, resume, profile)


def _check_data(data: str) -> None:
    """Refuse data that are neither a file, which may be a dataset, nor a library.

    Raises:
        UserError: naming the commands that make them.
    """
    if data and not Path(data).is_file():
        remedy = "make presets with generate-dataset, or a library of sounds with import-library or make-library"
        why = "a folder, but no library" if Path(data).is_dir() else "not there"
        raise UserError("data", data, remedy, why=why)


def _refuse(flags: Mapping[str, Any], kind: type, other: str, why: str, remedy: str = "leave it out") -> None:
    """Refuse options that the task whose settings are `kind` does not have.

    Raises:
        UserError: naming the first.
    """
    known = {field.name for field in fields(kind)}
    for name, value in flags.items():
        if value is not None and name not in known:
            raise UserError(name, value, remedy, f"a setting of training on {other}, but {why}")


def _train_on_presets(
    overlay: Overlay | None, flags: Mapping[str, Any], out: Path | None, resume: bool, profile: bool
) -> None:
    settings = resolve_config(overlay, flags)
    from synthvae.data.presets import read_dataset
    from synthvae.losses import LOSSES
    from synthvae.synths.rendering import build_synth
    from synthvae.training.tasks.presets import PresetTask

    dataset = read_dataset(Path(settings.data))
    through = "-synth" if settings.synth_layer else ""
    directory = out or Path(f"experiments/runs/{settings.loss}-{settings.feature}{through}-{settings.seed}")
    task = PresetTask(settings, dataset, build_synth(dataset.parameters, dataset.header.settings))
    if parts := task.preparation_parts:
        with progress_bar("measuring parameter sensitivity", parts, "parameters") as update:
            task.prepare(lambda done: update(done, ""))
    note = ""
    if LOSSES[settings.loss].compares == "audio" and not settings.synth_layer:
        note = "spectral term: measured on rendered sound for early stopping, no gradient (add --synth-layer for that)"
    if _run(task, directory, resume, profile, "preset", note, lambda row: f"{row['active_units']:.0f} active"):
        _print_verdict(directory, dataset)


def _train_on_sounds(
    overlay: Overlay | None, flags: Mapping[str, Any], out: Path | None, resume: bool, profile: bool
) -> None:
    settings = resolve_sound_config(overlay, flags)
    from synthvae.data.library import read_library
    from synthvae.training.tasks.spectrogram import SpectrogramTask

    library = read_library(Path(settings.data))
    task = SpectrogramTask(settings, library)
    settings = task.settings
    directory = out or Path(f"experiments/runs/{settings.network}-{settings.representation}-{settings.seed}")
    if parts := task.preparation_parts:
        with progress_bar("measuring sounds", parts, "sounds") as update:
            task.prepare(lambda done: update(done, ""))

    def describe(row: Mapping[str, float]) -> str:
        ratio = row["validation/to_mean_spectrogram"]
        return f"{row['active_units']:.0f} active, squared error {ratio:.3f} relative to the mean spectrogram"

    channels, bands, frames = task.representation.shape
    size = f"{channels} x {bands} x {frames}" if channels > 1 else f"{bands} x {frames}"
    latents = counted(settings.latent, "dimension")
    note = f"{settings.network} on {settings.representation}, {size}, {latents}, {settings.precision}"
    if _run(task, directory, resume, profile, "sound", note, describe):
        _print_sound_verdict(directory, library)


def _run(
    task: Task[Any],
    directory: Path,
    resume: bool,
    profile: bool,
    item: str,
    note: str,
    describe: Callable[[Mapping[str, float]], str],
) -> bool:
    """Train with a progress bar; print an estimate before and the end after it.

    Returns:
        Whether this is the first process of the training, or the only one.

    Args:
        task: the task to train.
        directory: directory of the run.
        resume: whether to continue an existing run.
        profile: whether to print the time of each stage at the end.
        item: name of a training item, for messages.
        note: printed before training.
        describe: summarises an epoch from its row of metrics.csv.
    """
    from synthvae.core.files import ensure_directory
    from synthvae.core.stopwatch import Stopwatch
    from synthvae.training.trainer import Interrupted, Trainer

    latest, stopwatch = "", Stopwatch(profile)
    with progress_bar("training", sum(phase.epochs for phase in task.settings.phases), "epochs") as update:

        def on_epoch(row: Mapping[str, float]) -> None:
            nonlocal latest
            # Loss weights change, so totals of two epochs are not comparable: the best one's uses the current weights.
            latest = (
                f"validation {row['validation/total']:.4g}, the best epoch's {row['validation/best']:.4g}, "
                f"{describe(row)}" + (f", {trainer.position.skipped:,} skipped" if trainer.position.skipped else "")
            )
            update(int(row["epoch"]) + 1, latest)

        def on_step(epoch: int, step: int, steps: int) -> None:
            update(epoch + min(step / steps, 0.999), f"step {step}/{steps}{latest and ', '}{latest}")

        trainer = Trainer(task, directory, resume, on_step, on_epoch, stopwatch)
        for line in filter(None, (note, task.remark)):
            print(line)
        ensure_directory(directory)
        _print_estimate(trainer, item)
        before = "nothing left to train; " if trainer.complete else ""
        try:
            position = trainer.run()
        except UserError:
            if trainer.fabric.is_global_zero:
                raise
            raise typer.Exit(2) from None  # the first process prints the error
        except Interrupted as interrupted:
            _print_profile(stopwatch)
            end_interrupted(f"{interrupted}; run the same command with --resume to continue (--out {directory})")
    print(
        f"{directory}: {before}{counted(position.epoch, 'epoch')} in {position.seconds:.0f} s ({position.finished}); "
        f"best in epoch {position.best_epoch + 1}{skipped_batches(position.skipped)}"
    )
    _print_profile(stopwatch)
    return trainer.fabric.is_global_zero


def _print_profile(stopwatch: Stopwatch) -> None:
    """Print the seconds of each stage, its share of the time and, for stages of a step, milliseconds of one."""
    from synthvae.training.trainer import EPOCH_END, UPDATE

    if not stopwatch.seconds:
        return
    steps, whole = stopwatch.laps.get(UPDATE, 0), sum(stopwatch.seconds.values())
    print(f"time of {counted(steps, 'step')}, validation and log:")
    for stage, seconds in stopwatch.seconds.items():
        each = "" if stage == EPOCH_END or not steps else f"{1000 * seconds / steps:8.1f} ms per step"
        print(f"  {stage:18} {seconds:8.1f} s {100 * seconds / whole:5.1f} % {each}".rstrip())


def _print_verdict(directory: Path, dataset: Dataset) -> None:
    """Print the log-mel error on validation presets, and what to try if it is no better than without a model."""
    import torch

    from synthvae.training.quality import QualityMeter
    from synthvae.training.run import load_run

    run, unit = load_run(directory), dataset.split("validation", JUDGED)
    if len(unit) < 2:
        return
    with torch.inference_mode():
        quality = QualityMeter(run.voice, unit).measure(run.decode(run.encode(unit)))
    shown = [
        f"{ratio.value:.2f} relative to the {null} ({ratio.low:.2f} to {ratio.high:.2f})"
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


def _print_sound_verdict(directory: Path, library: Library) -> None:
    """Print the squared error on validation sounds beside model-free baselines."""
    from synthvae.training.run import load_run
    from synthvae.training.sound_quality import measure_sounds
    from synthvae.training.sounds import SoundRun

    run = SoundRun(load_run(directory))
    run.training_latents()  # needed to draw new sounds, when the library may no longer exist
    if len(library.rows("validation")) < 2:
        return
    found = measure_sounds(run, library)
    shown = [
        f"{name} {ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"
        for name, ratio in (
            ("this model", found.model),
            ("mean of the label", found.class_mean),
            ("nearest training sound", found.nearest),
        )
        if ratio.value is not None and ratio.low is not None
    ]
    if not shown:
        return
    level = "" if found.level is None else f"; level within {found.level:.1f} dB (RMS)"
    print(
        f"squared error on {found.sounds:,} validation sounds relative to the mean spectrogram: "
        f"{', '.join(shown)}{level}"
    )
    if min(found.class_mean.value or 0.0, 1.0) <= (found.model.value or 0.0):
        other = "" if run.config.network == "spectrogram-conv" else ", or try --network spectrogram-conv"
        print(f"a mean spectrogram, which needs no model, is closer: train longer (--epochs){other}")


def _print_estimate(trainer: Trainer, item: str) -> None:
    """Print the estimated duration of an epoch and of the training."""
    from synthvae.cli.progress import spoken

    if trainer.complete:
        return
    phase = trainer.phase
    seconds = trainer.measure_epoch()
    end = f", or until {phase.patience} in a row bring no improvement" if phase.patience else ""
    print(
        f"{counted(trainer.task.items, item)} in {counted(trainer.steps, 'step')}: about {spoken(seconds)} an epoch "
        f"on this machine; {counted(phase.epochs, 'epoch')}{end} (at most {spoken(seconds * phase.epochs)})",
        flush=True,
    )
