"""Sharded commands: what a shard contains, and how shards are joined."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save

from synthvae.core.counts import counted
from synthvae.core.errors import UserError
from synthvae.core.files import atomic_write, ensure_directory, temporary_folder
from synthvae.core.shards import Progress, ShardFolder, Work
from synthvae.data import generation, writing
from synthvae.data.importing import PlannedImport, plan_import
from synthvae.data.library_writing import Entry, Sound, build_library, check_library_target
from synthvae.data.preset import Preset, read_presets, units
from synthvae.data.presets import Dataset, DatasetHeader, read_dataset, write_dataset
from synthvae.data.rows import CHUNK
from synthvae.experiments import runner
from synthvae.experiments.cases import scale_label, select_cases
from synthvae.experiments.recorded_sounds import plan_sounds, select_sounds, train_sounds
from synthvae.exploration import latent_files, recorded_sounds
from synthvae.features import build_feature
from synthvae.naming import name_sounds
from synthvae.report.sensitivity import write_sensitivity
from synthvae.synths import sensitivity
from synthvae.synths.registry import synth_kind
from synthvae.synths.rendering import build_synth
from synthvae.synths.settings import RenderSettings
from synthvae.training.run import Run, load_run
from synthvae.training.sounds import SoundRun
from synthvae.training.tasks.base import PARAMETERS

__all__ = ["WORKS", "EncodeWork", "ExperimentWork", "GenerateWork", "ImportWork", "MetricWork", "RenderWork", "work_of"]


@dataclass(frozen=True)
class GenerateWork(Work):
    """``generate-dataset``: an item is a preset, a shard an array of them in NumPy's format."""

    name: ClassVar[str] = "generate-dataset"
    out: str
    size: int
    seed: int
    source: str
    splits: str | None
    synth: str
    parameters: int | None
    sample_rate: int
    seconds: float
    control_rate: int

    @cached_property
    def header(self) -> DatasetHeader:
        """Of the dataset."""
        settings = RenderSettings(self.sample_rate, self.seconds, self.control_rate, self.synth)
        space = synth_kind(self.synth).space(self.parameters)
        return generation.plan_dataset(Path(self.out), space, self.size, self.seed, self.source, self.splits, settings)

    @property
    def items(self) -> int:
        """Presets."""
        return self.header.size

    def make(self, items: range, file: BinaryIO, progress: Progress) -> None:
        """Draw them."""
        shape = len(items), len(self.header.parameters)
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
        for start in range(0, len(items), CHUNK):
            part = items[start : start + CHUNK]
            drawn = generation.draw_presets(self.header.parameters, self.source, self.seed, part.start, len(part))
            file.write(np.ascontiguousarray(drawn, "<f8").data)
            progress(start + len(part))

    def join(self, shards: Sequence[Path], overwrite: bool, progress: Progress) -> str:
        """Write the dataset, whose bytes do not depend on the shards."""
        path = Path(self.out)

        def rows() -> Iterator[NDArray[np.float64]]:
            done = 0
            for shard in shards:
                with shard.open("rb") as file:
                    np.lib.format.read_magic(file)
                    (count, width), _, _ = np.lib.format.read_array_header_1_0(file)
                    for start in range(0, count, CHUNK):
                        part = np.fromfile(file, "<f8", min(CHUNK, count - start) * width)
                        yield part.reshape(-1, width)
                        done += min(CHUNK, count - start)
                        progress(done)

        write_dataset(path, self.header, rows(), overwrite)
        return generation.describe_dataset(path, self.header)


class _OfDataset(Work):
    """Work on a dataset, which has to be the same for every shard."""

    dataset: str
    dataset_hash: str

    @cached_property
    def data(self) -> Dataset:
        """The dataset.

        Raises:
            UserError: if it is not the dataset that the work was started with.
        """
        data = read_dataset(Path(self.dataset))
        if data.hash != self.dataset_hash:
            remedy = f"restore the dataset {self.dataset_hash}, or remove the shards"
            raise UserError(data.path, data.hash, remedy, why="not the dataset that the shards were begun with")
        return data


@dataclass(frozen=True)
class RenderWork(_OfDataset):
    """``render``: an item is a sound, a shard a tar file of sounds and their presets."""

    name: ClassVar[str] = "render"
    out: str
    dataset: str
    dataset_hash: str
    index: str
    sample_format: str

    @cached_property
    def numbers(self) -> list[int]:
        """Of the presets."""
        return writing.parse_indices(self.index, len(self.data), self.dataset)

    @property
    def items(self) -> int:
        """Sounds."""
        return len(self.numbers)

    def check_out(self, overwrite: bool) -> None:
        """Files of a folder are replaced, as without shards."""

    def write(self, directory: Path, items: range, progress: Progress = lambda done: None) -> list[Path]:
        """Write sounds and their presets as files, and return the former."""
        data, chosen = self.data, [self.numbers[item] for item in items]
        names, presets = writing.numbered_presets(data, chosen, max(self.numbers))
        voice = build_synth(data.parameters, data.header.settings)
        return writing.write_sounds(directory, names, presets, voice, self.sample_format, progress, name_sounds)

    def make(self, items: range, file: BinaryIO, progress: Progress) -> None:
        """Render them, some at a time."""
        with tarfile.open(fileobj=file, mode="w") as archive:
            for start in range(0, len(items), 64):
                with tempfile.TemporaryDirectory(dir=temporary_folder()) as folder:
                    part = items[start : start + 64]
                    for sound in self.write(Path(folder), part):
                        for path in (sound, sound.with_suffix(".json")):
                            archive.addfile(_entry(path), io.BytesIO(path.read_bytes()))
                progress(start + len(part))

    def join(self, shards: Sequence[Path], overwrite: bool, progress: Progress) -> str:
        """Unpack them, each file whole or not at all."""
        out = ensure_directory(Path(self.out))
        for done, shard in enumerate(shards, 1):
            with tarfile.open(shard) as archive:
                for entry in archive:
                    content = archive.extractfile(entry)
                    if content is None or Path(entry.name).name != entry.name:
                        raise UserError(
                            shard, entry.name, "make the shard again", "is no file of a sound or its preset"
                        )
                    atomic_write(out / entry.name, content.read())
            progress(self.items * done // len(shards))
        return f"{out}: {counted(self.items, 'sound with its preset', 'sounds with their presets')}"


def _entry(path: Path) -> tarfile.TarInfo:
    """A tar member without time and owner, so that its bytes are reproducible."""
    entry = tarfile.TarInfo(path.name)
    entry.size, entry.mode = path.stat().st_size, 0o644
    return entry


@dataclass(frozen=True)
class MetricWork(_OfDataset):
    """``metric``: items are the parameters, whose effects are measured, and then batches of training presets.

    A shard holds the effects, and the matrix of every preset, so that they are summed in one order.
    """

    name: ClassVar[str] = "metric"
    out: str
    dataset: str
    dataset_hash: str
    feature: str
    limit: int
    keep: int

    @property
    def _width(self) -> int:
        return len(self.data.parameters)

    @property
    def _presets(self) -> int:
        return min(self.limit, len(self.data.indices("train")))

    @property
    def items(self) -> int:
        """Parameters and batches."""
        return self._width - (-self._presets // sensitivity.METRIC_BATCH)

    def make(self, items: range, file: BinaryIO, progress: Progress) -> None:
        """Measure them."""
        data, size = self.data, sensitivity.METRIC_BATCH
        voice, feature = (
            build_synth(data.parameters, data.header.settings),
            build_feature(self.feature, data.header.settings.sample_rate),
        )
        columns = range(min(items.start, self._width), min(items.stop, self._width))
        effect = torch.empty(0, dtype=torch.float64)
        if columns:
            effect = sensitivity.effect_on_dataset(voice, feature, data, progress, columns)
        done, single = len(columns), []
        for batch in range(max(items.start - self._width, 0), max(items.stop - self._width, 0)):
            first, end = batch * size, min((batch + 1) * size, self._presets)
            start = data.indices("train").start
            unit = data.units(range(start + first, start + end))
            single.append(sensitivity.metric_of_presets(voice, feature, data, unit, first))
            done += 1
            progress(done)
        matrices = torch.cat(single) if single else torch.empty(0, self._width, self._width)
        file.write(save({"effect": effect.contiguous(), "matrices": matrices.contiguous()}))

    def join(self, shards: Sequence[Path], overwrite: bool, progress: Progress) -> str:
        """Sum them in the order of the presets, as it is done without shards."""
        effect = torch.cat([load_file(shard)["effect"] for shard in shards])
        pending, following = torch.empty(0, self._width, self._width), iter(shards)

        def matrices(first: int, end: int) -> torch.Tensor:
            nonlocal pending
            while len(pending) < end - first:
                pending = torch.cat([pending, load_file(next(following))["matrices"]])
            part, pending = pending[: end - first], pending[end - first :]
            return part

        feature = build_feature(self.feature, self.data.header.settings.sample_rate)
        metric = sensitivity.compute_metric(
            None, feature, self.data, effect, self.limit, self.keep, None, lambda done: None, matrices
        )
        sensitivity.write_metric(Path(self.out), metric)
        write_sensitivity(Path(self.out), self.data.parameters.names, metric)
        progress(self.items)
        measured = counted(metric.count, "preset")
        return f"{self.out}: the metric of {measured}; a table and a figure are in the same directory"


@dataclass(frozen=True)
class EncodeWork(Work):
    """``encode``: an item is a preset, or a recording with a run on recorded sounds; a shard holds their latents."""

    name: ClassVar[str] = "encode"
    out: str
    run: str
    weights_hash: str
    inputs: str
    label: str | None = None
    pitch: float | None = None

    @cached_property
    def _run(self) -> Run:
        run = load_run(Path(self.run))
        if run.weights_hash != self.weights_hash:
            remedy = f"restore the weights {self.weights_hash}, or remove the shards"
            raise UserError(run.path, run.weights_hash, remedy, why="not the run that the shards were begun with")
        return run

    @cached_property
    def _presets(self) -> list[tuple[Path, Preset]] | None:
        """The presets; None where the run is on recorded sounds."""
        abilities = self._run.task.abilities
        return read_presets(Path(self.inputs), self._run.parameters) if PARAMETERS in abilities else None

    @cached_property
    def _files(self) -> list[Path]:
        return recorded_sounds.expand_folders([Path(self.inputs)])

    @property
    def items(self) -> int:
        """Number of presets or recordings."""
        return len(self._files if self._presets is None else self._presets)

    def make(self, items: range, file: BinaryIO, progress: Progress) -> None:
        """Encode them."""
        chosen = slice(items.start, items.stop)
        if self._presets is None:
            model = SoundRun(self._run)
            condition = model.condition(1, self.label, self.pitch)
            names, points = recorded_sounds.encode_files(model, self._files[chosen], condition, progress)
        else:
            names = [path.stem for path, _ in self._presets[chosen]]
            points = self._run.encode(units([preset for _, preset in self._presets[chosen]]))
        file.write(save({"points": points.contiguous()}, metadata={"names": json.dumps(names)}))
        progress(len(items))

    def join(self, shards: Sequence[Path], overwrite: bool, progress: Progress) -> str:
        """Write the latents in the order of the inputs."""
        from safetensors import safe_open

        points, names = [], list[str]()
        for shard in shards:
            with safe_open(shard, framework="pt") as file:
                points.append(file.get_tensor("points"))
                names += json.loads(file.metadata()["names"])
        latent_files.write_points(Path(self.out), self._run, names, torch.cat(points))
        progress(self.items)
        encoded = counted(self.items, "recording" if self._presets is None else "preset")
        return f"{self.out}: latents of {encoded}, {counted(self._run.latent_size, 'dimension')} each"


@dataclass(frozen=True)
class ImportWork(Work):
    """``import-library``: an item is a file, a shard the sounds read from files, or the reason for skipping them."""

    name: ClassVar[str] = "import-library"
    out: str
    folder: str
    seconds: float
    sample_rate: int
    overlap: float | None
    shortest: float
    split: str
    labels: str | None
    seed: int

    @cached_property
    def planned(self) -> PlannedImport:
        """What is imported."""
        labels = None if self.labels is None else Path(self.labels)
        arguments = (self.seconds, self.sample_rate, self.overlap, self.shortest, self.split, labels, self.seed)
        return plan_import(Path(self.folder), Path(self.out), *arguments)

    @property
    def items(self) -> int:
        """Files."""
        return len(self.planned.plan.entries)

    def make(self, items: range, file: BinaryIO, progress: Progress) -> None:
        """Read them."""
        with tarfile.open(fileobj=file, mode="w") as archive:
            for done, item in enumerate(items, 1):
                entry, rows, heads, reason = self.planned.plan.entries[item], [], [], ""
                try:
                    for sound in self.planned.read(entry):
                        heads.append(None if sound is None else [*sound[1:]])
                        if sound is not None:
                            rows.append(np.ascontiguousarray(sound.audio, "<f4"))
                except UserError as error:
                    reason, rows = error.problem, []
                head = json.dumps({"file": entry.file, "state": entry.state, "sounds": heads, "reason": reason})
                for name, content in ((f"{item}.json", head.encode()), (f"{item}.f4", b"".join(r.data for r in rows))):
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
                progress(done)

    def check_out(self, overwrite: bool) -> None:
        """Refuse to replace a library."""
        check_library_target(Path(self.out), overwrite)

    def join(self, shards: Sequence[Path], overwrite: bool, progress: Progress) -> str:
        """Build the library from the shards, as without shards."""
        places = {entry.file: number for number, entry in enumerate(self.planned.plan.entries)}
        folder = ShardFolder.open(shards[0].parent)
        samples = self.planned.plan.samples

        def read(entry: Entry) -> Iterator[Sound | None]:
            item = places[entry.file]
            shard = next(number for number in range(1, folder.count + 1) if item in folder.part(number))
            with tarfile.open(shards[shard - 1]) as archive:
                head, audio = (archive.extractfile(f"{item}.{ending}") for ending in ("json", "f4"))
                assert head is not None
                assert audio is not None
                found = json.loads(head.read())
                if (found["file"], found["state"]) != (entry.file, list(entry.state)):
                    raise UserError(entry.file, entry.file, "make its shard again", "changed since its shard was made")
                if found["reason"]:
                    raise UserError(entry.file, entry.file, "leave it out", found["reason"])
                for values in found["sounds"]:
                    if values is None:
                        yield None
                    else:
                        yield Sound(np.frombuffer(audio.read(4 * samples), "<f4"), *values)

        header = build_library(Path(self.out), self.planned.plan, read, overwrite, progress)
        return f"{self.out}: {counted(len(header), 'sound')}"


@dataclass(frozen=True)
class ExperimentWork(Work):
    """``experiment run``: an item is a run, trained in its final directory; a shard holds hashes of weights."""

    name: ClassVar[str] = "experiment"
    out: str
    cases: str
    scale: float
    seeds: int
    device: str | None
    library: str

    @classmethod
    def of(
        cls, out: Path, names: Sequence[str], scale: float, seeds: int, device: str | None, library: Path
    ) -> ExperimentWork:
        """The work of cases by their names, whose runs are written below ``out/scale-SCALE``."""
        return cls(str(out / scale_label(scale)), "\n".join(names), scale, seeds, device, str(library))

    @cached_property
    def _sounds(self) -> list[str]:
        """Cases on recorded sounds."""
        return select_sounds(self.cases.split("\n"))

    @cached_property
    def jobs(self) -> Sequence[Any]:
        """The runs."""
        overrides = {} if self.device is None else {"device": self.device}
        if self._sounds:
            of = (self._sounds, self.seeds, self.scale, Path(self.library), Path(self.out).parent)
            return plan_sounds(*of, overrides)
        return runner.plan(
            select_cases(self.cases.split("\n")), self.seeds, self.scale, Path(self.out).parent, overrides
        )

    @property
    def items(self) -> int:
        """Runs."""
        return len(self.jobs)

    def check_out(self, overwrite: bool) -> None:
        """Runs that are finished are left as they are."""

    def make(self, items: range, file: BinaryIO, progress: Progress) -> None:
        """Train them one after the other; interrupted runs are resumed."""
        found = {}
        for done, job in enumerate(self.jobs[items.start : items.stop], 1):
            if not runner.is_done(job):
                if self._sounds:
                    train_sounds(job)
                else:
                    runner.prepare_data([job], lambda what, part, whole: None)
                    runner.train_job(job)
            found[job.label] = load_run(job.directory).weights_hash
            progress(done)
        file.write(json.dumps(found).encode())

    def join(self, shards: Sequence[Path], overwrite: bool, progress: Progress) -> str:
        """Check that every run exists."""
        missing = [job for job in self.jobs if not runner.is_done(job)]
        if missing:
            remedy = "remove its shard and make it again"
            raise UserError(
                missing[0].directory, missing[0].label, remedy, "is no finished run, though its shard is done"
            )
        progress(self.items)
        return (
            f"{self.out}: {counted(self.items, 'run')} done; for the report: "
            f"'synthvae experiment report --scale {self.scale:g}'"
        )


WORKS: dict[str, type[Work]] = {
    kind.name: kind for kind in (GenerateWork, RenderWork, MetricWork, EncodeWork, ImportWork, ExperimentWork)
}


def work_of(folder: ShardFolder) -> Work:
    """The work of a folder.

    Raises:
        UserError: if its command or its fields are not known.
    """
    kind = WORKS.get(folder.command)
    try:
        if kind is None:
            raise TypeError
        return kind(**folder.fields)
    except TypeError:
        remedy = "install the synthvae that began it, or remove the folder"
        raise UserError(folder.path, folder.command, remedy, why="no work that this version knows") from None
