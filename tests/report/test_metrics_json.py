from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from synthvae.analysis.distributions import measure_set
from synthvae.report import metrics_json
from synthvae.report.document import write_metrics_json
from tests.report.documented import METRICS, documented, used


def test_the_document_of_keys_is_made_of_the_dataclasses():
    assert METRICS.read_text() == metrics_json.describe(), (
        "write it anew: python -m synthvae.report.metrics_json > docs/metrics.md"
    )


def test_keys_have_the_names_of_the_field():
    known = documented()
    assert ("runs", "<run>", "test", "features", "<feature>", "mse", "mean") in known
    assert {("runs", "<run>", "clusters", "dbcv"), ("runs", "<run>", "clusters", "silhouette")} <= known
    assert ("across_runs", "errors", "<measure>", "kruskal_wallis", "epsilon_squared") in known
    names = {path[-1] for path in known}
    assert names >= {"dunn", "frechet_audio_distance", "levene", "shapiro_wilk", "chi_squared", "kl_divergence"}


def test_a_key_that_is_not_documented_is_found():
    known = documented()
    assert used({"runs": {"a": {"kl_divergence": [0.5]}}}, known) == {
        ("runs",), ("runs", "<run>"), ("runs", "<run>", "kl_divergence"),
    }  # fmt: skip
    with pytest.raises(AssertionError, match=r"runs\.<run>\.kl_nats is not in metrics\.md"):
        used({"runs": {"a": {"kl_nats": [0.5]}}}, known)


def test_distances_between_sets_have_the_documented_keys(tmp_path: Path):
    rows, other = np.random.default_rng(0).standard_normal((2, 100, 2))
    distances = measure_set(rows, other, seed=0)
    write_metrics_json({"runs": {"a": {"audio_distances": {"logmel": {"prior": distances}}}}}, tmp_path / "m.json")
    known, place = documented(), ("runs", "<run>", "audio_distances", "<embedding>", "prior")
    keys = used(json.loads((tmp_path / "m.json").read_text()), known)
    assert {path for path in keys if path[:5] == place} == {path for path in known if path[:5] == place}
    assert (*place, "frechet_audio_distance_infinity", "standard_error") in keys


def test_a_field_without_a_meaning_is_refused(monkeypatch: pytest.MonkeyPatch):
    @dataclasses.dataclass(frozen=True)
    class Document:
        """Numbers.

        Attributes:
            seed: of everything random.
        """

        seed: int
        version: int

    monkeypatch.setattr(metrics_json, "MetricsDocument", Document)
    with pytest.raises(KeyError, match="version"):
        metrics_json.describe()
