"""``decode``, ``encode`` and ``interpolate``: convert between latent points and presets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthvae.cli.bank_output import print_files
from synthvae.cli.progress import progress_bar
from synthvae.core.errors import UserError, shown

__all__ = ["register"]

RunArgument = Annotated[Path, typer.Argument(help="A directory made with train.")]
OutOption = Annotated[Path, typer.Option(help="Output directory.")]
FormatOption = Annotated[str, typer.Option("--format", help="float (32 bit) or int16.")]

#: Of the names of two files in that of a third.
LONGEST_STEM = 80


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("decode")(decode)
    app.command("encode")(encode)
    app.command("interpolate")(interpolate)


def decode(
    run: RunArgument,
    out: OutOption = Path("sounds"),
    random: Annotated[int | None, typer.Option(help="Number of latent points to draw from the prior.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    z: Annotated[Path | None, typer.Option(help="JSON or CSV file of latents to decode, one per row.")] = None,
    sample_format: FormatOption = "float",
) -> None:
    """Decode latent points into presets (JSON) and sounds (WAV), named after descriptors of the sound.

    Example: `synthvae decode experiments/runs/first --random 8 --seed 1 --out sounds`
    """
    if (random is None) == (z is None):
        raise UserError("random", random, "give one of the two", why=f"and `z` is {shown(z)}")
    if random is not None and random < 1:
        raise UserError("random", random, "give at least 1")
    from synthvae import exploration
    from synthvae.core.checks import check_seed
    from synthvae.data.names import numbered
    from synthvae.training.run import load_run

    check_seed(seed)
    model = load_run(run, needs="parameters")
    if random is not None:
        latents = model.sample_latent(random, seed)
        origins: list[dict[str, object]] = [{"seed": seed}] * random
        stem = f"random_{seed}"
    elif z is not None:
        latents, known = exploration.read_latents(z, model)
        origins = [{"file": z.name, "name": name} for name in known] if known else [{"file": z.name}] * len(latents)
        stem = "latent"
    names = numbered(stem, len(latents), 4)
    with progress_bar("rendering", len(names)) as update:
        paths = exploration.decode_to_files(
            model, latents, names, out, origins, sample_format, lambda done: update(done, "")
        )
    print_files(out, paths, "sounds with their presets")


def encode(
    run: RunArgument,
    presets: Annotated[Path, typer.Argument(help="A preset's JSON file, or a directory of them.")],
    out: Annotated[Path, typer.Option(help="Output file (JSON), readable by decode --z.")] = Path("latents.json"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Overwrite an existing file.")] = False,
) -> None:
    """Encode presets into latent points.

    Example: `synthvae encode experiments/runs/first sounds --out latents.json`
    """
    from synthvae import exploration
    from synthvae.core.json import check_target
    from synthvae.data.preset import read_presets
    from synthvae.training.run import load_run

    check_target(out, overwrite)
    model = load_run(run, needs="parameters")
    found = read_presets(presets, model.parameters)
    exploration.write_latents(out, model, [path.stem for path, _ in found], [preset for _, preset in found])
    print(f"{out}: latents of {len(found)} presets, {model.latent_size} dimensions each")


def interpolate(
    run: RunArgument,
    start: Annotated[str, typer.Option("--from", help="Number of a preset of the dataset, or a preset's JSON file.")],
    end: Annotated[str, typer.Option("--to", help="Likewise.")],
    steps: Annotated[int, typer.Option(help="Number of sounds, both ends included.")] = 5,
    data: Annotated[Path | None, typer.Option(help="The dataset.  [default: the run's]")] = None,
    out: OutOption = Path("sounds"),
    sample_format: FormatOption = "float",
) -> None:
    """Interpolate linearly in the latent space from one preset to another.

    Example: `synthvae interpolate experiments/runs/first --from 12 --to 88 --steps 5 --out walk`
    """
    if steps < 2:
        raise UserError("steps", steps, "give at least 2")
    import torch

    from synthvae import exploration
    from synthvae.core.checks import is_number
    from synthvae.data.names import numbered
    from synthvae.training.run import load_run

    model = load_run(run, needs="parameters")
    chosen = (("start", start), ("end", end))
    ends = torch.stack([exploration.find_preset(model, text, data, argument) for argument, text in chosen])
    latents = exploration.straight_line(model.encode(ends), steps)
    stems = [text if is_number(text) else Path(text).stem[:LONGEST_STEM] for text in (start, end)]
    names = numbered(f"from_{stems[0]}_to_{stems[1]}_step", steps)
    with progress_bar("rendering", steps) as update:
        paths = exploration.decode_to_files(
            model,
            latents,
            names,
            out,
            [{"from": start, "to": end}] * steps,
            sample_format,
            lambda done: update(done, ""),
        )
    print_files(out, paths, "steps")
