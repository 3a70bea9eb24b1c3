"""The page as people meet it, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synthvae.analysis.plan import MapPlan
from synthvae.data.presets import Dataset
from synthvae.report.analysis import analyze_runs, plan_analysis
from synthvae.training.run import load_run
from tests.report.browser import opened, sound_lengths, text_contrast, until

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page_file(small_run: Path, small_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("browser") / "a"
    return analyze_runs(
        plan_analysis([load_run(small_run)], small_dataset, out, maps=MapPlan(presets=60, nulls=(0, 1))), out, "command"
    )


@pytest.fixture
def page(page_file: Path) -> Iterator[Any]:
    with opened(page_file) as tab:
        yield tab


def test_every_sound_decodes(page: Any):
    lengths = sound_lengths(page)
    assert len(lengths) >= 10
    assert lengths == pytest.approx([0.25] * len(lengths), abs=1e-3)


def test_another_sound_of_a_row_goes_on_at_the_same_place(page: Any):
    row = page.locator(".sounds .players:has(.player + .player)").first
    original, other = (row.locator(".play").nth(number) for number in (0, 1))
    page.locator(".repeat").check()
    original.click()
    until(page, "player.playing && player.place() > 0.05")
    begun = page.evaluate("player.playing.begun")
    other.click()
    until(
        page, f"player.playing?.button.getAttribute('aria-label') === {json.dumps(other.get_attribute('aria-label'))}"
    )
    rounds = (page.evaluate("player.playing.begun") - begun) / 0.25
    assert rounds == pytest.approx(round(rounds), abs=0.05), "as if it had played from the start"
    assert [button.get_attribute("aria-pressed") for button in (original, other)] == ["false", "true"]
    assert page.locator(".play[aria-pressed=true]").count() == 1
    other.click()
    assert page.evaluate("player.playing") is None
    assert page.locator(".play[aria-pressed=true]").count() == 0


def test_volume_and_loudness_are_of_all_sounds(page: Any):
    button = page.locator(".sounds .play").first
    wanted = float(button.get_attribute("data-gain"))
    page.locator(".repeat").check()
    button.click()
    until(page, "player.playing")
    assert page.evaluate("player.gain(player.playing.button)") == wanted
    page.locator(".same").uncheck()
    until(page, "Math.abs(player.playing.gain.gain.value - 1) < 0.01")
    page.locator(".volume").fill("0.5")
    until(page, "Math.abs(player.master.gain.value - 0.25) < 0.01")


def test_a_click_on_a_ringed_dot_plays_its_sound(page: Any):
    overview = page.locator(".overview .map")
    canvas = overview.locator("canvas")
    page.locator(".repeat").check()
    canvas.press("Enter")
    until(page, "player.playing")
    shown = overview.locator(".dot:not([hidden])")
    assert shown.count() == 1
    assert "(preset " in shown.locator("strong").text_content()
    name = page.evaluate("document.body.dataset.played")
    assert name.startswith("original, ")
    shown.locator(".play").nth(1).click()
    until(page, "document.body.dataset.played.startsWith('reconstruction, ')")
    box, seen = canvas.bounding_box(), set()
    for across in range(2, 100, 4):
        for down in range(2, 100, 5):
            x, y = box["x"] + box["width"] * across / 100, box["y"] + box["height"] * down / 100
            page.mouse.move(x, y)
            if canvas.evaluate("c => c.style.cursor") == "pointer":
                page.mouse.click(x, y)
                page.wait_for_timeout(30)
                seen.add(page.evaluate("document.body.dataset.played"))
    assert len(seen) >= 3
    assert all(played.startswith("reconstruction, ") for played in seen), "the side that was chosen last"


def test_dots_of_the_maps_of_latents_play_too(page: Any):
    figure = page.locator("section:not(.overview) .map").first
    page.locator(".repeat").check()
    figure.locator("canvas").press("Enter")
    until(page, "player.playing")
    assert figure.locator(".dot:not([hidden])").count() == 1


def test_a_command_can_be_copied(page: Any):
    command = page.locator(".command").first
    command.locator(".copy").click()
    assert command.locator(".copy").text_content() == "Copied"
    assert page.evaluate("getSelection().toString()").startswith("synthvae explore ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_overview_fits_on_one_screen(page: Any, scheme: str):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 1280, "height": 800})
    assert page.locator(".overview").evaluate("o => o.getBoundingClientRect().bottom") <= 800


def test_tables_sort_by_a_click_on_any_heading(page: Any):
    orders = page.evaluate(
        """() => [...document.querySelectorAll("table")].map(table => {
            const heads = [...table.tHead.rows[0].cells];
            return heads.map((head, column) => {
                head.querySelector("button").click();
                const keys = [...table.tBodies[0].rows].map(row => row.cells[column].dataset.key);
                return [head.getAttribute("aria-sort"), keys];
            });
        })"""
    )
    assert len(orders) >= 4
    for columns in orders:
        for state, keys in columns:
            assert state == "ascending"
            present = [key for key in keys if key != ""]
            assert keys == present + [""] * (len(keys) - len(present)), "gaps come last"
            try:
                values = [float(key) for key in present]
            except ValueError:
                continue
            assert values == sorted(values)


def test_figures_open_enlarged_and_close(page: Any):
    assert page.locator("figure .zoom").count() >= 6
    page.locator("figure .zoom").first.click()
    assert page.locator("dialog").evaluate("d => d.open && d.querySelector('img').naturalWidth > 500")
    page.locator("dialog").click()
    assert not page.locator("dialog").evaluate("d => d.open")


def test_maps_are_drawn_and_coloured_by_anything(page: Any):
    seen = page.evaluate(
        """async () => {
            const figure = document.querySelector("section:not(.overview) .map");
            const canvas = figure.querySelector("canvas");
            const seen = [];
            for (const which of [...figure.querySelector(".which").options].map(o => o.value)) {
                for (const colour of [0, 5, 40, 98]) {
                    const choice = figure.querySelector(".colour");
                    figure.querySelector(".which").value = which;
                    choice.selectedIndex = colour;
                    figure.querySelector(".which").dispatchEvent(new Event("change"));
                    choice.dispatchEvent(new Event("change"));
                    await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame);
                    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
                    const drawn = [...pixels].filter((value, i) => i % 4 === 3 && value > 0).length;
                    seen.push([canvas.dataset.drawn, drawn, figure.querySelector(".low").textContent]);
                }
            }
            return seen;
        }"""
    )
    assert {what.split(":")[0] for what, _, _ in seen} == {"UMAP", "PCA", "t-SNE"}
    assert len({what for what, _, _ in seen}) == 12
    assert all(drawn > 100 for _, drawn, _ in seen)
    assert all(low for _, _, low in seen)
    options = page.locator("section:not(.overview) .map .colour option").all_text_contents()
    assert len(options) == 2 + 33 + 63 + 1


def test_maps_say_which_sound_lies_where(page: Any):
    canvas = page.locator("section:not(.overview) .map canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    names = set()
    for across in range(0, 100, 2):
        for down in range(0, 100, 4):
            page.mouse.move(box["x"] + box["width"] * across / 100, box["y"] + box["height"] * down / 100)
            names.add(page.locator("section:not(.overview) .map output").text_content())
    assert len([name for name in names if "(preset " in name]) >= 3
    page.mouse.wheel(0, -400)
    canvas.press("ArrowLeft")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(page: Any, scheme: str):
    page.emulate_media(color_scheme=scheme)
    assert text_contrast(page) > 7


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_nothing_is_wider_than_the_window(page: Any, width: int):
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
