from __future__ import annotations

import math

import pytest

from synthvae.training.config import TrainConfig
from synthvae.training.schedules import KL_SCHEDULES, PUBLISHED_KL_SCHEDULES, kl_factor


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


#: Runs of García López (2025): schedule, warm-up, baseline, and the weights that its records have, epoch by epoch.
LOGISTIC = [0.116, 0.143, 0.207, 0.342, 0.55, 0.758, 0.893, 0.957]
RECORDED = {
    "01": ("linear", 9, 0.1, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
    "02": ("cosine", 10, 0.0, [0, 0.024, 0.095, 0.206, 0.345, 0.5, 0.655, 0.794, 0.905, 0.976, 1]),
    "03": ("constant", 10, 0.1, [1.0] * 17),
    "04": ("linear", 8, 0.1, [0.1, 0.213, 0.325, 0.438, 0.55, 0.663, 0.775, 0.888, 1]),
    "05": ("cosine", 8, 0.1, [0.1, 0.134, 0.232, 0.378, 0.55, 0.722, 0.868, 0.966]),
    "06": ("logistic-g", 8, 0.1, [*LOGISTIC, 0.984, 0.984, 0.984]),
    "07": ("logistic-g", 8, 0.1, [*LOGISTIC, 0.984, 0.984, 0.984]),
    "08": ("cyclical-g", 8, 0.1, [*LOGISTIC, *LOGISTIC, *LOGISTIC[:4]]),
}


@pytest.mark.parametrize("run", RECORDED)
def test_the_published_schedules_have_every_recorded_value(run: str):
    schedule, warmup, baseline, recorded = RECORDED[run]
    found = [kl_factor(schedule, epoch, warmup, baseline) for epoch in range(len(recorded))]
    assert [round(value + 1e-9, 3) for value in found] == recorded


def test_the_published_logistic_schedule_never_reaches_the_whole_weight():
    assert kl_factor("logistic-g", 50.0, 10.0, 0.1) == pytest.approx(0.994, abs=5e-4)
    assert max(kl_factor("cyclical-g", epoch, 8.0, 0.1) for epoch in range(40)) == pytest.approx(0.957, abs=5e-4)


def test_without_a_warm_up_the_weight_is_whole():
    schedules = (*KL_SCHEDULES, *PUBLISHED_KL_SCHEDULES)
    assert [kl_factor(schedule, 0.0, 0.0, 0.1) for schedule in schedules] == [1.0] * 7
    assert kl_factor("constant", 0.0, 9.0) == 1.0


def test_learning_rates():
    drop = TrainConfig(data="x", lr=2.0, lr_schedule="drop", lr_drop_after=3, lr_drop_every=2, lr_drop_factor=0.5)
    assert [drop.learning_rate(epoch) for epoch in range(7)] == [2, 2, 2, 1, 1, 0.5, 0.5]
    assert drop.learning_rate(3.9) == 1
    cosine = TrainConfig(data="x", lr=2.0, lr_schedule="cosine", epochs=4)
    assert [cosine.learning_rate(epoch) for epoch in (0, 2, 4)] == pytest.approx([2, 1, 0])
    plateau = TrainConfig(data="x", lr=1e-3, lr_schedule="plateau", lr_drop_factor=0.2)
    assert [plateau.learning_rate(300, drops) for drops in range(3)] == pytest.approx([1e-3, 2e-4, 4e-5])
