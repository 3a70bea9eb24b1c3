"""Twenty things that people come to the page for, one after the other on the map of voice-16, in both themes.

Each ends with a picture, in the folder that SYNTHVAE_SCREENSHOTS names.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthvae.training.spaces import find_space
from tests.studio.browser import Visit, free_port, served, visited
from tests.studio.test_page_work import DROP, draw, recording

pytestmark = pytest.mark.browser
pytest_plugins = ("tests.studio.page_fixtures",)

_HELD = "n => [...synthvae.studio.keyboard.held.values()].filter(key => key.voice).length === n"


def find(visit: Visit) -> None:
    visit.page.locator("#search-text").fill("bright pluck")
    visit.until("() => Number.parseInt(document.querySelector('#search-count').textContent) > 5")
    visit.page.locator("#search-text").press("Enter")


def listen(visit: Visit) -> None:
    visit.press(0.5, 0.55)
    sound = visit.described()
    assert max(map(abs, sound["samples"])) > 0.01
    assert visit.status().startswith(sound["name"])


def keep(visit: Visit) -> None:
    visit.page.locator("#keep").click()
    visit.until("() => document.activeElement.name === 'name' && document.activeElement.value")
    visit.page.keyboard.type("first find")
    visit.page.keyboard.press("Enter")
    visit.until("() => document.querySelector('.entry-name')?.textContent === 'first find'")


def find_again(visit: Visit) -> None:
    values = visit.described()["values"]
    visit.press(0.3, 0.3)
    assert visit.described()["values"] != values
    visit.page.locator("#bank input[type=search]").fill("find")
    visit.page.locator(".entry-play").click()
    assert visit.described()["values"] == pytest.approx(values, rel=1e-6, abs=1e-6)


def _edit(visit: Visit, field: str, text: str) -> None:
    visit.page.locator(".entry").hover()
    visit.page.locator("[aria-label^='Rename']").click()
    visit.page.locator(f".entry-edit [aria-label={field}]").fill(text)
    visit.page.locator(".entry-edit [type=submit]").click()


def rename(visit: Visit) -> None:
    visit.page.locator("#bank input[type=search]").fill("")
    _edit(visit, "Name", "glass")
    visit.until("() => document.querySelector('.entry-name')?.textContent === 'glass'")
    visit.until("() => document.querySelector('.sound-name').textContent === 'glass'")
    visit.until("() => document.querySelector('#status').textContent === 'Renamed to glass'")


def tag(visit: Visit) -> None:
    _edit(visit, "Tags", "keeper warm")
    visit.until("() => document.querySelector('.entry-tags')?.textContent === '#keeper #warm'")
    visit.until("() => document.querySelector('#status').textContent === 'Tags of glass saved'")


def tweak(visit: Visit) -> None:
    visit.page.locator("#tab-preset").click()
    before = visit.described()["values"]["vco_1.tuning"]
    slider = visit.page.locator("[data-parameter='vco_1.tuning']")
    slider.focus()
    for _ in range(12):
        visit.page.keyboard.press("ArrowLeft" if before > 0 else "ArrowRight")
    visit.until("before => synthvae.studio.sounds.current.values?.['vco_1.tuning'] !== before", before)


def undo(visit: Visit) -> None:
    changed = visit.described()["values"]["vco_1.tuning"]
    visit.page.locator("#undo").click()
    visit.until("before => synthvae.studio.sounds.current.values['vco_1.tuning'] !== before", changed)


def draw_a_path(visit: Visit) -> None:
    visit.page.keyboard.press("m")
    draw(visit, [(0.35, 0.6), (0.5, 0.45), (0.6, 0.65)])
    visit.until("() => synthvae.studio.path.made")
    assert "16 steps" in visit.status()


def morph(visit: Visit) -> None:
    visit.page.locator("#path-play").click()
    visit.until("() => synthvae.studio.map.scene.pathShare > 0.02")
    visit.page.locator("#path-clear").click()
    visit.page.keyboard.press("v")


def vary(visit: Visit) -> None:
    visit.press(0.5, 0.55)
    base = visit.described()["values"]
    visit.page.locator("#tab-vary").click()
    visit.page.locator("#vary-make").click()
    visit.until("() => synthvae.studio.vary.found.length === 16")
    visit.page.locator(".vary-grid .cell").nth(12).click()
    visit.until("() => synthvae.studio.sounds.current.origin.startsWith('variation 13')")
    assert visit.described()["values"] != base
    visit.page.wait_for_timeout(300)  # the spectrograms of the cells


def blend(visit: Visit) -> None:
    visit.page.keyboard.down("Shift")
    visit.press(0.62, 0.6)
    visit.page.keyboard.up("Shift")
    visit.until("() => synthvae.studio.blend.picked.length === 1")
    visit.page.locator("#tab-blend").click()
    visit.page.locator(".blend-weight").fill("0.6")
    visit.until("() => synthvae.studio.sounds.current.origin.includes('+')")
    assert max(map(abs, visit.described()["samples"])) > 0.001, "a blend is never silent"


def compare(visit: Visit) -> None:
    first = visit.described()["samples"]
    visit.page.keyboard.press("q")
    visit.press(0.4, 0.5)
    assert visit.described()["samples"] != first
    visit.page.keyboard.press("q")
    assert visit.described()["samples"] == first


def chords(visit: Visit) -> None:
    visit.press(0.5, 0.55)
    visit.described()
    for key in "adg":
        visit.page.keyboard.down(key)
    visit.until(_HELD, 3)


def hold(visit: Visit) -> None:
    assert visit.page.locator("[data-note].down").count() == 3
    for key in "adg":
        visit.page.keyboard.up(key)
    visit.until(_HELD, 0)
    visit.page.keyboard.down("a")
    visit.until(_HELD, 1)
    with visit.page.expect_request("**/render") as released:
        visit.page.wait_for_timeout(200)
        visit.page.keyboard.up("a")
    assert 0.1 < released.value.post_data_json["hold"] < 3


def match(visit: Visit) -> None:
    visit.page.locator("#tab-match").click()
    visit.page.locator("#panel-match select").select_option("5")
    visit.page.evaluate(DROP, [["tone.wav", recording(440)]])
    # The first answers come within seconds, the last ones when an index of 30,000 sounds has been rendered.
    visit.page.wait_for_selector(".job .result", timeout=120_000)
    visit.page.locator(".job .result").first.click()
    visit.until("() => synthvae.studio.sounds.current?.origin.startsWith('match 1')")
    sound = visit.described()
    assert "tone.wav" in sound["origin"]
    assert max(map(abs, sound["samples"])) > 0.01


def export(visit: Visit) -> None:
    visit.page.locator("#download").click()
    with visit.page.expect_download() as file:
        visit.page.locator("#files").get_by_text("SFZ", exact=False).first.click()
    names = zipfile.ZipFile(file.value.path()).namelist()
    assert any(name.endswith(".sfz") for name in names)


def link(visit: Visit) -> None:
    visit.page.locator("#share").click()
    visit.until("() => location.hash.includes('&v=')")


def phone(visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 390, "height": 844})
    visit.until("() => document.documentElement.scrollWidth <= 390")
    visit.press(0.5, 0.5)
    assert visit.described()["name"]


#: In the order in which they are done; the server is killed after them.
TASKS: tuple[Callable[[Visit], None], ...] = (
    find, listen, keep, find_again, rename, tag, tweak, undo, draw_a_path, morph, vary, blend, compare, chords, hold,
    match, export, link, phone,
)  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_twenty_tasks(chromium: Any, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = Path(os.environ.get("SYNTHVAE_SCREENSHOTS", tmp_path / "screenshots")) / scheme
    folder.mkdir(parents=True, exist_ok=True)
    space = find_space("voice-16")
    assert space is not None
    cache, port = tmp_path / "map", free_port()
    with visited(chromium, f"http://127.0.0.1:{port}/", color_scheme=scheme) as made:

        def picture(number: int, name: str) -> None:
            made.page.screenshot(path=folder / f"{number:02d}-{name}.png")

        with served(space, cache, tmp_path / "bank.sqlite", 10_000, port):
            made.open()
            made.until("() => synthvae.studio.leftOut.length > 0")
            for number, task in enumerate(TASKS, start=1):
                task(made)
                picture(number, task.__name__.replace("_", "-"))
            made.page.set_viewport_size({"width": 1280, "height": 860})
        made.press(0.45, 0.5)
        made.until("() => !document.querySelector('#error').hidden")
        picture(20, "server-killed")
        with served(space, cache, tmp_path / "bank.sqlite", 10_000, port):
            made.press(0.55, 0.6)
            made.until("() => document.querySelector('#error').hidden")
            assert max(map(abs, made.described()["samples"])) > 0.001
            picture(20, "server-back")
        made.problems[:] = [text for text in made.problems if "ERR_CONNECTION_REFUSED" not in text]
