from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from synthvae.metrics.bins import Bins
from tests.errors import user_error


def test_halves_of_one_set_differ_by_chance_alone():
    counts = []
    for seed in range(20):
        rows = np.random.default_rng(seed).standard_normal((1600, 4))
        found = Bins(rows[:800], seed=seed).compare(rows[800:])
        counts.append(found.different)
    assert found.by_chance == pytest.approx(2.5)
    assert found.at_most == 5
    # Bins are cut around the first half, which is a little denser at their centres.
    assert np.mean(counts) == pytest.approx(2.5, abs=1.5)


def test_a_set_that_lacks_a_mode_is_detected():
    random = np.random.default_rng(0)
    centres = 10.0 * np.eye(5)
    training = centres[np.arange(500) % 5] + random.standard_normal((500, 5))
    lacking = centres[np.arange(300) % 4] + random.standard_normal((300, 5))
    found = Bins(training, 5).compare(lacking)
    assert (found.different, found.empty, found.bins, found.n, found.reference_n) == (1, 1, 5, 300, 500)
    assert Bins(training, 5).compare(training).different == 0


def test_each_bin_is_tested_as_a_table_of_two_proportions():
    places = np.array([0.0, 100.0])
    training, other = np.repeat(places, (60, 40))[:, None], np.repeat(places, (45, 55))[:, None]
    p = chi2_contingency([[60, 40], [45, 55]], correction=False).pvalue
    bins = Bins(training, 2)
    assert bins.compare(other, p * 1.01).different == 2
    assert bins.compare(other, p * 0.99).different == 0


def test_too_few_sounds_are_refused():
    with user_error("bins", 50):
        Bins(np.zeros((49, 2)))
