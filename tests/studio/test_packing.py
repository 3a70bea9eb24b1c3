"""A finished map as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.core.files import load_tensors, save_tensors
from synthvae.studio import packing
from synthvae.studio.packing import MAP, pack_map, unpack_map


def test_a_map_is_unpacked_as_it_was_and_equal_arrays_are_held_once(studio_cache: Path, tmp_path: Path):
    count = pack_map(studio_cache, tmp_path / MAP)
    unpack_map(tmp_path / MAP, tmp_path / "out")
    files = sorted(path.name for path in studio_cache.glob("*.safetensors") if not path.name.startswith("presets-"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == files
    assert len(files) == count
    whole = 0
    for name in files:
        before, state = load_tensors(studio_cache / name)
        after, kept = load_tensors(tmp_path / "out" / name)
        assert (state, before.keys()) == (kept, after.keys())
        for array, tensor in before.items():
            whole += tensor.nbytes
            assert tensor.dtype == after[array].dtype
            assert torch.allclose(tensor, after[array], rtol=1e-3, atol=1e-3, equal_nan=True)
    assert (tmp_path / MAP).stat().st_size < 0.6 * whole
    kept = tmp_path / "out" / files[0]
    kept.write_bytes(b"own")
    unpack_map(tmp_path / MAP, tmp_path / "out")
    assert kept.read_bytes() == b"own", "what is there is left alone"


def test_a_map_is_packed_to_the_same_bytes_each_time(tmp_path: Path):
    tensors = {f"result.{name}": torch.full((3,), float(number)) for number, name in enumerate("abcdefgh")}
    for folder in ("one", "other"):
        save_tensors(tmp_path / folder / "atlas.safetensors", tensors, {"result": 1})
        pack_map(tmp_path / folder, tmp_path / f"{folder}-{MAP}")
    # safetensors hands arrays out in another order each time it opens a file.
    assert (tmp_path / f"one-{MAP}").read_bytes() == (tmp_path / f"other-{MAP}").read_bytes()


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"files": 3},
        {"files": {"a": None}},
        {"files": {"a": {}}},
        {"files": {"a": {"state": {}, "arrays": {"x": "none"}, "types": {"x": "float32"}}}},
        {"files": {"a": {"state": {}, "arrays": {"x": "x"}, "types": {"x": "no_type"}}}},
        {"files": {"a": {"state": "text", "arrays": {"x": "x"}, "types": {"x": "float32"}}}},
    ],
)
def test_what_is_no_packed_map_is_refused(state: dict[str, Any], tmp_path: Path):
    save_tensors(tmp_path / MAP, {"x": torch.zeros(1)}, state)
    with pytest.raises(UserError, match="not a packed map"):
        unpack_map(tmp_path / MAP, tmp_path / "out")


@pytest.mark.parametrize("fault", [KeyError("x"), TypeError("x"), AttributeError("x")])
def test_a_fault_of_writing_does_not_blame_the_packed_map(
    fault: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object) -> None:
        raise fault

    file = {"state": {}, "arrays": {"x": "x"}, "types": {"x": "float32"}}
    save_tensors(tmp_path / MAP, {"x": torch.zeros(1)}, {"files": {"a": file}})
    monkeypatch.setattr(packing, "save_tensors", fail)
    with pytest.raises(type(fault)):
        unpack_map(tmp_path / MAP, tmp_path / "out")
