"""The table of how fast the map answers."""

from __future__ import annotations

from benchmarks.explore import ExploreMeasurement, explore_table


def test_the_benchmark_says_whether_limits_are_kept():
    clicks = tuple(float(value) for value in range(1, 101))
    good = ExploreMeasurement("browser", 10_000, clicks, (1.0, 20.0), 60.0, 2.0)
    assert (good.median, good.passed) == (50.5, True)
    table = explore_table(good)
    assert "| mouse down to first sample, median | 50.5 | 60 |" in table
    assert "| made the first time | 60.0 | 90 |" in table
    assert not ExploreMeasurement("http", 10, clicks, (501.0,), None, 2.0).passed
    assert not ExploreMeasurement("http", 10, tuple(2 * value for value in clicks), (1.0,), None, 2.0).passed
    assert "request to first sample" in explore_table(ExploreMeasurement("http", 10, clicks, (1.0,), None, 2.0))
