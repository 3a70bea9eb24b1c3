from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from synthvae.analysis.posthoc import dunn, holm, share_lower, superiority
from synthvae.core.errors import UserError

# Zar 2010, Biostatistical Analysis, examples 10.11 and 11.10: pH of four ponds. Z and p before correction are those
# that the documentation of FSA::dunnTest (R) prints for these values.
PONDS = {
    "1": [7.68, 7.69, 7.70, 7.70, 7.72, 7.73, 7.73, 7.76],
    "2": [7.71, 7.73, 7.74, 7.74, 7.78, 7.78, 7.80, 7.81],
    "3": [7.74, 7.75, 7.77, 7.78, 7.80, 7.81, 7.84],
    "4": [7.71, 7.71, 7.74, 7.79, 7.81, 7.85, 7.87, 7.91],
}
PAIRS = [("1", "2"), ("1", "3"), ("1", "4"), ("2", "3"), ("2", "4"), ("3", "4")]
UNCORRECTED = [0.032597479, 0.003184443, 0.002773299, 0.376261991, 0.392660483, 0.952962480]
CORRECTED = [0.13038992, 0.01663979, 0.01663979, 1.0, 1.0, 1.0]  # Holm's: 4 p, 6 p (the largest so far), 6 p, ...


def test_the_ponds_of_zar() -> None:
    tests = dunn(PONDS, "pH")
    assert [(test.first, test.second) for test in tests] == PAIRS
    np.testing.assert_allclose([test.p_value for test in tests], CORRECTED, rtol=1e-6)
    assert "cannot be told apart" in tests[0].sentence
    assert tests[1].sentence.startswith("1 beats 3: 1 has the lower pH in 9")
    assert "after Holm" in tests[1].sentence


def test_holm_of_the_ponds_and_by_hand() -> None:
    np.testing.assert_allclose(holm(UNCORRECTED), CORRECTED, rtol=1e-6)
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.6]), [1.0, 1.0])
    assert holm([0.2]).tolist() == [0.2]
    assert holm([]).tolist() == []


@pytest.mark.parametrize("seed", range(3))
def test_the_formula_with_ties_and_unequal_groups(seed: int) -> None:
    generator = np.random.default_rng(seed)
    groups = {name: generator.integers(0, 6, n) + shift for name, n, shift in (("x", 5, 0), ("y", 12, 1), ("z", 30, 2))}
    everything = np.concatenate(list(groups.values()))
    n, ranks = len(everything), stats.rankdata(everything)
    ties = np.unique(everything, return_counts=True)[1]
    variance = n * (n + 1) / 12 - (ties**3 - ties).sum() / (12 * (n - 1))
    parts = np.split(ranks, np.cumsum([5, 12]))
    raw = [
        2 * stats.norm.sf(abs(a.mean() - b.mean()) / np.sqrt(variance * (1 / len(a) + 1 / len(b))))
        for a, b in ((parts[0], parts[1]), (parts[0], parts[2]), (parts[1], parts[2]))
    ]
    np.testing.assert_allclose([test.p_value for test in dunn(groups)], holm(raw), rtol=1e-9)


def test_more_than_nine_groups_keep_their_names() -> None:
    groups = {f"run {i}": np.arange(20.0) + (500 if i == 10 else 0) for i in range(12)}
    different = {(t.first, t.second) for t in dunn(groups) if t.p_value < 0.05}
    assert different == {(f"run {i}", "run 10") for i in range(10)} | {("run 10", "run 11")}


def test_two_groups_are_mann_whitney_and_the_share_is_u() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.normal(0, 1, 40), generator.normal(1, 1, 50)
    (test,) = dunn({"a": a, "b": b})
    exact = stats.mannwhitneyu(a, b, use_continuity=False, method="asymptotic")
    assert test.p_value == pytest.approx(exact.pvalue)
    assert test.share_lower == pytest.approx(1 - exact.statistic / (40 * 50))


def test_the_share_counts_ties_half() -> None:
    assert share_lower([1, 2], [3, 4]) == 1.0
    assert share_lower([3, 4], [1, 2]) == 0.0
    assert share_lower([1, 1], [1, 1]) == 0.5
    # Pairs: 1 < 2, 1 < 3, 2 = 2, 2 < 3.
    assert share_lower([1, 2], [2, 3]) == 3.5 / 4
    assert share_lower([2, 3], [1, 2]) == 0.5 / 4


def test_bands_are_symmetric() -> None:
    shares = (0.5, 0.55, 0.6, 0.7, 0.72, 1.0)
    words = ["negligible", "negligible", "small", "medium", "large", "large"]
    assert [superiority(share) for share in shares] == words
    assert [superiority(1 - share) for share in shares] == words


def test_sentences_weigh_the_effect_and_not_only_p() -> None:
    generator = np.random.default_rng(0)
    (test,) = dunn({"a": generator.normal(0.08, 1, 20_000), "b": generator.normal(0, 1, 20_000)}, "log-mel MSE")
    assert test.p_value < 0.001
    assert test.sentence.startswith("b and a differ too little to guide a choice: b has the lower log-mel MSE in 52")


@pytest.mark.parametrize("groups", [{"a": [1.0, 1.0], "b": [1.0]}, {"a": [2.0], "b": [2.0], "c": [2.0]}])
def test_equal_values_are_no_difference(groups: dict[str, list[float]]) -> None:
    for test in dunn(groups):
        assert (test.p_value, test.share_lower, test.effect) == (1.0, 0.5, "negligible")


def test_tiny_groups_have_a_result() -> None:
    (test,) = dunn({"a": [1.0], "b": [2.0]})
    assert test.p_value == pytest.approx(2 * stats.norm.sf(1.0))  # ranks 1 and 2: z = 1 / sqrt(1/2 * 2)
    assert test.share_lower == 1.0


def test_bad_groups() -> None:
    with pytest.raises(UserError, match="2 or more groups, 1 given"):
        dunn({"a": [1.0]})
    with pytest.raises(UserError, match="stft of b: preset 0 holds inf"):
        dunn({"a": [1.0, 2.0], "b": [np.inf]}, "stft")
