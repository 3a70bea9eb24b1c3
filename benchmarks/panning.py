"""Frames a second while the map is panned, by the browser's own clock, and how long a map of many points takes to open.

The page is the studio's; its API is answered by a map of random points, so that a million of them take no model and no
library. The map is moved on every frame; the times of the frames are those that `requestAnimationFrame` gives.
"""

from __future__ import annotations

import base64
import json
import mimetypes
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from benchmarks.explore import FLAGS, find_chromium
from synthvae.core.errors import UserError
from synthvae.studio.app import STATIC

__all__ = ["SMOOTH", "PanningMeasurement", "measure_panning", "panning_table"]

#: Points at which panning has to hold `FRAMES` frames a second; with more the page has to open and to move.
SMOOTH, FRAMES = 100_000, 60.0
#: Share of that which counts as holding it: a browser's clock is off by that much.
HELD = 0.98
ADDRESS = "http://studio.test"
LABELS = 12
#: In the page: pans in circles of 650 pixels for some seconds. Times of frames, and milliseconds of scripts in those in
#: which points are drawn; in others the picture is moved.
_PAN = """(seconds) => new Promise((done) => {
    const { map } = synthvae.studio, frames = [], scripts = [];
    const draw = map.renderer.draw.bind(map.renderer);
    map.renderer.draw = (...given) => {
        const begun = performance.now();
        draw(...given);
        scripts.push(performance.now() - begun);
    };
    const begun = performance.now();
    const step = (now) => {
        frames.push(now);
        const turn = (now - begun) / 900;
        map.camera.pan(6 * Math.cos(turn), 6 * Math.sin(turn));
        map.invalidate();
        if (now - begun < 1000 * seconds) requestAnimationFrame(step);
        else done({ frames, scripts, renderer: map.renderer.kind });
    };
    requestAnimationFrame(step);
})"""


@dataclass(frozen=True)
class PanningMeasurement:
    """What was measured.

    Attributes:
        points: number of points on the map.
        renderer: renderer of the points: ``webgl`` or ``canvas``.
        opened: seconds until the map is loaded and coloured.
        frames: milliseconds from each frame to the next.
        scripts: milliseconds of the page's own code in each frame in which points are drawn.
        graphics: what the browser draws with.
    """

    points: int
    renderer: str
    opened: float
    frames: tuple[float, ...]
    scripts: tuple[float, ...]
    graphics: str

    @property
    def per_second(self) -> float:
        """Frames a second, over all."""
        return 1000.0 * len(self.frames) / sum(self.frames)

    @property
    def passed(self) -> bool:
        """Whether it is smooth, up to the number of points of which that is asked."""
        return self.points > SMOOTH or self.per_second >= HELD * FRAMES


def measure_panning(points: int, seconds: float = 5.0, canvas: bool = False, seed: int = 0) -> PanningMeasurement:
    """Open a map of random points and pan it.

    Args:
        points: number of points on the map.
        seconds: duration of panning in seconds.
        canvas: whether to draw without WebGL.
        seed: seed of the points.

    Raises:
        UserError: if there is no Chromium, or the page does not open.
    """
    chromium = find_chromium()
    if chromium is None:
        raise UserError("browser", None, "install Chromium and playwright", "this measurement takes a browser")
    from playwright.sync_api import Error, sync_playwright

    api = _Api(points, seed)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(300_000)
        page.route("**/*", api.answer)
        begun = time.monotonic()
        try:
            page.goto(f"{ADDRESS}/{'?canvas' if canvas else ''}")
            page.wait_for_selector("html[data-ready]", state="attached")
            page.wait_for_selector("#legend details", state="attached")
            page.wait_for_function("() => synthvae.studio.map.picture.timed")
            opened = time.monotonic() - begun
            found = page.evaluate(_PAN, seconds)
            graphics = page.evaluate(
                """() => {
                    const gl = document.createElement("canvas").getContext("webgl2");
                    const info = gl?.getExtension("WEBGL_debug_renderer_info");
                    return info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : "none";
                }"""
            )
        except Error as error:
            reason = str(error).splitlines()[0]
            raise UserError("points", points, "look at the page in a browser", f"cannot be shown: {reason}") from None
        finally:
            browser.close()
    frames = np.diff(found["frames"]).tolist()
    return PanningMeasurement(points, found["renderer"], opened, tuple(frames), tuple(found["scripts"]), graphics)


def panning_table(results: list[PanningMeasurement]) -> str:
    """Measurements and their limit as a Markdown table."""
    lines = [
        f"graphics: {results[0].graphics}",
        "",
        "| points | drawn by | opened, s | frames a second | frame, ms: median | 95 % | longest | drawn | limit |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in results:
        middle, late = np.percentile(one.frames, [50, 95])
        limit = f"{FRAMES:g}" if one.points <= SMOOTH else ""
        lines.append(
            f"| {one.points:,} | {one.renderer} | {one.opened:.1f} | {one.per_second:.1f} | {middle:.1f} | {late:.1f} "
            f"| {max(one.frames):.0f} | {len(one.scripts)} | {limit} |"
        )
    return "\n".join(lines)


class _Api:
    """Answers of a studio with a map of random points, and the page's own files.

    Args:
        points: number of points on the map.
        seed: seed of the points.
    """

    def __init__(self, points: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        centres = random.uniform(-10.0, 10.0, (LABELS, 2))
        self._labels: NDArray[np.integer] = random.integers(0, LABELS, points)
        self._places = (centres[self._labels] + random.standard_normal((points, 2))).astype("<f4")
        low, high = self._places.min(axis=0), self._places.max(axis=0)
        names = [f"label {number}" for number in range(LABELS)]
        tools = ("parameters", "keys", "bank", "match", "plane", "playable")
        bounds = [*low.tolist(), *high.tolist()]
        self._bodies: dict[str, bytes] = {
            "/session": json.dumps(
                {
                    "version": 1,
                    "run": {"name": "random", "hash": "0", "latent_size": 2},
                    "settings": {"sample_rate": 16000, "seconds": 2.0},
                    "parameters": [],
                    "fixed": {},
                    "routes": [],
                    "played": {"note": None, "hold": None},
                    "views": ["sound"],
                    "layouts": [{"name": "sound", "label": "Sound", "meaning": ""}],
                    "columns": [{"name": "label", "label": "label", "unit": "", "kind": "label", "names": names}],
                    "descriptors": [],
                    "aspects": [],
                    "count": points,
                    "bank": {"path": "", "count": 0},
                    "can": dict.fromkeys(tools, False) | {"originals": True, "encode_audio": False, "export": []},
                    "building": {},
                }
            ).encode(),
            "/maps/sound": json.dumps(
                {
                    "view": "sound",
                    "count": points,
                    "bounds": bounds,
                    "hull": [],
                    "grid": {
                        "width": 2,
                        "height": 2,
                        "bounds": bounds,
                        "confidence": base64.b64encode(bytes([200] * 4)).decode(),
                    },
                    "clusters_named": True,
                    "clusters": [
                        {"id": number, "name": name, "x": float(x), "y": float(y), "count": 1}
                        for number, (name, (x, y)) in enumerate(zip(names, centres, strict=True))
                    ],
                    "clusters_by": "labels",
                    "distances": {"neighbour": 1.0, "snapped": 1.0, "between": 1.0, "random": 5.0, "unit": "dB"},
                    "key": "0",
                }
            ).encode(),
            "/maps/sound/points": self._places.tobytes(),
            "/columns/label": self._labels.astype("<f4").tobytes(),
            "/imports": b"[]",
            "/marks": b'{"favourites": [], "hidden": []}',
        }

    def answer(self, route: Any) -> None:  # noqa: ANN401
        """One request of the page."""
        path = urlsplit(route.request.url).path
        if path.startswith("/api/v1"):
            body = self._bodies.get(path.removeprefix("/api/v1"))
            route.fulfill(status=404 if body is None else 200, body=body or b"{}")
            return
        file = STATIC / (path.lstrip("/") or "index.html")
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        route.fulfill(status=200, body=file.read_bytes(), content_type=kind)
