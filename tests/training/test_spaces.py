"""Location of spaces, and that only complete ones are read."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pytest

from synthvae.core.errors import UserError
from synthvae.exploration.latent_files import find_run
from synthvae.training.run import load_run
from synthvae.training.spaces import MANIFEST, check_manifest, find_space, is_space, space_cache, write_manifest


def test_a_space_is_loaded_by_its_name_unless_a_folder_has_it(
    shipped: Path, small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert find_space("voice-16") == shipped
    assert find_space("voice-32") is None
    assert find_space("../shipped/voice-16") is None
    assert load_run("voice-16").path == shipped
    shutil.copytree(small_run, tmp_path / "voice-16")
    assert load_run("voice-16").path == tmp_path / "voice-16"


def test_it_is_used_where_no_run_was_trained(shipped: Path, small_run: Path, tmp_path: Path):
    path, note = find_run(None, tmp_path / "runs")
    assert path == shipped
    assert note == f"run voice-16: comes with synthvae; used since {tmp_path / 'runs'} has none"
    shutil.copytree(small_run, tmp_path / "runs" / "mine")
    assert find_run(None, tmp_path / "runs")[0] == tmp_path / "runs" / "mine"
    with pytest.raises(UserError, match="no trained run in it"):
        find_run(None, tmp_path / "other", needs="vectors")


def test_files_derived_from_a_space_are_in_the_users_cache(
    shipped: Path, small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert is_space(shipped)
    assert load_run(shipped).cache == space_cache(shipped)
    assert space_cache(shipped).parent == tmp_path / "cache/synthvae/spaces"
    assert load_run(small_run).cache == small_run / ".cache"
    before = space_cache(shipped)
    (shipped / "README.md").write_text("another card")
    write_manifest(shipped)
    assert space_cache(shipped) != before, "another version of a space has a folder of its own"


def test_a_file_that_was_changed_or_lost_is_refused(shipped: Path):
    weights = shipped / "weights.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UserError, match=r"weights.safetensors.* differs from its sum in the manifest; copy the space"):
        load_run(shipped)
    weights.unlink()
    with pytest.raises(UserError, match="a file of the space is missing"):
        load_run(shipped)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d | {"version": 2}, "use a newer synthvae"),
        (lambda d: d | {"sha256": 3}, "not a whole manifest"),
        (lambda d: d | {"sha256": {"../run.json": "0"}}, "a file of the space is missing"),
        (lambda d: [], "not a whole manifest"),
    ],
)
def test_a_damaged_manifest_is_refused(shipped: Path, change, message: str):
    path = shipped / MANIFEST
    path.write_bytes(orjson.dumps(change(orjson.loads(path.read_bytes()))))
    with pytest.raises(UserError, match=message):
        check_manifest(shipped)
