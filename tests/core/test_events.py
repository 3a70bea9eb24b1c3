"""Lines of JSON for what a program does, and warnings that are still printed beside them."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

from synthvae.core.events import JsonLines, event, keep_events

LOG = logging.getLogger("synthvae.tests")


def test_an_event_is_a_line_with_its_fields(tmp_path: Path):
    path = tmp_path / "events.jsonl"
    with keep_events(path):
        event(LOG, "epoch", "epoch 1 done", loss=0.5, bad=float("nan"), where=Path("a"), level="not the record's")
        LOG.debug("not kept")
    event(LOG, "epoch", "after the block")
    with keep_events(path):
        LOG.warning("line\nbreak and ü")
    first, second = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    assert {name: first[name] for name in ("event", "level", "message", "loss", "bad", "where")} == {
        "event": "epoch",
        "level": "info",
        "message": "epoch 1 done",
        "loss": 0.5,
        "bad": None,
        "where": "a",
    }
    assert first["time"].endswith("+00:00")
    assert second["message"] == "line\nbreak and ü"
    assert not logging.getLogger("synthvae").isEnabledFor(logging.DEBUG)


def test_a_fault_has_its_traceback():
    try:
        raise ValueError("seven")
    except ValueError:
        record = LOG.makeRecord(LOG.name, logging.ERROR, "", 0, "it failed", (), sys.exc_info())
    line = json.loads(JsonLines().format(record))
    assert (line["event"], line["level"]) == ("message", "error")
    assert line["exception"].endswith("ValueError: seven")


def test_a_file_that_cannot_be_written_is_told_once_and_left(tmp_path: Path, caplog):
    with keep_events(tmp_path / "none" / "events.jsonl"):
        for _ in range(3):
            event(LOG, "epoch", "done")
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == [
        f"{tmp_path / 'none' / 'events.jsonl'}: no more events are written"
    ]


def test_warnings_are_printed_where_a_program_has_set_up_no_logging(tmp_path: Path):
    code = """
import logging, sys
from pathlib import Path
from synthvae.core.events import keep_events
with keep_events(Path(sys.argv[1])):
    logging.getLogger("synthvae.x").warning("the file system has no locks")
    logging.getLogger("synthvae.x").info("an epoch")
"""
    path = tmp_path / "events.jsonl"
    ended = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert ended.stderr == "the file system has no locks\n"
    assert len(path.read_text().splitlines()) == 2
