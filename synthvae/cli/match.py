"""``match`` and ``train-encoder``: find presets that sound like a recording."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from synthvae.cli.common import DEFAULT_RUN, RunArgument, end_interrupted, open_run, skipped_batches
from synthvae.cli.progress import progress_bar
from synthvae.core.counts import counted
from synthvae.core.errors import UserError, choose_one

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("match")(match)
    app.command("train-encoder")(train_encoder)


def match(
    target: Annotated[Path, typer.Argument(metavar="TARGET.wav", help="A recording: WAV, FLAC, OGG, MP3 or AIFF.")],
    run: Annotated[
        Path | None,
        typer.Option(
            help="A run directory made with train, whose audio encoder, if it has one, proposes starting points.  "
            f"[default: {DEFAULT_RUN}; none with --synth or --parameters]"
        ),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(help="Number of renders; reproducible with --seed.  [default: 32000, fewer for long targets]"),
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Search time in seconds, instead of --budget.")] = None,
    top: Annotated[int, typer.Option(help="Number of dissimilar presets to return.")] = 5,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    synth: Annotated[
        str | None, typer.Option(help="Synthesizer of the presets, without --run.  [default: torchsynth.Voice]")
    ] = None,
    parameters: Annotated[
        int | None, typer.Option(help="Parameter set without --run; for the Voice 63 or 78.  [default: 63]")
    ] = None,
    index: Annotated[
        bool, typer.Option("--index/--no-index", help="Start from the nearest of 30,000 sounds, rendered once.")
    ] = True,
    search: Annotated[str, typer.Option(help="combined, cma or random.")] = "combined",
    out: Annotated[Path | None, typer.Option(help="Output directory.  [default: matches/TARGET]")] = None,
    sample_format: Annotated[str, typer.Option("--format", help="float (32 bit) or int16.")] = "float",
) -> None:
    """Find presets that sound like a recording; writes presets, sounds and an HTML page that compares them.

    The recording is mixed to mono, trimmed, resampled and scaled to a level of the Voice; at most its first 4 seconds
    are used. By default it takes about three minutes on two cores. Ctrl-C ends the search and writes the best presets
    so far.

    Example: `synthvae match bell.wav --top 3`
    """
    if budget is not None and seconds is not None:
        raise UserError("budget", budget, "give one of them", why="and `seconds` is a limit, too")
    if run is not None and parameters is not None:
        raise UserError("parameters", parameters, "leave one of them out", why="which is given by `run`")
    if run is not None and synth is not None:
        raise UserError("synth", synth, "leave one of them out", why="which is given by `run`")
    from synthvae.matching.local import SEARCHES

    if search not in SEARCHES:
        raise UserError("search", search, choose_one(search, SEARCHES))
    from synthvae.audio.files import check_sample_format
    from synthvae.exploration import find_run
    from synthvae.matching import engine
    from synthvae.matching.index import PRESETS, index_path, open_index
    from synthvae.matching.target import read_target
    from synthvae.report.match import write_match
    from synthvae.synths.registry import DEFAULT, synth_kind
    from synthvae.synths.settings import RenderSettings
    from synthvae.training.run import load_run

    check_sample_format(sample_format)
    engine.check_search(budget, seconds, top, seed)
    space = synth_kind(synth or DEFAULT).space(parameters)
    model, choice = None, ""
    if synth is None and parameters is None:
        path, choice = find_run(run)
        model = load_run(path, needs="parameters")
    settings = RenderSettings(synth=synth or DEFAULT)
    if model is not None:
        settings = replace(settings, sample_rate=model.settings.sample_rate, synth=model.settings.synth)
        space = model.parameters
    sound = read_target(target, settings.sample_rate)
    if choice:
        print(choice, flush=True)
    known = None
    if index:
        made = not index_path(space, settings).exists()
        with progress_bar("rendering the index, once", PRESETS, "sounds") as update:
            known = open_index(space, settings, progress=lambda done: update(done, ""))
        if made and index_path(space, settings).exists():
            print(f"{index_path(space, settings)}: {PRESETS:,} sounds from which every match starts")
    directory = out or Path("matches") / target.stem
    limit = counted(budget or engine.budget_for(sound.seconds), "sound") if seconds is None else f"for {seconds:g} s"
    with progress_bar(f"searching {limit}", 1000) as update:

        def show(state: engine.Progress) -> None:
            update(round(1000 * state.fraction), f"{state.distance:.2f} dB after {counted(state.renders, 'sound')}")

        result = engine.match(
            sound,
            space,
            run=model,
            index=known,
            settings=settings if model is None else None,
            budget=budget,
            seconds=seconds,
            top=top,
            seed=seed,
            search=search,
            progress=show,
        )
    stems = write_match(directory, result, shlex.join(["synthvae", *sys.argv[1:]]), sample_format)
    for note in sound.notes:
        print(f"{target.name}: {note}")
    for stem, candidate in zip(stems, result.candidates, strict=True):
        print(f"{candidate.distance:6.2f} dB  {stem}.wav")
    print(f"{result.random:6.2f} dB  a random preset (median of 128, nearest {result.nearest_random:.2f} dB)")
    print(
        f"{directory / 'match.html'}: {result.verdict}, confidence {result.confidence:.2f}, "
        f"after {counted(result.renders, 'sound')} and {result.seconds:.0f} s"
    )
    if result.stopped:
        end_interrupted("interrupted; these are the best so far")


def train_encoder(
    run: RunArgument = None,
    presets: Annotated[
        int, typer.Option(help="Number of training presets to render; 100,000 take about ten minutes.")
    ] = 100_000,
    seed: Annotated[int, typer.Option(help="Seed of presets and initial weights.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Resume an interrupted training.")] = False,
    on_nonfinite: Annotated[
        str, typer.Option(help="If a batch's loss or gradient is not finite: stop and name it, or skip and count it.")
    ] = "stop",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing encoder of the run.")] = False,
) -> None:
    """Train an audio encoder from log-mel spectrogram to a run's latent space; written to the run's directory.

    Spaces such as voice-16 are read-only: give another run.

    Example: `synthvae train-encoder experiments/runs/best-16 --presets 100000`
    """
    from synthvae.core.checks import check_seed

    check_seed(seed)
    if resume and overwrite:
        raise UserError("overwrite", overwrite, "leave one of them out", why="and `resume` goes on with it")
    from synthvae.training.tasks.audio_encoder import train_encoder as learn
    from synthvae.training.trainer import Interrupted

    model = open_run(run)
    try:
        with progress_bar("training", presets, "presets") as update:
            report = learn(model, presets, seed, resume, update, on_nonfinite, overwrite)
    except Interrupted as interrupted:
        end_interrupted(f"{interrupted}; run the same command with --resume to continue")
    print(
        f"{report.path}: {counted(report.presets, 'preset')}; decoded predictions are {report.distance:.2f} dB from "
        f"the input sounds, decoded true latents {report.of_latents:.2f}, the mean preset {report.of_mean_preset:.2f}, "
        f"another preset {report.of_random:.2f} dB (medians); explained variance of the latents "
        f"{round(float(report.explained.mean()), 2) + 0.0:.2f}{skipped_batches(report.skipped)}"
    )
    if report.distance >= report.of_mean_preset:
        print("this encoder is no closer than the mean preset and does not help match; train it on more --presets")
