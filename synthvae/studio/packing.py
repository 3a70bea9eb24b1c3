"""A finished map as one file: what the studio keeps in its cache folder, packed to be shared and unpacked on first use.

The file is safetensors. Each array is named ``FILE/ARRAY`` after the file of the cache it is of, equal arrays are held
once, and large ones as float16: distances in dB, latents and descriptors keep three digits, which is more than any of
them is known to. Places keep their precision.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from synthvae.core.errors import UserError, reason
from synthvae.core.files import load_tensors, save_tensors

__all__ = ["MAP", "pack_map", "unpack_map"]

#: The file in a space's folder.
MAP = "map.safetensors"
#: Numbers from which an array is narrowed.
LARGE = 8192
#: What is made again faster than it is read.
LEFT_OUT = "presets-"


def pack_map(cache: Path, path: Path) -> int:
    """Pack all files of a cache folder into one, and return how many there were.

    Raises:
        UserError: if a file cannot be read, or `path` not be written.
    """
    arrays: dict[str, Tensor] = {}
    files: dict[str, Any] = {}
    known: dict[str, str] = {}
    for source in sorted(cache.glob("*.safetensors")):
        if source.name.startswith(LEFT_OUT):
            continue
        tensors, state = load_tensors(source)
        places, kinds = {}, {}
        for name, tensor in sorted(tensors.items()):  # safetensors has no order of its own
            packed = _narrowed(tensor)
            digest = hashlib.sha256(f"{packed.dtype} {tuple(packed.shape)}".encode() + packed.numpy().tobytes())
            place = known.setdefault(digest.hexdigest(), f"{source.name}/{name}")
            arrays[place] = packed
            places[name], kinds[name] = place, str(tensor.dtype).removeprefix("torch.")
        files[source.name] = {"state": state, "arrays": places, "types": kinds}
    save_tensors(path, arrays, {"files": files})
    return len(files)


def unpack_map(path: Path, cache: Path) -> None:
    """Write the files that a map was packed from to a cache folder, those that are not there.

    Raises:
        UserError: if `path` cannot be read or is no packed map, or the folder cannot be written to.
    """
    for target, tensors, state in _missing(path, cache):
        save_tensors(target, tensors, state)


def _missing(path: Path, cache: Path) -> list[tuple[Path, dict[str, Tensor], dict[str, Any]]]:
    """Path, arrays and state of each file of a packed map that is not in the cache folder."""
    found = []
    arrays, state = load_tensors(path)
    try:
        for name, file in state["files"].items():
            target = cache / Path(name).name
            if not target.exists():
                types, places = file["types"], file["arrays"].items()
                tensors = {own: arrays[place].to(getattr(torch, types[own])) for own, place in places}
                found.append((target, tensors, dict(file["state"])))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            path, path, "copy it again from where it is whole", f"not a packed map ({reason(error)})"
        ) from None
    return found


def _narrowed(tensor: Tensor) -> Tensor:
    """A large array of numbers as float16, unless that loses some of them to infinity."""
    places = tensor.ndim == 2 and tensor.shape[1] == 2
    if tensor.dtype not in (torch.float32, torch.float64) or tensor.numel() < LARGE or places:
        return tensor
    narrow = tensor.to(torch.float16)
    return narrow if torch.equal(narrow.isinf(), tensor.isinf()) else tensor
