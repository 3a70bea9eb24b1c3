"""How much of the sound a run keeps, beside what answers without a model."""

from __future__ import annotations

import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.features.mel import LogMel
from synthvae.synths.voice.parameters import VOICE_63
from synthvae.synths.voice.voice import Voice
from synthvae.training.quality import QualityMeter


def test_ratios_are_of_mean_squared_log_mel_differences(small_voice: Voice):
    unit, answer = torch.rand(2, 20, 63, generator=torch.Generator().manual_seed(4))
    quality = QualityMeter(small_voice, unit).measure(answer)
    feature = LogMel(small_voice.sample_rate)
    target, found = feature(small_voice(unit)).double(), feature(small_voice(answer)).double()
    error = (target - found).square().mean()
    neutral = feature(small_voice(torch.full((1, 63), 0.5))).double()
    assert quality.mean_preset.value == pytest.approx(float(error / (target - neutral).square().mean()), rel=1e-6)
    mean = (target - target.mean(0)).square().mean()
    assert quality.mean_spectrogram.value == pytest.approx(float(error / mean), rel=1e-6)
    assert quality.mean_preset.low < quality.mean_preset.value < quality.mean_preset.high


def test_the_answers_that_define_the_scale_have_its_marks(small_voice: Voice):
    unit = torch.rand(12, len(VOICE_63), generator=torch.Generator().manual_seed(5))
    meter = QualityMeter(small_voice, unit)
    assert meter.measure(unit).mean_preset.value == 0.0
    assert meter.measure(torch.full_like(unit, 0.5)).mean_preset.value == pytest.approx(1.0, rel=1e-6)
    answer = unit.flip(1)[:5]
    feature = LogMel(small_voice.sample_rate)
    target, found, neutral = (feature(small_voice(rows)) for rows in (unit[:5], answer, torch.full((1, 63), 0.5)))
    ratio = (target - found).square().mean() / (target - neutral).square().mean()
    assert meter.measure(answer).mean_preset.value == pytest.approx(float(ratio), rel=1e-5)
    assert meter.measure(answer).mean_preset.n == 5
    with pytest.raises(UserError, match="at least 2 are needed"):
        QualityMeter(small_voice, unit[:1])
