"""A small run packed as a space."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthvae.models.audio_encoder import ENCODER_FILE, AudioEncoder, write_encoder
from synthvae.spaces.pack import Packed, pack_space
from synthvae.training.run import load_run
from tests.cli.conftest import run as command  # noqa: F401 - a fixture


@pytest.fixture(scope="session")
def packed(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """The small run, with an audio encoder that was not trained, and 40 presets on its map; for reading only."""
    run = load_run(small_run)
    encoder = AudioEncoder(run.latent_size, run.settings.sample_rate, run.voice.samples, hidden=8)
    path = run.path / ENCODER_FILE
    try:
        write_encoder(path, encoder, {"weights_hash": run.weights_hash, "presets": 0, "distance": 1.0})
        return pack_space(run, tmp_path_factory.mktemp("spaces") / "small-16", presets=40, how="make small")
    finally:
        path.unlink()
