"""Fixtures of the tests of the page; a plugin of their modules, since each needs a browser and a server of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.studio.browser import CHROMIUM, FLAGS, Visit, served, visited


@pytest.fixture(scope="module")  # Playwright allows one at a time, and the tests of the report have their own
def chromium() -> Iterator[Any]:
    if CHROMIUM is None and not os.environ.get("SYNTHVAE_BROWSER"):
        pytest.skip("no Chromium here; 'make test-browser' installs one")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def studio_address(small_run: Path, studio_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(small_run, studio_cache, tmp_path_factory.mktemp("bank") / "bank.sqlite") as address:
        yield address


@pytest.fixture
def visit(chromium: Any, studio_address: str) -> Iterator[Visit]:
    """The page, open, with every sound on the map."""
    with visited(chromium, studio_address) as made:
        made.open()
        made.page.locator("#playable").dispatch_event("click")  # not a real click: the first Tab starts at the top
        yield made
