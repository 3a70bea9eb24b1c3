from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from synthvae.maps.stability import Range
from synthvae.metrics.reconstruction import Ratio
from synthvae.report.judgement import of_all, of_clusters, of_differences, of_interval, of_paths, of_ratio


@pytest.mark.parametrize(
    ("low", "high", "judgement"),
    [(0.2, 0.8, "good"), (0.8, 1.2, "neutral"), (1.2, 1.8, "bad"), (0.5, 1.0, "neutral"), (None, None, "neutral")],
)
def test_a_mark_is_green_only_where_the_whole_interval_is_better(
    low: float | None, high: float | None, judgement: str
) -> None:
    assert of_interval(low, high, 1.0) == judgement
    assert of_ratio(Ratio(1.0, low, high, 9)) == judgement


def test_differences_from_a_null_are_judged_by_their_mean() -> None:
    noise = np.random.default_rng(0).standard_normal(200)
    assert [of_differences(noise + shift) for shift in (-1.0, 0.0, 1.0)] == ["good", "neutral", "bad"]
    assert of_differences(noise[:1]) == "neutral"


@pytest.mark.parametrize(
    ("improved", "worsened", "judgement"), [(1, 0, "neutral"), (20, 3, "good"), (0, 17, "bad"), (16, 10, "neutral")]
)
def test_a_few_smoother_descriptors_are_not_good_news(improved: int, worsened: int, judgement: str) -> None:
    comparison = SimpleNamespace(improved=improved, worsened=worsened, changes=[None] * 33)
    assert of_paths(comparison) == judgement  # type: ignore[arg-type]


def test_clusters_have_to_lead_every_null() -> None:
    dbcv = Range(0.3, 0.4, 0.5)
    assert [of_clusters(dbcv, led) for led in ([True, True], [True, False], [False, False])] == [
        "good", "neutral", "bad",
    ]  # fmt: skip
    assert of_clusters(None, [False, False]) == "neutral"


def test_several_comparisons_agree_or_are_undecided() -> None:
    assert [of_all(found) for found in (["good", "good"], ["good", "bad"], ["bad"])] == ["good", "neutral", "bad"]
