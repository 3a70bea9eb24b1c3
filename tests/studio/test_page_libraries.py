"""The page of a run on recorded sounds, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.studio.browser import Visit, served, visited
from tests.training.sounds import SAMPLES, made

pytestmark = pytest.mark.browser
pytest_plugins = ("tests.studio.page_fixtures",)

COUNT = 40


@pytest.fixture(scope="module")
def address(trained: Path, library_caches: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    bank = tmp_path_factory.mktemp("bank") / "bank.sqlite"
    with served(trained / "plain", library_caches / "plain", bank, COUNT) as found:
        yield found


@pytest.fixture
def visit(chromium: Any, address: str) -> Iterator[Visit]:
    with visited(chromium, address) as found:
        found.open()
        yield found


def test_only_panels_that_make_sense_are_there(visit: Visit):
    tabs = visit.page.locator("#tabs [role=tab]").all_text_contents()
    assert tabs == ["Similar", "Vary", "Blend", "Path", "Grid", "Query"]
    assert visit.page.locator("#bank h2").text_content().strip() == "Favourites"
    for hidden in ("#keyboard", "#closer", "#playable-label", "#between-label", "#keep"):
        assert visit.page.locator(hidden).count() == 0 or not visit.page.locator(hidden).is_visible(), hidden
    assert visit.page.locator("#views button").all_text_contents() == ["Sound", "Latent"]
    assert visit.page.locator("#colour option").first.text_content() == "label"
    assert visit.page.locator("#legend summary").text_content() == "label 2"


def test_a_dot_is_its_recording_and_o_switches_to_the_model(visit: Visit):
    visit.page.mouse.click(*visit.point(5))
    recording = visit.described()
    assert recording["spec"] == {"point": 5}
    assert recording["name"] == "5"
    samples, _ = made(COUNT)
    np.testing.assert_allclose(recording["samples"][:-400], samples[5, :-400], atol=1e-6)
    assert visit.page.locator("#made-point").get_attribute("aria-checked") == "true"
    visit.page.keyboard.press("o")
    visit.until("() => synthvae.studio.sounds.current.spec.decoded === 5")
    decoded = visit.described()
    assert len(decoded["samples"]) == SAMPLES
    assert decoded["samples"] != recording["samples"]
    assert visit.page.locator("#made-decoded").get_attribute("aria-checked") == "true"
    visit.page.locator("#made-point").click()
    visit.until("() => synthvae.studio.sounds.current.spec.point === 5")


def test_any_other_position_is_decoded_with_its_confidence(visit: Visit):
    left, top = visit.page.evaluate(
        """() => {
            const { map } = synthvae.studio, { positions } = map.view, box = map.root.getBoundingClientRect();
            for (let i = 0; i < 39; i++) {
                const middle = (k) => (positions[2 * i + k] + positions[2 * i + 2 + k]) / 2;
                const [left, top] = map.camera.toScreen(middle(0), middle(1));
                const free = map.root.contains(document.elementFromPoint(box.left + left, box.top + top));
                if (free && map.pointAt(left, top) === null) return [box.left + left, box.top + top];
            }
        }"""
    )
    visit.page.mouse.click(left, top)
    sound = visit.described()
    assert sound["spec"]["place"]["between"]
    assert len(sound["samples"]) == SAMPLES
    assert np.abs(sound["samples"]).max() > 0
    assert not visit.page.locator(".made").is_visible()
    visit.page.locator("#share").click()
    visit.until("() => location.hash.includes('z=')")
    fragment = visit.page.evaluate("() => location.hash")
    visit.page.goto("about:blank")
    visit.open(fragment)
    again = visit.page.evaluate("() => synthvae.studio.sounds.current.spec.latent.length")
    assert again == 3


def test_variations_blends_and_paths_of_recorded_sounds(visit: Visit):
    visit.page.mouse.click(*visit.point(5))
    visit.described()
    visit.page.locator("#tab-vary").click()
    visit.page.locator("#vary-make").click()
    visit.until("() => synthvae.studio.vary.found.length === 16 && synthvae.studio.vary.found[15].sound.buffer")
    visit.page.keyboard.press("3")
    visit.until("() => synthvae.studio.sounds.current.spec.latent?.length === 3")
    visit.page.locator("#tab-blend").click()
    for number in (5, 9):
        visit.page.keyboard.down("Shift")
        visit.page.mouse.click(*visit.point(number))
        visit.page.keyboard.up("Shift")
        visit.until("count => synthvae.studio.blend.picked.length === count", 1 + (number == 9))
    visit.page.locator("#blend-onto").uncheck()
    visit.page.locator("#blend-make").click()
    visit.until("() => synthvae.studio.sounds.current.origin === '5 + 9'")
    visit.page.evaluate("() => synthvae.studio.path.through(synthvae.studio.blend.picked.map(({ sound }) => sound))")
    visit.until("() => document.querySelector('#status').textContent.startsWith('A path of 16 steps')")


def test_labels_stand_on_the_map_and_a_grid_beside_it(visit: Visit):
    names = visit.page.evaluate("() => synthvae.studio.map.scene.clusters.map((one) => one.name)")
    assert set(names) <= {"noise", "tone", ""}
    assert any(names)
    visit.page.locator("#colour").select_option("guess")
    visit.until("() => document.querySelector('#legend summary')?.textContent.startsWith('class guess')")
    visit.page.locator("#tab-grid").click()
    visit.until("() => document.querySelectorAll('.position-grid canvas').length > 3")
    pictures = visit.page.evaluate(
        "() => [...document.querySelectorAll('.position-grid canvas')].map((canvas) => canvas.toDataURL())"
    )
    assert len(set(pictures)) > 1
    visit.page.locator(".position-grid button").first.click()
    assert visit.described()["spec"]["place"]["between"]


def test_favourites_hidden_files_and_aspects(visit: Visit):
    visit.page.mouse.click(*visit.point(5))
    visit.described()
    visit.page.keyboard.press("f")
    visit.until("() => document.querySelector('#bank .entry-name')?.textContent === '5'")
    assert visit.page.locator("#favourite").get_attribute("aria-pressed") == "true"
    visit.page.locator("#hide").click()
    visit.until("() => synthvae.studio.map.hidden[5] === 1")
    visit.page.locator("#hidden-files summary").click()
    visit.page.locator("#hidden-files .entry-tools button").click()
    visit.until("() => synthvae.studio.map.hidden[5] === 0")
    visit.page.locator("#similar-make").click()
    visit.until("() => document.querySelectorAll('.ranked-row').length === 40")
    assert visit.page.locator(".ranked-row small").first.text_content().endswith("dB")
    visit.page.locator("[data-aspect=pitch]").check()
    visit.until("() => document.querySelector('.ranked-row small').textContent.includes('pitch 0 st')")
    visit.page.locator("[data-aspect=overall]").uncheck()
    visit.until("() => document.querySelector('.ranked-row small').textContent === '0 st'")
    visit.page.locator("text=Near-duplicates").click()
    visit.page.locator("#duplicates-find").click()
    visit.until("() => document.querySelector('#status').textContent.includes('of near-duplicates')")


def test_a_sound_from_the_microphone_is_a_query(chromium: Any, address: str):
    with visited(chromium, address, permissions=["microphone"]) as made:
        made.open()
        made.page.locator("#tab-match").click()
        made.page.locator("#record").click()
        made.until("() => document.querySelector('#record').textContent === 'Stop recording'")
        made.page.wait_for_timeout(1500)
        made.page.locator("#record").click()
        made.until("() => synthvae.studio.sounds.current?.spec.imported !== undefined")
        made.until("() => document.querySelectorAll('.ranked-row').length === 40")
        assert "recorded at" in made.page.locator(".sound-name").text_content()
