"""Packing: a space needs no other file, states its quality, and opens its map without recomputing it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.core.files import load_tensors
from synthvae.data.presets import read_dataset
from synthvae.exploration.latent_files import find_presets
from synthvae.matching.starts import encoder_of
from synthvae.spaces.pack import Packed, pack_space
from synthvae.studio.serve import open_session
from synthvae.training.quality import QualityMeter
from synthvae.training.run import load_run
from synthvae.training.tasks.audio_encoder import measure_encoder, train_encoder
from tests.cli.refusal import refused
from tests.errors import user_error

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_it_answers_as_the_run_does_to_three_digits(packed: Packed, small_run: Path):
    run, space = load_run(small_run), load_run(packed.path)
    unit = torch.rand(16, 63, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(space.encode(unit), run.encode(unit), atol=5e-3)
    assert torch.allclose(space.decode(space.encode(unit)), run.decode(run.encode(unit)), atol=5e-3)
    assert not torch.equal(space.encode(unit), run.encode(unit))
    assert load_tensors(packed.path / "weights.safetensors")[0].popitem()[1].dtype == torch.float16
    encoder = encoder_of(space)
    assert encoder is not None
    assert encoder.hidden == 8


def test_its_presets_are_drawn_on_first_use_and_are_those_of_the_map(packed: Packed, cache: Path):
    space = load_run(packed.path)
    dataset = read_dataset(space.dataset_path)
    assert space.dataset_path.is_relative_to(cache)
    assert (len(dataset), dataset.header.seed, dataset.header.settings) == (40, 1, space.settings)
    space.require_own_dataset(dataset)
    assert np.array_equal(find_presets(space, ["7"])[0].human, dataset.values[7])
    space.dataset_path.write_text(space.dataset_path.read_text().replace('"seed": 1', '"seed": 2'))
    with pytest.raises(UserError, match="are not the presets of .* remove it to have it drawn again"):
        find_presets(load_run(packed.path), ["7"])


def test_its_map_opens_whole_and_nothing_is_made(packed: Packed, cache: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("synthvae.studio.maps.build_atlas", lambda *_: pytest.fail("a view is made"))
    session = open_session(packed.path, bank=tmp_path / "bank.sqlite")
    try:
        assert session.measured.progress == 1.0
        atlas, clusters = session.view("sound"), session.maps.clusters()
        assert clusters is not None
        figures = packed.figures
        assert len(session.collection) == len(atlas.points) == 40
        assert len(session.cluster_names(clusters)) == figures.regions
        assert np.array_equal(atlas.points, figures.atlas.points)
        assert np.abs(atlas.features - figures.atlas.features).max() < 0.05  # dB
        assert atlas.features.dtype == atlas.nodes.dtype == np.float32
        place = session.maps.places(session.collection.rows[3:4])["sound"]
        assert np.abs(place - atlas.points[3]).max() < 0.1 * np.ptp(atlas.points)
    finally:
        session.close()
    assert not (packed.path / ".cache").exists()


def test_its_card_and_figures_say_what_is_measured_with_its_own_files(packed: Packed, cache: Path):
    space = load_run(packed.path)
    unit = read_dataset(space.dataset_path).unit
    quality = QualityMeter(space.voice, unit).measure(space.decode(space.encode(unit)))
    assert quality == packed.figures.quality
    stored = orjson.loads((packed.path / "figures.json").read_bytes())
    assert stored["log_mel_error"]["mean_preset"]["ratio"] == quality.mean_preset.value
    assert stored["map"]["sounds"] == 40
    again = measure_encoder(space, encoder_of(space), 0)
    for name in ("distance", "of_latents", "of_mean_preset", "of_random"):
        assert stored["encoder"][name] == getattr(packed.figures.encoder, name) == getattr(again, name)
    card = (packed.path / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\n")
    for part in (
        "# small-16",
        f"| log-mel error of reconstructions / mean preset | {quality.mean_preset.value:.3f} (",
        "    loss = sclp\n",
        "`make small` reproduces the space",
        "another that encodes a recording",
        f"and the input sound | {packed.figures.encoder.distance:.2f} dB |",
        f"(nulls) | {packed.figures.encoder.of_mean_preset:.2f} dB, {packed.figures.encoder.of_random:.2f} dB |",
        "40 uniform presets of seed 1",
    ):
        assert part in card
    assert "&#" not in card
    assert str(space.path.parent) not in card + (packed.path / "run.json").read_text()
    assert packed.size == sum(path.stat().st_size for path in packed.path.iterdir())


def test_a_space_is_replaced_only_by_one_with_the_same_figures(packed: Packed, small_run: Path, tmp_path: Path):
    out = shutil.copytree(packed.path, tmp_path / "small-16")
    pack_space(load_run(small_run), out, presets=40)
    assert not (out / "audio-encoder.safetensors").exists(), "it was replaced, not added to"
    figures = orjson.loads((out / "figures.json").read_bytes())
    figures["log_mel_error"]["mean_preset"] |= {"low": 0.1, "high": 0.2}
    (out / "figures.json").write_bytes(orjson.dumps(figures))
    with user_error("out", out, "is 0.1000 to 0.2000 relative to the mean preset"):
        pack_space(load_run(small_run), out, presets=40)
    assert orjson.loads((out / "figures.json").read_bytes()) == figures
    assert [path.name for path in tmp_path.iterdir()] == ["small-16"]
    out.chmod(0o700)
    (tmp_path / "link").symlink_to(out)
    pack_space(load_run(small_run), tmp_path / "link", presets=40, overwrite=True)
    assert orjson.loads((out / "figures.json").read_bytes()) != figures
    assert (tmp_path / "link").is_symlink()
    assert out.stat().st_mode & 0o777 == 0o700


def test_what_cannot_be_packed_is_refused(packed: Packed, small_run: Path, tmp_path: Path):
    run = load_run(small_run)
    with user_error("seed", 3, "was trained on have this one"):
        pack_space(run, tmp_path / "out", seed=3)
    for presets in (3, 10_001):
        with user_error("presets", presets, "give 4 to 10000"):
            pack_space(run, tmp_path / "out", presets=presets)
    with user_error("out", tmp_path, "is no space"):
        pack_space(run, tmp_path)
    assert list(tmp_path.iterdir()) == []
    with user_error("run", packed.path.name, "a space is not changed"):
        train_encoder(load_run(packed.path), 64)


def test_the_command_packs_and_its_space_is_a_run(command: Command, small_run: Path, tmp_path: Path, cache: Path):
    code, out, err = command("pack", small_run, "--out", "shared/s", "--presets", 40)
    assert code == 0, err
    assert re.fullmatch(
        r"shared/s: \d+\.\d MB; log-mel error \d\.\d{3} relative to the mean preset, "
        r"\d\.\d{3} relative to the mean spectrogram, on 40 presets\n",
        out,
    )
    assert [path.name for path in (tmp_path / "shared").iterdir()] == ["s"]
    code, out, err = command("decode", "shared/s", "--random", 1, "--all", "--out", "sounds")
    assert code == 0, err
    refused(command("train-encoder", "shared/s"), "a space is not changed")
    refused(command("pack", small_run, "--out", tmp_path), "is no space")
