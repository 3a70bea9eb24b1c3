from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from synthvae.audio.recordings import Recording
from synthvae.bank.analysis import EMBEDDED, analyse, distances, embed
from synthvae.core.errors import UserError
from synthvae.data.preset import Preset
from synthvae.synths.settings import RenderSettings

RATE = 44100
TIME = np.arange(RATE // 2) / RATE
PLUCK = 0.5 * np.sin(2 * np.pi * 440 * TIME) * np.exp(-6 * TIME)


def far(first: np.ndarray, second: np.ndarray, first_rate: int = RATE, second_rate: int = RATE) -> float:
    return float(distances(embed(Recording(first, first_rate)), embed(Recording(second, second_rate))[None])[0])


def test_gain_silence_offset_and_rate_do_not_move_a_sound():
    assert far(PLUCK, 0.05 * PLUCK) < 0.05
    assert far(PLUCK, np.concatenate([np.zeros(20000), PLUCK, np.zeros(50000)])) < 0.05
    assert far(PLUCK, np.concatenate([np.zeros(20000), PLUCK, np.zeros(50000)]) + 0.1) < 0.05
    slow = 0.5 * np.sin(2 * np.pi * 440 * np.arange(11025) / 22050) * np.exp(-6 * np.arange(11025) / 22050)
    assert far(PLUCK, slow, RATE, 22050) < 0.5
    noise = np.random.default_rng(0).standard_normal(60000)
    assert far(PLUCK, np.pad(PLUCK, (10000, 60000 - 10000 - len(PLUCK))) + 1e-4 * noise) < 0.5


def test_other_sounds_are_elsewhere_and_likeness_is_graded():
    def tone(hz: float) -> np.ndarray:
        return 0.5 * np.sin(2 * np.pi * hz * TIME) * np.exp(-6 * TIME)

    noise = np.random.default_rng(0).standard_normal(len(TIME)) * 0.1
    assert 0.5 < far(PLUCK, tone(470.0)) < far(PLUCK, tone(880.0)) < far(PLUCK, noise)


def test_silence_is_a_place_of_its_own():
    silence = embed(Recording(np.zeros(3000), RATE))
    assert silence.shape == (EMBEDDED,)
    assert np.isfinite(silence).all()
    assert (embed(Recording(np.full(500, 0.3), 8000)) == silence).all(), "a constant is none either"
    assert (embed(Recording(1e-5 * PLUCK, RATE)) == silence).all()
    assert distances(silence, embed(Recording(PLUCK, RATE))[None])[0] > 5


@pytest.mark.parametrize(("samples", "rate"), [(1, 44100), (2, 1000), (30, 384000), (5000, 1000), (3000, 384000)])
def test_every_length_and_rate_has_a_place(samples: int, rate: int):
    sound = np.random.default_rng(0).standard_normal(samples) * 0.1
    assert np.isfinite(embed(Recording(sound, rate))).all()


def test_what_is_no_sound_has_no_place():
    with pytest.raises(UserError, match="empty or not finite"):
        embed(Recording(np.zeros(0), RATE))
    with pytest.raises(UserError, match="empty or not finite"):
        embed(Recording(np.array([0.0, np.inf]), RATE))


@pytest.mark.parametrize(
    "settings", [RenderSettings(1000, 0.02, 100), RenderSettings(8000, 0.02, 100), RenderSettings(96000, 0.5, 441)]
)
def test_every_setting_is_heard(settings: RenderSettings, small_presets: list[Preset]):
    presets = [dataclasses.replace(preset, settings=settings) for preset in small_presets[:3]]
    for analysed in analyse(presets):
        assert analysed.name
        assert Image.open(io.BytesIO(analysed.thumbnail)).size == (96, 64)
        assert np.isfinite(analysed.embedding).all()
