"""What follows from the measures: each of the thesis's questions, asked as a comparison with an interval."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synthvae.analysis.statistics import GroupTest, by_seed, compare_groups
from synthvae.analysis.survey import MARGIN
from synthvae.experiments.compare import Interval
from synthvae.experiments.tables import THESIS_FEATURES, Results

__all__ = ["Answer", "Comparison", "answers", "answers_csv", "group_tests"]

LOSSES = ("lmsl", "scl", "logsl", "lslp", "sclp", "logslp")
#: A loss and its phase-aware twin.
TWINS = (("lmsl", "lslp"), ("scl", "sclp"), ("logsl", "logslp"))
#: What is heard, and what most losses compare.
JUDGES = ("logmel", "stft")


@dataclass(frozen=True)
class Comparison:
    """One case against another, or against a null model.

    Attributes:
        case: the case.
        other: what it is compared with.
        feature: on which the mean squared errors are.
        ratio: of the errors; below 1 the case is better.
        to_null: whether the other is a null model, about which other seeds say nothing.
    """

    case: str
    other: str
    feature: str
    ratio: Interval
    to_null: bool = False

    @property
    def verdict(self) -> str:
        """``lower``, ``higher`` or ``undecided``."""
        return self.ratio.side if self.to_null else self.ratio.verdict


@dataclass(frozen=True)
class Answer:
    """A question of the thesis and what came out.

    Attributes:
        name: in a word, for files.
        question: in words.
        sentences: the answer in words, one per judge.
        comparisons: what it rests on.
    """

    name: str
    question: str
    sentences: tuple[str, ...]
    comparisons: tuple[Comparison, ...]


def answers(results: Results) -> list[Answer]:
    """All questions that the cases at hand can answer."""
    twins = [(f"{e}-{phase}", f"{e}-{magnitude}") for e in ("exp1", "exp2") for magnitude, phase in TWINS]
    questions = (
        (
            "gradient",
            "Does the gradient of the spectral term through the synthesizer help?",
            "sending the gradient through the Voice (exp2 against exp1)",
            [(f"exp2-{loss}", f"exp1-{loss}") for loss in LOSSES],
        ),
        ("phase", "Do phase-aware losses do better than their twins on magnitudes?", "comparing phases too", twins),
        (
            "feature",
            "Does MFCC or CQT in place of the STFT do better?",
            "the other feature",
            [("exp3-mfcc", "exp3-stft"), ("exp3-cqt", "exp3-stft")],
        ),
        (
            "sounds-alone",
            "Does training on sounds alone improve on what was learned from parameters?",
            "the second phase of experiment 3",
            [(f"exp3-{feature}", "exp3-phase1") for feature in THESIS_FEATURES],
        ),
    )
    found = [_compare_cases(results, *question) for question in questions]
    found.append(_beats_nulls(results))
    return [answer for answer in found if answer.comparisons]


def answers_csv(found: Sequence[Answer]) -> str:
    """Every comparison with its verdict, as CSV: what has to come out again when the experiments are repeated."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["question", "case", "against", "feature", "ratio", "low", "high", "seeds", "presets", "verdict"])
    for answer in found:
        for c in answer.comparisons:
            numbers = [f"{value:.4g}" for value in (c.ratio.value, c.ratio.low, c.ratio.high)]
            place = [answer.question, c.case, c.other, c.feature]
            writer.writerow([*place, *numbers, c.ratio.seeds, c.ratio.presets, c.verdict])
    return stream.getvalue()


def group_tests(results: Results) -> dict[tuple[str, str], GroupTest]:
    """Kruskal-Wallis over the cases of each experiment, on the L1 errors of each feature, the seed being the unit.

    Returns:
        By experiment and feature; an experiment of fewer than two cases has none, and one with a single seed neither.
    """
    tests = {}
    for experiment in sorted({case.group for case in results.cases}):
        cases = [case.name for case in results.cases if case.group == experiment]
        if len(cases) < 2 or all(len(results.seeds[name]) < 2 for name in cases):
            continue
        for feature in ("logmel", *THESIS_FEATURES):
            groups = by_seed({name: [m.l1[feature] for m in results.of(name)] for name in cases})
            tests[experiment, feature] = compare_groups(groups, f"L1 error on {feature}", "cases").difference
    return tests


def _compare_cases(results: Results, name: str, question: str, what: str, pairs: Sequence[tuple[str, str]]) -> Answer:
    comparisons, sentences = [], []
    for feature in JUDGES:
        of_feature = []
        for case, other in pairs:
            ratio = results.to_case(case, other, feature)
            if ratio is not None:
                of_feature.append(Comparison(case, other, feature, ratio))
        if of_feature:
            sentences.append(_count(f"On {feature}, {what}", "the error", of_feature))
        comparisons += of_feature
    return Answer(name, question, tuple(sentences), tuple(comparisons))


def _beats_nulls(results: Results) -> Answer:
    comparisons, sentences = [], []
    for null in ("mean_preset", "mean_spectrogram"):
        words = f"the {null.replace('_', ' ')}"
        against = [
            Comparison(c.name, words, "logmel", results.to_null(c.name, "logmel", null), True) for c in results.cases
        ]
        better = [c.case for c in against if c.verdict == "lower"]
        worse = [c.case for c in against if c.verdict == "higher"]
        names = f": {', '.join(better)}" if 0 < len(better) < len(against) else ""
        sentences.append(
            f"On logmel {len(better)} of {len(against)} cases are better than {words}{names}; {len(worse)} are worse."
        )
        comparisons += against
    apart = [case.name for case in results.cases if _clusters_better_than_noise(results, case.name)]
    sentences.append(
        f"The clusters of {len(apart)} of {len(results.cases)} cases have a DBCV above that of standard "
        f"normal noise, by {MARGIN:g} with every seed{': ' + ', '.join(apart) if apart else ''}."
    )
    floor, constant = results.nulls.fad_floor, results.nulls.fad_mean_preset
    if floor is not None and constant is not None:
        distances = [np.mean([m.fad_test or np.nan for m in results.of(c.name)]) for c in results.cases]
        sentences.append(
            f"The Fréchet distances of reconstructions (log-mel embedding) are {np.min(distances) / floor:.3g} to "
            f"{np.max(distances) / floor:.3g} times the floor; that of the mean preset is {constant / floor:.3g} times."
        )
    return Answer("nulls", "What beats its null?", tuple(sentences), tuple(comparisons))


def _clusters_better_than_noise(results: Results, case: str) -> bool:
    pairs = [(m.map["dbcv"], m.map_of_noise["dbcv"]) for m in results.of(case)]
    return all(found is not None and found > max(null or 0.0, 0.0) + MARGIN for found, null in pairs)


def _count(what: str, measured: str, comparisons: Sequence[Comparison]) -> str:
    by_verdict = {
        verdict: [c for c in comparisons if c.verdict == verdict] for verdict in ("lower", "higher", "undecided")
    }
    lower, higher, undecided = (len(by_verdict[v]) for v in ("lower", "higher", "undecided"))
    values = [c.ratio.value for c in comparisons]
    span = f"ratios from {min(values):.3g} to {max(values):.3g}" if len(values) > 1 else f"ratio {values[0]:.3g}"
    return (
        f"{what} lowers {measured} in {lower} of {len(comparisons)} comparisons, raises it in {higher} and leaves "
        f"{undecided} undecided ({span})."
    )
