"""Matching of a recording: the results, their order and their confidence."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.matching import engine
from synthvae.matching.engine import BUDGET, NULL_PRESETS, UNLIKE, Progress, budget_for, match
from synthvae.matching.index import open_index
from synthvae.matching.objective import Objective
from synthvae.matching.starts import encoder_of, starts_of_encoder
from synthvae.matching.target import Target, prepare_target
from synthvae.models.audio_encoder import ENCODER_FILE, AudioEncoder, write_encoder
from synthvae.synths.voice.parameters import VOICE_63, VOICE_78
from synthvae.synths.voice.voice import Voice
from synthvae.training.run import load_run
from tests.conftest import SHORT
from tests.errors import user_error


@pytest.fixture(scope="module")
def target(small_voice: Voice) -> Target:
    unit = torch.rand(1, 63, generator=torch.Generator().manual_seed(11))
    return Target("tone", small_voice(unit)[0], 16000, ())


def test_answers_are_in_order_unlike_each_other_and_sound_as_they_say(target: Target):
    result = match(target, VOICE_63, budget=900, top=4, seed=1)
    distances = [candidate.distance for candidate in result.candidates]
    assert len(distances) == 4
    assert distances == sorted(distances)
    units = torch.stack([candidate.unit for candidate in result.candidates])
    apart = (units[:, None] - units).abs().mean(2)[~torch.eye(4, dtype=torch.bool)]
    assert float(apart.min()) >= UNLIKE
    for candidate in result.candidates:
        preset = candidate.preset
        voice = Voice(VOICE_63, **preset.settings.to_dict())
        audio = voice(torch.from_numpy(preset.unit.astype(np.float32))[None])
        distance = float(Objective(voice, target.audio).spectra.distance(Objective(voice, target.audio).target, audio))
        assert distance == pytest.approx(candidate.distance, abs=0.02)
        assert preset.origin["matched"] == "tone"
    assert 0.0 < result.confidence < 1.0
    assert result.confidence == pytest.approx(1.0 - distances[0] / result.random)
    assert result.nearest_random <= result.random
    assert result.renders <= 900
    assert not result.stopped


def test_the_same_seed_gives_the_same_presets(target: Target):
    first, again = (match(target, VOICE_63, budget=600, seed=3) for _ in range(2))
    assert all(torch.equal(a.unit, b.unit) for a, b in zip(first.candidates, again.candidates, strict=True))
    assert not torch.equal(match(target, VOICE_63, budget=600, seed=4).candidates[0].unit, first.candidates[0].unit)


def test_progress_is_told_and_ctrl_c_keeps_the_best(target: Target):
    states: list[Progress] = []

    def interrupt(state: Progress) -> None:
        states.append(state)
        if state.renders > 300:
            raise KeyboardInterrupt

    result = match(target, VOICE_63, budget=2000, progress=interrupt)
    assert result.stopped
    assert result.candidates[0].distance == pytest.approx(states[-1].distance)
    fractions = [state.fraction for state in states]
    assert fractions == sorted(fractions)
    assert states[0].renders <= NULL_PRESETS


def test_a_stop_from_outside_keeps_the_best(target: Target):
    told = 0

    def count(state: Progress) -> None:
        nonlocal told
        told += 1

    result = match(target, VOICE_63, budget=3000, stop=lambda: told > 5, progress=count)
    assert result.stopped
    assert result.renders < 1000


def test_time_is_a_limit_too(target: Target, monkeypatch: pytest.MonkeyPatch):
    now = 0.0
    monkeypatch.setattr(engine, "time", SimpleNamespace(monotonic=lambda: now))

    def pass_time(state: Progress) -> None:
        nonlocal now
        now += 0.125

    result = match(target, VOICE_63, seconds=0.5, progress=pass_time)
    assert result.seconds == 0.625, "the first batch that ends after the limit is the last"
    assert not result.stopped


def test_an_index_and_an_encoder_propose_starts(target: Target, small_run: Path, tmp_path: Path):
    index = open_index(VOICE_63, SHORT, 200, tmp_path / "index.safetensors")
    model = load_run(shutil.copytree(small_run, tmp_path / "run"))
    assert encoder_of(model) is None
    encoder = AudioEncoder(model.latent_size, 16000, 4000)
    write_encoder(model.path / ENCODER_FILE, encoder, {"weights_hash": model.weights_hash})
    found = encoder_of(model)
    assert found is not None
    starts = starts_of_encoder(target, model, found, 1000, seed=0)
    assert starts.shape == (20, 63)
    assert torch.allclose(starts[0], model.decode(found.encode(target.audio[None])[0])[0], atol=1e-5)
    result = match(target, VOICE_63, run=model, index=index, budget=400)
    assert result.renders <= 400


def test_a_sound_of_the_index_is_matched_at_once(small_voice: Voice, tmp_path: Path):
    index = open_index(VOICE_63, SHORT, 200, tmp_path / "index.safetensors")
    known = index.nearest(torch.rand(4000), 1)
    result = match(Target("known", small_voice(known)[0], 16000, ()), VOICE_63, index=index, budget=300)
    assert result.candidates[0].distance < 1e-3
    assert result.confidence > 0.99
    assert result.verdict == "nearly indistinguishable"


def test_a_longer_target_gets_fewer_renders():
    assert budget_for(0.3) == budget_for(1.0) == BUDGET
    assert budget_for(4.0) == BUDGET // 4


@pytest.mark.parametrize(
    ("argument", "value"),
    [("budget", 10), ("seconds", 0.0), ("seconds", math.nan), ("top", 0), ("seed", -1), ("seconds", 1e-9)],
)
def test_what_cannot_be_searched_is_refused(target: Target, argument: str, value: float):
    with user_error(argument, value if value != 1e-9 else None):
        match(target, VOICE_63, **{argument: value})


def test_a_run_of_other_parameters_is_refused(target: Target, small_run: Path):
    with pytest.raises(UserError, match="its parameters"):
        match(target, VOICE_78, run=load_run(small_run), budget=300)


def test_a_recording_is_prepared_before_it_is_matched():
    rate = 22050
    tone = np.sin(2 * np.pi * 440 * np.arange(rate) / rate) * 0.1
    padded = np.concatenate([np.zeros(rate // 2), tone, np.zeros(rate)])
    target = prepare_target(np.stack([padded, padded], axis=1), rate, "tone", 16000)
    assert target.seconds == pytest.approx(1.0, abs=0.05)
    assert float(target.audio.abs().max()) == pytest.approx(10 ** (-1 / 20), rel=1e-4)
    assert [note.split()[0] for note in target.notes] == ["2", "silence", "resampled", "level"]
