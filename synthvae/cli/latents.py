"""``decode``, ``encode`` and ``interpolate``: convert between latent points and presets, or recorded sounds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from synthvae.cli import recorded_sounds
from synthvae.cli.bank_output import print_files
from synthvae.cli.common import (
    DEFAULT_RUN,
    PRESETS_OR_SOUNDS,
    FormatOption,
    LoudnessOption,
    RunArgument,
    open_run,
    parse_loudness,
    refuse_given,
)
from synthvae.cli.progress import progress_bar
from synthvae.cli.recorded_sounds import LabelOption, PitchOption
from synthvae.cli.sharding import AddressOption, LauncherOption, ShardOption, ShardsOption, in_shards
from synthvae.core.counts import counted
from synthvae.core.errors import UserError, shown

__all__ = ["register"]

OutOption = Annotated[Path, typer.Option(help="Output directory.")]

#: Default number of random draws.
DRAWS = 8
#: Largest length of a file name built from two others.
LONGEST_STEM = 80


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("decode")(decode)
    app.command("encode")(encode)
    app.command("interpolate")(interpolate)


def decode(
    run: RunArgument = None,
    out: OutOption = Path("sounds"),
    random: Annotated[
        int | None, typer.Option(help=f"Number of sounds to draw from the prior.  [default: {DRAWS}, without --z]")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    everything: Annotated[bool, typer.Option("--all", help="With --random: keep every draw, playable or not.")] = False,
    z: Annotated[Path | None, typer.Option(help="JSON or CSV file of latents to decode, one per row.")] = None,
    loudness: LoudnessOption = "-18",
    sample_format: FormatOption = "float",
    prior: recorded_sounds.PriorOption = None,
    near: recorded_sounds.NearOption = None,
    label: LabelOption = None,
    pitch: PitchOption = None,
) -> None:
    """Decode latent points into presets (JSON) and sounds (WAV), named after descriptors of the sound.

    Sounds include their release and are normalised to one loudness. Random presets are filtered to playable ones: at
    least -40 LUFS, spectral centroid from 80 to 4,000 Hz, pitched or percussive; files are numbered by draw.

    A run on recorded sounds writes only sounds, and their latents to latents.json, which --z accepts.

    Example: `synthvae decode experiments/runs/first --random 8 --seed 1 --out sounds`
    """
    if random is not None and z is not None:
        raise UserError("random", random, "give one of the two", why=f"and `z` is {shown(z)}")
    if everything and z is not None:
        raise UserError("everything", True, "leave it out", why="and `z` names the latents to decode")
    if random is not None and random < 1:
        raise UserError("random", random, "give at least 1")
    level = parse_loudness(loudness)
    from synthvae import exploration
    from synthvae.audio.files import check_sample_format
    from synthvae.core.checks import check_seed
    from synthvae.data.names import numbered

    check_sample_format(sample_format)
    check_seed(seed)
    model = open_run(run, PRESETS_OR_SOUNDS)
    if "parameters" not in model.task.abilities:
        refuse_given(model, everything=everything)
        how = recorded_sounds.Decoding(random or DRAWS, seed, z, near, prior, label, pitch)
        recorded_sounds.decode(model, how, out, level, sample_format)
        return
    refuse_given(model, prior=prior, near=near, label=label, pitch=pitch)
    left_out: Mapping[str, int] = {}
    if z is not None:
        latents, known = exploration.read_latents(z, model)
        origins = [{"file": z.name, "name": name} for name in known] if known else [{"file": z.name}] * len(latents)
        presets = exploration.decoded_presets(model, latents, origins)
        names = numbered("latent", len(latents), 4)
    else:
        count = random or DRAWS
        with progress_bar("finding playable sounds", count, "sounds") as update:
            drawn = exploration.draw_presets(model, count, seed, everything, lambda done: update(done, ""))
        presets, left_out = drawn.presets, drawn.left_out
        names = [f"random_{seed}_{number:04d}" for number in drawn.numbers]
    with progress_bar("rendering", len(names), "sounds") as update:
        paths = exploration.write_listening(out, names, presets, sample_format, level, lambda done: update(done, ""))
    if left_out:
        others = sum(left_out.values())
        print(
            f"left out {others:,} of {counted(others + len(paths), 'draw')} as not playable: "
            f"{exploration.why_left_out(left_out)} (--all takes every draw)"
        )
    print_files(out, paths, "sound with its preset", "sounds with their presets")


def encode(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="[RUN] PRESETS",
            help=f"A directory made with train (default: {DEFAULT_RUN}), and a preset's JSON file or a "
            "directory of them; with a run on recorded sounds, recordings or directories of them.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Output file (JSON), readable by decode --z.")] = Path("latents.json"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Overwrite an existing file.")] = False,
    label: LabelOption = None,
    pitch: PitchOption = None,
    shard: ShardOption = None,
    launcher: LauncherOption = None,
    shards: ShardsOption = None,
    address: AddressOption = None,
) -> None:
    """Encode presets into latent points, or recordings with a run on recorded sounds.

    Example: `synthvae encode experiments/runs/first sounds --out latents.json`

    Example: `synthvae encode experiments/runs/drums kick.wav snare.wav --out latents.json`
    """
    from synthvae import exploration
    from synthvae.core.json import check_target
    from synthvae.data.preset import read_presets
    from synthvae.training.spaces import find_space

    check_target(out, overwrite)
    named = len(paths) > 1 and ((paths[0] / "run.json").is_file() or find_space(str(paths[0])) is not None)
    model = open_run(paths[0] if named else None, PRESETS_OR_SOUNDS)
    given = paths[1:] if named else paths
    of_presets, in_parts = "parameters" in model.task.abilities, any((shard, launcher, shards, address))
    if of_presets:
        refuse_given(model, label=label, pitch=pitch)
    if len(given) > 1 and (of_presets or in_parts):
        raise UserError("encode", len(paths), "give one run and one file or directory", counted(len(paths), "path"))
    if in_parts:
        from synthvae.scale.works import EncodeWork

        work = EncodeWork(str(out), str(model.path), model.weights_hash, str(given[0]), label, pitch)
        in_shards(work, "presets" if of_presets else "sounds", shard, launcher, shards, address, overwrite)
        return
    if not of_presets:
        recorded_sounds.encode(model, given, out, label, pitch, overwrite)
        return
    found = read_presets(given[0], model.parameters)
    names, presets = [path.stem for path, _ in found], [preset for _, preset in found]
    exploration.write_latents(out, model, names, presets, overwrite)
    print(f"{out}: latents of {counted(len(found), 'preset')}, {counted(model.latent_size, 'dimension')} each")


def interpolate(
    start: Annotated[
        str,
        typer.Option(
            "--from",
            help="Preset: number in the dataset or JSON file. Recorded sound: number in the library or audio file.",
        ),
    ],
    end: Annotated[str, typer.Option("--to", help="End point, in the same forms.")],
    run: RunArgument = None,
    steps: Annotated[int, typer.Option(help="Number of sounds, both ends included.")] = 5,
    data: Annotated[Path | None, typer.Option(help="The dataset.  [default: the run's]")] = None,
    out: OutOption = Path("interpolation"),
    loudness: LoudnessOption = "-18",
    sample_format: FormatOption = "float",
    label: LabelOption = None,
    pitch: PitchOption = None,
) -> None:
    """Interpolate linearly in the latent space from one preset to another, or from one recorded sound to another.

    Sounds include their release and are normalised to one loudness.

    Example: `synthvae interpolate experiments/runs/first --from 12 --to 88 --steps 5 --out walk`
    """
    if steps < 2:
        raise UserError("steps", steps, "give at least 2")
    level = parse_loudness(loudness)
    import torch

    from synthvae import exploration
    from synthvae.core.checks import is_number
    from synthvae.data.names import numbered

    model = open_run(run, PRESETS_OR_SOUNDS)
    if "parameters" not in model.task.abilities:
        path = recorded_sounds.Route((start, end), ("start", "end"), steps, data, label, pitch)
        recorded_sounds.morph(model, path, out, level, sample_format, way="latent")
        return
    refuse_given(model, label=label, pitch=pitch)
    chosen = (("start", start), ("end", end))
    ends = torch.stack([exploration.find_preset(model, text, data, argument) for argument, text in chosen])
    latents = exploration.straight_line(model.encode(ends), steps)
    stems = [text if is_number(text) else Path(text).stem[:LONGEST_STEM] for text in (start, end)]
    names = numbered(f"from_{stems[0]}_to_{stems[1]}_step", steps)
    presets = exploration.decoded_presets(model, latents, [{"from": start, "to": end}] * steps)
    with progress_bar("rendering", steps, "sounds") as update:
        paths = exploration.write_listening(out, names, presets, sample_format, level, lambda done: update(done, ""))
    print_files(out, paths, "step", "steps")
