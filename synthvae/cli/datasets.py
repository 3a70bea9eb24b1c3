"""``generate-dataset``, ``render`` and ``metric``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthvae.cli.bank_output import print_files
from synthvae.cli.progress import progress_bar
from synthvae.cli.sharding import AddressOption, LauncherOption, ShardOption, ShardsOption, in_shards
from synthvae.core.counts import counted
from synthvae.core.errors import UserError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("generate-dataset")(generate_dataset)
    app.command("render")(render)
    app.command("metric")(metric)


def generate_dataset(
    size: Annotated[int, typer.Option(help="Number of presets.")] = 140_000,
    seed: Annotated[int, typer.Option(help="Random seed; preset i depends on the seed and i alone.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Output file: JSON, or Parquet if the name ends in .parquet (required above 1,000,000 presets).  "
            "[default: datasets/presets.json, or presets.parquet above 1,000,000]"
        ),
    ] = None,
    splits: Annotated[
        str | None, typer.Option(help="Presets for train, validation and test.  [default: 5/7, 1/7, 1/7 of the size]")
    ] = None,
    synth: Annotated[str | None, typer.Option(help="Synthesizer of the presets.  [default: torchsynth.Voice]")] = None,
    parameters: Annotated[
        int | None,
        typer.Option(help="Number of parameters; for the Voice 63 (the thesis's set) or 78 (all).  [default: 63]"),
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            help="Distribution of the parameters. uniform: in torchsynth's normalised, curved units. uniform-human: in "
            "seconds, Hz, ... synth1b1: the presets of torchsynth's synth1B1 dataset."
        ),
    ] = "uniform",
    sample_rate: Annotated[int, typer.Option(help="Sample rate at which the presets are rendered, in Hz.")] = 44100,
    seconds: Annotated[float, typer.Option(help="Duration of the sounds, in seconds.")] = 1.0,
    control_rate: Annotated[int, typer.Option(help="Control rate of envelopes and LFOs, in Hz.")] = 441,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Overwrite an existing file.")] = False,
    shard: ShardOption = None,
    launcher: LauncherOption = None,
    shards: ShardsOption = None,
    address: AddressOption = None,
) -> None:
    """Draw random presets and write them to one file.

    Example: `synthvae generate-dataset --size 140000 --seed 0 --out datasets/presets.json`

    Resumable: `synthvae generate-dataset --size 10000000 --out large.parquet --launcher local --shards 20`
    """
    from synthvae.core.json import check_target
    from synthvae.data import generation
    from synthvae.synths.registry import DEFAULT, synth_kind
    from synthvae.synths.settings import RenderSettings

    out = generation.dataset_path(out, size)
    kind = synth_kind(synth or DEFAULT)
    space, settings = kind.space(parameters), RenderSettings(sample_rate, seconds, control_rate, kind.name)
    generation.plan_dataset(out, space, size, seed, source, splits, settings)
    check_target(out, overwrite)
    if any((shard, launcher, shards, address)):
        from synthvae.scale.works import GenerateWork

        how = (size, seed, source, splits, kind.name, parameters, sample_rate, seconds, control_rate)
        in_shards(GenerateWork(str(out), *how), "presets", shard, launcher, shards, address, overwrite)
        return
    with progress_bar("drawing", size, "presets") as update:
        header = generation.generate_dataset(
            out,
            space,
            size,
            seed,
            source,
            splits,
            settings,
            lambda done: update(done, ""),
            overwrite,
        )
    print(generation.describe_dataset(out, header))


def render(
    dataset: Annotated[Path, typer.Argument(help="A dataset made with generate-dataset.")],
    index: Annotated[str, typer.Option(help="Preset numbers, comma-separated; ranges like 3-7.")],
    out: Annotated[Path, typer.Option(help="Output directory.")],
    sample_format: Annotated[str, typer.Option("--format", help="float (32 bit) or int16.")] = "float",
    shard: ShardOption = None,
    launcher: LauncherOption = None,
    shards: ShardsOption = None,
    address: AddressOption = None,
) -> None:
    """Render presets of a dataset to WAV files, each with its JSON; files are named after the sound's descriptors.

    Example: `synthvae render datasets/presets.json --index 3,17 --out sounds`
    """
    from synthvae.audio.files import check_sample_format
    from synthvae.core.files import ensure_directory
    from synthvae.data import writing
    from synthvae.data.presets import read_dataset
    from synthvae.naming import name_sounds
    from synthvae.synths.rendering import build_synth

    check_sample_format(sample_format)
    data = read_dataset(dataset)
    numbers = writing.parse_indices(index, len(data), str(dataset))
    if any((shard, launcher, shards, address)):
        from synthvae.scale.works import RenderWork

        work = RenderWork(str(out), str(dataset), data.hash, index, sample_format)
        in_shards(work, "sounds", shard, launcher, shards, address)
        return
    ensure_directory(out)
    voice = build_synth(data.parameters, data.header.settings)
    names, presets = writing.numbered_presets(data, numbers, max(numbers))
    with progress_bar("rendering", len(numbers), "sounds") as update:
        paths = writing.write_sounds(
            out, names, presets, voice, sample_format, lambda done: update(done, ""), name_sounds
        )
    print_files(out, paths, "sound with its preset", "sounds with their presets")


def metric(
    dataset: Annotated[Path, typer.Argument(help="A dataset made with generate-dataset.")],
    feature: Annotated[str, typer.Option(help="Feature that is differentiated: logmel, stft, mfcc or cqt.")] = "logmel",
    limit: Annotated[int, typer.Option(help="Maximum number of training presets to average over.")] = 2000,
    keep: Annotated[int, typer.Option(help="Number of single-preset matrices to store.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Compute it again if it exists.")] = False,
    shard: ShardOption = None,
    launcher: LauncherOption = None,
    shards: ShardsOption = None,
    address: AddressOption = None,
) -> None:
    """Measure the sensitivity of the sound to each parameter.

    Two measures: the perceptual metric, local slopes from the synth's Jacobian, and the effect of each parameter over
    its whole range. Writes the metric beside the dataset, with a table (CSV) and a figure (PNG) of both. After an
    interruption, the same command continues.

    Example: `synthvae metric datasets/presets.json --limit 2000`
    """
    if limit < 2:
        raise UserError("limit", limit, "give at least 2 presets")
    if keep < 0:
        raise UserError("keep", keep, "give 0 or more")
    from synthvae.core.json import check_target
    from synthvae.data.presets import read_dataset
    from synthvae.features import build_feature
    from synthvae.report.sensitivity import write_sensitivity
    from synthvae.synths import sensitivity
    from synthvae.synths.rendering import build_synth

    data = read_dataset(dataset)
    path = sensitivity.metric_path(dataset, feature)
    measured = build_feature(feature, data.header.settings.sample_rate)
    names, result = data.parameters.names, None
    if any((shard, launcher, shards, address)):
        from synthvae.scale.works import MetricWork

        work = MetricWork(str(path), str(dataset), data.hash, feature, limit, keep)
        in_shards(work, "parameters and batches", shard, launcher, shards, address, overwrite)
        return
    check_target(path, overwrite=True, argument="dataset")  # its name may be too long
    if path.exists() and not overwrite:
        if path.with_suffix(".csv").exists() and path.with_suffix(".png").exists():
            raise UserError(path, path, "add `overwrite` to compute it again", "exists")
        result = sensitivity.read_metric(path)  # interrupted before its table or its figure was there
        if result.dataset_hash != data.hash:
            raise UserError(path, path, "add `overwrite` to compute it again", "of another dataset")
    if result is None:
        voice = build_synth(data.parameters, data.header.settings)
        count = min(limit, len(data.indices("train")))
        with progress_bar("measuring total effects", len(names), "parameters") as update:
            effect = sensitivity.effect_on_dataset(voice, measured, data, lambda done: update(done, ""))
        with progress_bar("measuring slopes", count, "presets") as update:
            result = sensitivity.compute_metric(
                voice, measured, data, effect, limit, keep, path.with_suffix(".part"), lambda done: update(done, "")
            )
        sensitivity.write_metric(path, result)
    write_sensitivity(path, names, result)
    changes = result.effect.sqrt().numpy()
    order = changes.argsort()[::-1]
    print(f"{path}: the metric of {counted(result.count, 'preset')}; a table and a figure are in the same directory")
    pairs = min(sensitivity.EFFECT_PRESETS, len(data.indices("train")))
    print(f"most audible when exchanged alone ({counted(pairs, 'preset')}, root mean square change):")
    for i in order[:5]:
        print(f"  {names[i]:32} {changes[i]:6.3g} {'dB' if feature == 'logmel' else feature}")
