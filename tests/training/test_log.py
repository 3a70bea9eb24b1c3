from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthvae.core.errors import UserError
from synthvae.training.log import MetricsLog, read_metrics
from synthvae.training.run import load_run


def test_rows_come_back_to_the_bit_and_phases_have_columns_of_their_own(tmp_path: Path):
    log = MetricsLog(tmp_path, 0)
    rows = [{"epoch": 0.0, "a": 0.1 + 0.2}, {"epoch": 1.0, "a": 1e-300}, {"epoch": 2.0, "b": float(np.pi)}]
    for row in rows:
        log.add(row)
    log.close()
    table = read_metrics(tmp_path / "metrics.csv")
    assert list(table.columns) == ["epoch", "a", "b"]
    assert table["a"].tolist()[:2] == [0.1 + 0.2, 1e-300]
    assert table["b"].tolist()[2] == float(np.pi)
    assert table.isna().sum().sum() == 3
    pd.testing.assert_frame_equal(log.rows.reset_index(drop=True), table)


def test_a_log_goes_on_from_an_epoch_and_drops_a_row_that_was_cut_short(tmp_path: Path):
    log = MetricsLog(tmp_path, 0)
    for epoch in range(12):
        log.add({"epoch": float(epoch), "a": 0.5 * epoch})
    log.close()
    path = tmp_path / "metrics.csv"
    path.write_text(path.read_text()[:-8])  # the last row is now "1", which reads as an epoch
    assert read_metrics(path)["epoch"].tolist() == list(range(11))
    again = MetricsLog(tmp_path, 4)
    again.add({"epoch": 4.0, "a": 7.0})
    again.close()
    assert read_metrics(path)["a"].tolist() == [0.0, 0.5, 1.0, 1.5, 7.0]


def test_no_log_no_rows_and_something_else_is_refused(tmp_path: Path):
    assert read_metrics(tmp_path / "metrics.csv").empty
    (tmp_path / "metrics.csv").write_text("epoch,a\n0,many\n")
    with pytest.raises(UserError, match="not a table of numbers"):
        read_metrics(tmp_path / "metrics.csv")


def test_a_run_gives_its_log_as_a_table(small_run: Path):
    table = load_run(small_run).metrics()
    assert table["epoch"].tolist() == [0.0, 1.0]
    assert {"validation/total", "kl/15"} <= set(table.columns)


def test_a_full_disk_costs_events_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    log = MetricsLog(tmp_path, 0)
    log.add({"epoch": 0.0, "a": 1.0})

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(log._writer, "add_scalar", full)
    for epoch in (1.0, 2.0):
        log.add({"epoch": epoch, "a": 1.0})
    log.close()
    assert read_metrics(tmp_path / "metrics.csv")["epoch"].tolist() == [0.0, 1.0, 2.0]
    assert [record.getMessage().count("No space left") for record in caplog.records] == [1]
    monkeypatch.setattr("os.replace", full)
    with pytest.raises(UserError, match=r"metrics.csv: cannot write \(No space left on device\); make room"):
        log.add({"epoch": 3.0, "a": 1.0})
    assert read_metrics(tmp_path / "metrics.csv")["epoch"].tolist() == [0.0, 1.0, 2.0], "the rows before are whole"


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"epoch,a\n,2\n", b"epoch,a\n1,\xff\n"])
def test_a_table_without_epochs_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "metrics.csv").write_bytes(content)
    with pytest.raises(UserError, match="not a table"):
        MetricsLog(tmp_path, 5)
