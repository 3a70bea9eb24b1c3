"""Models of ``frechet-audio-distance``, loaded so that nothing is fetched or unpickled behind the user's back.

What stands in the way, in release 0.3.4. It imports ``laion_clap``, which fetches three tokenizers when imported.
It imports ``encodec``, which imports ``torchaudio``, which fails unless it was built for the installed torch; neither
is called for an embedding. So both are replaced by empty modules while the package is imported, and what was imported
meanwhile is forgotten, so that nobody else meets it. Its weights are read as weights only: a file that holds anything
else is refused, not unpickled.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import os
import pickle
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn
from urllib.error import URLError

import numpy as np
import torch

from synthvae.errors import UserError

__all__ = ["PackageModel", "WeightFile", "load_model"]

PACKAGE = "frechet_audio_distance"
INSTALL = 'pip install "synthvae[fad]" in an environment of its own'

#: Makes a file of weights only out of one that holds more, for who trusts it: LAION writes such files.
RESAVE = (
    'python -c \'import sys, torch; f = sys.argv[1]; c = torch.load(f, "cpu", weights_only=False); '
    'torch.save({k: c[k] for k in ("model", "state_dict") if k in c} or c, f)\''
)

#: Imported with empty modules in their place, so not to be left where others find them.
_TAINTED = (PACKAGE, "encodec", "laion_clap")


@dataclass(frozen=True)
class WeightFile:
    """A file or folder that a model is loaded from.

    Attributes:
        path: relative to the folder of weights, as the package looks for it.
        source: where it comes from.
    """

    path: str
    source: str


@dataclass(frozen=True)
class PackageModel:
    """How the package makes a model.

    Attributes:
        name: the package's name for the model.
        sample_rate: in Hz, which chooses among the package's variants.
        files: what it is loaded from.
    """

    name: str
    sample_rate: int
    files: tuple[WeightFile, ...]


def load_model(name: str, wanted: PackageModel, weights_dir: Path | None) -> Any:  # noqa: ANN401  untyped package
    """Build a model and load its weights, both with the package's own code.

    Args:
        name: of the embedding, for messages.
        wanted: which model.
        weights_dir: the folder of weights, and no network; without it the folder of `torch.hub`, where the package puts
            what it fetches.

    Returns:
        The package's object; the module, in evaluation mode, is its attribute ``model``.

    Raises:
        UserError: in one line, if the package, a file or the network is missing, or a file cannot be used.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        raise UserError(f"{name}: needs the package frechet-audio-distance; {INSTALL}")
    if weights_dir is not None:
        _check_files(name, wanted, weights_dir)
    directory = (Path(torch.hub.get_dir()) if weights_dir is None else weights_dir).resolve()
    offline = weights_dir is not None
    with contextlib.ExitStack() as stack:
        stack.enter_context(_hub_directory())
        stack.enter_context(_weights_only())
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # of what the package's own imports deprecate
        if offline:
            stack.enter_context(_no_network(directory))
        # The package prints; CLAP prints each of its 400 parameters. A question of torch.hub has to be seen.
        stack.enter_context(contextlib.redirect_stdout(io.StringIO() if wanted.name == "clap" else sys.stderr))
        if wanted.name == "clap" and offline:
            stack.enter_context(contextlib.chdir(directory))  # transformers looks for folders of these names here
        try:
            package = _import_package(clap=wanted.name == "clap", encodec=wanted.name == "encodec")
            return package.FrechetAudioDistance(
                ckpt_dir=str(directory), model_name=wanted.name, sample_rate=wanted.sample_rate
            )
        except Exception as error:  # torch.hub, transformers and the package each have their own, some plain Exception
            _explain(name, wanted, directory, offline, error)


def _check_files(name: str, wanted: PackageModel, directory: Path) -> None:
    if not directory.is_dir():
        raise UserError(f"{directory}: no such folder; give the folder of the weights of {name} as --weights-dir")
    missing = [file for file in wanted.files if not (directory / file.path).exists()]
    if missing:
        raise UserError(
            f"{name}: {directory} lacks {_listed(missing)}; put there what is missing, or leave out --weights-dir "
            "where there is a network"
        )


def _listed(files: list[WeightFile] | tuple[WeightFile, ...]) -> str:
    return ", ".join(f"{file.path} (from {file.source})" for file in files)


def _explain(name: str, wanted: PackageModel, directory: Path, offline: bool, error: Exception) -> NoReturn:
    """Say in one line what an exception of foreign code means for the user."""
    if isinstance(error, pickle.UnpicklingError):
        files = ", ".join(str(directory / file.path) for file in wanted.files if (directory / file.path).is_file())
        raise UserError(
            f"{name}: {files}: not a file of weights alone, and nothing is unpickled; fetch it again or, if you trust "
            f"it, save its weights anew: {RESAVE} FILE"
        ) from error
    if isinstance(error, EOFError) and wanted.name == "vggish":
        error = RuntimeError(
            "torch.hub asks whether you trust the code of harritaylor/torchvggish; run it in a terminal"
        )
    reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}"
    if isinstance(error, ImportError):
        raise UserError(f"{name}: frechet-audio-distance cannot be imported ({reason}); {INSTALL}") from error
    if offline:
        raise UserError(
            f"{name}: cannot be loaded from {directory} ({reason}); replace what is broken of {_listed(wanted.files)}"
        ) from error
    raise UserError(
        f"{name}: cannot be fetched and loaded ({reason}); where there is no network, put {_listed(wanted.files)} into "
        "a folder and name that with --weights-dir"
    ) from error


def _import_package(clap: bool, encodec: bool) -> ModuleType:
    """Import the package with stand-ins for what the wanted model does not need."""
    names = ["torchaudio"]
    if not clap:
        names.append("laion_clap")
    if not encodec:
        names.append("encodec")
    if clap:
        _declare_torchvision()
    with _standing_in(names):
        return importlib.import_module(PACKAGE)


@contextlib.contextmanager
def _standing_in(names: list[str]) -> Iterator[None]:
    """Put empty modules in the place of `names`, and afterwards everything back as it was."""
    before, path = dict(sys.modules), list(sys.path)
    for name in names:
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)  # who asks whether it is installed expects a specification
        module.EncodecModel = None  # type: ignore[attr-defined]  # the one name that is imported from a stand-in
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in names:
            if name in before:
                sys.modules[name] = before[name]
            else:
                del sys.modules[name]
        for name in set(sys.modules) - set(before):
            if name.partition(".")[0] in _TAINTED:
                del sys.modules[name]
        sys.path[:] = path  # laion_clap adds a folder that offers modules named "training" and "evaluate"


def _declare_torchvision() -> None:
    """Let torchvision be imported where its compiled operators cannot be loaded.

    A torchvision built for CUDA beside a torch for the CPU fails on describing operators that it did not load. CLAP
    calls none of them; once they have names, the import passes.
    """
    try:
        importlib.import_module("torchvision")
    except (RuntimeError, OSError):
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        with contextlib.suppress(RuntimeError):  # they have names since an earlier attempt
            for operator in ("nms", "qnms"):
                torch.library.define(f"torchvision::{operator}", "(Tensor dets, Tensor scores, float limit) -> Tensor")


@contextlib.contextmanager
def _hub_directory() -> Iterator[None]:
    """Undo what the package does to the folder of `torch.hub`."""
    before = torch.hub.get_dir()
    try:
        yield
    finally:
        torch.hub.set_dir(before)


@contextlib.contextmanager
def _weights_only() -> Iterator[None]:
    """Have every `torch.load` read weights and numbers and call nothing, whatever its caller says.

    The package's files hold arrays and numbers of NumPy beside the tensors (the state of a sampler, a PCA), pickled by
    a NumPy that named its modules as it pleased.
    """
    allowed: list[Any] = [np.ndarray, np.dtype, *{type(np.dtype(code)) for code in "?bhilqBHILQefd"}]
    for maker, label in ((np.zeros(1).__reduce__()[0], "_reconstruct"), (np.float64(0.0).__reduce__()[0], "scalar")):
        allowed += [(maker, f"numpy.{core}.multiarray.{label}") for core in ("core", "_core")]
    with (
        _environment(TORCH_FORCE_WEIGHTS_ONLY_LOAD="1", TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=None),
        torch.serialization.safe_globals(allowed),
    ):
        yield


@contextlib.contextmanager
def _no_network(directory: Path) -> Iterator[None]:
    """Have `torch.hub` and `transformers` find no network, so that they look nowhere but in the folder."""

    def refuse(*arguments: object, **keywords: object) -> NoReturn:
        raise URLError(f"nothing is fetched where the weights are to come from {directory}")

    hub: Any = torch.hub
    before = hub.urlopen
    hub.urlopen = refuse
    try:
        with _environment(HF_HUB_OFFLINE="1"):
            yield
    finally:
        hub.urlopen = before


@contextlib.contextmanager
def _environment(**values: str | None) -> Iterator[None]:
    """Set variables of the environment, or remove them, for a while."""
    before = {name: os.environ.get(name) for name in values}
    try:
        _set_environment(values)
        yield
    finally:
        _set_environment(before)


def _set_environment(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
