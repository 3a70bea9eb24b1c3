from __future__ import annotations

import pytest
import torch
from scipy.stats import binomtest

from benchmarks.losses import combinations, interval, loss_table, measure_losses, pitch_direction
from synthvae.losses import LOSSES, AudioLoss, build_loss
from synthvae.synths.voice.parameters import VOICE_63
from synthvae.synths.voice.voice import Voice


class Towards(AudioLoss):
    """A loss with the ideal gradient: `voice` below passes the parameters on as sound."""

    def __init__(self, sign: float) -> None:
        super().__init__("")
        self.sign = sign

    def compare(self, audio_hat, audio, frames):
        return self.sign * (audio_hat - audio).square().sum(1)


def test_a_perfect_loss_scores_one_its_opposite_and_none_at_all_zero():
    unit = torch.rand(40, 63, generator=torch.Generator().manual_seed(0))
    for sign, score in ((1.0, 1.0), (-1.0, 0.0), (0.0, 0.0)):
        assert pitch_direction(Towards(sign), torch.nn.Identity(), unit, 50) == score


def test_moves_stay_within_the_keyboard():
    seen = []

    def voice(unit):
        seen.append(unit.detach())
        return unit

    unit = torch.zeros(4, 63)
    unit[:2] = 1.0
    pitch_direction(Towards(1.0), voice, unit, 600)
    pitches = VOICE_63.denormalise(torch.cat(seen))[:, 0]
    assert pitches.min() >= -1e-4
    assert pitches.max() <= 127 + 1e-4


def test_transport_hears_the_direction_that_bin_by_bin_losses_do_not():
    unit = torch.rand(256, 63, generator=torch.Generator().manual_seed(1))
    voice = Voice(VOICE_63, 16000, 0.25, 160)
    scores = {name: pitch_direction(build_loss(name, 16000), voice, unit, 300) for name in ("sot", "logmel")}
    assert scores["sot"] > interval(scores["logmel"], 512)[1]


def test_every_loss_is_measured_on_every_feature_and_the_table_has_the_null():
    assert {name for name, _ in combinations()} == set(LOSSES) - {"pnp", "none"}
    assert len(combinations()) == 6 * 4 + 1 + 1 + 2 + 1
    steps = []
    results = measure_losses(2, 0, ["sot", "envelope"], lambda done, what: steps.append(done))
    assert steps == [0, 1, 2, 3]
    assert [(r.loss, r.feature) for r in results] == [("sot", "stft"), ("sot", "cqt"), ("envelope", "")]
    table = loss_table(results).splitlines()
    assert "chance" in table[2]
    assert len(table) == 6


@pytest.mark.parametrize(("right", "trials"), [(0, 20), (13, 20), (500, 500), (240, 500)])
def test_the_interval_is_wilsons(right, trials):
    expected = binomtest(right, trials).proportion_ci(method="wilson")
    assert interval(right / trials, trials) == pytest.approx((expected.low, expected.high), abs=1e-4)
