"""``train``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthvae.cli.progress import progress_bar

if TYPE_CHECKING:
    from synthvae.training.trainer import Trainer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("train")(train)


def train(
    data: Annotated[
        Path | None,
        typer.Option(help="A dataset made with generate-dataset.  [default: datasets/presets.json, or the newest]"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run directory.  [default: experiments/runs/LOSS-FEATURE…]")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings from a TOML file; flags win.")] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            help="scl, logsl, lmsl, sclp, logslp, lslp, logmel, mrstft, sot, envelope, pnp or none.  [default: sclp]"
        ),
    ] = None,
    synth_layer: Annotated[
        bool | None, typer.Option("--synth-layer/--no-synth-layer", help="Send the gradient through the Voice.")
    ] = None,
    hold_phases: Annotated[
        bool | None,
        typer.Option("--hold-phases/--no-hold-phases", help="Leave out of that gradient what pitch does."),
    ] = None,
    feature: Annotated[
        str | None, typer.Option(help="stft, mfcc, cqt or logmel.  [default: the loss's usual one]")
    ] = None,
    frame_step: Annotated[
        int | None, typer.Option(help="Compare every so manieth frame, from a random one on.  [default: 1]")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="Of pnp: effect, diagonal, full or preset.  [default: effect]")
    ] = None,
    damping: Annotated[float | None, typer.Option(help="Of pnp, in dB².  [default: 0]")] = None,
    then: Annotated[
        str | None, typer.Option(help="The loss of a second phase, through the Voice, from the best weights.")
    ] = None,
    then_epochs: Annotated[int | None, typer.Option(help="Of the second phase.  [default: as the first]")] = None,
    network: Annotated[str | None, typer.Option(help="mlp or selective.  [default: mlp]")] = None,
    architecture: Annotated[
        str | None, typer.Option(help="exp1 (63-256-64-16), exp3 (63-128-16) or widths.  [default: exp1]")
    ] = None,
    latent: Annotated[int | None, typer.Option(help="Latent size.  [default: the architecture's]")] = None,
    output: Annotated[str | None, typer.Option(help="linear (clamped) or sigmoid.  [default: linear]")] = None,
    initialisation: Annotated[
        str | None,
        typer.Option(
            help="Of mlp. centred: the decoder starts at 0.5 everywhere; default: PyTorch's.  [default: centred]"
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="At most so many.  [default: 500]")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Presets per step.  [default: 256]")] = None,
    lr: Annotated[float | None, typer.Option(help="Adam's learning rate.  [default: 0.0001]")] = None,
    lr_schedule: Annotated[
        str | None, typer.Option(help="constant, drop or cosine; drops are set in --config.  [default: constant]")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many epochs without progress; 0 never.  [default: 20]")
    ] = None,
    alpha: Annotated[float | None, typer.Option(help="Weight of the clamp penalty.  [default: 100]")] = None,
    beta: Annotated[
        str | None,
        typer.Option(
            help="Weight of the spectral term. auto: moves so that parameter error to term stays 1 to --beta-ratio. "
            "constant: set so at the start.  [default: auto]"
        ),
    ] = None,
    beta_ratio: Annotated[float | None, typer.Option(help="See --beta.  [default: 3]")] = None,
    kl_weight: Annotated[
        float | None, typer.Option(help="Weight of the KL divergence; the thesis has 1.  [default: 0.001]")
    ] = None,
    kl_schedule: Annotated[
        str | None,
        typer.Option(help="constant, linear, cosine, logistic or cyclical.  [default: constant]"),
    ] = None,
    kl_warmup: Annotated[
        float | None, typer.Option(help="Epochs in which that weight rises, or of a cycle.  [default: 0]")
    ] = None,
    free_bits: Annotated[
        float | None, typer.Option(help="Nats that each latent dimension has for nothing.  [default: 0]")
    ] = None,
    gradient_clip: Annotated[
        float | None, typer.Option(help="Limit of a preset's gradient behind the Voice; 0: none.  [default: 1]")
    ] = None,
    validation_limit: Annotated[
        int | None, typer.Option(help="Validation presets rendered each epoch.  [default: 2000]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order and samples.  [default: 0]")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.  [default: auto]")] = None,
    devices: Annotated[int | None, typer.Option(help="Number of GPUs.  [default: 1]")] = None,
    precision: Annotated[
        str | None, typer.Option(help="Of the network, in Lightning's words.  [default: 32-true]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out, if there is one.")] = False,
) -> None:
    """Train a variational autoencoder on a dataset's presets.

    With --synth-layer the spectral loss is computed on sound rendered inside the graph, and its gradient reaches the
    network. Without it the loss is only measured and steers early stopping.

    Example: `synthvae train --loss sclp --synth-layer --out experiments/runs/first`

    Our best model with 16 dimensions, in a quarter of an hour: `synthvae train --config experiments/best-16.toml`
    """
    apart = ("out", "config", "resume", "then", "then_epochs")
    flags: dict[str, Any] = {name: value for name, value in locals().items() if name not in apart}
    flags["data"] = None if data is None else str(data)
    flags["then"] = {"loss": then, "epochs": then_epochs}
    from synthvae.exploration.finding import find_dataset
    from synthvae.files import ensure_directory
    from synthvae.training.config import PNP, read_overlay, resolve_config

    if data is None and not (config and read_overlay(config).settings.get("data")):
        found, choice = find_dataset()
        print(choice)
        flags["data"] = str(found)
    settings = resolve_config(config, flags)
    from synthvae.presets.dataset import read_dataset
    from synthvae.synth.voice import Voice
    from synthvae.training.preparation import needs_effect, prepare
    from synthvae.training.trainer import Interrupted, Trainer

    dataset = read_dataset(Path(settings.data))
    through = "-synth" if settings.synth_layer else ""
    directory = out or Path(f"experiments/runs/{settings.loss}-{settings.feature}{through}-{settings.seed}")
    voice = Voice(dataset.parameters, **dataset.header.settings.to_dict())
    preparation = None
    if needs_effect(settings, dataset):
        with progress_bar("finding out what is heard", len(dataset.parameters)) as update:
            preparation = prepare(settings, dataset, voice, lambda done: update(done, ""))
    latest = ""
    with progress_bar("training", sum(phase.epochs for phase in settings.phases)) as update:

        def on_epoch(row: Mapping[str, float]) -> None:
            nonlocal latest
            latest = f"validation {row['validation/total']:.4g}, {row['active_units']:.0f} active"
            update(int(row["epoch"]) + 1, latest)

        def on_step(epoch: int, step: int, steps: int) -> None:
            update(epoch, f"step {step}/{steps} {latest}")

        trainer = Trainer(settings, dataset, voice, directory, resume, on_step, on_epoch, preparation)
        if settings.loss not in ("none", PNP) and not settings.synth_layer:
            print(
                "spectral term: measured on rendered sound, steers early stopping, no gradient (--synth-layer sends it)"
            )
        ensure_directory(directory)
        _print_estimate(trainer)
        try:
            position = trainer.run()
        except Interrupted as stop:
            print(f"{stop}; go on with the same command and --resume (--out {directory})", file=sys.stderr)
            raise typer.Exit(130) from None
    print(
        f"{directory}: {position.finished} after {position.epoch} epochs and {position.seconds:.0f} s; "
        f"best in epoch {position.best_epoch + 1}"
    )


def _print_estimate(trainer: Trainer) -> None:
    """Say how long an epoch takes, which on 140,000 presets is the first thing to know."""
    from synthvae.cli.progress import spoken

    if trainer.position.finished:
        return
    phase = trainer.phase
    seconds = trainer.measure_epoch()
    end = f", or until {phase.patience} in a row are no better" if phase.patience else ""
    print(
        f"{len(trainer.train_unit):,} presets in {trainer.steps:,} steps: about {spoken(seconds)} an epoch on this "
        f"machine; {phase.epochs:,} epochs{end} (at most {spoken(seconds * phase.epochs)})",
        flush=True,
    )
