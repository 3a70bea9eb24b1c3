from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from synthvae.core.errors import UserError
from synthvae.core.store import Store
from synthvae.maps import clusters, projection, stability
from synthvae.maps.clusters import MapSettings, knee_eps, map_latents
from synthvae.maps.nulls import COLLAPSED, NOISE, expected, noise_draws
from synthvae.maps.projection import pca_map, umap_map
from synthvae.maps.stability import (
    MAP,
    METHODS,
    SPACE,
    LatentSurvey,
    Progress,
    Range,
    SpaceSurvey,
    _compute,
    _Task,
    leads,
    run_tasks,
    survey_draws,
    survey_latents,
)
from tests.errors import user_error


@pytest.fixture
def quick_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first two principal components, turned by the seed: a map that takes no time."""

    def turned(latents: np.ndarray, seed: int = 0, *settings: object) -> np.ndarray:
        points = pca_map(latents).points
        return points @ np.array([[np.cos(seed), -np.sin(seed)], [np.sin(seed), np.cos(seed)]])

    monkeypatch.setattr(stability, "umap_map", turned)
    monkeypatch.setattr(clusters, "umap_map", turned)


def three_blobs(n: int = 60, dimension: int = 8) -> np.ndarray:
    generator = np.random.default_rng(0)
    centres = np.eye(dimension)[:3] * 30
    return np.concatenate([generator.normal(centre, 1.0, (n, dimension)) for centre in centres])


def survey_noise(
    n: int, dimension: int, seeds: tuple[int, ...], settings: MapSettings | None = None, *progress: Progress
) -> SpaceSurvey:
    return survey_draws(noise_draws(n, dimension, seeds), "noise", settings, 1, *progress)


def beside_noise(
    latents: np.ndarray, seeds: tuple[int, ...], settings: MapSettings | None = None, *progress: Progress
) -> LatentSurvey:
    own = survey_latents(latents, seeds, settings, 1, *progress)
    return LatentSurvey(own, survey_noise(*latents.shape, seeds, settings, *progress))


def test_clusters_are_found_in_every_space_and_noise_has_none(quick_map: None) -> None:
    told: list[str] = []
    result = beside_noise(three_blobs(), (0, 1), MapSettings(eps=1.5), told.append)
    assert [(row.space, row.method) for row in result.rows] == [(s, m) for s in (MAP, SPACE) for m in METHODS]
    for row in result.rows:
        assert row.clusters == Range(3, 3, 3), row
        assert row.dbcv is not None
        assert row.dbcv.low > 0.5
        assert row.beats_nulls, row
        assert "better than the normal noise." in row.sentence
        assert f"{row.method} on the {row.space} finds 3 cluster(s)" in row.sentence
    assert "over 2 maps" in result.rows[0].sentence
    assert "over" not in result.rows[2].sentence.split("clustered")[0]
    assert len(told) == 7  # two maps and the space of the latents, two maps and two spaces of noise
    assert [step[-8:] for step in (told[2], told[-1])] == ["(3 of 3)", "(4 of 4)"]
    for part in (result.latents, result.noise):
        assert (part.points, part.dimension, part.seeds) == (180, 8, (0, 1))
        assert set(part.maps) == {0, 1}
        assert all(points.shape == (180, 2) for points in part.maps.values())
        assert [c.seed for c in part.of(MAP, "HDBSCAN")] == [0, 1]
        assert [c.eps for c in part.of(MAP, "DBSCAN")] == [1.5, 1.5]
        assert part.of(SPACE, "HDBSCAN")[0].eps is None
    assert result.latents.of(SPACE, "DBSCAN")[0].eps == pytest.approx(knee_eps(three_blobs()))
    np.testing.assert_array_equal(
        np.unique(result.latents.of(MAP, "HDBSCAN")[0].labels.reshape(3, 60)[:, 0]), [0, 1, 2]
    )


def test_noise_does_not_beat_noise(quick_map: None) -> None:
    # With this draw HDBSCAN finds two clusters in the space, with a DBCV above that of the other draws.
    result = beside_noise(np.random.default_rng(9).standard_normal((150, 8)), (0, 1), MapSettings(eps=0.2))
    assert result.rows[3].dbcv is not None
    assert result.rows[3].dbcv.low > 0
    for row in result.rows:
        assert not row.beats_nulls
        assert "artefacts of the method" in row.sentence


def test_a_foreign_null_is_refused(quick_map: None) -> None:
    whole = beside_noise(three_blobs(), (0, 1), MapSettings(eps=1.5))
    for changed in ({"points": 179}, {"dimension": 7}, {"settings": MapSettings(eps=0.1)}):
        foreign = dataclasses.replace(whole.noise, **changed)
        for nulls in ((foreign, None), (whole.noise, foreign)):
            with pytest.raises(ValueError, match="a null is of"):
                LatentSurvey(whole.latents, *nulls)


def test_maps_are_drawn_once_for_all_settings_of_clusters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn: list[int] = []

    def quick(rows: np.ndarray, seed: int, *settings: float) -> projection._Drawn:
        drawn.append(seed)
        return projection._Drawn(pca_map(rows).points + seed)

    monkeypatch.setattr(projection, "_draw", quick)
    latents, store = three_blobs(), Store(tmp_path)
    first = survey_latents(latents, (0, 1), MapSettings(eps=1.5), store=store)
    other = survey_latents(latents, (0, 1), MapSettings(eps=0.1, min_samples=9), store=store)
    assert drawn == [0, 1]
    np.testing.assert_array_equal(first.maps[1], other.maps[1])
    assert first.of(MAP, "DBSCAN")[0].quality != other.of(MAP, "DBSCAN")[0].quality
    of_studio = umap_map(latents.astype(np.float64), store=store)  # as `explore` asks for it
    np.testing.assert_array_equal(of_studio, first.maps[0])
    assert drawn == [0, 1]
    survey_latents(latents, (0,), MapSettings(neighbours=9), store=store)
    umap_map(latents + 1e-9, store=store)
    assert drawn == [0, 1, 0, 0]


def test_each_map_of_noise_shows_its_own_draw(quick_map: None) -> None:
    noise = survey_noise(50, 4, (0, 1))
    turned_back = noise.maps[1] @ np.array([[np.cos(1), np.sin(1)], [-np.sin(1), np.cos(1)]])
    assert not np.allclose(np.abs(turned_back), np.abs(noise.maps[0]))
    draw = np.random.default_rng(0).standard_normal((50, 4))
    assert noise.of(SPACE, "DBSCAN")[0].eps == pytest.approx(knee_eps(draw))
    assert len({c.eps for c in noise.of(SPACE, "DBSCAN")}) == 2


@pytest.mark.parametrize(
    "latents",
    [
        np.full((30, 16), 0.7),
        np.repeat(np.random.default_rng(0).standard_normal((3, 16)), 20, axis=0),
        np.random.default_rng(0).standard_normal((5, 16)),
        np.random.default_rng(0).standard_normal((40, 1)).astype(np.float32),
    ],
    ids=["equal", "duplicates", "five", "one dimension"],
)
def test_odd_latents_have_a_result(quick_map: None, latents: np.ndarray) -> None:
    result = beside_noise(latents, (0,))
    assert len(result.rows) == 4
    for row in result.rows:
        assert row.sentence.startswith(row.method)
        assert 0.0 <= row.noise_share.low <= row.noise_share.high <= 1.0
    if len(latents) == 30:
        assert all(row.clusters == Range(1, 1, 1) and not row.beats_nulls for row in result.rows)
        assert "no DBCV (one cluster was found" in result.rows[0].sentence


def test_one_seed_of_the_latents_without_validity_is_no_win(quick_map: None) -> None:
    result = beside_noise(three_blobs(), (0, 1), MapSettings(eps=1.5))
    clusterings = list(result.latents.clusterings)
    place = next(i for i, c in enumerate(clusterings) if (c.space, c.method, c.seed) == (MAP, "DBSCAN", 1))
    quality = dataclasses.replace(clusterings[place].quality, dbcv=None, reason="no cluster")
    clusterings[place] = dataclasses.replace(clusterings[place], quality=quality)
    spoilt = LatentSurvey(dataclasses.replace(result.latents, clusterings=tuple(clusterings)), result.noise)
    assert result.rows[0].beats_nulls
    assert not spoilt.rows[0].beats_nulls
    assert spoilt.rows[0].dbcv is not None


def test_workers_change_nothing_and_report_all() -> None:
    draws = [np.random.default_rng(seed).standard_normal((80, 4)) * (1 + 9 * (seed == 1)) for seed in range(3)]
    tasks = [_Task(f"draw {i}", draw, None, MapSettings()) for i, draw in enumerate(draws)]
    told: list[str] = []
    alone, together = run_tasks(_compute, tasks, 1, lambda what: None), run_tasks(_compute, tasks, 2, told.append)
    assert len(told) == 3
    for first, second in zip(alone, together, strict=True):
        for one, other in zip(first[1], second[1], strict=True):
            assert one.eps == other.eps
            assert one.quality == other.quality
            np.testing.assert_array_equal(one.labels, other.labels)
    assert alone[0][1][0].eps != alone[1][1][0].eps  # the order is that of the tasks


def test_errors_of_a_worker_arrive_as_they_are() -> None:
    with pytest.raises(UserError, match="points: point 0 holds nan"):
        run_tasks(_compute, [_Task("bad", np.full((9, 2), np.nan), None, MapSettings())] * 2, 2, lambda what: None)


def test_the_map_of_noise_is_that_of_the_null(quick_map: None) -> None:
    noise = survey_noise(40, 3, (2,), MapSettings(eps=0.5))
    null = map_latents(noise_draws(40, 3, [2])[2], 2, MapSettings(eps=0.5))
    np.testing.assert_array_equal(noise.maps[2], null.points)
    assert noise.of(MAP, "DBSCAN")[0].quality == null.quality


def test_bad_surveys_are_one_line(quick_map: None) -> None:
    latents = three_blobs()
    with user_error("seeds", [1, 1]):
        survey_latents(latents, seeds=(1, 1))
    with user_error("seeds", []):
        survey_latents(latents, seeds=())
    with pytest.raises(ValueError, match="workers is 0"):
        survey_latents(latents, workers=0)
    with pytest.raises(UserError, match="3 points, a map needs at least 4"):
        survey_latents(latents[:3])
    latents[4, 2] = np.inf
    with pytest.raises(UserError, match="latents: preset 4 holds inf"):
        survey_latents(latents)


def test_a_null_is_led_above_what_one_more_of_its_maps_would_have() -> None:
    # Mean 0.2 and standard deviation 0.1 of three: 0.2 + 4.3027 (Student, 2 degrees, 97.5 %) * 0.1 * sqrt(4 / 3).
    null = expected([0.1, 0.2, 0.3])
    assert null is not None
    assert null.high == pytest.approx(0.2 + 4.302653 * 0.1 * (4 / 3) ** 0.5, rel=1e-6)
    assert null.low == pytest.approx(0.4 - null.high)
    assert leads(0.70, null)
    assert not leads(0.69, null)
    assert not leads(None, null)
    assert not leads(-0.1, expected([-0.5, -0.5]))
    assert leads(0.21, expected([0.1]))  # a single map has no interval
    assert not leads(0.19, expected([0.1]))
    assert leads(0.1, expected([]))
    assert not leads(0.09, expected([]))


def test_the_interval_holds_one_more_value_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    held = 0
    for *values, one_more in generator.normal(3.0, 2.0, (4000, 6)):
        found = expected(values)
        assert found is not None
        held += found.low <= one_more <= found.high
    assert held / 4000 == pytest.approx(0.95, abs=0.012)


def test_every_null_has_its_verdict(quick_map: None) -> None:
    settings = MapSettings(eps=1.5)
    seeds = (0, 1, 2)
    noise = survey_noise(180, 8, seeds, settings)
    alike = survey_draws(dict.fromkeys(seeds, three_blobs()), "alike", settings)
    result = LatentSurvey(survey_latents(three_blobs(), (0,), settings), noise, alike)
    row = result.rows[0]
    assert {name: null.led for name, null in row.nulls.items()} == {NOISE: True, COLLAPSED: False}
    assert not row.beats_nulls
    assert "better than the normal noise but not clustered better than the collapsed encoder" in row.sentence
    assert row.nulls[COLLAPSED].clusters.mean == 3
