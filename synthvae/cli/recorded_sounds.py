"""``decode``, ``encode``, ``interpolate`` and ``morph`` with a run on recorded sounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthvae.cli.bank_output import print_files
from synthvae.cli.progress import progress_bar
from synthvae.core.errors import UserError, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from synthvae.training.run import Run
    from synthvae.training.sounds import SoundRun

__all__ = ["Decoding", "LabelOption", "NearOption", "PitchOption", "PriorOption", "Route", "decode", "encode", "morph"]

#: Panel of the help for options that a run on presets does not take.
PANEL = "Runs on recorded sounds"
LabelOption = Annotated[
    str | None, typer.Option(help="Label of the sounds, for a run that was trained with labels.", rich_help_panel=PANEL)
]
PitchOption = Annotated[
    float | None,
    typer.Option(help="MIDI note number, for a run that was trained with pitches.", rich_help_panel=PANEL),
]
PriorOption = Annotated[
    str | None,
    typer.Option(
        help="What --random draws from: aggregate, a mixture of Gaussians fitted to the latents of the training "
        "sounds, or normal, the standard normal distribution.  [default: aggregate]",
        rich_help_panel=PANEL,
    ),
]
NearOption = Annotated[
    str | None,
    typer.Option(
        help="A recording, or the number of a sound of the library, to draw around: from its posterior.",
        rich_help_panel=PANEL,
    ),
]


@dataclass(frozen=True)
class Decoding:
    """What ``decode`` shall decode: the latents of a file, draws around a sound, or draws from the prior."""

    count: int
    seed: int
    z: Path | None
    near: str | None
    prior: str | None
    label: str | None
    pitch: float | None


@dataclass(frozen=True)
class Route:
    """Sounds to pass, the arguments that named them, the number of steps, and where numbers of sounds count."""

    sounds: Sequence[str]
    arguments: Sequence[str] | str
    steps: int
    data: Path | None
    label: str | None
    pitch: float | None


def decode(run: Run, how: Decoding, out: Path, level: float | None, sample_format: str) -> None:
    """Decode latents into sounds."""
    from synthvae.data.names import numbered
    from synthvae.exploration.latent_files import read_latents
    from synthvae.exploration.recorded_sounds import find_sounds
    from synthvae.training.sounds import PRIORS, SoundRun

    if sum(value is not None for value in (how.z, how.near, how.prior)) > 1:
        others = {"z": how.z, "near": how.near, "prior": how.prior}
        (first, value), (second, other) = [item for item in others.items() if item[1] is not None][:2]
        raise UserError(first, value, "give one of the two", why=f"and `{second}` is {shown(other)}")
    model = SoundRun(run)
    each = model.latents_per_sound
    if how.z is not None:
        latents, names = read_latents(how.z, run)
        if len(latents) % each:
            raise UserError("z", how.z, f"give {each} for each sound", f"it has {len(latents)} latents")
        names = names if names and each == 1 else numbered("latent", len(latents) // each, 4)
    elif how.near is not None:
        (source,) = find_sounds(model, [how.near], arguments="near")
        names = numbered(f"near_{source.name}", how.count, 4)
        latents = model.around(source.audio, how.count, how.seed, model.condition(1, how.label, how.pitch))
    else:
        prior = how.prior or PRIORS[0]
        names = [f"random_{how.seed}_{number:04d}" for number in range(how.count)]
        latents = model.sample(how.count * each, how.seed, prior)
        print(
            "drawn from the distribution of the training sounds' latents (--prior normal draws from the standard "
            "normal one)"
            if prior == "aggregate"
            else "drawn from the standard normal distribution"
        )
    condition = model.condition(len(names), how.label, how.pitch)
    _write(model, names, latents, condition, out, level, sample_format)
    print_files(out, [out / f"{name}.wav" for name in names], "sounds, and their latents in latents.json")


def encode(run: Run, paths: Sequence[Path], out: Path, label: str | None, pitch: float | None) -> None:
    """Encode recordings into latent points."""
    import torch

    from synthvae.exploration.latent_files import write_points
    from synthvae.exploration.recorded_sounds import expand_folders, find_sounds
    from synthvae.training.sounds import SoundRun

    model, files = SoundRun(run), expand_folders(paths)
    condition = model.condition(1, label, pitch)
    names, latents = list[str](), []
    with progress_bar("encoding", len(files), "sounds") as update:
        for number, file in enumerate(files):
            (source,) = find_sounds(model, [str(file)])
            found = model.encode(source.audio, condition)
            names += [source.name] if len(found) == 1 else [f"{source.name}_{row}" for row in range(len(found))]
            latents.append(found)
            update(number + 1, "")
    write_points(out, run, names, torch.cat(latents))
    print(f"{out}: latents of {len(files)} recordings, {run.latent_size} dimensions each")


def morph(run: Run, route: Route, out: Path, level: float | None, sample_format: str, gap: float = 0.1) -> None:
    """Decode equal steps along straight lines between the latents of sounds."""
    import torch

    from synthvae.audio.joining import write_joined
    from synthvae.data.names import numbered
    from synthvae.exploration.recorded_sounds import find_sounds
    from synthvae.training.sounds import SoundRun

    model = SoundRun(run)
    if route.steps < len(route.sounds):
        raise UserError("steps", route.steps, f"give at least {len(route.sounds)}, one for each sound")
    sources = find_sounds(model, route.sounds, route.data, route.arguments)
    shortest = min(source.audio.shape[1] for source in sources)
    condition = model.condition(1, route.label, route.pitch)
    ends = torch.stack([model.encode(source.audio[:, :shortest], condition) for source in sources])
    at = torch.linspace(0.0, len(sources) - 1.0, route.steps)
    before = at.floor().long().clamp_max(len(sources) - 2)
    share = (at - before)[:, None, None]
    latents = (ends[before] + share * (ends[before + 1] - ends[before])).flatten(0, 1)
    names = numbered("step", route.steps)
    conditions = condition.expand(route.steps, -1)
    samples = None if model.model.fixed_length else shortest
    sounds = _write(model, names, latents, conditions, out, level, sample_format, samples)
    write_joined(out / "joined.wav", sounds, model.sample_rate, gap, sample_format)
    print(
        f"{out}: {route.steps} steps from {sources[0].name} to {sources[-1].name}, {names[0]}.wav to {names[-1]}.wav, "
        "joined.wav, and their latents in latents.json"
    )


def _write(
    model: SoundRun,
    names: Sequence[str],
    latents: Tensor,
    condition: Tensor,
    out: Path,
    level: float | None,
    sample_format: str,
    samples: int | None = None,
) -> list[NDArray[np.float32]]:
    from synthvae.exploration.recorded_sounds import decode_all, write_decoded

    sounds = decode_all(model, latents, condition, samples)
    with progress_bar("decoding", len(names), "sounds") as update:
        return write_decoded(out, model, names, latents, sounds, sample_format, level, lambda done: update(done, ""))
