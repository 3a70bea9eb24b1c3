"""The network that hears: shapes, files, and that training teaches it something."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from synthvae.errors import UserError
from synthvae.models.audio_encoder import ENCODER_FILE, AudioEncoder, read_encoder, write_encoder
from synthvae.training.run import Run, load_run
from synthvae.training.tasks import audio_encoder
from synthvae.training.tasks.audio_encoder import PART_FILE, Interrupted, train_encoder


@pytest.fixture
def run(small_run: Path, tmp_path: Path) -> Run:
    return load_run(shutil.copytree(small_run, tmp_path / "run"))


def test_it_answers_with_a_gaussian_for_any_length():
    encoder = AudioEncoder(16, 16000, 4000)
    for samples in (100, 4000, 9000):
        mean, deviation = encoder.encode(torch.rand(3, samples))
        assert mean.shape == deviation.shape == (3, 16)
        assert (deviation > 0).all()


def test_full_scale_and_silence_are_where_its_docstring_says():
    encoder = AudioEncoder(4, 16000, 16000)
    silence = encoder.spectrogram(torch.zeros(1, 16000))
    sine = torch.sin(2 * torch.pi * 1000 * torch.arange(16000) / 16000)
    assert torch.allclose(silence, torch.full_like(silence, -1.0), atol=1e-3)
    assert 0.9 < float(encoder.spectrogram(sine[None]).max()) < 1.2


def test_a_file_gives_the_same_answers(tmp_path: Path):
    encoder = AudioEncoder(5, 16000, 4000)
    path = tmp_path / ENCODER_FILE
    write_encoder(path, encoder, {"weights_hash": "a"})
    audio = torch.rand(2, 4000)
    assert torch.equal(read_encoder(path, "a").encode(audio)[0], encoder.encode(audio)[0])
    with pytest.raises(UserError, match="trained for other weights .* train it again"):
        read_encoder(path, "b")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="cannot read"):
        read_encoder(path)


def test_training_teaches_it(run: Run):
    told: list[float] = []
    report = train_encoder(run, presets=4800, progress=lambda done, what: told.append(float(what.split()[-1])))
    assert report.path == run.path / ENCODER_FILE
    assert not (run.path / PART_FILE).exists()
    assert told[-1] < told[0] - 0.1  # nats for each latent dimension
    assert report.of_latents > 0
    assert read_encoder(report.path, run.weights_hash).latent_size == run.latent_size


def test_a_stopped_training_goes_on_to_the_same_weights(run: Run, monkeypatch: pytest.MonkeyPatch):
    whole = read_encoder(train_encoder(run, presets=320, seed=4).path).state_dict()
    calls = 0

    def stop(done: int, what: str) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="after 192 of 320"):
        train_encoder(run, presets=320, seed=4, progress=stop)
    with pytest.raises(UserError, match="other --presets or --seed"):
        train_encoder(run, presets=640, seed=4, resume=True)
    again = read_encoder(train_encoder(run, presets=320, seed=4, resume=True).path).state_dict()
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_fewer_presets_than_a_batch_are_refused(run: Run):
    with pytest.raises(UserError, match="--presets is 10"):
        train_encoder(run, presets=audio_encoder.BATCH - 54)
