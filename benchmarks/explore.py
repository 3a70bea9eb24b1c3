"""Latency of a click on the map, alone and with ten in flight, the time to compute the map, and whether it is true.

The server runs in a separate process, started with the command line. The page runs in headless Chromium on the same
machine, if installed: real mouse events, timed from the event's timestamp to the call that passes the samples to the
audio hardware. Without a browser the same request is timed over HTTP, from sending it to receiving all samples. Delays
of the browser's decoder and of the audio hardware after that are not included.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from benchmarks.map_truth import MapMeasurement, map_table, measure_map
from synthvae.core.errors import UserError
from synthvae.studio.serve import open_session

__all__ = ["FLAGS", "LIMITS", "ExploreMeasurement", "explore_table", "find_chromium", "measure_explore"]

#: Milliseconds: the median and the 95th percentile of a click, and the slowest of ten requests in flight.
LIMITS = {"median": 60.0, "p95": 60.0, "in_flight": 500.0}
#: The same of recorded sounds, which are decoded from latents.
DECODED = {"median": 80.0, "p95": 80.0, "in_flight": 1000.0}
#: Seconds until the principal components are there and until the layout is, the first time, and until it is again.
MAKING = {"usable": 10.0, "first": 60.0, "again": 3.0}
IN_FLIGHT, ROUNDS = 10, 20
#: Seconds that a server may take to answer, and a map to be made.
PATIENCE, BUILD_PATIENCE = 120.0, 1800.0
#: Clicks before the first that counts; seconds between two, and from one to the question whether it was answered, which
#: would take time of its own on two cores.
WARM, PAUSE, ANSWERED = 5, 0.5, 0.25
FLAGS = (
    "--headless", "--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--enable-unsafe-swiftshader",
)  # fmt: skip
#: In the page, before its own code: when the mouse went down, and when samples were handed on.
_WATCH = """
window.__down = null; window.__times = [];
addEventListener("pointerdown", (event) => { window.__down = event.timeStamp; }, true);
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...given) {
    const answer = start.apply(this, given);
    if (window.__down !== null) { window.__times.push(performance.now() - window.__down); window.__down = null; }
    return answer;
};
"""


@dataclass(frozen=True)
class ExploreMeasurement:
    """What was measured.

    Attributes:
        way: ``browser`` or ``http``.
        points: number of points on the map.
        clicks: milliseconds from mouse down, or from the request, to the samples.
        in_flight: milliseconds of requests of which ten are under way at any time.
        first: seconds from starting the server to a complete map, the first time; None where it was there already.
        again: seconds from starting the server to a complete map that is there already.
        usable: seconds from starting the server to the sound layout by principal components, the first time.
        map: what the map says of its sounds; None of recorded ones.
        decoded: whether the sounds are decoded from latents, not rendered from presets.
    """

    way: str
    points: int
    clicks: tuple[float, ...]
    in_flight: tuple[float, ...]
    first: float | None
    again: float
    usable: float | None = None
    map: MapMeasurement | None = None
    decoded: bool = False

    @property
    def median(self) -> float:
        """Of the clicks, in milliseconds."""
        return statistics.median(self.clicks)

    @property
    def p95(self) -> float:
        """The 95th percentile of the clicks, in milliseconds."""
        return float(np.percentile(self.clicks, 95))

    @property
    def passed(self) -> bool:
        """Whether every limit is met."""
        found = {"median": self.median, "p95": self.p95, "in_flight": max(self.in_flight)}
        quick = all(found[name] < limit for name, limit in self.limits.items())
        made = all(seconds is None or seconds < MAKING[name] for name, seconds in self.making.items())
        return quick and made and (self.map is None or self.map.passed)

    @property
    def limits(self) -> dict[str, float]:
        """Of these figures, in milliseconds."""
        return DECODED if self.decoded else LIMITS

    @property
    def making(self) -> dict[str, float | None]:
        """Seconds until the map is there, by the names of `MAKING`."""
        return {"usable": self.usable, "first": self.first, "again": self.again}


def measure_explore(
    run: Path,
    data: Path | None = None,
    points: int = 10_000,
    clicks: int = 100,
    seed: int = 0,
    browser: bool = True,
    fresh: bool = False,
    progress: Callable[[str], object] = lambda stage: None,
) -> ExploreMeasurement:
    """Measure latency and start-up time of the studio.

    Args:
        run: a run's directory.
        data: the dataset on the map; the run's own by default.
        points: number of points on the map.
        clicks: number of clicks that are timed.
        seed: seed of the places that are clicked on.
        browser: whether to click in a browser, where there is one.
        fresh: whether to make the map anew, in a folder of its own, and time it.
        progress: called with what is being done.

    Raises:
        UserError: if the server does not start.
    """
    with tempfile.TemporaryDirectory(prefix="synthvae-") as folder:
        options = ["--points", str(points), "--bank", str(Path(folder) / "bank.sqlite")]
        options += ["--data", str(data)] if data else []
        options += ["--cache", str(Path(folder) / "cache")] if fresh else []
        usable = first = None
        progress("making the map")
        with _served(run, options) as (address, begun):
            seconds = _until_made(address, begun, "sound-pca"), _until_made(address, begun)
            if fresh:
                usable, first = seconds
        progress("starting again")
        with _served(run, options) as (address, begun):
            again = _until_made(address, begun)
            _until_idle(address)
            progress("clicking")
            chromium = find_chromium() if browser else None
            timed = _click(address, chromium, clicks, seed) if chromium else _ask(address, clicks, seed)
            progress("ten at once")
            crowded = _crowd(address, seed)
        progress("measuring the map")
        cache = Path(folder) / "cache" if fresh else None
        with closing(open_session(run, data, Path(folder) / "bank.sqlite", most=points, cache=cache)) as session:
            decoded = "originals" in session.source.tools
            truth = None if decoded else measure_map(session, seed=seed)
    way = "browser" if chromium else "http"
    return ExploreMeasurement(way, points, tuple(timed), tuple(crowded), first, again, usable, truth, decoded)


def explore_table(result: ExploreMeasurement) -> str:
    """Measurements and their limits as a Markdown table."""
    what = "mouse down to first sample" if result.way == "browser" else "request to first sample (no browser)"
    crowd = sorted(result.in_flight)
    rows = [
        (f"{what}, median", result.median, result.limits["median"]),
        (f"{what}, 95th percentile", result.p95, result.limits["p95"]),
        (f"{IN_FLIGHT} requests in flight, median", statistics.median(crowd), None),
        (f"{IN_FLIGHT} requests in flight, slowest of {len(crowd)}", crowd[-1], result.limits["in_flight"]),
    ]
    lines = ["| | ms | limit |", "|---|---|---|"]
    lines += [f"| {name} | {value:.1f} | {'' if limit is None else f'{limit:g}'} |" for name, value, limit in rows]
    said = {
        "usable": "principal components made the first time",
        "first": "made the first time",
        "again": "made again from the cache",
    }
    lines += ["", f"| map of {result.points:,} sounds | s | limit |", "|---|---|---|"]
    for name, seconds in result.making.items():
        if seconds is not None:
            lines.append(f"| {said[name]} | {seconds:.1f} | {MAKING[name]:g} |")
    if result.map is not None:
        lines += ["", map_table(result.map)]
    return "\n".join(lines)


@contextmanager
def _served(run: Path, options: Sequence[str]) -> Iterator[tuple[str, float]]:
    """A studio of its own: its address, and when it was started."""
    command = [sys.executable, "-P", "-c", "from synthvae.cli import main; main()", "explore", str(run), "--port", "0"]
    begun = time.monotonic()
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield _address(process), begun
    finally:
        process.terminate()
        process.communicate()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://\S+", line):
            return found[0]
    complaint = process.communicate()[1].strip().splitlines()
    reason = complaint[-1] if complaint else "no reason given"
    raise UserError("studio", process.returncode, "correct that and start again", f"did not start: {reason}")


def _until_made(address: str, begun: float, view: str = "sound") -> float:
    """Seconds from the start until the sound layout, its points and its clusters are there."""
    end = time.monotonic() + BUILD_PATIENCE
    connection = _Connection(address)
    while True:
        status, content = connection.get(f"/maps/{view}")
        named = view != "sound" or (status == 200 and json.loads(content)["clusters"])
        if status == 200 and connection.get(f"/maps/{view}/points")[0] == 200 and named:
            return time.monotonic() - begun
        if status not in (200, 202) or time.monotonic() > end:
            reason = content.decode(errors="replace")[:200]
            raise UserError("map", status, "correct that and start again", f"was not made: {reason}")
        time.sleep(0.1)


def _until_idle(address: str) -> None:
    """Wait until all background work is done."""
    connection = _Connection(address)
    end = time.monotonic() + BUILD_PATIENCE
    while json.loads(connection.get("/session")[1])["building"]:
        if time.monotonic() > end:
            raise UserError("sounds", 0, "try again", "the studio is still measuring sounds")
        time.sleep(1.0)


class _Connection:
    """A persistent connection, as a browser uses."""

    def __init__(self, address: str) -> None:
        where = urlsplit(address)
        self._connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=PATIENCE)

    def get(self, path: str) -> tuple[int, bytes]:
        self._connection.request("GET", f"/api/v1{path}")
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def render(self, spec: dict[str, Any]) -> float:
        """Milliseconds from a request to all its samples."""
        body = json.dumps({"spec": spec})
        begun = time.perf_counter()
        self._connection.request("POST", "/api/v1/render", body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise UserError("render", answer.status, "look at its log", "the studio refused")
        return 1000.0 * (time.perf_counter() - begun)


def _places(address: str, count: int, seed: int) -> list[dict[str, Any]]:
    """Places all over the map, empty ones too; of recorded sounds what is decoded there."""
    connection = _Connection(address)
    bounds = json.loads(connection.get("/maps/sound")[1])["bounds"]
    between = json.loads(connection.get("/session")[1])["can"]["originals"]
    low, high = np.array(bounds[:2]), np.array(bounds[2:])
    rows = np.random.default_rng(seed).uniform(low, high, (count, 2)).tolist()
    return [{"place": {"view": "sound", "x": x, "y": y, "between": between}} for x, y in rows]


def _ask(address: str, count: int, seed: int) -> list[float]:
    """Requests one after the other."""
    connection = _Connection(address)
    return [connection.render(spec) for spec in _places(address, WARM + count, seed)][WARM:]


def _crowd(address: str, seed: int) -> list[float]:
    """Ten requests at any time, each on a connection of its own."""
    specs = _places(address, IN_FLIGHT * ROUNDS, seed + 1)
    ready = threading.Barrier(IN_FLIGHT)
    found: list[list[float]] = [[] for _ in range(IN_FLIGHT)]

    def ask(number: int) -> None:
        connection = _Connection(address)
        connection.get("/session")
        ready.wait()
        found[number] = [connection.render(spec) for spec in specs[number::IN_FLIGHT]]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(IN_FLIGHT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not all(found):
        raise UserError("render", None, "look at its log", "the studio refused")
    return [time for times in found for time in times]


def _until_heard(page: Any, count: int) -> None:  # noqa: ANN401
    """Wait for the samples of so many clicks; asked from outside, the page's policy forbids code made of text."""
    end = time.monotonic() + PATIENCE
    while page.evaluate("window.__times.length") < count:
        if time.monotonic() > end:
            raise UserError("page", None, "open the page in a browser and look", "a click produced no sound")
        time.sleep(0.02)


def find_chromium() -> str | None:
    """A browser and its driver, if both are installed."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return None
    names = (os.environ.get("SYNTHVAE_BROWSER", ""), "chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if name and (path := shutil.which(name))), None)


def _click(address: str, chromium: str, count: int, seed: int) -> list[float]:
    """Presses of the mouse on the map, one after the other."""
    from playwright.sync_api import sync_playwright

    generator = np.random.default_rng(seed)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.add_init_script(_WATCH)
        page.goto(address)
        area = page.locator("#map")
        area.wait_for()
        page.wait_for_load_state("networkidle")
        time.sleep(2.0)
        box = area.bounding_box()
        if box is None:
            raise UserError("page", None, "open it in a browser and look", "the page shows no map")
        heard = 0
        while heard < WARM + count:
            across, up = generator.uniform(0.1, 0.9, 2).tolist()
            x, y = box["x"] + across * box["width"], box["y"] + up * box["height"]
            if not page.evaluate("([x, y]) => document.elementFromPoint(x, y)?.matches('#map canvas')", [x, y]):
                continue  # a legend or a button lies over the map there
            heard += 1
            page.mouse.move(x, y)
            page.mouse.down()
            time.sleep(ANSWERED)
            _until_heard(page, heard)
            page.mouse.up()
            time.sleep(PAUSE)
        times = page.evaluate("window.__times")
        browser.close()
    return [float(value) for value in times][WARM : WARM + count]
