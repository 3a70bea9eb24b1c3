"""The page of the studio for everybody: by keyboard alone, in light and dark, on a phone, for screen readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.studio.browser import Visit, served, visited

pytestmark = pytest.mark.browser
pytest_plugins = ("tests.studio.page_fixtures",)


def test_the_keyboard_alone_is_enough(visit: Visit):
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("() => document.activeElement.className") == "skip"
    visit.page.keyboard.press("Enter")
    visit.page.keyboard.press("Shift+Tab")
    visit.page.locator("#map").focus()
    for key in ("ArrowRight", "ArrowUp", "Shift+ArrowLeft"):
        visit.page.keyboard.press(key)
    visit.page.keyboard.press("Enter")
    first = visit.described()
    visit.page.keyboard.press("Shift+ArrowDown")
    visit.page.keyboard.press("Shift+Enter")
    visit.until("() => synthvae.studio.sounds.current.spec.point !== undefined")
    assert visit.described()["samples"] != first["samples"]
    assert visit.status().startswith(visit.described()["name"])
    # A box from corner to corner.
    visit.page.locator(".tool[data-tool=play]").focus()
    for _ in range(2):
        visit.page.keyboard.press("ArrowDown")
    assert visit.page.locator(".tool[data-tool=box]").get_attribute("aria-checked") == "true"
    visit.page.locator("#map").focus()
    for _ in range(6):
        visit.page.keyboard.press("Shift+ArrowLeft")
    visit.page.keyboard.press("Enter")
    for _ in range(9):
        visit.page.keyboard.press("Shift+ArrowRight")
        visit.page.keyboard.press("Shift+ArrowUp")
    visit.page.keyboard.press("Enter")
    visit.until("() => synthvae.studio.store.get('selection')?.length > 0")
    # Tabs, a slider, and keeping.
    visit.page.locator("#tab-preset").focus()
    visit.page.keyboard.press("ArrowRight")
    assert visit.page.locator("#tab-similar").get_attribute("aria-selected") == "true"
    visit.page.keyboard.press("ArrowLeft")
    slider = visit.page.locator("[data-parameter='vco_1.tuning']")
    slider.focus()
    before = visit.described()["values"]["vco_1.tuning"]
    for _ in range(20):
        visit.page.keyboard.press("ArrowRight" if before < 0 else "ArrowLeft")
    visit.until("() => synthvae.studio.sounds.current.spec.values")
    assert visit.described()["values"]["vco_1.tuning"] != before


def test_every_control_has_a_name_and_can_be_reached(visit: Visit):
    for name in ("preset", "vary", "blend", "path", "match"):
        visit.page.locator(f"#tab-{name}").click()
        nameless = visit.page.evaluate(
            """() => [...document.querySelectorAll("button, input, select, [role=button], [role=application]")]
                .filter(control => control.checkVisibility())
                .filter(control => !(control.ariaLabel || control.textContent.trim() || control.labels?.length
                    || control.getAttribute("aria-label") || control.title))
                .map(control => control.outerHTML.slice(0, 120))"""
        )
        assert nameless == []
    roles = visit.page.evaluate("() => [...document.querySelectorAll('[role]')].map(e => e.getAttribute('role'))")
    assert {"application", "radiogroup", "tablist", "tabpanel", "status", "alert", "search"} <= set(roles)
    ids = visit.page.evaluate("() => [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    lost = visit.page.evaluate(
        """() => ["aria-controls", "aria-labelledby", "aria-describedby", "for"].flatMap(name =>
            [...document.querySelectorAll(`[${name}]`)].map(e => e.getAttribute(name))
                .filter(id => !document.getElementById(id)))"""
    )
    assert lost == []


def test_letters_can_be_switched_off(visit: Visit):
    visit.press(0.5, 0.5)
    visit.described()
    visit.page.locator("#letters").uncheck()
    visit.page.keyboard.press("b")
    visit.page.keyboard.press("a")
    assert visit.page.locator(".tool[data-tool=play]").get_attribute("aria-checked") == "true"
    assert visit.page.evaluate("() => synthvae.studio.keyboard.held.size") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(chromium: Any, studio_address: str, scheme: str):
    with visited(chromium, studio_address, color_scheme=scheme, reduced_motion="reduce") as made:
        made.open()
        assert made.page.evaluate("() => document.documentElement.dataset.theme") == scheme
        made.press(0.5, 0.5)
        made.described()
        faint = made.page.evaluate(_FAINT)
        assert faint == []
        made.page.locator("#theme").click()
        other = made.page.evaluate("() => document.documentElement.dataset.theme")
        assert other == {"light": "dark", "dark": "light"}[scheme]
        assert made.page.evaluate(_FAINT) == []
        made.open()
        assert made.page.evaluate("() => document.documentElement.dataset.theme") == other, "the choice stays"


#: Text whose contrast with what it stands on is below 4.5 (WCAG 2.2).
_FAINT = """() => {
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const linear = v => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const ground = element => {
        for (let at = element; at; at = at.parentElement) {
            const colour = numbers(getComputedStyle(at).backgroundColor);
            if (colour.length < 4 || colour[3] > 0.7) return colour;
        }
        return numbers(getComputedStyle(document.body).backgroundColor);
    };
    const faint = [];
    for (const element of document.querySelectorAll("body *")) {
        const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
        const elsewhere = ":disabled, svg, .piano, .scope, noscript, .hidden, .skip, option, optgroup";
        if (!own || !element.checkVisibility({ visibilityProperty: true }) || element.closest(elsewhere)) continue;
        const [a, b] = [light(numbers(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => x - y);
        if ((b + 0.05) / (a + 0.05) < 4.5) faint.push(element.textContent.trim().slice(0, 30));
    }
    return faint;
}"""


def test_phones_listen(chromium: Any, studio_address: str):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
    with visited(chromium, studio_address, **phone) as made:
        made.open()
        assert made.page.evaluate("() => document.documentElement.scrollWidth") <= 390
        made.page.touchscreen.tap(*made.place(0.5, 0.5))
        sound = made.described()
        assert max(map(abs, sound["samples"])) > 0
        box = made.page.locator(".sound").bounding_box()
        assert box["width"] <= 390
        with made.page.expect_request("**/render"):
            made.page.locator("[data-note='64']").tap()


@pytest.mark.parametrize("width", [360, 820, 1100, 1920])
def test_nothing_is_wider_than_the_window(visit: Visit, width: int):
    visit.page.set_viewport_size({"width": width, "height": 800})
    visit.press(0.5, 0.5)
    visit.described()
    assert visit.page.evaluate("() => document.documentElement.scrollWidth") <= width
    assert visit.page.evaluate(
        "() => document.getElementById('dock').scrollWidth <= document.getElementById('dock').clientWidth"
    )


def test_the_policy_of_the_page_holds(visit: Visit):
    visit.press(0.5, 0.5)
    visit.described()
    inline = visit.page.evaluate("() => document.querySelectorAll('script:not([src]), style, [onclick]').length")
    assert inline == 0
    policy = visit.page.request.get(visit.address).headers["content-security-policy"]
    assert policy.startswith("default-src 'self'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_map_stands_out_in_both_schemes(chromium: Any, studio_address: str, scheme: str):
    with visited(chromium, studio_address, color_scheme=scheme) as made:
        made.open()
        made.page.locator("#theme").click()  # the colours of the other scheme, without a reload
        made.page.locator("#theme").click()
        contrast = made.page.evaluate(_CONTRAST)
    least = {name: min(values) for name, values in contrast.items()}
    assert {name: value for name, value in least.items() if name.startswith("text") and value < 4.5} == {}
    assert {name: value for name, value in least.items() if value < 3} == {}
    assert least.keys() >= {"text ink", "point viridis", "point diverging", "point cyclic", "point class 20", "mark b"}


#: Contrast (WCAG 2.2) of everything on the map with its two grounds, by the tokens of the current theme. Points are not
#: opaque, so their colour is that of a single one.
_CONTRAST = """async () => {
    const { palette } = await import("/js/palette.js");
    const { ALPHA, at, classColour, scales } = await import("/js/colour.js");
    const linear = v => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const context = document.createElement("canvas").getContext("2d");
    const numbers = text => {
        context.fillStyle = text;
        context.fillRect(0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
    };
    const colours = palette();
    const over = (colour, alpha) => [colours.ground, colours.raised].map(ground => {
        const seen = colour.map((value, i) => value * alpha + ground[i] * (1 - alpha));
        const [a, b] = [light(seen), light(ground)].sort((x, y) => x - y);
        return (b + 0.05) / (a + 0.05);
    });
    const found = {};
    for (const name of ["ink", "soft"]) found[`text ${name}`] = over(numbers(colours[name]), 1);
    for (const name of ["cursor", "core", "select"]) found[name] = over(numbers(colours[name]), 1);
    for (const [name, colour] of Object.entries(colours.marks)) found[`mark ${name}`] = over(numbers(colour), 1);
    const { spectrogram, ...points } = scales();
    for (const [name, scale] of Object.entries(points))
        found[`point ${name}`] = [...Array(101).keys()].flatMap(i => over(at(scale, i / 100), ALPHA / 255));
    for (let i = 0; i < 21; i++) found[`point class ${i}`] = over(classColour(i), ALPHA / 255);
    found["point none"] = over(colours.none, ALPHA / 255);
    return found;
}"""


@pytest.mark.parametrize("renderer", ["", "?canvas"])
def test_a_change_of_theme_redraws_everything(chromium: Any, studio_address: str, renderer: str):
    with visited(chromium, studio_address, color_scheme="dark") as made:
        made.open(renderer)
        made.until("() => synthvae.studio.coloured")
        made.press(0.5, 0.5)
        made.described()
        made.until("() => document.querySelector('.scope-spectrogram.spectrogram')")
        dark = made.page.evaluate(_BRIGHT)
        made.page.locator("#theme").click()
        light = made.page.evaluate(_BRIGHT)
        assert all(value < 90 for value in dark.values()), dark
        assert all(value > 150 for value in light.values()), light
        made.page.locator("#theme").click()
        assert made.page.evaluate(_BRIGHT) == pytest.approx(dark, abs=2)


#: Mean brightness, 0 to 255, of the map and of the spectrogram; the map is drawn first, as WebGL forgets its picture.
_BRIGHT = """() => {
    const { map } = synthvae.studio;
    map.renderer.draw(map.camera, { blend: 1, radius: 2, fade: 1, ratio: 1 });
    const mean = source => {
        const copy = document.createElement("canvas");
        Object.assign(copy, { width: source.width, height: source.height });
        const context = copy.getContext("2d");
        context.drawImage(source, 0, 0);
        const { data } = context.getImageData(0, 0, copy.width, copy.height);
        return data.reduce((sum, value, i) => sum + (i % 4 === 1 ? value : 0), 0) / (data.length / 4);
    };
    const named = { map: "#map-points", spectrogram: ".scope-spectrogram" };
    return Object.fromEntries(Object.entries(named).map(([name, of]) => [name, mean(document.querySelector(of))]));
}"""


@pytest.mark.parametrize("size", [(740, 360), (932, 430), (390, 844)])
def test_nothing_overlaps_on_phones(chromium: Any, studio_address: str, size: tuple[int, int]):
    width, height = size
    phone = {"viewport": {"width": width, "height": height}, "has_touch": True, "is_mobile": True}
    with visited(chromium, studio_address, **phone) as made:
        made.open()
        made.until("() => document.querySelector('#legend summary')")
        assert made.page.evaluate(_OVERLAPS) == []
        made.page.locator("#legend summary").tap()
        made.page.evaluate("() => synthvae.studio.select(Uint32Array.from([3, 9]), 'selected')")
        assert made.page.locator("#selection").is_visible()
        assert made.page.evaluate(_OVERLAPS) == []
        assert made.page.evaluate("() => document.documentElement.scrollWidth") <= width
        made.page.keyboard.press("Escape")
        made.page.touchscreen.tap(*made.place(0.5, 0.6))
        assert max(map(abs, made.described()["samples"])) > 0
        made.page.locator("#tab-match").tap()  # scrolls there, as a finger does
        assert made.page.locator("#panel-match").is_visible()
        with made.page.expect_request("**/render"):
            made.page.locator("[data-note='64']").tap()


@pytest.mark.parametrize("width", [700, 1280])
def test_the_hint_makes_way_for_a_selection(visit: Visit, width: int):
    visit.page.set_viewport_size({"width": width, "height": 800})
    assert visit.page.locator("#hint").is_visible()
    visit.page.evaluate("() => synthvae.studio.select(Uint32Array.from([3, 9]), 'selected')")
    assert visit.page.locator("#selection").is_visible()
    assert visit.page.evaluate(_OVERLAPS) == []
    visit.page.keyboard.press("Escape")
    assert visit.page.locator("#hint").is_visible()


#: Pairs of what floats on the map, or stands beside it, that cover each other, and what reaches out of the map.
_OVERLAPS = """() => {
    const named = [".top", ".foot", ".keys", "#tools", ".view-bar", ".zoom", "#legend", "#selection", "#hint"];
    const boxes = named.map(name => [name, document.querySelector(name)])
        .filter(([, element]) => element.checkVisibility() && getComputedStyle(element).position !== "fixed")
        .map(([name, element]) => [name, element.getBoundingClientRect(), element.closest(".stage")]);
    const beside = (a, b) => a.right <= b.left + 1 || b.right <= a.left + 1;
    const apart = (a, b) => beside(a, b) || a.bottom <= b.top + 1 || b.bottom <= a.top + 1;
    const found = [];
    for (const [i, [name, box, stage]] of boxes.entries()) {
        for (const [other, its] of boxes.slice(i + 1)) if (!apart(box, its)) found.push(`${name} ${other}`);
        const map = stage?.getBoundingClientRect();
        if (map && (box.left < map.left || box.right > map.right || box.bottom > map.bottom)) found.push(`${name} map`);
    }
    return found;
}"""


def test_the_bank_is_one_stop_with_arrows_between_its_sounds(
    chromium: Any, small_run: Path, studio_cache: Path, tmp_path: Path
):
    with served(small_run, studio_cache, tmp_path / "bank.sqlite") as address, visited(chromium, address) as visit:
        visit.open()
        for number in (1, 2, 3):
            visit.page.evaluate("n => synthvae.studio.api.keep({ point: n }, `kept ${n}`, [])", number)
        visit.page.evaluate("() => synthvae.studio.refreshBank()")
        visit.until("() => document.querySelectorAll('.entry').length === 3")
        focused = "() => document.activeElement.getAttribute('aria-label')"
        visit.page.locator("#bank input[type=search]").focus()
        visit.page.keyboard.press("Tab")
        assert visit.page.evaluate(focused) == "Play kept 3"
        visit.page.keyboard.press("Tab")
        assert visit.page.evaluate("() => document.activeElement.id") == "map"
        visit.page.keyboard.press("Shift+Tab")
        for key, label in (
            ("ArrowDown", "Play kept 2"),
            ("ArrowRight", "Rename kept 2"),
            ("ArrowRight", "Remove kept 2 from the bank"),
            ("ArrowDown", "Play kept 1"),
            ("Home", "Play kept 3"),
            ("ArrowDown", "Play kept 2"),
        ):
            visit.page.keyboard.press(key)
            assert visit.page.evaluate(focused) == label
        visit.page.keyboard.press("Enter")
        assert visit.described()["name"] == "kept 2"
        visit.page.keyboard.press("F2")
        visit.page.keyboard.type("renamed")
        visit.page.keyboard.press("Enter")
        visit.until("() => document.activeElement.getAttribute('aria-label') === 'Play renamed'")
        visit.page.keyboard.press("Delete")
        visit.until("() => document.querySelectorAll('.entry').length === 2")
        visit.until("() => document.activeElement.getAttribute('aria-label') === 'Play kept 1'")
        visit.page.keyboard.press("Shift+Tab")
        visit.page.keyboard.press("Enter")  # restores what was removed, which comes before the list
        visit.until("() => document.querySelectorAll('.entry').length === 3")
