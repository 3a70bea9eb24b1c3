from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synthvae.analysis.map_grid import grid_settings, measure_grid
from synthvae.core.store import Store
from synthvae.maps import projection
from synthvae.maps.clusters import MapSettings, cluster_quality, dbscan_labels
from synthvae.maps.projection import pca_map


def test_every_place_has_its_settings_and_one_map_serves_all_radii(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    drawn: list[tuple[int, int, float]] = []

    def quick(latents: np.ndarray, seed: int, neighbours: int, min_distance: float) -> projection._Drawn:
        drawn.append((seed, neighbours, min_distance))
        return projection._Drawn(pca_map(latents).points * neighbours)

    monkeypatch.setattr(projection, "_draw", quick)
    generator = np.random.default_rng(0)
    latents = np.concatenate([generator.normal(centre, 0.001, (30, 4)) for centre in (0.0, 1.0, 2.0)])
    settings = MapSettings(eps=0.07, neighbours=60, min_distance=0.1)
    projection.umap_map(latents, 5, 60, 0.1, Store(tmp_path))
    assert drawn.pop() == (5, 60, 0.1)
    grid = measure_grid({5: latents, 6: latents}, "latents", settings, store=Store(tmp_path))
    assert drawn == [(s, k, 0.1) for k in (15, 50, 60, 200) for s in (5, 6) if (s, k) != (5, 60)]
    assert [cell.settings for cell in grid] == [s for row in grid_settings(settings) for s in row]
    assert len(grid) == 4 * 7
    for cell in grid:
        points = pca_map(latents).points * cell.settings.neighbours
        expected = cluster_quality(points, dbscan_labels(points, cell.settings.eps, 4))
        assert cell.qualities == (expected, expected)
    assert len({cell.qualities[0].clusters for cell in grid}) > 1
