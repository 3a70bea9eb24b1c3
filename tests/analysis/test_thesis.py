from __future__ import annotations

from synthvae.analysis.thesis import lead_in_words, thesis_clusters, thesis_settings
from synthvae.maps.clusters import MapSettings
from synthvae.maps.nulls import expected


def test_the_radius_is_that_of_the_experiment() -> None:
    assert thesis_settings("Exp1-SCL") == thesis_settings("Exp2-SCL-ts") == MapSettings(0.04, 4, 50, 0.0)
    assert thesis_settings("Exp3-CQT") == MapSettings(0.05, 4, 50, 0.0)


def test_the_printed_dbcvs_are_compared_with_nulls_of_their_own_settings_alone() -> None:
    nulls = {"weak": expected([0.1, 0.12, 0.11]), "strong": expected([0.36, 0.37, 0.365])}
    said = thesis_clusters(MapSettings(), 10_000, 16, nulls)
    assert "DBCVs of 0.36 to 0.41 at eps 0.04" in said
    assert "all of 12 lead the weak, which has 0.11" in said
    # Mean 0.365 and standard deviation 0.005 of three: one more would lie below 0.365 + 0.0248 = 0.3898.
    assert "1 of 12 lead the strong (not Exp1-SCL, Exp1-LogSL" in said
    assert "Exp1-LMSL" not in said
    third = thesis_clusters(MapSettings(eps=0.05), 10_000, 16, nulls)
    assert "0.31 to 0.36 at eps 0.05: all of 3 lead the weak" in third
    for settings, points, dimension in (
        (MapSettings(neighbours=15), 10_000, 16),
        (MapSettings(), 500, 16),
        (MapSettings(), 10_000, 32),
    ):
        assert thesis_clusters(settings, points, dimension, nulls) == ""


def test_a_null_without_dbcv_is_said_to_have_none() -> None:
    said = lead_in_words({"a": 0.3, "b": None}, {"null": expected([])})
    assert said == "1 of 2 lead the null (not b), which has no DBCV"
