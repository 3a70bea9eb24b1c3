"""A report in headless Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip


@contextmanager
def new_tab(**options: Any) -> Iterator[Any]:
    """A tab of a browser; afterwards nothing may have gone wrong. Options are those of a page of Playwright."""
    if CHROMIUM is None and not os.environ.get("SYNTHVAE_BROWSER"):
        pytest.skip("no Chromium here; 'make test-browser' installs one")
    from playwright.sync_api import sync_playwright

    problems: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        tab = browser.new_page(**options)
        tab.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        tab.on("pageerror", lambda error: problems.append(str(error)))
        yield tab
        browser.close()
    assert problems == []


@contextmanager
def opened(page_file: Path) -> Iterator[Any]:
    """A report in a tab; nothing is asked of anyone."""
    requests: list[str] = []
    with new_tab() as tab:
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(page_file.as_uri())
        yield tab
    assert [url for url in requests if not url.startswith(("data:", page_file.as_uri()))] == []


def until(page: Any, condition: str) -> None:
    """Wait for a condition; Playwright's own way compiles it in the page, which the page's policy forbids."""
    for _ in range(500):
        if page.evaluate(f"Boolean({condition})"):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"not within 10 seconds: {condition}")


def sound_lengths(page: Any) -> list[float]:
    """Lengths in seconds of all sounds of a report, as the browser decodes them."""
    found: list[float] = page.evaluate(
        """async () => {
            const context = new OfflineAudioContext(1, 16000, 16000);
            const lengths = [];
            for (const audio of document.querySelectorAll("audio")) {
                const bytes = Uint8Array.from(atob(audio.src.split(",")[1]), c => c.charCodeAt(0));
                lengths.push((await context.decodeAudioData(bytes.buffer)).duration);
            }
            return lengths;
        }"""
    )
    return found


def text_contrast(page: Any) -> float:
    """Contrast of text and page as of WCAG 2.2."""
    colours = page.evaluate(
        """() => [getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"""
    )

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour.strip("rgb()").split(",")[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted(map(luminance, colours))
    return (high + 0.05) / (low + 0.05)
