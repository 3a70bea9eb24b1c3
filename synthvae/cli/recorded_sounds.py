"""``decode``, ``encode``, ``interpolate`` and ``morph`` with a run on recorded sounds."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthvae.cli.bank_output import print_files
from synthvae.cli.common import print_table
from synthvae.cli.progress import progress_bar
from synthvae.core.counts import counted
from synthvae.core.errors import UserError, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from synthvae.metrics.morphs import MorphFigures
    from synthvae.training.run import Run
    from synthvae.training.sounds import SoundRun

__all__ = ["Decoding", "LabelOption", "NearOption", "PitchOption", "PriorOption", "Route", "decode", "encode", "morph"]
__all__ += ["are_recordings"]

#: Panel of the help for options that a run on presets does not take.
PANEL = "Runs on recorded sounds"
LabelOption = Annotated[
    str | None, typer.Option(help="Label of the sounds, for a run trained with labels.", rich_help_panel=PANEL)
]
PitchOption = Annotated[
    float | None,
    typer.Option(help="MIDI note number, for a run trained with pitches.", rich_help_panel=PANEL),
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
        help="Draw from the posterior of this recording, or of the library's sound of this number.",
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
    """Sounds to morph through, the arguments that named them, the number of steps, and the library of numbers."""

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
    each, given = model.latents_per_sound, model.condition(1, how.label, how.pitch)
    if how.z is not None:
        latents, names = read_latents(how.z, run)
        if len(latents) % each:
            raise UserError("z", how.z, f"give {each} for each sound", f"it has {counted(len(latents), 'latent')}")
        names = names if names and each == 1 else numbered("latent", len(latents) // each, 4)
    elif how.near is not None:
        (source,) = find_sounds(model, [how.near], arguments="near")
        names = numbered(f"near_{source.name}", how.count, 4)
        latents = model.around(source.audio, how.count, how.seed, given)
    else:
        prior = how.prior or PRIORS[0]
        names = [f"random_{how.seed}_{number:04d}" for number in range(how.count)]
        latents = model.sample(how.count * each, how.seed, prior)
        print(
            "drawn from the distribution of the training sounds' latents (use --prior normal for the standard normal "
            "distribution)"
            if prior == "aggregate"
            else "drawn from the standard normal distribution"
        )
    _write(model, names, latents, given.expand(len(names), -1), out, level, sample_format)
    beside, written = "latents in latents.json", [out / f"{name}.wav" for name in names]
    print_files(out, written, f"sound, and its {beside}", f"sounds, and their {beside}")


def encode(run: Run, paths: Sequence[Path], out: Path, label: str | None, pitch: float | None, overwrite: bool) -> None:
    """Encode recordings into latent points."""
    from synthvae.exploration.latent_files import write_points
    from synthvae.exploration.recorded_sounds import encode_files, expand_folders
    from synthvae.training.sounds import SoundRun

    model, files = SoundRun(run), expand_folders(paths)
    condition = model.condition(1, label, pitch)
    with progress_bar("encoding", len(files), "sounds") as update:
        names, latents = encode_files(model, files, condition, lambda done: update(done, ""))
    write_points(out, run, names, latents, overwrite)
    print(f"{out}: latents of {counted(len(files), 'recording')}, {counted(run.latent_size, 'dimension')} each")


def are_recordings(route: Route, way: str | None) -> bool:
    """Whether all sounds are recordings, or numbers of a library that was given.

    Raises:
        UserError: if they are, and there is no such way between recorded sounds.
    """
    from synthvae.audio.files import AUDIO_ENDINGS
    from synthvae.core.checks import is_number
    from synthvae.data.library import is_library
    from synthvae.exploration.sound_morphs import check_way

    numbered = route.data is not None and is_library(route.data)
    endings = [Path(text).suffix.lower() for text in route.sounds if not (numbered and is_number(text))]
    if not all(ending in AUDIO_ENDINGS for ending in endings):
        return False
    if way is not None:
        check_way(way)
    return True


def morph(
    run: Run | None,
    route: Route,
    out: Path,
    level: float | None,
    sample_format: str,
    gap: float = 0.1,
    way: str | None = None,
) -> None:
    """Morph through sounds in equal steps by one of the ways between sounds, by default the first.

    Raises:
        UserError: for an unknown way, or ``latent`` without a run.
    """
    import torch

    from synthvae.audio.files import check_sample_format
    from synthvae.audio.joining import write_joined
    from synthvae.data.names import numbered
    from synthvae.exploration import sound_morphs
    from synthvae.exploration.recorded_sounds import find_sounds, read_sounds, write_levelled, write_sound_latents
    from synthvae.exploration.transport import Transport
    from synthvae.report.document import write_metrics_json
    from synthvae.training.sounds import SoundRun

    check_sample_format(sample_format)
    way = sound_morphs.SOUND_WAYS[0] if way is None else way
    sound_morphs.check_way(way)
    for argument, value in (("label", route.label), ("pitch", route.pitch)):
        if value is not None and way != "latent":
            raise UserError(argument, value, "leave it out", why=f"and {way} takes no label or pitch")
    model = None if run is None else SoundRun(run)
    if model is None:
        sources, rate = read_sounds(route.sounds, route.data, route.arguments)
    else:
        sources, rate = find_sounds(model, route.sounds, route.data, route.arguments), model.sample_rate
    lines = list[sound_morphs.LatentLine]()

    def path(first: NDArray[np.float32], second: NDArray[np.float32]) -> sound_morphs.SoundPath:
        if way == "transport":
            return Transport(first, second, rate)
        if way == sound_morphs.NULL:
            return sound_morphs.blend_in_decibels(first, second, rate)
        assert model is not None
        condition = model.condition(1, route.label, route.pitch)
        start, end = (model.encode(torch.from_numpy(sound)[None], condition) for sound in (first, second))
        samples = None if model.model.fixed_length else len(first)
        lines.append(sound_morphs.LatentLine(model, start, end, condition, samples))
        return lines[-1]

    with progress_bar("morphing", route.steps, "sounds") as update:
        found = sound_morphs.morph_sounds(sources, route.steps, rate, path, way, lambda done: update(done, ""))
    names = numbered("step", route.steps)
    written = write_levelled(out, rate, names, found.sounds, sample_format, level)
    write_joined(out / "joined.wav", written, rate, gap, sample_format)
    if model is not None and lines:
        places = [(min(int(at), len(lines) - 1), at) for at in found.positions.tolist()]
        write_sound_latents(out, model, names, torch.cat([lines[leg].latents(at - leg) for leg, at in places]))
    legs = [f"{first.name} to {second.name}" for first, second in itertools.pairwise(sources)]
    document = {
        "format": "synthvae-sound-morph",
        "version": 1,
        "way": way,
        "sounds": [source.name for source in sources],
        "positions": found.positions,
        "figures": dict(zip(legs, found.figures, strict=True)),
    }
    write_metrics_json(document, out / "morph.json")
    _print_figures(legs, found.figures)
    also = "latents in latents.json" if lines else "figures in morph.json"
    ends = f"from {sources[0].name} to {sources[-1].name}, {names[0]}.wav to {names[-1]}.wav"
    print(f"{out}: {route.steps} steps {ends}, joined.wav, and their {also}")


def _print_figures(legs: Sequence[str], figures: Sequence[Mapping[str, MorphFigures]]) -> None:
    def shown(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    rows = [
        (
            leg,
            name,
            shown(one.on_middle_series, ".2f"),
            shown(one.dip, ".1f"),
            shown(one.pitch_jump, ".0f") + (f" ({one.unpitched} without pitch)" if one.unpitched else ""),
            shown(one.even_jump, ".0f"),
            f"{one.unevenness:.2f}",
        )
        for leg, found in zip(legs, figures, strict=True)
        for name, one in found.items()
    ]
    heads = ("path", "way", "energy on middle series", "dip (LU)", "largest pitch jump (cents)", "even jump")
    print_table((*heads, "largest / mean step"), rows)
    print("blend, the mean of both ends in dB, is the null model; without a dip, ends of equal level give 0")


def _write(
    model: SoundRun,
    names: Sequence[str],
    latents: Tensor,
    condition: Tensor,
    out: Path,
    level: float | None,
    sample_format: str,
) -> None:
    from synthvae.exploration.recorded_sounds import decode_all, write_decoded

    sounds = decode_all(model, latents, condition)
    with progress_bar("decoding", len(names), "sounds") as update:
        write_decoded(out, model, names, latents, sounds, sample_format, level, lambda done: update(done, ""))
