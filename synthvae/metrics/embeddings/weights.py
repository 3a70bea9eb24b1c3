"""Weight files of pretrained networks: search, checksums, and loading without unpickling."""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from synthvae.core.errors import UserError, reason

__all__ = ["Checkpoint", "environment", "find_checkpoint", "hub_directory", "load_checkpoint", "sha256", "weights_only"]

#: Command that extracts the weights from a file with other content, for a user who trusts it.
RESAVE = (
    'python -c \'import sys, torch; f = sys.argv[1]; c = torch.load(f, "cpu", weights_only=False); '
    'torch.save({k: c[k] for k in ("model", "state_dict") if k in c} or c, f)\''
)
#: Optional list of checksums in a weights directory, as written by ``sha256sum FILES > SHA256SUMS``.
SUMS = "SHA256SUMS"
#: Number of training batches in batch normalisation; older files lack it, and an embedding does not need it.
COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Checkpoint:
    """A published weight file.

    Attributes:
        name: the publisher's name of the file.
        url: URL of the file.
        page: the publisher's page, for messages.
        other_name: name under which other programs save it; empty if there is none.
        section: key of the state dict within the file; empty if the file is the state dict.
        unused: tensors of the file that an embedding does not need, such as the classifier's.
    """

    name: str
    url: str
    page: str
    other_name: str = ""
    section: str = ""
    unused: tuple[str, ...] = ()


def hub_directory() -> Path:
    """Directory in which `torch.hub` and ``frechet-audio-distance`` save weights."""
    return Path(torch.hub.get_dir())


def find_checkpoint(name: str, wanted: Checkpoint, weights_dir: Path | None) -> Path:
    """The path of a weight file.

    Args:
        name: name of the embedding, for messages.
        wanted: the weight file.
        weights_dir: directory that contains it, directly or in ``checkpoints``; nothing is downloaded then. If None,
            the directory of `torch.hub`, to which a missing file is downloaded.

    Returns:
        An existing file, which matches its line in ``SHA256SUMS`` if the directory has that list.

    Raises:
        UserError: if the file is missing or cannot be downloaded, or its checksum differs.
    """
    directory = hub_directory() if weights_dir is None else weights_dir
    if weights_dir is not None and not directory.is_dir():
        raise UserError(
            directory, directory, f"give the folder of the weights of {name} as `weights_dir`", "no such folder"
        )
    names = [wanted.name, wanted.other_name] if wanted.other_name else [wanted.name]
    for path in [folder / file for folder in (directory, directory / "checkpoints") for file in names]:
        if path.is_file():
            _check_sum(name, path)
            return path
    if weights_dir is not None:
        raise UserError(
            name,
            directory,
            "put it there, or leave out `weights_dir` where there is a network",
            f"{directory} lacks {wanted.name} (from {wanted.page})",
        )
    return _fetch(name, wanted, directory / "checkpoints")


def _fetch(name: str, wanted: Checkpoint, directory: Path) -> Path:
    path = directory / wanted.name
    print(f"{name}: fetching {wanted.url} to {path}", file=sys.stderr)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(wanted.url, str(path), progress=sys.stderr.isatty())
    except OSError as error:  # includes URLError
        raise UserError(
            name,
            path,
            f"where there is no network, put {wanted.name} (from {wanted.page}) into a folder and name "
            "that with `weights_dir`",
            f"{wanted.url} cannot be fetched to {path} ({error})",
        ) from error
    return path


def _check_sum(name: str, path: Path) -> None:
    """Compare a file with its line in ``SHA256SUMS``, if the directory has that list."""
    sums = path.parent / SUMS
    if not sums.is_file():
        return
    for line in sums.read_text(errors="replace").splitlines():
        digest, _, file = line.partition(" ")
        if file.lstrip(" *") == path.name and digest.lower() != (found := sha256(path)):
            raise UserError(name, path, "fetch the file again", f"{path}: SHA-256 {found}, but {sums} says {digest}")


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_checkpoint(name: str, wanted: Checkpoint, path: Path, build: Callable[[], nn.Module]) -> nn.Module:
    """Build a network with the weights of a file.

    Args:
        name: name of the embedding, for messages.
        wanted: the published file.
        path: path of the file.
        build: function that builds the network; called on the meta device, where tensors have shapes but no values, so
            no weights are drawn.

    Returns:
        The network in float32 and in evaluation mode, without gradients, on CUDA if available.

    Raises:
        UserError: if the file contains anything but tensors, arrays and numbers, is damaged, or its tensors differ from
            the network's in name, shape or type, or are not finite.
    """
    with torch.device("meta"):
        network = build()
    state = _read(name, wanted, path)
    problem = _mismatch(network.state_dict(), state, wanted)
    if problem:
        raise UserError(
            name,
            path,
            f"fetch {wanted.name} from {wanted.page} again",
            f"{path}: not the weights of this network: {problem}",
        )
    tensors = {key: torch.tensor(0) if key.endswith(COUNTER) else state[key].float() for key in network.state_dict()}
    network.load_state_dict(tensors, assign=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return network.requires_grad_(False).eval().to(device)


def _read(name: str, wanted: Checkpoint, path: Path) -> dict[str, Any]:
    """The state dict of a file, unchecked."""
    try:
        with weights_only():
            document = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            name,
            path,
            f"fetch it again or, if you trust it, save its weights anew: {RESAVE} FILE",
            f"{path}: not a file of weights alone, and nothing is unpickled",
        ) from error
    except Exception as error:  # OSError, EOFError, RuntimeError of the archive reader, and others
        raise UserError(
            name, path, f"fetch {wanted.name} from {wanted.page} again", f"{path}: cannot be read ({reason(error)})"
        ) from error
    if wanted.section and isinstance(document, dict):
        document = document.get(wanted.section)
    if not isinstance(document, dict):
        place = f" under {wanted.section!r}" if wanted.section else ""
        raise UserError(name, path, f"fetch {wanted.name} from {wanted.page} again", f"{path}: no state dict{place}")
    return document


def _mismatch(expected: dict[str, Tensor], state: dict[str, Any], wanted: Checkpoint) -> str:
    """Reason why a state dict does not fit the network; empty if it does."""
    needed = [key for key in expected if not key.endswith(COUNTER)]
    missing = [key for key in needed if not isinstance(state.get(key), Tensor)]
    if missing:
        return f"no tensor {missing[0]!r}{_others(missing)}"
    foreign = [key for key in state if key not in expected and key not in wanted.unused]
    if foreign:
        return f"unknown entry {foreign[0]!r}{_others(foreign)}"
    for key in needed:
        tensor, shape = state[key], tuple(expected[key].shape)
        if tuple(tensor.shape) != shape:
            return f"{key!r} has shape {tuple(tensor.shape)}, expected {shape}"
        if not tensor.is_floating_point():
            return f"{key!r} is {tensor.dtype}, expected floating point"
        if not torch.isfinite(tensor).all():
            return f"{key!r} is not finite"
    return ""


def _others(keys: list[str]) -> str:
    return f" and {len(keys) - 1} more" if len(keys) > 1 else ""


@contextlib.contextmanager
def weights_only() -> Iterator[None]:
    """Restrict every `torch.load` to tensors, arrays and numbers, whatever its arguments.

    Published files contain NumPy arrays and numbers besides the tensors (the state of a sampler, a PCA), pickled by a
    NumPy version whose modules had other names.
    """
    # Bytes of an array are stored as text that `codecs.encode` decodes; PyTorch 2.4 does not allow it by default.
    allowed: list[Any] = [codecs.encode, np.ndarray, np.dtype, *{type(np.dtype(code)) for code in "?bhilqBHILQefd"}]
    makers: list[tuple[Any, str]] = [
        (np.zeros(1).__reduce__()[0], "_reconstruct"),
        (np.float64(0.0).__reduce__()[0], "scalar"),
    ]
    for maker, label in makers:
        allowed += [_renamed(maker, f"numpy.{core}.multiarray", label) for core in ("core", "_core")]
    before = list(torch.serialization.get_safe_globals())  # a copy: PyTorch 2.4 returns its own list
    with environment(TORCH_FORCE_WEIGHTS_ONLY_LOAD="1", TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=None):
        torch.serialization.add_safe_globals(allowed)
        try:
            yield
        finally:
            torch.serialization.clear_safe_globals()
            torch.serialization.add_safe_globals(before)


def _renamed(function: Callable[..., Any], module: str, name: str) -> Callable[..., Any]:
    """The function under the name that files use for it."""

    def call(*arguments: object) -> Any:  # noqa: ANN401
        return function(*arguments)

    call.__module__, call.__name__, call.__qualname__ = module, name, name
    return call


@contextlib.contextmanager
def environment(**values: str | None) -> Iterator[None]:
    """Set environment variables, or remove them where the value is None, and restore them afterwards."""
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
