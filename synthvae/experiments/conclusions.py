"""Conclusions: each of the thesis's questions as paired comparisons with confidence intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from synthvae.experiments.compare import Interval
from synthvae.experiments.tables import THESIS_FEATURES, Results
from synthvae.maps.stability import leads
from synthvae.metrics.statistics import GroupTest, by_seed, compare_groups
from synthvae.metrics.waveforms import PHASE_JUDGES

__all__ = ["Answer", "Comparison", "answers", "answers_frame", "group_tests"]

LOSSES = ("lmsl", "scl", "logsl", "lslp", "sclp", "logslp")
#: A loss and its phase-aware twin.
TWINS = (("lmsl", "lslp"), ("scl", "sclp"), ("logsl", "logslp"))
#: Features on which cases are compared: the perceptual one, and the one of most losses.
JUDGES = ("logmel", "stft")
#: How the judges are called in a sentence, where not by their own name.
JUDGE_NAMES = {
    "complex_stft": "the complex STFT",
    "waveform": "the waveform (L1)",
    "decorrelation": "one minus the correlation at the best lag",
}
#: The measure of how a level moves over time, which is a slope and no error.
LEVEL = "level_slope"


@dataclass(frozen=True)
class Comparison:
    """One case against another, or against a null model.

    Attributes:
        case: the case.
        other: what it is compared with.
        feature: the measure: the mean squared error on a feature, one of `PHASE_JUDGES`, or ``level_slope``.
        interval: ratio of the errors, below 1 the case is better; or the rise of the level in dB/s.
        to_null: whether the other is a null model, which does not depend on the seed.
    """

    case: str
    other: str
    feature: str
    interval: Interval
    to_null: bool = False

    @property
    def verdict(self) -> str:
        """``lower``, ``higher`` or ``undecided``."""
        return self.interval.side if self.to_null else self.interval.verdict


@dataclass(frozen=True)
class Answer:
    """A question of the thesis and its answer.

    Attributes:
        name: name in one word, for files.
        question: the question as a sentence.
        sentences: the answer, one sentence per feature or measure.
        comparisons: the comparisons behind it.
    """

    name: str
    question: str
    sentences: tuple[str, ...]
    comparisons: tuple[Comparison, ...]


def answers(results: Results) -> list[Answer]:
    """Answers to all questions for which there are cases."""
    twins = [(f"{e}-{phase}", f"{e}-{magnitude}") for e in ("exp1", "exp2") for magnitude, phase in TWINS]
    questions = (
        (
            "gradient",
            "Does the gradient of the spectral term through the synthesizer help?",
            "back-propagating through the Voice (exp2 against exp1)",
            [(f"exp2-{loss}", f"exp1-{loss}") for loss in LOSSES],
        ),
        (
            "phase",
            "Are phase-aware losses better than their magnitude-only counterparts?",
            "a phase-aware loss",
            twins,
            (*JUDGES, *PHASE_JUDGES),
        ),
        (
            "feature",
            "Is MFCC or CQT better than the STFT?",
            "the other feature",
            [("exp3-mfcc", "exp3-stft"), ("exp3-cqt", "exp3-stft")],
        ),
        (
            "sounds-alone",
            "Does further training on sounds alone improve a model trained on parameters?",
            "the second phase of experiment 3",
            [(f"exp3-{feature}", "exp3-phase1") for feature in THESIS_FEATURES],
        ),
        (
            "set-up",
            "Is the thesis's second set-up (500 or 250 epochs with rate drops) better than early stopping?",
            "training for a fixed number of epochs with rate drops",
            [(f"{e}-{loss}-500", f"{e}-{loss}") for e in ("exp1", "exp2") for loss in LOSSES]
            + [(f"exp3-{feature}-250", f"exp3-{feature}") for feature in THESIS_FEATURES],
        ),
    )
    found = [_compare_cases(results, *question) for question in questions]
    found = [_with_levels_of_phase(results, answer) if answer.name == "phase" else answer for answer in found]
    found += [_level_rises(results), _beats_nulls(results)]
    return [answer for answer in found if answer.comparisons]


def answers_frame(found: Sequence[Answer]) -> pd.DataFrame:
    """Every comparison with its verdict, to be compared when the experiments are repeated."""
    return pd.DataFrame(
        {
            "question": answer.question,
            "case": c.case,
            "against": c.other,
            "feature": c.feature,
            "unit": "dB/s" if c.feature == LEVEL else "ratio",
            "value": c.interval.value,
            "low": c.interval.low,
            "high": c.interval.high,
            "seeds": c.interval.seeds,
            "presets": c.interval.presets,
            "verdict": c.verdict,
        }
        for answer in found
        for c in answer.comparisons
    )


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
            tests[experiment, feature] = compare_groups(groups, f"L1 error on {feature}", "cases").kruskal_wallis
    return tests


def _compare_cases(
    results: Results,
    name: str,
    question: str,
    what: str,
    pairs: Sequence[tuple[str, str]],
    judges: Sequence[str] = JUDGES,
) -> Answer:
    comparisons, sentences = [], []
    for feature in judges:
        of_feature = []
        for case, other in pairs:
            ratio = results.to_case(case, other, feature)
            if ratio is not None:
                of_feature.append(Comparison(case, other, feature, ratio))
        if of_feature:
            sentences.append(_count(f"On {JUDGE_NAMES.get(feature, feature)}, {what}", "the error", of_feature))
        comparisons += of_feature
    return Answer(name, question, tuple(sentences), tuple(comparisons))


def _with_levels_of_phase(results: Results, answer: Answer) -> Answer:
    """The answer extended by the phase-sensitive measures of all of its cases: whether any aligns waveforms."""
    cases = list(dict.fromkeys(name for c in answer.comparisons for name in (c.case, c.other)))
    if not cases:
        return answer
    ratios = [results.to_null(case, "complex_stft", "silence") for case in cases]
    correlations = [1.0 - np.mean([m.waveforms["decorrelation"] for m in results.of(case)]) for case in cases]
    nulls = {name: 1.0 - np.mean(found) for name, found in results.nulls.waveforms["decorrelation"].items()}
    below = sum(ratio.side == "lower" for ratio in ratios)
    sentence = (
        f"On the complex STFT the errors of these cases are {min(r.value for r in ratios):.3g} to "
        f"{max(r.value for r in ratios):.3g} of silence's, and {below} of {len(cases)} "
        "are below it (the original with random phases has on average twice silence's error); at the best lag they "
        f"correlate with {min(correlations):.3g} to {max(correlations):.3g}, where the mean preset has "
        f"{nulls['mean_preset']:.3g} and a random preset {nulls['random_preset']:.3g}."
    )
    return dataclasses.replace(answer, sentences=(*answer.sentences, sentence))


def _level_rises(results: Results) -> Answer:
    """Level slope of the reconstructions against the originals (section 6.1 of the thesis) and the mean preset."""
    comparisons = [
        Comparison(case.name, "the originals", LEVEL, results.level_slope(case.name), True) for case in results.cases
    ]
    to_mean = [
        Comparison(case.name, "the mean preset", LEVEL, results.level_slope(case.name, "mean_preset"), True)
        for case in results.cases
    ]
    rise, fall = ([c for c in comparisons if c.verdict == verdict] for verdict in ("higher", "lower"))
    less, more = (sum(c.verdict == verdict for c in to_mean) for verdict in ("lower", "higher"))
    values = [c.interval.value for c in comparisons]
    nulls = {name: np.mean(found) for name, found in results.nulls.waveforms[LEVEL].items()}
    sentence = (
        f"The level of the reconstructions rises against the originals in {len(rise)} of {len(comparisons)} cases, "
        f"falls in {len(fall)} and is undecided in {len(comparisons) - len(rise) - len(fall)} (slopes from "
        f"{min(values):.3g} to {max(values):.3g} dB/s). The slope of the mean preset is {nulls['mean_preset']:.3g} "
        f"dB/s; {less} cases have a smaller and {more} a larger one. The slope of a random preset is 0 on average, "
        f"that of silence {nulls['silence']:.3g} dB/s."
    )
    question = "Does the level of reconstructions rise towards the end (section 6.1 of the thesis)?"
    return Answer("level", question, (sentence,), (*comparisons, *to_mean))


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
    for null in dict.fromkeys(name for nulls in results.null_maps.values() for name in nulls):
        apart = [case.name for case in results.cases if _clusters_lead(results, case.name, null)]
        sentences.append(
            f"The clusters of {len(apart)} of {len(results.cases)} cases have a DBCV that leads the {null}, with every "
            f"seed{': ' + ', '.join(apart) if apart else ''}."
        )
    floor, constant = results.nulls.fad_floor, results.nulls.fad_mean_preset
    if floor is not None and constant is not None:
        distances = [np.mean([m.fad_test or np.nan for m in results.of(c.name)]) for c in results.cases]
        sentences.append(
            f"The Fréchet distances of reconstructions (log-mel embedding) are {np.min(distances) / floor:.3g} to "
            f"{np.max(distances) / floor:.3g} times the floor; that of the mean preset is {constant / floor:.3g} times."
        )
    return Answer("nulls", "Which cases are better than the null models?", tuple(sentences), tuple(comparisons))


def _clusters_lead(results: Results, case: str, null: str) -> bool:
    found = results.null_maps[case].get(null)
    return found is not None and all(leads(m.map["dbcv"], found.dbcv) for m in results.of(case))


def _count(what: str, measured: str, comparisons: Sequence[Comparison]) -> str:
    by_verdict = {
        verdict: [c for c in comparisons if c.verdict == verdict] for verdict in ("lower", "higher", "undecided")
    }
    lower, higher, undecided = (len(by_verdict[v]) for v in ("lower", "higher", "undecided"))
    values = [c.interval.value for c in comparisons]
    span = f"ratios from {min(values):.3g} to {max(values):.3g}" if len(values) > 1 else f"ratio {values[0]:.3g}"
    return (
        f"{what} lowers {measured} in {lower} of {len(comparisons)} comparisons, raises it in {higher} and is "
        f"undecided in {undecided} ({span})."
    )
