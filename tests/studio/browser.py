"""A real browser on a real server: what the tests of the page share.

The server is a process of its own, started as people start it, on the small run whose map is made already.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--use-gl=angle", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--use-fake-device-for-media-stream",
)  # fmt: skip
#: Seconds that a server may take to answer, on a busy machine.
PATIENCE = 120.0


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def served(run: Path, cache: Path, bank: Path, points: int = 64, port: int | None = None) -> Iterator[str]:
    """The studio as ``synthvae explore`` starts it, with as many points as the cache was made for; its address."""
    port = port or free_port()
    options = {"--points": points, "--cache": cache, "--bank": bank, "--port": port}
    command = [sys.executable, ROOT / "cli.py", "explore", run, *(part for pair in options.items() for part in pair)]
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    address = f"http://127.0.0.1:{port}/"
    try:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                urlopen(f"{address}api/v1/session", timeout=5).read()
                break
            except OSError:
                assert process.poll() is None, process.stdout.read() if process.stdout else ""
                assert time.monotonic() < end, "the server does not answer"
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(20)
        if process.stdout:
            process.stdout.close()


@dataclass
class Visit:
    """A page in the browser, and what went wrong on it.

    Attributes:
        page: Playwright's.
        address: of the server.
        problems: errors in the console, and exceptions.
        requests: addresses that were asked for.
        expected: of problems that the test provokes: statuses that the browser notes in its console.
    """

    page: Any
    address: str
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)

    def open(self, rest: str = "") -> None:
        self.page.goto(self.address + rest)
        self.page.wait_for_selector("html[data-ready]", state="attached")

    def place(self, across: float, down: float) -> tuple[float, float]:
        """CSS pixels of a share of the map."""
        box = self.page.locator("#map").bounding_box()
        return box["x"] + box["width"] * across, box["y"] + box["height"] * down

    def press(self, across: float, down: float, **options: Any) -> None:
        self.page.mouse.click(*self.place(across, down), **options)

    def point(self, number: int) -> tuple[float, float]:
        """CSS pixels of a point of the map."""
        left, top = self.page.evaluate(
            """number => {
                const { map } = synthvae.studio, { positions } = map.view;
                return map.camera.toScreen(positions[2 * number], positions[2 * number + 1]);
            }""",
            number,
        )
        box = self.page.locator("#map").bounding_box()
        return box["x"] + left, box["y"] + top

    def until(self, condition: str, argument: Any = None) -> None:
        self.page.wait_for_function(condition, arg=argument, timeout=30_000)

    def described(self) -> dict[str, Any]:
        """The current sound, once it is heard and described."""
        self.until("() => { const s = synthvae.studio.sounds.current; return s && s.described && s.buffer; }")
        return self.page.evaluate(
            """() => {
                const { current } = synthvae.studio.sounds;
                const samples = [...current.buffer.getChannelData(0)];
                const { name, spec, values, places, inside, origin } = current;
                return { name, spec, values, places, inside, origin, samples, rate: current.buffer.sampleRate };
            }"""
        )

    def status(self) -> str:
        return self.page.locator("#status").text_content()

    def check(self) -> None:
        """Check that there were no problems, and no requests to other hosts."""
        noted = re.compile(r"status of (\d{3})")
        unexpected = [
            problem
            for problem in self.problems
            if not ((found := noted.search(problem)) and int(found.group(1)) in self.expected)
        ]
        assert unexpected == [], unexpected
        assert [url for url in self.requests if not url.startswith((self.address, "blob:" + self.address))] == []


@contextmanager
def visited(browser: Any, address: str, **options: Any) -> Iterator[Visit]:
    """A fresh visitor: nothing stored, the page not yet open."""
    settings = {"viewport": {"width": 1280, "height": 860}, "color_scheme": "dark", "accept_downloads": True}
    context = browser.new_context(**settings | options)
    page = context.new_page()
    visit = Visit(page, address)
    page.on("console", lambda message: visit.problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: visit.problems.append(str(error)))
    page.on("request", lambda request: visit.requests.append(request.url))
    yield visit
    context.close()
    visit.check()
