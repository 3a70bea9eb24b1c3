"""A trained run as a space: weights, audio encoder and precomputed map in one folder, with a model card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import torch

from synthvae import __version__
from synthvae.core.checks import check_seed
from synthvae.core.errors import UserError
from synthvae.core.files import (
    PREVIOUS,
    atomic_write,
    ensure_directory,
    load_tensors,
    replace_directory,
    save_tensors,
    staging_folder,
)
from synthvae.core.provenance import versions
from synthvae.core.store import Store
from synthvae.data.generation import generate_dataset
from synthvae.data.presets import Dataset, read_dataset
from synthvae.maps.nearest import Atlas
from synthvae.matching.starts import encoder_of
from synthvae.models.audio_encoder import ENCODER_FILE
from synthvae.report.html import render_template
from synthvae.studio.maps import make_views
from synthvae.studio.measured import measure_parts
from synthvae.studio.packing import MAP, pack_map
from synthvae.studio.serve import MOST, open_session
from synthvae.training.quality import Quality, QualityMeter
from synthvae.training.run import WEIGHTS, Run, load_run
from synthvae.training.spaces import is_space, write_manifest
from synthvae.training.tasks.audio_encoder import EncoderReport, measure_encoder

__all__ = ["CARD", "STEPS", "Figures", "Packed", "pack_space"]

CARD = "README.md"
#: The card's figures, for programs.
FIGURES = "figures.json"
#: Presets of the map that the figures are measured on: as many as of a dataset's test split in the report.
JUDGED = 2000
#: What the map takes beside the presets' share, as steps of the progress.
STEPS = 5


@dataclass(frozen=True)
class Figures:
    """Figures of a space's model card.

    Attributes:
        quality: quality of the reconstructions of presets that it was not trained on.
        presets: how many of them.
        encoder: quality of the audio encoder, beside what it could reach and its nulls; None where there is none.
        atlas: the map of the sound layout, with its audible distances.
        regions: regions of that map.
        named: those with a name that is true of most of their members.
        playable: sounds on it that are playable.
    """

    quality: Quality
    presets: int
    encoder: EncoderReport | None
    atlas: Atlas
    regions: int
    named: int
    playable: int


@dataclass(frozen=True)
class Packed:
    """A space that was packed.

    Attributes:
        path: its folder.
        figures: figures of its model card.
        size: size of all files in bytes.
    """

    path: Path
    figures: Figures
    size: int


def pack_space(
    run: Run,
    out: Path,
    presets: int = MOST,
    seed: int = 1,
    how: str = "",
    overwrite: bool = False,
    progress: Callable[[int, str], object] = lambda done, what: None,
) -> Packed:
    """Write a run as a space; the folder appears only when it is complete.

    The map shows uniform presets that are drawn anew, which the run was not trained on; not they but their seed is
    written. Weights and encoder are written as float16, the figures are measured with what is written.

    Args:
        run: run to be packed.
        out: the folder, which is not there yet or is a space, that is replaced.
        presets: number of presets on the map.
        seed: seed of their draw; not the one of the run's dataset.
        how: the command that makes the space again, for its card.
        overwrite: replace a space also where the new figures do not agree with its own.
        progress: called with steps done, of `STEPS`, and what is being done.

    Raises:
        UserError: if there are too few presets, the seed is that of the training, the folder is something else or
            cannot be written, or the space in it has figures with which the new ones do not agree.
    """
    check_seed(seed)
    if not 4 <= presets <= MOST:
        raise UserError("presets", presets, f"give 4 to {MOST}, which is what a map shows")
    if run.dataset_origin.get("seed") == seed and run.dataset_origin.get("source") == "uniform":
        raise UserError("seed", seed, "choose another", f"the presets that {run.path} was trained on have this one")
    if out.exists() and not is_space(out):
        raise UserError("out", out, "choose a folder that is not there yet, or a space", "is no space")
    if out.is_symlink():
        out = out.resolve()  # what it points to is replaced, not the link
    ensure_directory(out.parent)
    with staging_folder(out) as stage:
        folder, cache = stage / out.name, stage / "cache"
        folder.mkdir()
        progress(0, "weights")
        dataset = _draw(run, cache, presets, seed)
        packed = _write_model(run, folder, dataset)
        figures = _write_map(packed, dataset, folder, cache, progress)
        if out.exists() and not overwrite:
            _require_agreement(out / FIGURES, figures)
        atomic_write(folder / FIGURES, json.dumps(_figures(figures), indent=1) + "\n")
        sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        atomic_write(folder / CARD, _card(packed, dataset, figures, how, sizes))
        write_manifest(folder)
        if out.exists():
            replace_directory(folder, out, stage / PREVIOUS)
        else:
            folder.rename(out)
    return Packed(out, figures, sum(path.stat().st_size for path in out.iterdir()))


def _draw(run: Run, cache: Path, presets: int, seed: int) -> Dataset:
    path = cache / "presets.json"
    generate_dataset(path, run.parameters, presets, seed, settings=run.settings)
    return read_dataset(path)


def _write_model(run: Run, folder: Path, dataset: Dataset) -> Run:
    """Write weights, encoder and description, and return the run as it will be read."""
    weights, state = load_tensors(run.path / WEIGHTS)
    save_tensors(folder / WEIGHTS, {name: _half(tensor) for name, tensor in weights.items()}, state)
    if (run.path / ENCODER_FILE).is_file():
        tensors, state = load_tensors(run.path / ENCODER_FILE)
        digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
        halves = {name: _half(tensor) for name, tensor in tensors.items()}
        save_tensors(folder / ENCODER_FILE, halves, {**state, "weights_hash": digest})
    header = dataset.header
    drawn = {"source": header.source, "seed": header.seed, "size": header.size, "hash": dataset.hash}
    config = dict(run.description["config"])
    config["data"] = Path(config["data"]).name  # not where it lies on this machine
    description = {**run.description, "config": config, "presets": drawn}
    atomic_write(folder / "run.json", json.dumps(description, indent=1) + "\n")
    return load_run(folder, needs="parameters")


def _half(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor


def _write_map(run: Run, dataset: Dataset, folder: Path, cache: Path, tell: Callable[[int, str], object]) -> Figures:
    """Make the map as the studio does, pack it, and measure."""
    tell(1, "reconstructions")
    judged = dataset.units(range(len(dataset))[:JUDGED])
    with torch.inference_mode():
        quality = QualityMeter(run.voice, judged).measure(run.decode(run.encode(judged)))
    session = open_session(run.path, dataset.path, cache / "bank.sqlite", cache=cache)
    try:
        tell(2, "sound layout")
        make_views(session.source, session.collection, "sound", Store(cache))
        session.maps.ready()  # makes the view of latents as well, which is there at once
        tell(3, "descriptors and names")
        measure_parts(session.source, session.collection, cache, (0, 1))
        tell(4, "figures")
        atlas, clusters = session.view("sound"), session.maps.clusters()
        assert clusters is not None
        names = session.cluster_names(clusters)
        playable = int(session.measured.playable().sum())
    finally:
        session.close()
    pack_map(cache, folder / MAP)
    return Figures(quality, len(judged), _encoder(run), atlas, len(names), sum(map(bool, names)), playable)


def _encoder(run: Run) -> EncoderReport | None:
    """Figures of the audio encoder as it was packed."""
    encoder = encoder_of(run)
    if encoder is None:
        return None
    return measure_encoder(run, encoder, int(load_tensors(run.path / ENCODER_FILE)[1]["presets"]))


def _require_agreement(path: Path, found: Figures) -> None:
    """Refuse figures outside the confidence intervals of an existing space.

    Raises:
        UserError: naming the first of them.
    """
    try:
        before = orjson.loads(path.read_bytes())["log_mel_error"]
        intervals = {null: (float(before[null]["low"]), float(before[null]["high"])) for null in before}
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise UserError(path, path, "give `overwrite` to replace the space", "cannot be read") from None
    for null, (low, high) in intervals.items():
        value = getattr(found.quality, null).value
        if not low <= value <= high:
            raise UserError(
                "out",
                path.parent,
                "give `overwrite` to replace it, or pack into another folder",
                f"its log-mel error is {low:.4f} to {high:.4f} relative to the {null.replace('_', ' ')}, that of the "
                f"new one {value:.4f}",
            )


def _figures(found: Figures) -> dict[str, Any]:
    """The figures as JSON holds them."""
    atlas = found.atlas
    return {
        "presets": found.presets,
        "log_mel_error": {
            null: {"ratio": ratio.value, "low": ratio.low, "high": ratio.high}
            for null, ratio in (
                ("mean_preset", found.quality.mean_preset),
                ("mean_spectrogram", found.quality.mean_spectrogram),
            )
        },
        "encoder": found.encoder
        and {
            "presets": found.encoder.presets,
            "explained": found.encoder.explained.tolist(),
            **{
                name: getattr(found.encoder, name) for name in ("distance", "of_latents", "of_mean_preset", "of_random")
            },
        },
        "map": {
            "sounds": len(atlas.points),
            "playable": found.playable,
            "regions": found.regions,
            "named": found.named,
            **{name: getattr(atlas, name) for name in ("neighbour", "snapped", "null")},
        },
    }


def _card(run: Run, dataset: Dataset, figures: Figures, how: str, sizes: Mapping[str, int]) -> str:
    """The model card."""
    return render_template(
        "synthvae.spaces",
        "card.md",
        {},
        title=run.path.name,
        run=run,
        config=run.description["config"],
        settings="\n".join(f"    {key} = {value}" for key, value in sorted(run.description["config"].items())),
        dataset=dataset.header,
        figures=figures,
        how=how,
        sizes=sizes,
        versions=versions(),
        version=__version__,
    )
