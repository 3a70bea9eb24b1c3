"""The network that hears: shapes, files, and that training teaches it something."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.core.files import load_tensors, save_tensors
from synthvae.exploration.latent_files import find_run
from synthvae.models.audio_encoder import ENCODER_FILE, AudioEncoder, read_encoder, write_encoder
from synthvae.training import trainer
from synthvae.training.run import Run, load_run
from synthvae.training.tasks import audio_encoder
from synthvae.training.tasks.audio_encoder import encoder_run, train_encoder
from tests.errors import user_error
from tests.training.records import records


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


def test_a_file_of_an_earlier_version_which_names_no_width_is_read(tmp_path: Path):
    encoder, path = AudioEncoder(5, 16000, 4000, hidden=512), tmp_path / ENCODER_FILE
    write_encoder(path, encoder, {})
    tensors, state = load_tensors(path)
    save_tensors(path, tensors, {name: value for name, value in state.items() if name != "hidden"})
    audio = torch.rand(2, 4000)
    assert torch.equal(read_encoder(path).encode(audio)[0], encoder.encode(audio)[0])


def test_encoding_leaves_the_mode_and_the_running_means_as_they_were():
    encoder = AudioEncoder(3, 16000, 4000)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    for training in (True, False):
        encoder.train(training)
        encoder.encode(torch.rand(2, 4000))
        assert all(module.training == training for module in encoder.modules())
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


def test_training_teaches_it(run: Run):
    told: list[tuple[int, str]] = []
    state = torch.get_rng_state()
    report = train_encoder(run, presets=4800, progress=lambda done, what: told.append((done, what)))
    assert torch.equal(torch.get_rng_state(), state)
    assert report.path == run.path / ENCODER_FILE
    assert (report.presets, told[-1][0], len(log := records(encoder_run(run) / "metrics.csv"))) == (4800, 4800, 15)
    assert told[-1][1] == f"validation: negative log likelihood {log[-2]['validation/total']:.3f}"
    assert log[-1]["validation/best"] < log[0]["validation/best"] - 0.1  # nats for each latent dimension
    assert report.of_latents > 0
    encoder = read_encoder(report.path, run.weights_hash)
    assert encoder.latent_size == run.latent_size
    own = load_run(encoder_run(run), needs="audio")
    assert (own.task.name, own.latent_size, own.config.presets) == ("audio-encoder", run.latent_size, 4800)
    weights = own.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in encoder.state_dict().items())
    with pytest.raises(UserError, match="task is 'audio-encoder', which has no parameters"):
        load_run(encoder_run(run), needs="parameters")
    with pytest.raises(UserError, match="task is 'audio-encoder', which has no parameters"):
        own.sample(2)
    assert find_run(None, run.path.parent)[0] == run.path
    assert find_run(None, run.path.parent, needs="audio")[0] == encoder_run(run)


@pytest.mark.parametrize("killed", [False, True])
def test_a_stopped_training_goes_on_to_the_same_weights(killed: bool, run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trainer, "SAVE_SECONDS", -1.0)  # after every step
    whole = read_encoder(train_encoder(run, presets=320, seed=4).path).state_dict()

    def stop(done: int, what: str) -> None:
        if done == 192:
            if killed:
                raise ZeroDivisionError
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(ZeroDivisionError if killed else trainer.Interrupted):
        train_encoder(run, presets=320, seed=4, progress=stop, overwrite=True)
    with user_error("presets", 640, "trained with 320; .* replace `resume` by `overwrite` to start anew"):
        train_encoder(run, presets=640, seed=4, resume=True)
    done: list[int] = []
    again = read_encoder(
        train_encoder(run, presets=320, seed=4, resume=True, progress=lambda n, what: done.append(n)).path
    ).state_dict()
    assert done == ([192] if killed else []) + [256, 320]
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_fewer_presets_than_a_batch_are_refused(run: Run):
    with user_error("presets", 10):
        train_encoder(run, presets=audio_encoder.BATCH - 54)
