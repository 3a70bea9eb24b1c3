"""The page of the studio as people meet it, in a real browser: the map, what is heard, and what changes it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from tests.studio.browser import Visit, visited

pytestmark = pytest.mark.browser
pytest_plugins = ("tests.studio.page_fixtures",)


def test_page_opens_with_a_map(visit: Visit):
    assert visit.page.locator("#map").get_attribute("data-renderer") == "webgl"
    assert "64 sounds" in visit.status()
    assert visit.page.locator("#views [aria-checked=true]").text_content() == "Sound"
    assert visit.page.locator("#hint").is_visible()
    assert visit.page.locator("#colour option").count() == 1 + 13 + 63
    drawn = visit.page.evaluate(_DRAWN)
    assert drawn["colours"] > 20
    assert visit.page.locator(".legend").text_content()


def test_map_is_drawn_without_webgl_too(chromium: Any, studio_address: str):
    with visited(chromium, studio_address) as made:
        made.open("?canvas")
        assert made.page.locator("#map").get_attribute("data-renderer") == "canvas"
        assert made.page.evaluate(_DRAWN)["colours"] > 20
        made.press(0.5, 0.5)
        assert max(np.abs(made.described()["samples"])) > 0


#: How many colours the canvas of the points shows; drawn again first, since WebGL forgets a picture once it is shown.
_DRAWN = """() => {
    const { map } = synthvae.studio;
    map.renderer.draw(map.camera, { blend: 1, radius: 4, fade: 1, ratio: 1 });
    const copy = document.createElement("canvas"), source = document.getElementById("map-points");
    Object.assign(copy, { width: source.width, height: source.height });
    const context = copy.getContext("2d");
    context.drawImage(source, 0, 0);
    const pixels = new Uint32Array(context.getImageData(0, 0, copy.width, copy.height).data.buffer);
    return { colours: new Set(pixels).size };
}"""


def test_a_click_on_a_point_plays_its_sound(visit: Visit):
    visit.page.mouse.click(*visit.point(5))
    sound = visit.described()
    assert sound["spec"] == {"point": 5}
    assert sound["name"]
    assert sound["rate"] == 16000
    assert len(sound["samples"]) >= 4000  # with its release
    assert max(np.abs(sound["samples"])) > 1e-3
    place = visit.page.evaluate("() => [...synthvae.studio.map.view.positions.slice(10, 12)]")
    assert sound["places"]["sound"] == pytest.approx(place, abs=1e-5)
    assert sound["name"] in visit.status()
    assert visit.page.locator(".sound-name").text_content() == sound["name"]


def test_an_empty_place_snaps_to_a_dot_unless_asked_not_to(visit: Visit):
    left, top = _empty(visit)
    visit.page.mouse.click(left, top)
    sound = visit.described()
    assert set(sound["spec"]) == {"point"}
    positions = visit.page.evaluate("() => [...synthvae.studio.map.view.positions]")
    number = sound["spec"]["point"]
    assert sound["places"]["sound"] == pytest.approx(positions[2 * number : 2 * number + 2], abs=1e-4)
    visit.page.locator("#between").check()
    visit.page.mouse.click(left, top)
    sound = visit.described()
    assert set(sound["spec"]) == {"place"}
    assert max(np.abs(sound["samples"])) > 0
    assert "position" in visit.page.locator(".sound-origin").text_content()
    box = visit.page.locator("#map").bounding_box()
    visit.page.mouse.click(box["x"] + box["width"] - 120, box["y"] + box["height"] - 8)
    outside = visit.described()
    assert not outside["inside"]
    assert outside["places"]["sound"] != [outside["spec"]["place"]["x"], outside["spec"]["place"]["y"]]
    assert "outside the map" in visit.page.locator(".sound-origin").text_content()
    assert "outside the map" in visit.status()


def _empty(visit: Visit) -> tuple[float, float]:
    """A place inside the map that is far from every point."""
    found = visit.page.evaluate(
        """() => {
            const { map } = synthvae.studio, [x0, y0, x1, y1] = map.view.bounds;
            const box = map.root.getBoundingClientRect();
            const free = (left, top) => map.root.contains(document.elementFromPoint(box.left + left, box.top + top));
            for (let i = 1; i < 60; i++) {
                const [left, top] = map.camera.toScreen(x0 + (x1 - x0) * ((i * 0.618) % 1), y0 + (y1 - y0) * (i / 60));
                if (left > 90 && top > 90 && left < map.camera.width - 90 && top < map.camera.height - 90
                    && free(left, top) && map.pointAt(left, top) === null) return [left, top];
            }
        }"""
    )
    box = visit.page.locator("#map").bounding_box()
    return box["x"] + found[0], box["y"] + found[1]


def test_a_touch_runs_through_the_audio_graph_and_is_timed(visit: Visit):
    loudest = int(visit.page.evaluate(_LOUDEST))
    visit.page.mouse.move(*visit.point(loudest))
    visit.page.mouse.down()
    peak = visit.page.evaluate(
        """async () => {
            let peak = 0;
            for (let tries = 0; tries < 300 && peak < 1e-3; tries++) {
                const { analyser } = synthvae.studio.audio;
                if (analyser) {
                    const samples = new Float32Array(analyser.fftSize);
                    analyser.getFloatTimeDomainData(samples);
                    peak = Math.max(peak, ...samples.map(Math.abs));
                }
                await new Promise(done => setTimeout(done, 5));
            }
            return peak;
        }"""
    )
    visit.page.mouse.up()
    assert peak > 1e-3
    assert visit.page.evaluate("() => synthvae.studio.audio.context.state") == "running"
    (latency,) = visit.page.evaluate("() => synthvae.latencies")
    assert 0 < latency["request"] <= latency["answer"] <= latency["total"] < 5000
    assert visit.page.evaluate("() => performance.getEntriesByName('synthvae:touch to sound').length") == 1


#: The number of the point with the loudest sound.
_LOUDEST = """async () => {
    const values = await synthvae.studio.api.column("loudness");
    return values.reduce((best, value, i) => (value > values[best] || Number.isNaN(values[best]) ? i : best), 0);
}"""


def test_a_drag_plays_the_newest_place_and_counts_once(visit: Visit):
    visit.page.locator("#between").check()  # where no two places have one sound
    visit.press(0.4, 0.4)
    visit.described()
    visit.page.mouse.move(*visit.place(0.4, 0.5))
    visit.page.mouse.down()
    most = 0
    for step in range(25):
        visit.page.mouse.move(*visit.place(0.4 + 0.008 * step, 0.5))
        most = max(most, visit.page.evaluate("() => synthvae.studio.sounds.inFlight"))
    visit.page.mouse.up()
    assert most <= 2
    end = visit.described()["spec"]["place"]
    expected = visit.page.evaluate(
        "at => synthvae.studio.map.camera.toMap(...at)",
        [a - b for a, b in zip(visit.place(0.4 + 0.008 * 24, 0.5), visit.place(0, 0), strict=True)],
    )
    assert [end["x"], end["y"]] == pytest.approx(expected, abs=1e-3)
    assert visit.page.evaluate("() => synthvae.studio.history.entries.length") == 2


def test_views_change_and_colours_follow(visit: Visit):
    before = visit.page.evaluate("() => [...synthvae.studio.map.view.positions]")
    visit.page.locator("#linear").check()
    visit.until("() => synthvae.studio.store.get('view') === 'sound-pca'")
    after = visit.page.evaluate("() => [...synthvae.studio.map.view.positions]")
    assert len(after) == len(before) == 128
    assert not np.allclose(after, before)
    for column, text in (("vco_1.tuning", "semitones"), ("brightness", "kHz"), ("cluster", "cluster")):
        visit.page.locator("#colour").select_option(column)
        visit.until("text => document.getElementById('legend').textContent.includes(text)", text)
    for layout in ("timbre", "parameters"):
        visit.page.locator(f"#views [data-view={layout}]").click()
        visit.until("view => synthvae.studio.store.get('view') === view", f"{layout}-pca")


def test_a_selection_stays_on_every_layout(visit: Visit):
    visit.page.evaluate("() => synthvae.studio.select(Uint32Array.from([3, 9]), 'selected')")
    visit.page.locator("#views [data-view=timbre]").click()
    visit.until("() => synthvae.studio.store.get('view') === 'timbre'")
    assert visit.page.evaluate("() => [...synthvae.studio.store.get('selection')]") == [3, 9]
    assert visit.page.locator("#selection").is_visible()


def test_the_local_plane_opens_plays_and_closes(visit: Visit):
    visit.page.mouse.click(*visit.point(5))
    centre = visit.described()
    visit.page.keyboard.press("c")
    visit.until("() => synthvae.studio.map.scene.plane")
    assert "Around" in visit.status()
    box = visit.page.locator("#map").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    visit.page.mouse.click(*middle)
    same = visit.described()
    assert same["spec"]["near"]["x"] == pytest.approx(0, abs=0.01)
    visit.page.mouse.click(middle[0] + 150, middle[1] - 90)
    moved = visit.described()
    assert moved["spec"]["near"]["x"] > 0.2 < moved["spec"]["near"]["y"]
    assert moved["samples"] != centre["samples"]
    assert moved["origin"] == f"near {centre['name']}"
    visit.page.mouse.wheel(0, 200)
    visit.until("() => !synthvae.studio.map.scene.plane")
    visit.page.locator("#closer").click()
    visit.until("() => synthvae.studio.map.scene.plane")
    visit.page.keyboard.press("Escape")
    assert visit.page.evaluate("() => synthvae.studio.map.scene.plane") is None


def test_the_help_lists_the_keys(visit: Visit):
    visit.page.locator("#help").click()
    text = visit.page.locator("#help-panel").text_content()
    assert "[object" not in text
    assert "local plane" in text


def test_wheel_zooms_where_the_hand_is_and_the_buttons_go_back(visit: Visit):
    under = "at => synthvae.studio.map.camera.toMap(...at)"
    at = [300, 200]
    visit.until("() => !Number.isFinite(synthvae.studio.map.animation.start)")
    before = visit.page.evaluate(under, at)
    left, top = visit.place(0, 0)
    visit.page.mouse.move(left + at[0], top + at[1])
    visit.page.mouse.wheel(0, -600)
    visit.until("() => synthvae.studio.map.camera.zoom > 1.5")
    assert visit.page.evaluate(under, at) == pytest.approx(before, abs=1e-3)
    visit.page.mouse.down(button="right")
    visit.page.mouse.move(left + at[0] + 60, top + at[1] + 30)
    visit.page.mouse.up(button="right")
    assert visit.page.evaluate(under, [at[0] + 60, at[1] + 30]) == pytest.approx(before, abs=1e-3)
    visit.page.locator("#zoom-fit").click()
    visit.until("() => Math.abs(synthvae.studio.map.camera.zoom - 1) < 1e-6")


def _count_pictures(visit: Visit) -> None:
    """Draw as where drawing is slow, and count how often; nothing is drawn anew for being at rest."""
    visit.until("() => !Number.isFinite(synthvae.studio.map.animation.start) && synthvae.studio.map.picture.timed")
    visit.page.evaluate(
        """() => {
            const { map } = synthvae.studio, { picture } = map, draw = picture.draw.bind(picture);
            Object.assign(picture, { slow: true, atRest: () => {}, times: 0 });
            picture.draw = (...given) => { picture.times++; draw(...given); };
            map.redraw();
        }"""
    )
    visit.until("() => synthvae.studio.map.picture.times === 1")


@pytest.mark.parametrize(("milliseconds", "slow"), [(40, True), (0, False)])
def test_drawing_is_timed_before_the_map_is_panned(visit: Visit, milliseconds: int, slow: bool):
    """A picture drawn once knows whether drawing is slow, and asks to be drawn larger if it is."""
    found = visit.page.evaluate(
        """async (milliseconds) => {
            const { Picture } = await import("/js/map/picture.js");
            const draw = () => {
                const begun = performance.now();
                while (performance.now() - begun < milliseconds);
            };
            let asked = 0;
            const picture = new Picture(document.createElement("canvas"), { draw, finish() {} }, () => asked++);
            picture.bounds = [0, 0, 1, 1];
            const camera = { ...synthvae.studio.map.camera, width: 300, height: 200, x: 0, y: 0, scale: 100 };
            picture.draw(camera, {}, false);
            while (!picture.timed) await new Promise((done) => setTimeout(done, 10));
            return [picture.slow, asked];
        }""",
        milliseconds,
    )
    assert found == [slow, int(slow)]


def test_a_picture_of_all_points_is_never_drawn_anew_for_panning(visit: Visit):
    _count_pictures(visit)
    for across, down in ((500, 300), (-900, -200), (300, -150)):
        _pan(visit, across, down)
    assert visit.page.evaluate("() => synthvae.studio.map.picture.times") == 1
    moved = _map_pixels(visit)
    visit.page.evaluate("() => { synthvae.studio.map.picture.slow = false; synthvae.studio.map.redraw(); }")
    visit.until("() => synthvae.studio.map.picture.times === 2")
    assert np.abs(moved - _map_pixels(visit)).mean() < 1


def test_panning_moves_the_picture_where_drawing_is_slow(visit: Visit):
    visit.page.evaluate("() => synthvae.studio.map.zoom(3)")
    _count_pictures(visit)
    _pan(visit, 60, 30)
    visit.until("() => document.getElementById('map-points').style.translate === '60px 30px'")
    assert visit.page.evaluate("() => synthvae.studio.map.picture.times") == 1
    moved = _map_pixels(visit)
    visit.page.evaluate("() => synthvae.studio.map.redraw()")
    visit.until("() => synthvae.studio.map.picture.times === 2")
    drawn = _map_pixels(visit)
    assert np.abs(moved - drawn).mean() < 1
    # The other way past the edge: drawn once, ahead of the camera, so that it goes on without.
    _pan(visit, -260, 0)
    visit.until("() => synthvae.studio.map.picture.times === 3")
    assert visit.page.evaluate("() => document.getElementById('map-points').style.translate") == "240px"
    far = _map_pixels(visit)
    assert np.abs(far - drawn).mean() > 1
    _pan(visit, -400, 0)
    _pan(visit, 400, 0)
    assert visit.page.evaluate("() => synthvae.studio.map.picture.times") == 3
    assert np.abs(far - _map_pixels(visit)).mean() < 1
    # The same without a larger picture.
    visit.page.evaluate("() => { synthvae.studio.map.picture.slow = false; synthvae.studio.map.redraw(); }")
    visit.until("() => synthvae.studio.map.picture.times === 4")
    assert np.abs(far - _map_pixels(visit)).mean() < 1


def _pan(visit: Visit, right: int, down: int) -> None:
    """Move the map with the right button of the mouse."""
    left, top = visit.place(0.5, 0.5)
    visit.page.mouse.move(left, top)
    visit.page.mouse.down(button="right")
    visit.page.mouse.move(left + right, top + down)
    visit.page.mouse.up(button="right")
    visit.page.mouse.move(5, 5)
    visit.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def _map_pixels(visit: Visit) -> np.ndarray:
    """The map as it is seen, (height, width, 3)."""
    image = imread(io.BytesIO(visit.page.locator("#map").screenshot()))
    return 255.0 * image[..., :3]


def test_a_slider_changes_the_sound_and_its_place(visit: Visit):
    visit.page.mouse.click(*visit.point(7))
    before = visit.described()
    slider = visit.page.locator("[data-parameter='keyboard.midi_f0']")
    unit = float(slider.input_value())
    assert unit == pytest.approx(before["values"]["keyboard.midi_f0"] / 127, abs=2e-3)
    slider.fill("0.9" if unit < 0.5 else "0.1")
    visit.until("() => synthvae.studio.sounds.current.spec.values")
    after = visit.described()
    assert after["values"]["keyboard.midi_f0"] == pytest.approx(127 * (0.9 if unit < 0.5 else 0.1), abs=0.2)
    unchanged = {name for name, value in after["values"].items() if value == before["values"][name]}
    assert unchanged == set(before["values"]) - {"keyboard.midi_f0"}
    assert after["samples"] != before["samples"]
    assert after["places"]["sound"] != pytest.approx(before["places"]["sound"], abs=1e-9)
    assert slider.get_attribute("aria-valuetext").endswith(")")


def test_sliders_are_as_curved_as_the_parameters(visit: Visit):
    pairs = visit.page.evaluate(
        """async () => {
            const { toHuman, toUnit } = await import("/js/parameters.js");
            const units = [0, 0.1, 0.5, 0.77, 1];
            return synthvae.studio.store.get("session").parameters.map(p => {
                const human = units.map(u => toHuman(p, u));
                return { name: p.name, human, back: human.map(value => toUnit(p, value)) };
            });
        }"""
    )
    from synthvae.synths.voice.parameters import VOICE_63

    units = np.array([[0.0, 0.1, 0.5, 0.77, 1.0]]).repeat(63, 0).T
    expected = VOICE_63.denormalise(units).T
    for pair, name, human in zip(pairs, VOICE_63.names, expected, strict=True):
        assert pair["name"] == name
        assert pair["human"] == pytest.approx(human.tolist(), rel=1e-6, abs=1e-9), name
        if name != "mixer.noise":  # its curve takes 0.1 to 1e-40, which no number holds beside the range
            assert pair["back"] == pytest.approx([0.0, 0.1, 0.5, 0.77, 1.0], abs=1e-5), name


def test_typed_values_are_kept_in_range_and_a_double_click_resets(visit: Visit):
    visit.page.mouse.click(*visit.point(7))
    visit.described()
    row = visit.page.locator(".row", has=visit.page.locator("[data-parameter='vco_1.tuning']"))
    number = row.locator("input.number")
    number.fill("-7,5")
    number.press("Enter")
    assert visit.described()["values"]["vco_1.tuning"] == -7.5
    number.fill("900")
    number.press("Enter")
    assert visit.described()["values"]["vco_1.tuning"] == 24
    number.fill("nothing")
    number.press("Enter")
    assert number.input_value() == "24"
    row.locator("label").dblclick()
    assert visit.described()["values"]["vco_1.tuning"] == pytest.approx(0)


def test_undo_and_redo_go_through_every_change(visit: Visit):
    names = []
    for number in (3, 9):
        visit.page.mouse.click(*visit.point(number))
        names.append(visit.described()["samples"])
    visit.page.locator("[data-parameter='vco_2.shape']").fill("0.5")
    visit.until("() => synthvae.studio.sounds.current.spec.values")
    names.append(visit.described()["samples"])
    visit.page.locator("#undo").click()
    assert visit.described()["samples"] == names[1]
    visit.page.keyboard.press("Control+z")
    assert visit.described()["spec"] == {"point": 3}
    assert visit.page.locator("#undo").is_disabled()
    visit.page.keyboard.press("Control+Shift+Z")
    visit.page.locator("#redo").click()
    assert visit.described()["samples"] == names[2]
    assert visit.page.locator("#redo").is_disabled()


def test_a_and_b_change_over(visit: Visit):
    visit.page.mouse.click(*visit.point(3))
    first = visit.described()["samples"]
    visit.page.keyboard.press("q")
    assert visit.page.locator("#slot-b").get_attribute("aria-pressed") == "true"
    visit.page.mouse.click(*visit.point(11))
    visit.until("() => synthvae.studio.sounds.current.spec.point === 11")
    second = visit.described()["samples"]
    visit.page.keyboard.press("q")
    assert visit.described()["samples"] == first
    visit.page.locator("#slot-b").click()
    assert visit.described()["samples"] == second


def test_keys_play_the_sound_at_their_pitch_for_as_long_as_they_are_down(visit: Visit):
    visit.page.mouse.click(*visit.point(int(visit.page.evaluate(_LOUDEST))))
    visit.described()
    with visit.page.expect_request("**/render") as first:
        visit.page.keyboard.down("a")
    held = first.value.post_data_json
    assert held["note"] == 60
    assert held["hold"] == 4
    visit.until("() => [...synthvae.studio.keyboard.held.values()].some(key => key.voice)")
    assert "down" in visit.page.locator("[data-note='60']").get_attribute("class")
    visit.page.wait_for_timeout(150)
    with visit.page.expect_request("**/render") as second:
        visit.page.keyboard.up("a")
    assert 0.1 < second.value.post_data_json["hold"] < 3
    visit.page.keyboard.press("x")
    with visit.page.expect_request("**/render") as third:
        visit.page.locator("[data-note='74']").click()
    assert third.value.post_data_json["note"] == 74


def test_notes_of_midi_instruments_are_heard(chromium: Any, studio_address: str):
    with visited(chromium, studio_address) as made:
        made.page.add_init_script(
            """const input = { name: "Test keys", onmidimessage: null };
            navigator.requestMIDIAccess = async () => ({ inputs: new Map([["1", input]]), onstatechange: null });
            window.send = (...data) => input.onmidimessage({ data, timeStamp: performance.now() });"""
        )
        made.open()
        made.press(0.5, 0.5)
        made.described()
        made.page.locator("#midi").click()
        made.until("() => document.getElementById('status').textContent.includes('Test keys')")
        with made.page.expect_request("**/render") as request:
            made.page.evaluate("() => window.send(0x90, 48, 64)")
        assert request.value.post_data_json["note"] == 48
        made.until("() => synthvae.studio.keyboard.held.get(48)?.voice")
        made.page.evaluate("() => window.send(0xb0, 64, 127)")
        made.page.evaluate("() => window.send(0x80, 48, 0)")
        assert made.page.evaluate("() => synthvae.studio.keyboard.held.size") == 1, "the pedal holds it"
        made.page.evaluate("() => window.send(0xb0, 64, 0)")
        made.until("() => synthvae.studio.keyboard.held.size === 0")


def test_spectrogram_shows_a_tone_where_it_is(visit: Visit):
    row = visit.page.evaluate(
        """async () => {
            const { spectrogram } = await import("/js/spectrogram.js");
            const rate = 16000;
            const tone = Float32Array.from({ length: rate }, (_, i) => Math.sin(2 * Math.PI * 1000 * i / rate));
            const { data } = spectrogram(tone, rate, 8, 100);
            const light = row => data[4 * (row * 8 + 4)] + data[4 * (row * 8 + 4) + 1];
            return [...Array(100).keys()].reduce((best, row) => (light(row) > light(best) ? row : best), 0);
        }"""
    )
    octaves = np.log2(1000 / 40) / np.log2(8000 / 40)
    assert 99 - row == pytest.approx(100 * octaves, abs=1.5)
