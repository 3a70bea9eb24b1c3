"""The line on standard error while a slow package is imported."""

from __future__ import annotations

import gc
import importlib
import io
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from synthvae.cli import loading

#: A package whose import waits until something is written to standard error, and remembers whether it was.
SLOW = "import sys\nannounced = sys.stderr.written.wait(SECONDS)\n"


class Stream(io.StringIO):
    """Text with an event for the first write."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.written, self._terminal = threading.Event(), terminal

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        self.written.set()
        return super().write(text)


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Import a package that takes at most `seconds` seconds to load, after `announce_loading`."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def call(terminal: bool, seconds: float, name: str):
        (tmp_path / f"{name}.py").write_text(SLOW.replace("SECONDS", str(seconds)))
        stream = Stream(terminal)
        monkeypatch.setattr(sys, "stderr", stream)
        loading.announce_loading(name)
        module = importlib.import_module(name)
        monkeypatch.delitem(sys.modules, name)
        return module, stream.getvalue()

    return call


def test_on_a_terminal_the_import_is_announced_at_once(imported, monkeypatch):
    monkeypatch.setattr(loading, "PATIENCE", 3600.0)
    module, printed = imported(True, 60.0, "slow_on_terminal")
    assert module.announced
    assert printed == "loading slow_on_terminal ...\n"
    assert type(module.__spec__.loader).__module__ == type(module.__loader__).__module__ == "_frozen_importlib_external"


def test_elsewhere_it_is_announced_only_after_a_while(imported, monkeypatch):
    monkeypatch.setattr(loading, "PATIENCE", 0.0)
    assert imported(False, 60.0, "slow_in_a_pipe")[1] == "loading slow_in_a_pipe ...\n"
    monkeypatch.setattr(loading, "PATIENCE", 3600.0)
    module, printed = imported(False, 0.01, "quick_in_a_pipe")
    assert not module.announced
    assert printed == ""


def test_what_is_imported_already_is_not_announced():
    before = list(sys.meta_path)
    loading.announce_loading("pytest")
    assert sys.meta_path == before


@pytest.mark.parametrize("enabled", [True, False])
def test_imports_are_not_collected_and_the_setting_comes_back(enabled: bool):
    was, before = gc.isenabled(), gc.get_freeze_count()
    (gc.enable if enabled else gc.disable)()
    try:
        with suppress(ImportError), loading.uncollected():
            assert not gc.isenabled()
            raise ImportError
        assert gc.isenabled() == enabled
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()
        (gc.enable if was else gc.disable)()
