"""Models of the package ``frechet-audio-distance`` (CLAP, EnCodec), without side effects of its import.

Release 0.3.4 imports ``laion_clap``, which downloads three tokenizers on import, and ``encodec``, which imports
``torchaudio``, which fails unless it was built for the installed torch; an embedding calls neither. So both are
replaced by empty modules while the package is imported, and the modules imported with them are removed from
`sys.modules` afterwards. Weights are read as weights only: a file with any other content is rejected, not unpickled.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn
from urllib.error import URLError

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.core.errors import UserError
from synthvae.metrics.embeddings.base import Model
from synthvae.metrics.embeddings.weights import RESAVE, environment, hub_directory, weights_only

__all__ = ["CLAP", "ENCODEC", "PackageModel", "WeightFile", "clap", "encodec", "load_model"]

PACKAGE = "frechet_audio_distance"
INSTALL = 'pip install "synthvae[frechet-audio-distance]" in an environment of its own'

#: Imported together with empty modules, and therefore removed from `sys.modules` afterwards.
_TAINTED = (PACKAGE, "encodec", "laion_clap")


@dataclass(frozen=True)
class WeightFile:
    """A file or directory from which a model is loaded.

    Attributes:
        path: path relative to the weights directory, as the package expects it.
        source: where it is published.
    """

    path: str
    source: str


@dataclass(frozen=True)
class PackageModel:
    """Construction of a model by the package.

    Attributes:
        name: the package's name for the model.
        sample_rate: sample rate in Hz, which selects among the package's variants.
        files: files from which it is loaded.
    """

    name: str
    sample_rate: int
    files: tuple[WeightFile, ...]


_HUB = "huggingface.co"

CLAP = PackageModel(
    "clap",
    48_000,
    (
        WeightFile("630k-audioset-best.pt", f"{_HUB}/lukewys/laion_clap"),
        WeightFile("roberta-base", f"{_HUB}/FacebookAI/roberta-base, the whole folder"),
        WeightFile("bert-base-uncased", f"{_HUB}/google-bert/bert-base-uncased, configuration and tokenizer"),
        WeightFile("facebook/bart-base", f"{_HUB}/facebook/bart-base, configuration and tokenizer"),
    ),
)
ENCODEC = PackageModel(
    "encodec", 24_000, (WeightFile("checkpoints/encodec_24khz-d7cc33bc.th", "dl.fbaipublicfiles.com/encodec/v0"),)
)


def clap(model: Any) -> Model:  # noqa: ANN401
    """LAION CLAP's audio encoder (Wu et al. 2023, ICASSP), output of unit norm; sounds below 10 s are repeated."""
    return _in_one_batch(model, lambda audio: model.get_audio_embedding_from_data(audio, use_tensor=True))


def encodec(model: Any) -> Model:  # noqa: ANN401
    """EnCodec's encoder before quantization (Défossez et al. 2022, arXiv 2210.13438), averaged over its frames."""
    return _in_one_batch(model, lambda audio: model.encoder(audio[:, None]).mean(dim=2))


def _in_one_batch(model: Any, forward: Callable[[Tensor], Tensor]) -> Model:  # noqa: ANN401
    device = next(model.parameters()).device

    def embed(audio: NDArray[np.float32]) -> NDArray[np.floating]:
        with torch.no_grad():
            return forward(torch.from_numpy(np.ascontiguousarray(audio)).to(device)).cpu().numpy()

    return embed


def load_model(name: str, wanted: PackageModel, weights_dir: Path | None) -> Any:  # noqa: ANN401  untyped package
    """Build a model and load its weights, both with the package's own code.

    Args:
        name: name of the embedding, for messages.
        wanted: the model to build.
        weights_dir: weights directory, without use of the network; if None, the directory of `torch.hub`, to which the
            package downloads.

    Returns:
        The package's object; its attribute ``model`` is the module, in evaluation mode.

    Raises:
        UserError: with a message of one line, if the package, a file or the network is missing, or a file cannot be
            used.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        raise UserError(name, PACKAGE, INSTALL, "needs the package frechet-audio-distance")
    if weights_dir is not None:
        _check_files(name, wanted, weights_dir)
    directory = (hub_directory() if weights_dir is None else weights_dir).resolve()
    offline = weights_dir is not None
    with contextlib.ExitStack() as stack:
        stack.enter_context(_restored_hub_directory())
        stack.enter_context(weights_only())
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # deprecation warnings of the package's own imports
        if offline:
            stack.enter_context(_no_network(directory))
        # The package prints; CLAP prints each of its 400 parameters.
        stack.enter_context(contextlib.redirect_stdout(io.StringIO() if wanted.name == "clap" else sys.stderr))
        if wanted.name == "clap" and offline:
            stack.enter_context(contextlib.chdir(directory))  # transformers searches directories of these names here
        try:
            package = _import_package(clap=wanted.name == "clap", encodec=wanted.name == "encodec")
            return package.FrechetAudioDistance(
                ckpt_dir=str(directory), model_name=wanted.name, sample_rate=wanted.sample_rate
            )
        except Exception as error:  # torch.hub, transformers and the package raise different ones, some plain Exception
            _explain(name, wanted, directory, offline, error)


def _check_files(name: str, wanted: PackageModel, directory: Path) -> None:
    if not directory.is_dir():
        raise UserError(
            directory, directory, f"give the folder of the weights of {name} as `weights_dir`", "no such folder"
        )
    missing = [file for file in wanted.files if not (directory / file.path).exists()]
    if missing:
        raise UserError(
            name,
            directory,
            "put there what is missing, or leave out `weights_dir` where there is a network",
            f"{directory} lacks {_listed(missing)}",
        )


def _listed(files: list[WeightFile] | tuple[WeightFile, ...]) -> str:
    return ", ".join(f"{file.path} (from {file.source})" for file in files)


def _explain(name: str, wanted: PackageModel, directory: Path, offline: bool, error: Exception) -> NoReturn:
    """Convert an exception of third-party code to an error message of one line for the user."""
    if isinstance(error, pickle.UnpicklingError):
        files = ", ".join(str(directory / file.path) for file in wanted.files if (directory / file.path).is_file())
        raise UserError(
            name,
            directory,
            f"fetch it again or, if you trust it, save its weights anew: {RESAVE} FILE",
            f"{files}: not a file of weights alone, and nothing is unpickled",
        ) from error
    reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}"
    if isinstance(error, ImportError):
        raise UserError(name, PACKAGE, INSTALL, f"frechet-audio-distance cannot be imported ({reason})") from error
    if offline:
        raise UserError(
            name,
            directory,
            f"replace what is broken of {_listed(wanted.files)}",
            f"cannot be loaded from {directory} ({reason})",
        ) from error
    raise UserError(
        name,
        directory,
        f"where there is no network, put {_listed(wanted.files)} into a folder and name that with `weights_dir`",
        f"cannot be fetched and loaded ({reason})",
    ) from error


def _import_package(clap: bool, encodec: bool) -> ModuleType:
    """Import the package with empty modules in place of those that the wanted model does not need."""
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
    """Replace the modules `names` by empty ones, and restore the originals afterwards."""
    before, path = dict(sys.modules), list(sys.path)
    for name in names:
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)  # code that checks whether it is installed expects a specification
        module.EncodecModel = None  # type: ignore[attr-defined]  # the only name imported from a stand-in
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
        sys.path[:] = path  # laion_clap adds a directory with modules named "training" and "evaluate"


def _declare_torchvision() -> None:
    """Make torchvision importable where its compiled operators cannot be loaded.

    A torchvision built for CUDA with a torch for the CPU fails when it describes operators that it did not load. CLAP
    calls none of them; once their names are declared, the import succeeds.
    """
    try:
        importlib.import_module("torchvision")
    except (RuntimeError, OSError):
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        with contextlib.suppress(RuntimeError):  # already declared by an earlier attempt
            for operator in ("nms", "qnms"):
                torch.library.define(f"torchvision::{operator}", "(Tensor dets, Tensor scores, float limit) -> Tensor")


@contextlib.contextmanager
def _restored_hub_directory() -> Iterator[None]:
    """Undo the package's changes to the directory of `torch.hub`."""
    before = torch.hub.get_dir()
    try:
        yield
    finally:
        torch.hub.set_dir(before)


@contextlib.contextmanager
def _no_network(directory: Path) -> Iterator[None]:
    """Disable network access of `torch.hub` and `transformers`, so that they search only the directory."""

    def refuse(*arguments: object, **keywords: object) -> NoReturn:
        raise URLError(f"nothing is fetched where the weights are to come from {directory}")

    hub: Any = torch.hub
    before = hub.urlopen
    hub.urlopen = refuse
    try:
        with environment(HF_HUB_OFFLINE="1"):
            yield
    finally:
        hub.urlopen = before
