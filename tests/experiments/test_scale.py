from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from synthvae.core.errors import UserError
from synthvae.experiments.cases import list_cases, select_cases
from synthvae.experiments.scale import dataset_size, scale_label, scaled

DATA = Path("x.json")


def test_full_scale_is_the_thesis():
    assert dataset_size(1.0) == 140_000
    for case in list_cases():
        assert scaled(case.config(DATA), 1.0) == case.config(DATA)


def test_presets_are_the_fraction_of_the_thesis():
    assert dataset_size(0.02) == 2800
    assert scale_label(0.02) == "scale-0.02"


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.5, float("nan"), 1e-5])
def test_scales_that_cannot_be_are_refused(scale: float):
    with pytest.raises(UserError, match=f"--scale {'is ' if scale != 1e-5 else ''}"):
        dataset_size(scale)


def test_steps_shrink_less_than_presets_times_epochs():
    full = select_cases(["exp1-scl-500"])[0].config(DATA)
    small = scaled(full, 1 / 64)
    assert (small.epochs, small.lr_drop_after, small.lr_drop_every) == (31, 13, 6)  # / 16
    assert small.batch_size == 64  # / 4
    assert small.lr == pytest.approx(4e-4)
    assert small.patience == full.patience == 0
    steps = [s * c.epochs / c.batch_size for s, c in ((1, full), (1 / 64, small))]
    assert steps[1] / steps[0] == pytest.approx((1 / 64) ** (4 / 3), rel=0.02)


def test_nothing_else_changes():
    full = select_cases(["exp2-scl-500"])[0].config(DATA)
    small = scaled(full, 0.02)
    moved = {f.name for f in dataclasses.fields(full) if getattr(full, f.name) != getattr(small, f.name)}
    assert moved == {
        "epochs", "batch_size", "lr", "lr_drop_after", "lr_drop_every", "validation_limit", "frame_step",
    }  # fmt: skip
    assert small.frame_step == 4


def test_without_gradient_every_frame_is_compared():
    assert scaled(select_cases(["exp1-scl"])[0].config(DATA), 0.02).frame_step == 1


def test_both_phases_shrink():
    full = select_cases(["exp3-mfcc"])[0].config(DATA)
    first, second = scaled(full, 0.02).phases
    assert (first.epochs, second.epochs) == (74, 250)  # early stopping ends the second
    assert (second.batch_size, second.frame_step, second.patience) == (139, 4, 10)
    assert (second.loss, second.feature, second.parameter_weight, second.beta) == ("sclp", "mfcc", 0.0, 1.0)
    assert first.phases[0].loss == "none"
