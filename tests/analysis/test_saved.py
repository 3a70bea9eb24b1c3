from __future__ import annotations

from pathlib import Path

import orjson
import pandas as pd
import pytest

from synthvae import load_analysis
from synthvae.core.errors import UserError


def write(folder: Path, **metrics: object) -> None:
    (folder / "metrics.json").write_bytes(
        orjson.dumps({"format": "synthvae-analysis", "version": 7, "runs": {"a": {}, "b": {}}} | metrics)
    )


def test_tables_of_all_runs_in_one_frame(tmp_path: Path) -> None:
    write(tmp_path)
    for run, error in (("a", 1 / 3), ("b", 0.1)):
        pd.DataFrame({"preset": [4, 5], "logmel_mse": [error, None]}).to_csv(
            tmp_path / f"reconstruction_{run}.csv", index=False
        )
    found = load_analysis(tmp_path).reconstruction
    assert found["run"].tolist() == ["a", "a", "b", "b"]
    assert found["preset"].tolist() == [4, 5, 4, 5]
    assert found["logmel_mse"].dropna().tolist() == [1 / 3, 0.1]
    with pytest.raises(UserError, match=r"training_a\.csv: cannot be read"):
        _ = load_analysis(tmp_path).training


@pytest.mark.parametrize("content", [None, b"{", b"[]", b'{"format": "synthvae-run"}'])
def test_what_is_no_analysis_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "metrics.json").write_bytes(content)
    with pytest.raises(UserError, match=r"metrics\.json: .*'synthvae analyze' wrote"):
        load_analysis(tmp_path)


@pytest.mark.parametrize("version", [6, 8, None])
def test_another_version_is_refused(tmp_path: Path, version: int | None) -> None:
    write(tmp_path, version=version)
    with pytest.raises(UserError, match=rf"metrics\.json: version {version}, this is for 7; run the analysis again"):
        load_analysis(tmp_path)


def test_an_analysis_without_runs_is_refused(tmp_path: Path) -> None:
    write(tmp_path, runs=None)
    with pytest.raises(UserError, match=r"metrics\.json: runs is null, not a table of runs; run the analysis again"):
        load_analysis(tmp_path)
