from __future__ import annotations

import math

import pytest

from synthvae.training.config import TrainConfig
from synthvae.training.schedules import KL_SCHEDULES, kl_factor


@pytest.mark.parametrize("schedule", ["linear", "cosine", "logistic"])
def test_a_rise_goes_from_nothing_to_all_of_it_and_never_falls(schedule: str):
    values = [kl_factor(schedule, epoch / 10, 4.0) for epoch in range(81)]
    assert values[0] == pytest.approx(0.0, abs=1e-12)
    assert values[40:] == pytest.approx([1.0] * 41)
    assert values == sorted(values)
    assert values[20] == pytest.approx(0.5)


def test_a_logistic_rise_is_steepest_in_its_middle_and_a_cosine_one_less_so():
    slopes = {s: kl_factor(s, 2.1, 4.0) - kl_factor(s, 1.9, 4.0) for s in ("linear", "cosine", "logistic")}
    assert slopes["linear"] < slopes["cosine"] < slopes["logistic"]
    assert slopes["cosine"] == pytest.approx(math.pi / 2 * slopes["linear"], rel=1e-2)


def test_cycles_rise_over_their_first_half_and_stay_for_the_second():
    values = [kl_factor("cyclical", epoch, 4.0) for epoch in range(9)]
    assert values == [0.0, 0.5, 1.0, 1.0, 0.0, 0.5, 1.0, 1.0, 0.0]


def test_without_a_warm_up_the_weight_is_whole():
    assert [kl_factor(schedule, 0.0, 0.0) for schedule in KL_SCHEDULES] == [1.0] * 5
    assert kl_factor("constant", 0.0, 9.0) == 1.0


def test_learning_rates():
    drop = TrainConfig(data="x", lr=2.0, lr_schedule="drop", lr_drop_after=3, lr_drop_every=2, lr_drop_factor=0.5)
    assert [drop.learning_rate(epoch) for epoch in range(7)] == [2, 2, 2, 1, 1, 0.5, 0.5]
    assert drop.learning_rate(3.9) == 1
    cosine = TrainConfig(data="x", lr=2.0, lr_schedule="cosine", epochs=4)
    assert [cosine.learning_rate(epoch) for epoch in (0, 2, 4)] == pytest.approx([2, 1, 0])
