"""Models of the package ``frechet-audio-distance`` (CLAP, EnCodec), without side effects of its import.

Release 0.3.4 imports ``laion_clap``, which fetches three tokenizers when it is imported, and ``encodec``, which
imports ``torchaudio``, which fails unless it was built for the installed torch; an embedding calls neither. So both are
replaced by empty modules while the package is imported, and what was imported with them is removed from `sys.modules`
again. Its weights are read as weights only: a file that holds anything else is refused, not unpickled.
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

#: Imported beside empty modules, and therefore removed from `sys.modules` afterwards.
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
    """Construction of a model by the package.

    Attributes:
        name: the package's name for the model.
        sample_rate: in Hz, which chooses among the package's variants.
        files: what it is loaded from.
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
    """The audio side of LAION CLAP (Wu et al. 2023, ICASSP), of length 1; sounds below 10 s are repeated."""
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
        raise UserError(name, PACKAGE, INSTALL, "needs the package frechet-audio-distance")
    if weights_dir is not None:
        _check_files(name, wanted, weights_dir)
    directory = (hub_directory() if weights_dir is None else weights_dir).resolve()
    offline = weights_dir is not None
    with contextlib.ExitStack() as stack:
        stack.enter_context(_restored_hub_directory())
        stack.enter_context(weights_only())
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # of what the package's own imports deprecate
        if offline:
            stack.enter_context(_no_network(directory))
        # The package prints; CLAP prints each of its 400 parameters.
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
    """Say in one line what an exception of foreign code means for the user."""
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
def _restored_hub_directory() -> Iterator[None]:
    """Undo what the package does to the folder of `torch.hub`."""
    before = torch.hub.get_dir()
    try:
        yield
    finally:
        torch.hub.set_dir(before)


@contextlib.contextmanager
def _no_network(directory: Path) -> Iterator[None]:
    """Have `torch.hub` and `transformers` find no network, so that they look nowhere but in the folder."""

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
