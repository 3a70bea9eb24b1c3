from __future__ import annotations

import numpy as np
import pytest

from synthvae.core.errors import UserError
from synthvae.metrics import reconstruction
from synthvae.metrics.reconstruction import concatenate, derangement, error_ratio, null_errors, preset_errors, summarise


def features(n: int = 12, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, 5, 7)).astype(np.float32)


def test_a_constant_offset_gives_its_square_and_its_size() -> None:
    target = features()
    errors = preset_errors(target, target - np.float32(0.5))
    np.testing.assert_allclose(errors.mse, 0.25, rtol=1e-6)
    np.testing.assert_allclose(errors.l1, 0.5, rtol=1e-6)


def test_errors_belong_to_the_preset_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    target, other = features(), features(seed=1)
    whole = preset_errors(target, other)
    monkeypatch.setattr(reconstruction, "_BLOCK", 35 * 5)  # blocks of five presets
    in_blocks = preset_errors(target, other)
    in_batches = concatenate([preset_errors(target[:4], other[:4]), preset_errors(target[4:], other[4:])])
    for errors in (in_blocks, in_batches):
        np.testing.assert_array_equal(errors.mse, whole.mse)
        np.testing.assert_array_equal(errors.l1, whole.l1)
    np.testing.assert_allclose(whole.mse[3], np.mean((target[3] - other[3]).astype(float) ** 2), rtol=1e-6)


def test_nulls_against_their_definitions() -> None:
    target = features()
    answer = np.full((5, 7), 0.25, np.float32)
    nulls = null_errors(target, answer, seed=4)
    wide = target.astype(np.float64)
    np.testing.assert_allclose(nulls.mean_preset.mse, np.square(wide - 0.25).mean(axis=(1, 2)))
    # The mean spectrogram's mean squared error is the variance over presets, averaged over cells.
    assert nulls.mean_spectrogram.mse.mean() == pytest.approx(wide.var(axis=0).mean())
    others = wide[derangement(12, 4)]
    np.testing.assert_allclose(nulls.random_preset.l1, np.abs(wide - others).mean(axis=(1, 2)))
    # Two independent presets differ by twice the variance, up to N / (N - 1) for never meeting oneself.
    many = features(4000)
    nulls = null_errors(many, answer)
    assert nulls.random_preset.mse.mean() / nulls.mean_spectrogram.mse.mean() == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize("n", [2, 3, 10, 1001])
def test_derangement_has_no_fixed_point(n: int) -> None:
    others = derangement(n, seed=7)
    assert sorted(others) == list(range(n))
    assert not (others == np.arange(n)).any()
    np.testing.assert_array_equal(others, derangement(n, seed=7))
    if n > 3:
        assert (others != derangement(n, seed=8)).any()


def test_summary_of_known_numbers() -> None:
    summary = summarise([1.0, 2.0, 3.0, 4.0, 10.0], resamples=200)
    assert (summary.n, summary.mean, summary.median, summary.q25, summary.q75) == (5, 4.0, 3.0, 2.0, 4.0)
    assert summary.low is not None
    assert summary.high is not None
    assert 1.0 <= summary.low < 4.0 < summary.high <= 10.0
    assert summary == summarise([1.0, 2.0, 3.0, 4.0, 10.0], resamples=200)


def test_bootstrap_interval_approaches_the_normal_one() -> None:
    values = np.random.default_rng(3).standard_normal(4000) * 2.0 + 5.0
    summary = summarise(values, resamples=2000)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert summary.low == pytest.approx(values.mean() - half, abs=0.12 * half)
    assert summary.high == pytest.approx(values.mean() + half, abs=0.12 * half)


def test_bootstrap_in_pieces_covers_every_resample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconstruction, "_BLOCK", 64)
    summary = summarise(np.arange(30.0), resamples=501)
    assert summary.low is not None
    assert summary.high is not None
    assert 9.0 < summary.low < 14.5 < summary.high < 20.0


def test_equal_values_have_an_interval_of_no_width_and_one_value_has_none() -> None:
    equal = summarise(np.full(20, 3.0))
    assert (equal.low, equal.mean, equal.high) == (3.0, 3.0, 3.0)
    single = summarise([3.0])
    assert (single.low, single.high, single.n) == (None, None, 1)


def test_ratio_is_paired() -> None:
    null = np.random.default_rng(0).gamma(2.0, 50.0, 300)
    ratio = error_ratio(0.4 * null, null)
    assert ratio.value == pytest.approx(0.4)
    assert ratio.low == pytest.approx(0.4)  # every resample has the same ratio
    assert ratio.high == pytest.approx(0.4)


def test_equal_distributions_have_a_ratio_whose_interval_holds_one() -> None:
    generator = np.random.default_rng(0)
    null = generator.gamma(2.0, 50.0, 100)
    ratio = error_ratio(generator.gamma(2.0, 50.0, 100), null)
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.low < 1.0 < ratio.high


def test_all_targets_equal_leave_no_ratio() -> None:
    target = np.ones((6, 2, 3))
    nulls = null_errors(target, np.ones((2, 3)))
    ratio = error_ratio(preset_errors(target, target + 1.0).mse, nulls.mean_spectrogram.mse)
    assert (ratio.value, ratio.low, ratio.high, ratio.n) == (None, None, None, 6)


def test_resamples_in_which_the_null_makes_no_error_are_left_out() -> None:
    ratio = error_ratio(np.full(4, 0.5), np.array([0.0, 0.0, 0.0, 4.0]))  # a third of the resamples miss the 4
    assert ratio.value == 0.5
    assert ratio.high == pytest.approx(0.5 / 1.0)  # one 4 in four draws is the least that is left
    assert ratio.low == pytest.approx(0.5 / 3.0)  # three of them the most, but for 0.6 % of the resamples
    lucky = error_ratio([1.0, 1.0], [0.0, 1.0], seed=0, resamples=1)
    assert lucky.low is None or lucky.low > 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_values_are_named_in_one_line(bad: float) -> None:
    target = features()
    broken = target.copy()
    broken[3, 1, 2] = bad
    with pytest.raises(UserError, match=r"^stft of the reconstructions: preset 3 holds (nan|inf)") as error:
        preset_errors(target, broken, "stft")
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="stft of the targets"):
        null_errors(broken, target[0], name="stft")
    with pytest.raises(UserError, match="errors: preset 1"):
        summarise([0.0, bad])


def test_shapes_and_kinds_are_checked() -> None:
    target = features()
    with pytest.raises(ValueError, match="differ"):
        preset_errors(target, target[:, :, :3])
    with pytest.raises(ValueError, match="take magnitudes"):
        preset_errors(target.astype(np.complex64), target)
    with pytest.raises(UserError, match="empty"):
        preset_errors(target[:0], target[:0])
    with pytest.raises(UserError, match="at least 2"):
        null_errors(target[:1], target[0])
    with pytest.raises(UserError, match="0 values"):
        summarise([])
    with pytest.raises(ValueError, match="300"):
        error_ratio(np.ones(2), np.ones(300))
    with pytest.raises(ValueError, match=r"shape \(N,\)"):
        summarise(np.ones((2, 2)))
    with pytest.raises(ValueError, match="real numbers"):
        summarise(["a"])
