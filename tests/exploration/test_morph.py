from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.exploration.morph import BAR, blend, morph
from synthvae.metrics.logmel_distance import LogMelDistance, consecutive
from tests.errors import user_error


def measured(run, walk):
    return consecutive(LogMelDistance(run.voice, run.settings.sample_rate).spectrograms(walk.unit))


def test_steps_are_even_on_nineteen_of_twenty_pairs(run, small_dataset):
    """The bar: the largest step at most 1.5 times the mean, heard again from the presets that came out."""
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))[:40].view(20, 2)
    walks = [morph(run, small_dataset.unit[pair], 9) for pair in order]
    ratios = [d.max() / d.mean() for d in (measured(run, walk) for walk in walks)]
    assert np.mean([ratio <= BAR for ratio in ratios]) >= 0.95
    for walk, ratio in zip(walks, ratios, strict=True):
        assert walk.unevenness == pytest.approx(ratio, abs=1e-3)
        assert bool(walk.remark) == (ratio > BAR)


@pytest.mark.parametrize("way", ["latent", "metric", "parameters"])
def test_ends_are_the_very_presets_and_distances_are_what_is_heard(run, small_dataset, way):
    unit = small_dataset.unit[[5, 40]]
    shares = []
    walk = morph(run, unit, 6, way, progress=shares.append)
    assert torch.equal(walk.unit[[0, -1]], unit)
    assert (walk.position[0], walk.position[-1]) == (0.0, 1.0)
    assert (np.diff(walk.position) > 0).all()
    assert walk.given == (0, 5)
    np.testing.assert_allclose(walk.distances, measured(run, walk), atol=1e-3)
    assert walk.latent.shape == (6, run.latent_size)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert walk.unevenness <= BAR
    assert walk.length >= walk.direct.sum() - 1e-3  # no way is shorter than the straight one


def test_the_metric_finds_a_shorter_way_than_latents_and_parameters(run, small_dataset):
    unit = small_dataset.unit[[2, 30]]
    lengths = {way: morph(run, unit, 9, way).length for way in ("latent", "metric", "parameters")}
    assert lengths["metric"] < 0.9 * min(lengths["latent"], lengths["parameters"])


def test_every_given_preset_is_a_stop(run, small_dataset):
    unit = small_dataset.unit[[5, 40, 41, 7]]
    for way in ("latent", "parameters"):
        walk = morph(run, unit, 13, way)
        assert len(walk.given) == 4
        assert torch.equal(walk.unit[list(walk.given)], unit)
        np.testing.assert_allclose(walk.position[list(walk.given)], np.linspace(0, 1, 4), atol=1e-12)
    assert torch.equal(morph(run, unit, 4).unit, unit)


def test_extrapolation_goes_beyond_both_ends(run, small_dataset):
    unit = small_dataset.unit[[5, 40]]
    walk = morph(run, unit, 9, extrapolate=0.3)
    assert walk.position[0] == pytest.approx(-0.3)
    assert walk.position[-1] == pytest.approx(1.3)
    assert torch.equal(walk.unit[list(walk.given)], unit)
    line = run.encode(unit)
    expected = line[1] + 0.3 * (line[1] - line[0])
    torch.testing.assert_close(walk.latent[-1], expected, atol=1e-5, rtol=1e-5)
    assert walk.unit.min() >= 0.0
    assert walk.unit.max() <= 1.0


def test_plain_interpolation_takes_equal_steps_of_the_parameters(run, small_dataset):
    unit = small_dataset.unit[[5, 40]]
    walk = morph(run, unit, 5, "parameters", even=False)
    np.testing.assert_allclose(walk.position, np.linspace(0, 1, 5))
    names = [name.endswith("initial_phase") for name in run.parameters.names]
    plain = torch.lerp(unit[:1], unit[1:], torch.linspace(0, 1, 5)[:, None])
    torch.testing.assert_close(walk.unit[:, ~torch.tensor(names)], plain[:, ~torch.tensor(names)], atol=1e-6, rtol=0)


def test_a_smooth_walk_is_uneven_unless_asked_and_keeps_its_presets(run, small_dataset):
    unit = small_dataset.unit[[5, 40, 7]]
    shares = []
    walk = morph(run, unit, 5, "smooth", progress=shares.append)
    np.testing.assert_allclose(walk.position, np.linspace(0, 1, 5))
    assert walk.given == (0, 2, 4)
    assert torch.equal(walk.unit[[0, 2, 4]], unit)
    plain = morph(run, unit, 5, "parameters", even=False).unit
    assert not torch.allclose(walk.unit, plain, atol=1e-3)
    phases = [column for column, name in enumerate(run.parameters.names) if name.endswith("initial_phase")]
    assert torch.equal(walk.unit[:, phases], plain[:, phases])
    assert walk.unit.min() >= 0.0
    assert walk.unit.max() <= 1.0
    assert shares == sorted(shares)
    assert torch.equal(walk.unit, morph(run, unit, 5, "smooth").unit)
    assert not torch.equal(walk.unit, morph(run, unit, 5, "smooth", seed=1).unit)


def test_a_smooth_walk_takes_even_steps_and_goes_beyond_its_ends_where_asked(run, small_dataset):
    unit = small_dataset.unit[[5, 40]]
    even = morph(run, unit, 5, "smooth", even=True)
    assert torch.equal(even.unit[[0, -1]], unit)
    assert even.unevenness < morph(run, unit, 5, "smooth").unevenness
    beyond = morph(run, unit, 5, "smooth", extrapolate=0.5)
    plain = morph(run, unit, 5, "parameters", even=False, extrapolate=0.5)
    torch.testing.assert_close(beyond.unit[[0, -1]], plain.unit[[0, -1]], atol=1e-6, rtol=0)


def test_a_walk_is_the_same_twice(run, small_dataset):
    unit = small_dataset.unit[[5, 40]]
    assert torch.equal(morph(run, unit, 7).unit, morph(run, unit, 7).unit)


def test_a_preset_to_itself_says_so(run, small_dataset):
    walk = morph(run, small_dataset.unit[[5, 5]], 5)
    assert "sound the same" in walk.remark
    assert walk.unevenness < 100
    assert walk.length < 0.5


def test_unequal_legs_with_too_few_steps_say_so(run, small_dataset):
    near = small_dataset.unit[[5, 5, 40]].clone()
    near[1, run.parameters.index("mixer.vco_1")] += 0.02 if near[1, -3] < 0.5 else -0.02
    walk = morph(run, near, 3)
    assert torch.equal(walk.unit, near)
    assert walk.unevenness > BAR
    assert "more steps help" in walk.remark


@pytest.mark.parametrize(
    ("argument", "options", "part"),
    [
        ("steps", {"steps": 1}, ""),
        ("steps", {"steps": -3}, ""),
        ("steps", {"steps": 129}, "at most 128"),
        ("steps", {"steps": 3, "extrapolate": 0.5}, "at least 4"),
        ("way", {"way": "scenic"}, ""),
        ("extrapolate", {"extrapolate": -0.1}, ""),
        ("extrapolate", {"extrapolate": math.nan}, ""),
        ("seed", {"seed": -1}, ""),
    ],
)
def test_bad_arguments_are_refused(run, small_dataset, argument, options, part):
    with user_error(argument, options[argument], part):
        morph(run, small_dataset.unit[:2], **options)


def test_presets_that_are_none_are_refused(run, small_dataset):
    unit = small_dataset.unit[:2].clone()
    unit[1, 4] = float("nan")
    with pytest.raises(UserError, match=r"preset 1: adsr_1\.sustain is nan"):
        morph(run, unit)
    with pytest.raises(UserError, match="give at least 2 rows"):
        morph(run, unit[:1])
    with pytest.raises(UserError, match="shape"):
        morph(run, unit[:, :9])


def test_one_preset_of_weight_1_is_itself(run, small_dataset):
    unit = small_dataset.unit[:3]
    assert torch.equal(blend(run, unit[:1], torch.tensor([1.0])), unit[0])
    assert torch.equal(blend(run, unit, torch.tensor([0.0, 1.0, 0.0])), unit[1])


def test_taking_away_what_was_added_leaves_the_rest(run, small_dataset):
    unit = small_dataset.unit[[4, 9, 9]]
    mixed = blend(run, unit, torch.tensor([1.0, -0.7, 0.7]))
    torch.testing.assert_close(mixed, unit[0], atol=1e-5, rtol=0)


def test_the_sum_is_taken_in_the_latent_space(run, small_dataset):
    unit, weights = small_dataset.unit[:3], torch.tensor([0.5, -0.25, 0.75])
    latent = run.encode(unit)
    raw = run.decode(weights[None] @ latent) + weights[None] @ (unit - run.decode(latent))
    mixed = blend(run, unit, weights)
    plain = torch.tensor([not name.endswith("initial_phase") for name in run.parameters.names])
    torch.testing.assert_close(mixed[plain], raw[0].clamp(0, 1)[plain], atol=1e-5, rtol=0)
    assert mixed.min() >= 0.0
    assert mixed.max() <= 1.0


@pytest.mark.parametrize(
    ("weights", "part"),
    [
        ([1.0], "1 number for 2 presets"),
        ([1.0, float("nan")], "holds nan"),
        ([1.0, float("inf")], "holds inf"),
        ([1.0, -11.0], "holds -11"),
        ([0.0, 0.0], "all 0"),
    ],
)
def test_bad_weights_are_refused(run, small_dataset, weights, part):
    with pytest.raises(UserError, match=part):
        blend(run, small_dataset.unit[:2], torch.tensor(weights))
