from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from synthvae.analysis.distributions import measure_nulls, measure_set
from synthvae.data.generation import generate_dataset
from synthvae.data.presets import read_dataset
from synthvae.metrics.embeddings import build_embedding
from synthvae.metrics.kernel import kernel_distance
from synthvae.report.analysis import plan_analysis
from synthvae.synths.settings import RenderSettings
from synthvae.synths.voice.parameters import VOICE_63
from synthvae.synths.voice.voice import Voice
from synthvae.training.config import resolve_config
from synthvae.training.run import load_run
from synthvae.training.tasks.presets import PresetTask
from synthvae.training.trainer import train
from tests.metrics.embeddings.drawn_weights import write_vggish


def draws(n: int, shift: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, 4)) + shift


def test_a_shifted_set_has_the_distance_of_its_shift():
    found = measure_set(draws(2000, 0.0, 0), draws(2000, 2.0, 1), 0)
    assert found.frechet_audio_distance is not None
    assert found.frechet_audio_distance_infinity is not None
    assert found.kernel_audio_distance is not None
    assert found.frechet_audio_distance.value == pytest.approx(16.0, rel=0.05)  # 4 dimensions, 2 squared
    assert found.frechet_audio_distance_infinity.low < 16.0 < found.frechet_audio_distance_infinity.high
    nulls = measure_nulls(draws(2000, 0.0, 0), np.zeros((1, 4)), 0)
    assert nulls.kernel_audio_distance_of_halves is not None
    assert found.kernel_audio_distance.value > 10 * nulls.kernel_audio_distance_of_halves.high
    assert (found.reason, nulls.reason, nulls.mean_preset.reason) == ("", "", "")
    assert nulls.frechet_audio_distance_of_halves is not None
    assert nulls.frechet_audio_distance_of_halves.value < 0.1
    assert nulls.mean_preset.frechet_audio_distance is not None
    assert nulls.mean_preset.frechet_audio_distance.value == pytest.approx(
        4.0, rel=0.1
    )  # all the variance, and no shift
    assert nulls.mean_preset.kernel_audio_distance is not None
    assert nulls.mean_preset.kernel_audio_distance.value > 10 * nulls.kernel_audio_distance_of_halves.high


def test_equal_sets_lie_below_the_floor():
    found = measure_set(draws(1000, 0.0, 0), draws(1000, 0.0, 1), 0)
    nulls = measure_nulls(draws(1000, 0.0, 0), np.zeros((1, 4)), 0)
    assert found.kernel_audio_distance is not None
    assert nulls.kernel_audio_distance_of_halves is not None
    assert found.kernel_audio_distance.value < nulls.kernel_audio_distance_of_halves.high
    assert found.frechet_audio_distance_infinity is not None
    assert found.frechet_audio_distance_infinity.low <= 0.0


def test_too_few_sounds_are_a_reason_and_no_number():
    found = measure_set(draws(4, 0.0, 0), draws(4, 0.0, 1), 0)
    assert found.frechet_audio_distance is None
    assert found.frechet_audio_distance_infinity is None
    assert "4 sounds in 4 dimensions" in found.reason
    nulls = measure_nulls(draws(1, 0.0, 0), np.zeros((1, 4)), 0)
    assert (
        nulls.frechet_audio_distance_of_halves,
        nulls.kernel_audio_distance_of_halves,
        nulls.mean_preset.frechet_audio_distance,
    ) == (None, None, None)
    assert "in 1 sound, at least 4" in nulls.reason


def test_rows_that_depend_on_each_other_have_one_distance_and_no_floor():
    found = measure_set(draws(2000, 0.0, 0), draws(2000, 2.0, 1), 0, per_sound=False)
    assert found.frechet_audio_distance is not None
    assert (found.frechet_audio_distance_infinity, found.kernel_audio_distance) == (None, None)
    assert "neither a floor nor an interval" in found.reason
    nulls = measure_nulls(draws(2000, 0.0, 0), np.zeros((4, 4)), 0, per_sound=False)
    assert (nulls.frechet_audio_distance_of_halves, nulls.kernel_audio_distance_of_halves) == (None, None)
    assert nulls.mean_preset.frechet_audio_distance is not None


def test_a_run_is_compared_on_test_and_training_sounds_in_a_pretrained_embedding(tmp_path: Path, weights_dir: Path):
    write_vggish(weights_dir)
    settings = RenderSettings(sample_rate=16_000, seconds=1.0, control_rate=160)
    generate_dataset(tmp_path / "d.json", VOICE_63, 30, seed=3, splits="20,2,8", settings=settings)
    dataset, voice = read_dataset(tmp_path / "d.json"), Voice(VOICE_63, **settings.to_dict())
    config = resolve_config(None, {"data": str(dataset.path), "loss": "none", "epochs": 1, "batch_size": 20})
    train(PresetTask(config, dataset, voice), tmp_path / "run")
    run = load_run(tmp_path / "run")
    work = plan_analysis([run], dataset, tmp_path / "a", embeddings=["vggish"], weights_dir=weights_dir)
    tests, found = work.embedded["vggish"].result, work.of_runs[0].sets["vggish"].result

    embedding = build_embedding("vggish", 16_000, weights_dir)
    for unit, rows, measured in (
        (dataset.split("test"), tests.rows, found.test),
        (dataset.split("train")[:4], tests.train_rows, found.training),  # 20 % of 20
    ):
        with torch.inference_mode():
            sounds, answers = voice(unit), voice(run.decode(run.encode(unit)))
        np.testing.assert_allclose(rows, embedding.embed(sounds, 16_000), rtol=1e-3, atol=1e-3 * np.abs(rows).max())
        expected = kernel_distance(rows, embedding.embed(answers, 16_000))
        assert measured.kernel_audio_distance is not None
        assert measured.kernel_audio_distance.value == pytest.approx(expected.value, rel=1e-3, abs=1e-6)
        assert measured.frechet_audio_distance is None
        assert f"{len(unit)} sounds in 128 dimensions, at least 129 are needed" in measured.reason
    assert tests.nulls.mean_preset.kernel_audio_distance is not None
