"""The index: its own sounds are found first, and what is damaged is made again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.data.sampling import uniform_unit
from synthvae.matching.index import SEED, SoundIndex, index_path, open_index
from synthvae.synths.voice.parameters import VOICE_63, VOICE_78
from synthvae.synths.voice.voice import Voice
from tests.conftest import SHORT

COUNT = 300


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("index") / "sounds.safetensors"


@pytest.fixture(scope="module")
def index(path: Path) -> SoundIndex:
    done: list[int] = []
    made = open_index(VOICE_63, SHORT, COUNT, path, done.append)
    assert done == [128, 256, 300]
    return made


def preset(number: int) -> torch.Tensor:
    return torch.from_numpy(uniform_unit(SEED, number, 1, 63)[0]).float()


@pytest.mark.parametrize("number", [0, 128, 299])
def test_a_sound_of_the_index_is_found_first(index: SoundIndex, small_voice: Voice, number: int):
    audio = small_voice(preset(number)[None])[0]
    nearest = index.nearest(audio, 3)
    assert nearest.shape == (3, 63)
    assert torch.equal(nearest[0], preset(number))


def test_longer_and_shorter_recordings_are_taken(index: SoundIndex, small_voice: Voice):
    audio = small_voice(preset(7)[None])[0]
    longer = torch.cat([audio, torch.rand(5000)])
    assert torch.equal(index.nearest(longer, 1)[0], preset(7))
    assert index.nearest(audio[:500], 2).shape == (2, 63)


def test_an_existing_index_is_read(index: SoundIndex, path: Path):
    again = open_index(VOICE_63, SHORT, COUNT, path, lambda done: pytest.fail("rendered again"))
    assert (again.embedding == index.embedding).all()


@pytest.mark.parametrize("damage", ["cut", "other"])
def test_a_damaged_or_foreign_file_is_made_again(index: SoundIndex, path: Path, tmp_path: Path, damage: str):
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(path.read_bytes()[:1000] if damage == "cut" else path.read_bytes())
    count = COUNT if damage == "cut" else 40
    again = open_index(VOICE_63, SHORT, count, copy)
    assert (again.embedding == index.embedding[:count]).all()


def test_every_kind_has_a_file_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    paths = {index_path(VOICE_63, SHORT), index_path(VOICE_78, SHORT), index_path(VOICE_63, SHORT, 10)}
    assert len(paths) == 3
    assert all(path.parent == tmp_path / "synthvae" for path in paths)


def test_an_index_that_cannot_be_kept_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(open_index(VOICE_63, SHORT, 2).embedding) == 2
    with pytest.raises(UserError, match="cannot write there"):
        open_index(VOICE_63, SHORT, 2, tmp_path / "file" / "chosen.safetensors")
