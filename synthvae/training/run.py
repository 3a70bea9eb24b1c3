"""Training runs on disk: self-describing directories, read without unpickling.

===========================  ==========================================================================
``run.json``                 settings, parameter table, dataset and its hash, versions, hardware, state
``weights.safetensors``      the network at its best validation loss
``checkpoint.safetensors``   state for resuming: network, optimiser, weights' averages, position
``metrics.csv``              every term, one row per epoch
``tensorboard/``             the same as events
===========================  ==========================================================================

Shared runs lack the last three and have other files: `synthvae.training.spaces`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from synthvae.core.errors import UserError, similar
from synthvae.core.files import atomic_write, load_tensors
from synthvae.core.json import load_json
from synthvae.core.provenance import hardware, versions
from synthvae.data.generation import generate_dataset
from synthvae.data.presets import Dataset, is_dataset
from synthvae.synths.base import Synth
from synthvae.synths.parameters import ParameterSpace
from synthvae.synths.rendering import build_synth
from synthvae.synths.settings import RenderSettings, check_format
from synthvae.training.log import read_metrics
from synthvae.training.spaces import check_manifest, find_space, is_space, space_cache, space_names
from synthvae.training.tasks.base import PARAMETERS, Task
from synthvae.training.tasks.registry import PRESETS, find_task

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RUNS", "WEIGHTS", "Run", "has_ability", "load_run", "read_description", "read_parameters", "task_name"]
__all__ += ["is_unfinished", "write_description"]

#: Default directory of runs.
RUNS = Path("experiments/runs")
FORMAT = "synthvae-run"
VERSION = 1
WEIGHTS = "weights.safetensors"


def write_description(directory: Path, task: Task[Any], state: Mapping[str, Any]) -> None:
    """Write ``run.json``: task, data and state of the training.

    Raises:
        UserError: if the directory cannot be written to.
    """
    document = {
        "format": FORMAT,
        "version": VERSION,
        **({} if task.name == PRESETS else {"task": task.name}),
        "config": task.record(),
        "state": dict(state),
        "versions": versions(),
        "hardware": hardware(),
        **task.describe(),
    }
    atomic_write(directory / "run.json", json.dumps(document, indent=1) + "\n")


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained model with its settings and parameters; needs no synthesizer until `voice` is used.

    Its abilities depend on its task: `parameters` and everything else about presets raise a `UserError` where the task
    does not have that ability.

    Attributes:
        path: path of its directory.
        task: class of its training task.
        config: settings of the training.
        description: description of the data by the task.
        state: state of the training.
        model: network in evaluation mode.
    """

    path: Path
    task: type[Task[Any]]
    config: Any
    description: Mapping[str, Any]
    state: Mapping[str, Any]
    model: Any

    def require(self, *abilities: str) -> None:
        """Check that the run's task has one of some abilities.

        Raises:
            UserError: naming the missing abilities.
        """
        if not self.task.abilities.intersection(abilities):
            raise UserError(
                f"{self.path}: task",
                self.task.name,
                "name a run that has (those of 'synthvae train' on presets have parameters)",
                why=f"which has no {' or '.join(abilities)}",
            )

    @cached_property
    def parameters(self) -> ParameterSpace:
        """Parameters of its presets, one per column."""
        self.require(PARAMETERS)
        return read_parameters(self.description, str(self.path / "run.json"))

    @cached_property
    def settings(self) -> RenderSettings:
        """Render settings of its presets."""
        self.require(PARAMETERS)
        return RenderSettings.from_header(dict(self.description), str(self.path / "run.json"))

    @property
    def dataset_hash(self) -> str:
        """Hash of the dataset it was trained on."""
        return str(self.description.get("dataset_hash"))

    @property
    def dataset_origin(self) -> Mapping[str, Any]:
        """That dataset's source and seed, and the range of its training split."""
        return self.description.get("dataset", {})

    @cached_property
    def dataset_path(self) -> Path:
        """Dataset that preset numbers refer to: its own, or that of a space, which is drawn on first use.

        Raises:
            UserError: if a space's presets cannot be drawn or stored.
        """
        recipe = self.description.get("presets")
        if recipe is None:
            return Path(self.config.data)
        path = self.cache / "presets.json"
        if not is_dataset(path):
            generate_dataset(
                path,
                self.parameters,
                int(recipe["size"]),
                int(recipe["seed"]),
                str(recipe["source"]),
                settings=self.settings,
            )
        return path

    @property
    def cache(self) -> Path:
        """Cache directory for files that can be recomputed from the run."""
        return space_cache(self.path) if is_space(self.path) else self.path / ".cache"

    @property
    def name(self) -> str:
        """Name of its directory, prefixed by that of the case where it is one of several seeds: ``exp1-scl-seed-0``."""
        seeded = self.path.name.startswith("seed-")
        return f"{self.path.parent.name}-{self.path.name}" if seeded else self.path.name

    @property
    def latent_size(self) -> int:
        """Number of latent dimensions, D."""
        return int(self.model.latent_size)

    def encode(self, unit: Tensor) -> Tensor:
        """Posterior means ``(B, D)`` of unit parameters ``(B, P)``; differentiable by `unit`.

        Raises:
            ValueError: if the width is not P.
        """
        if unit.shape[-1] != len(self.parameters):
            raise ValueError(f"expected {len(self.parameters)} parameters, got shape {tuple(unit.shape)}")
        mean: Tensor = self.model.encode(unit.float())[0]
        return mean

    def decode(self, latent: Tensor) -> Tensor:
        """Unit parameters ``(B, P)`` in [0, 1] of latents ``(B, D)``; differentiable by `latent`.

        Raises:
            ValueError: if the width is not D.
        """
        self.require(PARAMETERS)
        if latent.shape[-1] != self.latent_size:
            raise ValueError(f"expected {self.latent_size} latent dimensions, got shape {tuple(latent.shape)}")
        decoded: Tensor = self.model.decode(latent.float())
        return decoded.clamp(0.0, 1.0)

    def require_parameters(self, parameters: ParameterSpace, source: str) -> None:
        """Reject presets of another parameter set.

        Raises:
            UserError: naming both hashes.
        """
        if parameters != self.parameters:
            raise UserError(
                source,
                parameters.hash,
                "use the kind of dataset the run was trained on",
                f"its parameters ({len(parameters)}, hash {parameters.hash}) are not those of {self.path} "
                f"({len(self.parameters)}, hash {self.parameters.hash})",
            )

    def require_own_dataset(self, dataset: Dataset) -> None:
        """Reject a dataset other than that of `dataset_path`.

        Raises:
            UserError: naming both hashes.
        """
        recipe = self.description.get("presets")
        if recipe is not None and dataset.hash != recipe["hash"]:
            raise UserError(
                dataset.path,
                dataset.hash,
                "remove it to have it drawn again",
                f"are not the presets of {self.path} (hash {dataset.hash}, not {recipe['hash']})",
            )
        if recipe is None and dataset.hash != self.dataset_hash:
            raise UserError(
                dataset.path,
                dataset.hash,
                "restore it, or name this one with `data`",
                f"is no longer the dataset that {self.path} was trained on (hash {dataset.hash}, not "
                f"{self.dataset_hash})",
            )

    def require_unseen(self, dataset: Dataset) -> None:
        """Reject a dataset whose test presets were among the run's training presets.

        Any size of a dataset is a prefix of a larger one of the same source and seed, so another file's test split
        may overlap this run's training split.

        Raises:
            UserError: naming the presets.
        """
        self.require_parameters(dataset.parameters, str(dataset.path))
        origin, header = self.dataset_origin, dataset.header
        if dataset.hash == self.dataset_hash or (origin.get("source"), origin.get("seed")) != (
            header.source,
            header.seed,
        ):
            return
        first, end = origin.get("train", (0, 0))
        low, high = header.splits["test"]
        if max(first, low) < min(end, high):
            raise UserError(
                dataset.path,
                dataset.path,
                "use the run's dataset or another seed",
                f"its test presets {low} to {high - 1} overlap the presets {first} to {end - 1} that "
                f"{self.path} was trained on (same seed {header.seed})",
            )

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """Unit parameters ``(n, P)`` decoded from `n` draws of the standard normal prior."""
        return self.decode(self.sample_latent(n, seed))

    def sample_latent(self, n: int, seed: int = 0) -> Tensor:
        """Draws ``(n, D)`` from the standard normal prior."""
        return torch.randn(n, self.latent_size, generator=torch.Generator().manual_seed(seed))

    def metrics(self) -> pd.DataFrame:
        """Every term and weight, one row per epoch (`synthvae.training.log.read_metrics`)."""
        return read_metrics(self.path / "metrics.csv")

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 of the weights, in hexadecimal, which identifies their latents."""
        return hashlib.sha256((self.path / WEIGHTS).read_bytes()).hexdigest()

    @cached_property
    def voice(self) -> Synth:
        """The synth of the run's presets: ``run.voice(run.sample(8))`` is audio ``(8, T)``."""
        return build_synth(self.parameters, self.settings)


def read_description(directory: Path) -> dict[str, Any]:
    """Read and check ``run.json``.

    Raises:
        UserError: if `directory` is not a run of this version.
    """
    path = directory / "run.json"
    try:
        content = path.read_bytes()
    except OSError:
        below = RUNS / directory.name
        known = space_names() + [path.parent.as_posix() for path in RUNS.glob("*/run.json")]
        close = similar(directory.name, [Path(name).name for name in known])
        if (below / "run.json").is_file():
            remedy = f"give {below}"
        elif close:
            remedy = f"did you mean {' or '.join(name for name in known if Path(name).name in close)}?"
        else:
            remedy = "give one that 'train' made"
        raise UserError(directory, directory, remedy, "not a run directory (no readable run.json)") from None
    document = load_json(content, str(path), "train again")
    document = dict(check_format(document, FORMAT, VERSION, str(path), synth=False))
    if PARAMETERS in find_task(task_name(document), str(path)).abilities:
        check_format(document, FORMAT, VERSION, str(path))
    return document


def task_name(document: Mapping[str, Any]) -> str:
    """Name of the task in a run's description; runs of earlier versions have a single task and do not name it."""
    return str(document.get("task", PRESETS))


def has_ability(directory: Path, ability: str) -> bool:
    """Whether a directory's run has an ability; an unreadable one counts as a run on presets."""
    document = _find_description(directory)
    try:
        return ability in find_task(PRESETS if document is None else task_name(document), "").abilities
    except UserError:
        return False


def is_unfinished(directory: Path) -> bool:
    """Whether a directory's run can be read and its training has not ended."""
    state = (_find_description(directory) or {}).get("state")
    return isinstance(state, dict) and state.get("finished") == ""


def _find_description(directory: Path) -> dict[str, Any] | None:
    """The object in ``run.json``, unchecked; None where it cannot be read."""
    try:
        document = load_json((directory / "run.json").read_bytes(), "", "")
    except (OSError, UserError):
        return None
    return document if isinstance(document, dict) else None


def read_parameters(document: Mapping[str, Any], source: str) -> ParameterSpace:
    """The parameter table of a run's description.

    Raises:
        UserError: if it is invalid, or its hash differs from the one in the description.
    """
    parameters = ParameterSpace.from_table(document.get("parameters", []), document.get("fixed", {}), source)
    if document.get("parameter_hash") != parameters.hash:
        raise UserError(
            f"{source}: parameter_hash",
            document.get("parameter_hash"),
            "the file was changed: train again",
            why=f"its table has {parameters.hash}",
        )
    return parameters


def load_run(path: str | Path, needs: str | Collection[str] | None = None) -> Run:
    """Load a trained model.

    Args:
        path: the run's directory, or the name of a space shipped with synthvae, such as ``voice-16``.
        needs: an ability that its task must have, such as ``parameters``, or several of which it must have one.

    Raises:
        UserError: if it is not a run directory, of another version, incomplete or changed, or lacks the ability.
    """
    directory = Path(path).resolve()
    if not directory.exists() and (shipped := find_space(str(path))):
        directory = shipped
    if is_space(directory):
        check_manifest(directory)
    document = read_description(directory)
    source = str(directory / "run.json")
    task = find_task(task_name(document), source)
    kinds: list[tuple[str, type]] = [("config", dict), ("state", dict)]
    if PARAMETERS in task.abilities:
        kinds = [("parameters", list), ("fixed", dict), *kinds]
    for name, kind in kinds:
        if not isinstance(document.get(name), kind):
            raise UserError(f"{source}: {name}", document.get(name), "train again", why=f"not an {kind.__name__}")
    config = task.read_settings(document["config"], source)
    run = Run(directory, task, config, document, document["state"], None)
    if needs is not None:
        run.require(*((needs,) if isinstance(needs, str) else needs))
    if PARAMETERS in task.abilities:
        _ = run.parameters, run.settings  # raises here if they are damaged
    weights = directory / WEIGHTS
    if not weights.exists():
        raise UserError(weights, weights, "if no epoch was finished go on with `resume`, else train again", "not there")
    tensors, _ = load_tensors(weights)
    with torch.random.fork_rng(devices=[]):
        model = task.build(config, document)
    try:
        model.load_state_dict(tensors)
    except RuntimeError:
        raise UserError(weights, weights, "train again", f"does not fit the network of {source}") from None
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise UserError(weights, weights, "train again with a lower `lr`", "holds weights that are not finite")
    return dataclasses.replace(run, model=model.eval().requires_grad_(False))
