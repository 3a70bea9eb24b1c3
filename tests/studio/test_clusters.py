from __future__ import annotations

import numpy as np

from synthvae.studio.clusters import find_clusters, name_clusters


def test_clusters_by_density_where_there_are_several():
    generator = np.random.default_rng(0)
    centres = [(0, 0), (10, 0), (0, 10), (10, 10)]
    points = np.concatenate([generator.normal(centre, 0.3, (60, 2)) for centre in centres])
    found = find_clusters(points)
    assert found.by == "density"
    for group in np.split(found.labels, 4):
        assert len(set(group[group >= 0])) == 1


def test_one_cloud_is_divided_into_regions():
    found = find_clusters(np.random.default_rng(0).uniform(0, 1, (600, 2)))
    assert found.by == "regions"
    assert set(found.labels) == set(range(12))


def test_few_points_are_left_alone():
    assert (find_clusters(np.random.default_rng(0).uniform(0, 1, (10, 2))).labels < 12).all()
    assert len(find_clusters(np.zeros((3, 2))).labels) == 3


def test_names_say_what_tells_a_group_from_the_rest():
    names = (
        ["loud bright noisy hiss"] * 30 + ["bright pluck, A3", "bright pluck, C4", "pure pluck, A3"] * 10 + [None] * 5
    )
    labels = np.array([0] * 30 + [1] * 30 + [2] * 5)
    pitches = np.array([np.nan] * 30 + [220.0, 262.0, 220.0] * 10 + [np.nan] * 5)
    found = name_clusters(labels, names, pitches)
    assert found[0] == "loud noisy hiss"
    assert found[1] == "pure pluck around A3"
    assert found[2] == "group 3"


def test_no_two_groups_have_one_name():
    names = ["pluck, A3"] * 40
    assert name_clusters(np.repeat([0, 1], 20), names, np.full(40, np.nan)) == ["pluck", "pluck (2)"]
    assert name_clusters(np.full(4, -1), ["x"] * 4, np.zeros(4)) == []
