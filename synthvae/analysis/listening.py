"""Analysis of a listening test: screening of listeners, and tests between systems.

The listener is the unit: all answers of one to one condition are averaged before anything is tested, since answers of
one person are not independent. Files are those of `synthvae.report.listening`'s page, or of webMUSHRA (Schoeffler et
al. 2018).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from synthvae.core.errors import UserError, reason
from synthvae.metrics.reconstruction import Summary, summarise
from synthvae.metrics.statistics import CountTest, GroupComparison, compare_counts, compare_groups

__all__ = [
    "ANCHORS",
    "COLUMNS",
    "KINDS",
    "NO_PREFERENCE",
    "REFERENCE",
    "SCALES",
    "Classification",
    "ListeningResults",
    "Power",
    "Preference",
    "Ratings",
    "analyse_answers",
    "listener_means",
    "read_answers",
    "screened",
]

KINDS = ("mushra", "mos", "ab", "classify", "smoothness")
#: Conditions of a MUSHRA test that are no system: the hidden reference, and low-pass filtered references.
REFERENCE, ANCHORS = "reference", ("anchor35", "anchor70")
NO_PREFERENCE = "none"
#: Lowest and highest rating of the kinds that have ratings, and the smallest relevant difference.
SCALES = {"mushra": (0.0, 100.0, 10.0), "mos": (1.0, 5.0, 0.5), "smoothness": (1.0, 5.0, 0.5)}
#: Of our files. `other` is the second sound of a pair; `answer` is a rating, a label, or the preferred of the pair.
COLUMNS = ("listener", "test", "kind", "trial", "stimulus", "other", "label", "answer", "seconds")
#: Of BS.1534-3, 4.1.2: a listener is left out who rates the hidden reference below 90, or the mid anchor above 90, in
#: more than 15 % of the trials.
LEAST_REFERENCE, MOST_ANCHOR, TOLERATED = 90.0, 90.0, 0.15
LEVEL, POWER = 0.05, 0.8
_REMEDY = "give a CSV file that the page of the test saved, or webMUSHRA's mushra, paired_comparison or lss"
#: Asymptotic efficiency of Kruskal-Wallis relative to the F test where values are normal, 3 / pi.
EFFICIENCY = 3.0 / np.pi


@dataclass(frozen=True)
class Power:
    """Statistical power of a test with a number of listeners.

    Attributes:
        listeners: listeners of each condition, on average.
        detectable: difference of one condition from equal others that is detected with 80 % power at the 5 % level, by
            the observed spread between listeners; None if that is 0 or not known.
        wanted: smallest relevant difference, in the unit of the ratings.
        needed: listeners that detect it with 80 % power; None where `detectable` is.
    """

    listeners: int
    detectable: float | None
    wanted: float
    needed: int | None


@dataclass(frozen=True)
class Ratings:
    """Ratings of conditions.

    Attributes:
        conditions: name to the summary of listeners' means, hidden reference and anchors included.
        comparison: between systems alone; its values are points below the top of the scale, so that less is better.
            None for a single system.
        power: None for a single system.
    """

    conditions: Mapping[str, Summary]
    comparison: GroupComparison | None
    power: Power | None


@dataclass(frozen=True)
class Preference:
    """Which of two systems was preferred.

    Attributes:
        first: one system.
        second: the other.
        counts: answers for the first, for the second, and for neither.
        share: share of the first, over listeners; neither counts as half.
        p_value: Wilcoxon's signed-rank test of listeners' shares against a half, two-sided; None where all are a half.
        counts_p_value: chi-squared of the answers with a preference against equal counts, as if answers of one
            listener were independent; None without any.
    """

    first: str
    second: str
    counts: tuple[int, int, int]
    share: Summary
    p_value: float | None
    counts_p_value: float | None


@dataclass(frozen=True)
class Classification:
    """Which labels were recognised.

    Attributes:
        labels: labels in the order of rows and columns.
        confusion: system to counts ``(L, L)``: the sound's label by row, the answer by column.
        accuracy: system to the summary of listeners' shares of right answers.
        chance: one over the number of labels.
        p_values: system to the p value of Wilcoxon's signed-rank test of these shares against chance, one-sided.
        association: system to chi-squared between label and answer.
        between: chi-squared of right and wrong answers between systems; None for a single one.
    """

    labels: tuple[str, ...]
    confusion: Mapping[str, NDArray[np.int64]]
    accuracy: Mapping[str, Summary]
    chance: float
    p_values: Mapping[str, float | None]
    association: Mapping[str, CountTest]
    between: CountTest | None


@dataclass(frozen=True)
class ListeningResults:
    """Results of a test.

    Attributes:
        kind: one of `KINDS`.
        listeners: all of them.
        left_out: listener to the reason.
        answers: answers of those who were not left out.
        ratings: None for kinds without ratings.
        preferences: preferences of pairs of systems; empty for other kinds than ``ab``.
        classification: None for other kinds than ``classify``.
    """

    kind: str
    listeners: tuple[str, ...]
    left_out: Mapping[str, str]
    answers: int
    ratings: Ratings | None = None
    preferences: tuple[Preference, ...] = ()
    classification: Classification | None = None


def read_answers(paths: Sequence[Path]) -> pd.DataFrame:
    """Read files of answers to one test, ours or webMUSHRA's, as rows with `COLUMNS`.

    Equal names in different files are different listeners unless their answers are equal, which count once. webMUSHRA's
    listeners are told apart by all that its participant's form asks, and without a form by counting.

    Raises:
        UserError: for a file that cannot be read, has other columns or an answer off the scale, or tests of two kinds.
    """
    tables: list[pd.DataFrame] = []
    known: dict[str, list[pd.DataFrame]] = {}
    for path in paths:
        try:
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
        except OSError as error:
            raise UserError(path, path, _REMEDY, f"cannot be read ({reason(error)})") from None
        except ValueError:  # whose text is pandas' and says nothing of answers
            problem = "not a table in CSV" if path.stat().st_size else "empty"
            raise UserError(path, path, _REMEDY, problem) from None
        table = table if set(COLUMNS) <= set(table.columns) else _from_webmushra(table, path)
        _check(table, path)
        for name, rows in table[list(COLUMNS)].groupby("listener", sort=False):
            others = known.setdefault(str(name), [])
            rows = rows.reset_index(drop=True)
            if any(rows.equals(other) for other in others):
                continue
            others.append(rows)
            tables.append(rows.assign(listener=str(name) if len(others) == 1 else f"{name} ({len(others)})"))
    found = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))
    kinds = found["kind"].unique()
    if len(kinds) != 1:
        why = f"answers of {' and '.join(kinds)}" if len(kinds) else "no answers in them"
        raise UserError("files", [*paths], "give files of one kind of test", why)
    return found


def _check(table: pd.DataFrame, path: Path) -> None:
    for row, (kind, answer) in enumerate(zip(table["kind"], table["answer"], strict=True)):
        if kind not in KINDS:
            raise UserError(f"{path}: row {row + 2}, kind", kind, f"give one of {', '.join(KINDS)}")
        if kind not in SCALES:
            continue
        low, high, _ = SCALES[kind]
        number = pd.to_numeric(answer, errors="coerce")
        if not low <= number <= high:
            raise UserError(f"{path}: row {row + 2}, answer", answer, f"give a number from {low:g} to {high:g}")


#: Columns of webMUSHRA's files by kind of page: what we call trial, stimulus, other, answer and seconds.
_WEBMUSHRA = {
    "mushra": ("trial_id", "rating_stimulus", "", "rating_score", "rating_time"),
    "ab": ("trial_id", "choice_reference", "choice_non_reference", "choice_answer", "choice_time"),
    "mos": ("trial_id", "stimuli", "", "stimuli_rating", "rating_time"),
}
_OURS = ("trial", "stimulus", "other", "answer", "seconds")
_NO_PARTICIPANT = {"session_test_id", "rating_comment", "choice_comment"}


def _from_webmushra(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    kind = next((k for k, names in _WEBMUSHRA.items() if {n for n in names if n} <= set(table.columns)), None)
    if kind is None:
        missing = [name for name in COLUMNS if name not in table.columns]
        which = f"the column{'' if len(missing) == 1 else 's'} {', '.join(missing)}"
        raise UserError(path, path, _REMEDY, f"no answers of a listening test, which have {which}")
    names = _WEBMUSHRA[kind]
    found = pd.DataFrame(
        {ours: table[name].str.strip() if name else "" for ours, name in zip(_OURS, names, strict=True)}
    )
    found["seconds"] = (pd.to_numeric(found["seconds"], errors="coerce") / 1000.0).map("{:g}".format)  # from ms
    if kind == "ab":
        unknown = ~found["answer"].isin(["reference", "nonReference", *found["stimulus"], *found["other"]])
        chosen = np.where(found["answer"] == "reference", found["stimulus"], found["answer"])
        chosen = np.where(found["answer"] == "nonReference", found["other"], chosen)
        found["answer"] = np.where(unknown, NO_PREFERENCE, chosen)
    form = [name for name in table.columns if name not in {*names, *_NO_PARTICIPANT}]
    again = table.groupby([*form, *filter(None, names[:3])], sort=False).cumcount()
    who = table[form].agg(" ".join, axis=1) if form else pd.Series("listener", table.index)
    found["listener"] = [f"{name} ({time + 1})" if time else name for name, time in zip(who, again, strict=True)]
    label = found["trial"].str.extract(r"^(?:.*\|)?label=(.*)$")[0].fillna("")
    test = table["session_test_id"] if "session_test_id" in table else pd.Series("", table.index)
    if kind == "mos":  # which pages of webMUSHRA's with one scale for each sound are used for three kinds
        rated = pd.to_numeric(found["answer"], errors="coerce").notna().all()
        kind = "classify" if not rated else "smoothness" if test.str.startswith("smoothness").any() else kind
    return found.assign(kind=kind, label=label, test=test)


def screened(answers: pd.DataFrame) -> dict[str, str]:
    """Listeners to leave out of a MUSHRA test after BS.1534-3, 4.1.2, and why."""
    found: dict[str, str] = {}
    if answers["kind"].iloc[0] != "mushra":
        return found
    score = pd.to_numeric(answers["answer"])
    rules = (
        (REFERENCE, score < LEAST_REFERENCE, f"rated the hidden reference below {LEAST_REFERENCE:g}"),
        (ANCHORS[1], score > MOST_ANCHOR, f"rated the 7 kHz anchor above {MOST_ANCHOR:g}"),
    )
    for condition, wrong, what in rules:
        rows = answers["stimulus"] == condition
        share = wrong[rows].groupby(answers["listener"][rows], sort=False).mean()
        for name, value in share[share > TOLERATED].items():
            found.setdefault(str(name), f"{what} in {100 * value:.0f} % of the trials")
    return found


def listener_means(answers: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Mean rating of each listener, ``(L,)``, of each condition, in the order in which conditions first occur."""
    score = pd.to_numeric(answers["answer"]).astype(float)
    means = score.groupby([answers["stimulus"], answers["listener"]], sort=False).mean()
    return {str(name): means[name].to_numpy() for name in answers["stimulus"].unique()}


def analyse_answers(answers: pd.DataFrame) -> ListeningResults:
    """Analyse a test.

    Args:
        answers: as `read_answers` returns them.

    Raises:
        UserError: if no listener is left after screening.
    """
    left_out = screened(answers)
    kept = answers[~answers["listener"].isin(left_out)]
    if not len(kept):
        raise UserError("files", len(left_out), "ask more listeners", "all listeners were left out by screening")
    kind = str(answers["kind"].iloc[0])
    listeners = tuple(map(str, answers["listener"].unique()))
    if kind in SCALES:
        return ListeningResults(kind, listeners, left_out, len(kept), _ratings(kept, kind))
    if kind == "ab":
        return ListeningResults(kind, listeners, left_out, len(kept), preferences=tuple(_preferences(kept)))
    return ListeningResults(kind, listeners, left_out, len(kept), classification=_classification(kept))


def _ratings(answers: pd.DataFrame, kind: str) -> Ratings:
    means, (_, top, wanted) = listener_means(answers), SCALES[kind]
    conditions = {name: summarise(values, f"ratings of {name}") for name, values in means.items()}
    systems = {name: top - values for name, values in means.items() if name not in (REFERENCE, *ANCHORS)}
    if len(systems) < 2:
        return Ratings(conditions, None, None)
    compared = compare_groups(systems, f"points below {top:g}", "systems")
    return Ratings(conditions, compared, _power(list(systems.values()), wanted))


def _power(groups: list[NDArray[np.float64]], wanted: float) -> Power:
    """By the power of the F test with the spread within groups and Kruskal-Wallis's efficiency.

    One of k equal conditions that differs by d has an effect f = d sqrt(k - 1) / (k sigma) (Cohen 1988, 8.2).
    """
    from statsmodels.stats.power import FTestAnovaPower
    from statsmodels.tools.sm_exceptions import ConvergenceWarning  # whose module has them shown always

    count, sizes = len(groups), [len(group) for group in groups]
    listeners, freedom = round(float(np.mean(sizes))), sum(sizes) - count
    spread = float(np.sqrt(sum(((group - group.mean()) ** 2).sum() for group in groups) / freedom)) if freedom else 0.0
    if spread == 0.0:
        return Power(listeners, None, wanted, None)
    solve = FTestAnovaPower().solve_power
    unit = spread * count / np.sqrt(count - 1)

    def solved(effect: float | None, total: float | None) -> float | None:
        try:
            with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
                found = float(np.squeeze(solve(effect, total, LEVEL, POWER, count)))
        except (TypeError, ValueError):  # no root: too few ratings, or hardly any spread
            return None
        return found if np.isfinite(found) else None

    effect, total = solved(None, EFFICIENCY * sum(sizes)), solved(wanted / unit, None)
    needed = None if total is None else max(2, int(np.ceil(total / EFFICIENCY / count)))
    return Power(listeners, None if effect is None else effect * unit, wanted, needed)


def _signed_rank(differences: NDArray[np.float64], alternative: str = "two-sided") -> float | None:
    return float(stats.wilcoxon(differences, alternative=alternative).pvalue) if differences.any() else None


def _preferences(answers: pd.DataFrame) -> list[Preference]:
    systems = list(dict.fromkeys([*answers["stimulus"], *answers["other"]]))
    found = []
    for first, second in combinations(systems, 2):
        pair = answers[answers["stimulus"].isin([first, second]) & answers["other"].isin([first, second])]
        if not len(pair):
            continue
        value = np.select([pair["answer"] == first, pair["answer"] == second], [1.0, 0.0], 0.5)
        chosen, neither = [int((value == number).sum()) for number in (1.0, 0.0)], int((value == 0.5).sum())
        shares = pd.Series(value).groupby(pair["listener"].to_numpy(), sort=False).mean().to_numpy()
        by_counts = float(stats.chisquare(chosen).pvalue) if sum(chosen) else None
        share = summarise(shares, f"share of {first}")
        found.append(
            Preference(first, second, (chosen[0], chosen[1], neither), share, _signed_rank(shares - 0.5), by_counts)
        )
    return found


def _classification(answers: pd.DataFrame) -> Classification:
    labels = tuple(sorted({*answers["label"], *answers["answer"]} - {""}))
    right = answers["label"] == answers["answer"]
    confusion, accuracy, p_values, association, counts = {}, {}, {}, {}, {}
    for system, rows in answers.groupby("stimulus", sort=False):
        name = str(system)
        table = pd.crosstab(rows["label"], rows["answer"]).reindex(index=labels, columns=labels, fill_value=0)
        confusion[name] = table.to_numpy(np.int64)
        shares = right[rows.index].groupby(rows["listener"], sort=False).mean().to_numpy(float)
        accuracy[name] = summarise(shares, f"accuracy of {name}")
        p_values[name] = _signed_rank(shares - 1.0 / len(labels), "greater")
        known = {str(label): row.to_dict() for label, row in table.iterrows() if row.sum()}
        if len(known) > 1:
            association[name] = compare_counts(known, f"answers to {name}")
        counts[name] = {"right": int(right[rows.index].sum()), "wrong": int((~right[rows.index]).sum())}
    between = compare_counts(counts, "right and wrong answers") if len(counts) > 1 else None
    return Classification(labels, confusion, accuracy, 1.0 / len(labels), p_values, association, between)
