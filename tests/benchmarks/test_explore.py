"""The table of how fast the map answers."""

from __future__ import annotations

from benchmarks.explore import ExploreMeasurement, explore_table


def test_the_benchmark_says_whether_limits_are_kept():
    clicks = tuple(float(value) for value in range(1, 101))
    clicks = tuple(0.5 * value for value in clicks)
    good = ExploreMeasurement("browser", 10_000, clicks, (1.0, 20.0), 55.0, 2.0, 9.0)
    assert (good.median, good.passed) == (25.25, True)
    table = explore_table(good)
    assert "| mouse down to first sample, median | 25.2 | 60 |" in table
    assert "| made the first time | 55.0 | 60 |" in table
    assert not ExploreMeasurement("http", 10, clicks, (501.0,), None, 2.0).passed
    assert not ExploreMeasurement("browser", 10, clicks, (1.0,), 61.0, 2.0, 9.0).passed
    assert not ExploreMeasurement("browser", 10, clicks, (1.0,), 55.0, 2.0, 11.0).passed
    assert not ExploreMeasurement("http", 10, tuple(3 * value for value in clicks), (1.0,), None, 2.0).passed
    assert "request to first sample" in explore_table(ExploreMeasurement("http", 10, clicks, (1.0,), None, 2.0))
