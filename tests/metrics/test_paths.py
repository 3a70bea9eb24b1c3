from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import torch
from scipy import stats

from synthvae.core.errors import UserError
from synthvae.metrics.paths import (
    PathScores,
    compare_paths,
    interpolate,
    parameter_effects,
    path_scores,
    slerp,
    traverse,
)
from synthvae.metrics.statistics import holm


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def test_a_straight_line_is_evenly_spaced_between_its_ends() -> None:
    path = interpolate([0.0, 2.0], [4.0, 0.0], 5)
    np.testing.assert_allclose(path, [[0, 2], [1, 1.5], [2, 1], [3, 0.5], [4, 0]])
    starts, ends = normal(3, 2, 16), normal(3, 2, 16, seed=1)
    paths = interpolate(starts, ends, 7)
    assert paths.shape == (3, 2, 7, 16)
    np.testing.assert_array_equal(paths[..., 0, :], starts)
    np.testing.assert_array_equal(paths[..., -1, :], ends)
    np.testing.assert_array_equal(paths[1, 1], interpolate(starts[1, 1], ends[1, 1], 7))


def test_an_arc_turns_evenly_and_keeps_the_distance_from_the_origin() -> None:
    quarter = slerp([2.0, 0.0], [0.0, 2.0], 4)
    angle = np.radians([0, 30, 60, 90])
    np.testing.assert_allclose(quarter, 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1), atol=1e-12)
    starts, ends = normal(6, 16), normal(6, 16, seed=1)
    ends *= np.linalg.norm(starts, axis=1, keepdims=True) / np.linalg.norm(ends, axis=1, keepdims=True)
    arcs = slerp(starts, ends, 9)
    np.testing.assert_allclose(np.linalg.norm(arcs, axis=-1), np.linalg.norm(starts, axis=1)[:, None].repeat(9, axis=1))
    np.testing.assert_allclose(arcs[:, 0], starts, atol=1e-12)
    np.testing.assert_allclose(arcs[:, -1], ends, atol=1e-12)
    assert (np.linalg.norm(interpolate(starts, ends, 9)[:, 4], axis=1) < 0.9 * np.linalg.norm(starts, axis=1)).all()


def test_an_arc_without_angle_is_a_straight_line() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for start, end in (([1.0, 1.0], [3.0, 3.0]), ([0.0, 0.0], [1.0, 2.0]), ([0.0, 0.0], [0.0, 0.0])):
            np.testing.assert_allclose(slerp(start, end, 5), interpolate(start, end, 5))
        nearly = slerp([1.0, 0.0], [1.0, 1e-7], 3)
    np.testing.assert_allclose(nearly, interpolate([1.0, 0.0], [1.0, 1e-7], 3), atol=1e-12)
    with pytest.raises(UserError, match="opposite directions"):
        slerp([[1.0, 1.0], [1.0, 2.0]], [[1.0, 0.0], [-2.0, -4.0]], 5)


def test_a_traverse_moves_one_dimension() -> None:
    path = traverse([0.5, -1.0, 2.0], 1, [-3.0, 0.0, 3.0])
    np.testing.assert_array_equal(path, [[0.5, -3, 2], [0.5, 0, 2], [0.5, 3, 2]])
    with pytest.raises(ValueError, match="dimension is 3, the latent has 0 to 2"):
        traverse([0.5, -1.0, 2.0], 3, [0.0])
    with pytest.raises(UserError, match="values: value 1 holds nan"):
        traverse([0.5], 0, [0.0, np.nan])


def test_bad_ends() -> None:
    with pytest.raises(ValueError, match="two points of one space"):
        interpolate([1.0, 2.0], [1.0], 3)
    with pytest.raises(ValueError, match="steps is 1"):
        slerp([1.0], [2.0], 1)
    with pytest.raises(UserError, match="end: point 0 holds inf"):
        interpolate([1.0], [np.inf], 3)


def test_straight_lines_have_the_best_scores() -> None:
    scores = path_scores(interpolate(normal(20, 6) + 100, normal(20, 6, seed=1), 9), np.full(6, 0.3))
    assert scores.smoothness.shape == scores.nonlinearity.shape == (20, 6)
    assert not scores.smoothness.any()
    assert not scores.nonlinearity.any()


@pytest.mark.parametrize("steps", [3, 5, 9, 101])
def test_a_parabola_by_hand(steps: int) -> None:
    # x = a t^2 has the second derivative 2 a everywhere, whatever the number of steps; below the line between its
    # ends it lies by a (t - t^2).
    t = np.linspace(0.0, 1.0, steps)
    curves = np.stack([3.0 * t**2, 5.0 - 1.0 * t**2], axis=1)[None]
    scores = path_scores(curves, [1.0, 0.5])
    np.testing.assert_allclose(scores.smoothness, [[6.0, 4.0]])
    bow = np.sqrt(np.mean((t - t**2) ** 2))
    np.testing.assert_allclose(scores.nonlinearity, [[3.0 * bow, 2.0 * bow]])


def test_a_jump_is_rougher_in_more_steps() -> None:
    jump = (np.linspace(0.0, 1.0, 9) > 0.5).astype(float)[None, :, None]
    scores = path_scores(jump, [1.0])
    # Second differences are 1 and -1 at two of seven inner steps, over h^2 = 1 / 64.
    assert scores.smoothness[0, 0] == pytest.approx(64 * np.sqrt(2 / 7))


def test_ends_that_were_missed_count_as_nonlinear() -> None:
    path = np.full((1, 5, 1), 2.0)
    assert path_scores(path, [1.0]).nonlinearity[0, 0] == 0.0
    asked = path_scores(path, [1.0], ends=[[[0.0], [2.0]]])
    assert asked.nonlinearity[0, 0] == pytest.approx(np.sqrt(np.mean(np.linspace(2, 0, 5) ** 2)))
    assert asked.smoothness[0, 0] == 0.0


def test_scores_do_not_depend_on_the_unit_of_a_descriptor() -> None:
    paths, spread = normal(8, 7, 3), np.array([1.0, 2.0, 3.0])
    scale = np.array([1.0, 1000.0, 1e-3])
    first, second = path_scores(paths, spread), path_scores(paths * scale + 5, spread * scale)
    np.testing.assert_allclose(first.smoothness, second.smoothness)
    np.testing.assert_allclose(first.nonlinearity, second.nonlinearity)


def test_constant_descriptors_have_no_score_and_are_left_out() -> None:
    paths = normal(12, 5, 2)
    scores = path_scores(paths, [1.0, 0.0])
    assert np.isnan(scores.smoothness[:, 1]).all()
    assert np.isfinite(scores.smoothness[:, 0]).all()
    comparison = compare_paths(scores, scores, ["a", "b"])["smoothness"]
    assert [change.descriptor for change in comparison.changes] == ["a"]
    with pytest.raises(UserError, match="every descriptor is constant"):
        compare_paths(path_scores(paths, [0.0, 0.0]), scores, ["a", "b"])


def test_bad_paths() -> None:
    with pytest.raises(ValueError, match="3 to have a second derivative"):
        path_scores(normal(2, 2, 3), np.ones(3))
    with pytest.raises(ValueError, match="3 numbers from 0 up"):
        path_scores(normal(2, 4, 3), np.ones(2))
    with pytest.raises(ValueError, match="3 numbers from 0 up"):
        path_scores(normal(2, 4, 3), -np.ones(3))
    with pytest.raises(ValueError, match=r"ends: expected shape \(2, 2, 3\)"):
        path_scores(normal(2, 4, 3), np.ones(3), ends=normal(2, 3, 3))
    with pytest.raises(ValueError, match=r"expected shape \(N, S, K\)"):
        path_scores(normal(4, 3), np.ones(3))
    with pytest.raises(UserError, match="is empty; walk at least one path"):
        path_scores(np.zeros((0, 4, 3)), np.ones(3))
    paths = normal(3, 4, 2)
    paths[1, 2, 0] = np.nan
    with pytest.raises(UserError, match="descriptors: path 1 holds nan"):
        path_scores(paths, np.ones(2))


def scored(values: np.ndarray) -> PathScores:
    return PathScores(values, values)


def test_changes_are_shares_of_the_reference_and_tests_are_wilcoxons() -> None:
    generator = np.random.default_rng(0)
    reference = generator.uniform(1.0, 2.0, (40, 4))
    better, worse = 0.8 * reference[:, 0], reference[:, 1] + generator.uniform(0.1, 0.4, 40)
    values = np.stack([better, worse, reference[:, 2] + generator.normal(0, 0.3, 40), reference[:, 3]], axis=1)
    names = ["centroid", "attack", "flux", "level"]
    result = compare_paths(scored(values), scored(reference), names, "the straight latent line")
    assert list(result) == ["smoothness", "nonlinearity"]
    first = result["smoothness"]
    assert [change.verdict for change in first.changes] == ["improved", "worsened", "same", "same"]
    assert (first.improved, first.worsened, first.paths) == (1, 1, 40)
    assert first.changes[0].mean == pytest.approx(-0.2)
    assert first.changes[0].median == pytest.approx(-0.2)
    assert first.changes[3].mean == 0.0
    assert first.changes[3].p_value == 1.0
    raw = [stats.wilcoxon(values[:, k], reference[:, k]).pvalue for k in range(3)]
    np.testing.assert_allclose([change.p_value for change in first.changes], holm([*raw, 1.0]))
    ratio = values.mean(axis=0) / reference.mean(axis=0) - 1
    assert first.mean_change == pytest.approx(ratio.mean())
    ratio = np.median(values, axis=0) / np.median(reference, axis=0) - 1
    assert first.median_change == pytest.approx(ratio.mean())
    assert first.sentence.startswith("Along the straight latent line 1 of 4 descriptors move smoother")
    assert "move straighter" in result["nonlinearity"].sentence


def test_intervals_are_quantiles_over_resampled_paths() -> None:
    values, reference = np.array([[1.0], [2.0], [6.0]]), np.array([[2.0], [2.0], [4.0]])
    result = compare_paths(scored(values), scored(reference), ["a"])["smoothness"]
    assert (result.mean_change, result.median_change) == (pytest.approx(9 / 8 - 1), 0.0)
    # All 27 draws of three paths, each as likely as another: the mean and the median of each by hand.
    draws = np.array(list(itertools.product(range(3), repeat=3)))
    means = values[draws, 0].sum(1) / reference[draws, 0].sum(1) - 1
    medians = np.median(values[draws, 0], axis=1) / np.median(reference[draws, 0], axis=1) - 1
    # The extreme draws, one path three times, are 1 in 27: the outer 2.5 % fall on them.
    assert result.mean_interval == pytest.approx((means.min(), means.max()))
    assert result.median_interval == pytest.approx((medians.min(), medians.max()))
    assert (means.min(), means.max()) == (-0.5, 0.5)


def test_an_interval_has_each_path_beside_its_reference() -> None:
    reference = normal(30, 4) ** 2 + 0.1
    result = compare_paths(scored(0.8 * reference), scored(reference), list("abcd"))["smoothness"]
    assert result.mean_interval == pytest.approx((-0.2, -0.2))
    assert result.median_interval == pytest.approx((-0.2, -0.2))
    nothing = compare_paths(scored(reference), scored(np.zeros((30, 4))), list("abcd"))["smoothness"]
    assert (nothing.mean_change, nothing.mean_interval, nothing.median_interval) == (None, None, None)


def test_straight_lines_against_crooked_ones() -> None:
    ends = normal(30, 2, 5)
    straight = interpolate(ends[:, 0], ends[:, 1], 7)
    crooked = straight + 0.3 * normal(30, 7, 5, seed=1)
    crooked[:, [0, -1]] = straight[:, [0, -1]]
    scores, reference = (path_scores(paths, np.ones(5)) for paths in (straight, crooked))
    for comparison in compare_paths(scores, reference, list("abcde")).values():
        assert comparison.improved == 5
        assert comparison.mean_change == -1.0
        assert "100.0 % smaller" in comparison.sentence
    for comparison in compare_paths(reference, scores, list("abcde")).values():
        assert comparison.worsened == 5
        assert comparison.mean_change is None  # there is no share of nothing
        assert "on average" not in comparison.sentence


def test_many_descriptors_without_difference_are_corrected_for() -> None:
    values, reference = normal(50, 60) ** 2, normal(50, 60, seed=1) ** 2
    result = compare_paths(scored(values), scored(reference), [str(k) for k in range(60)])["smoothness"]
    assert result.improved + result.worsened <= 1
    assert min(stats.wilcoxon(values[:, k], reference[:, k]).pvalue for k in range(60)) < 0.05


def test_one_path_is_compared_without_a_verdict() -> None:
    result = compare_paths(scored(np.ones((1, 2))), scored(np.full((1, 2), 2.0)), ["a", "b"])["smoothness"]
    assert (result.improved, result.mean_change) == (0, -0.5)
    with pytest.raises(ValueError, match="with 1 names"):
        compare_paths(scored(np.ones((1, 2))), scored(np.ones((1, 2))), ["a"])


def test_effects_of_a_linear_encoder_are_its_weights() -> None:
    weights = torch.from_numpy(normal(5, 3))
    weights[2] = 0.0
    weights[3, 1] = 0.0
    unit = torch.from_numpy(np.random.default_rng(0).uniform(size=(7, 5)))
    before = unit.clone()
    effects = parameter_effects(lambda x: x @ weights + 2.0, unit, values=6, batch=13)
    np.testing.assert_allclose(effects.movement, np.abs(weights.numpy()), atol=1e-12)
    np.testing.assert_allclose(effects.slope, weights.numpy(), atol=1e-12)
    moves = weights.numpy() != 0
    np.testing.assert_allclose(effects.linearity[moves], 1.0)
    assert np.isnan(effects.linearity[~moves]).all()
    assert (effects.presets, effects.values) == (7, 6)
    torch.testing.assert_close(unit, before)


def test_effects_that_bend_are_less_linear() -> None:
    unit = torch.full((3, 4), 0.5, dtype=torch.float64)
    values = 9
    t = np.linspace(0.0, 1.0, values)

    def encode(x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x[:, 0], x[:, 0] ** 2, (x[:, 0] - 0.5).abs(), x[:, 1].sign() + x[:, 0]], dim=1)

    effects = parameter_effects(encode, unit, values)
    np.testing.assert_allclose(effects.movement[0], [1.0, 1.0, 0.5, 1.0])
    expected = [stats.linregress(t, curve).rvalue ** 2 for curve in (t, t**2)]
    np.testing.assert_allclose(effects.linearity[0, :2], expected)
    assert effects.linearity[0, 2] == pytest.approx(0.0, abs=1e-12)
    assert effects.slope[0, 2] == pytest.approx(0.0, abs=1e-12)
    assert effects.movement[1].tolist() == [0.0, 0.0, 0.0, 1.0]  # only the last hears the second parameter
    assert not effects.movement[2:].any()


def test_the_linearity_of_noise_is_that_of_chance_and_of_a_line_one() -> None:
    generator = torch.Generator().manual_seed(0)
    unit = torch.rand(400, 2)
    random = parameter_effects(lambda rows: torch.randn(len(rows), 3, generator=generator), unit)
    assert random.linearity_by_chance == pytest.approx(1 / 8)
    assert random.mean_linearity == pytest.approx(random.linearity_by_chance, abs=0.015)
    line = parameter_effects(lambda rows: rows[:, :1].double(), unit)
    assert line.mean_linearity == pytest.approx(1.0)
    assert parameter_effects(lambda rows: torch.zeros(len(rows), 3), unit).mean_linearity is None


def test_opposite_directions_cancel_in_the_slope_and_not_in_the_movement() -> None:
    unit = torch.tensor([[0.5, 0.0], [0.5, 1.0]])
    effects = parameter_effects(lambda x: ((2 * x[:, 1] - 1) * x[:, 0])[:, None], unit)
    assert effects.slope[0, 0] == pytest.approx(0.0, abs=1e-6)
    assert effects.movement[0, 0] == pytest.approx(1.0)
    assert effects.linearity[0, 0] == pytest.approx(1.0)  # each preset's own line is straight


def test_float32_rounding_is_no_movement_to_judge() -> None:
    noise = torch.Generator().manual_seed(0)
    unit = torch.rand(5, 2, generator=noise)
    effects = parameter_effects(lambda x: 1.0 + 1e-7 * torch.rand(len(x), 1, generator=noise), unit)
    assert np.isnan(effects.linearity).all()


def test_bad_effects() -> None:
    unit = torch.rand(4, 2)
    with pytest.raises(ValueError, match="fewer than 3 is always straight"):
        parameter_effects(lambda x: x, unit, values=2)
    with pytest.raises(ValueError, match=r"expected shape \(N, P\)"):
        parameter_effects(lambda x: x, unit[0])
    with pytest.raises(UserError, match="is empty; give at least one"):
        parameter_effects(lambda x: x, unit[:0])
    with pytest.raises(UserError, match="latents of parameter 0: preset 0 holds nan"):
        parameter_effects(lambda x: x * torch.nan, unit)


def test_gradients_are_not_kept() -> None:
    layer = torch.nn.Linear(2, 3)
    effects = parameter_effects(layer, torch.rand(4, 2))
    np.testing.assert_allclose(effects.slope, layer.weight.detach().numpy().T, atol=1e-5)
