"""What people do with sounds on the page of the studio: draw, select, mix, vary, match, keep, share."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import wave
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthvae.bank import Bank
from tests.studio.browser import Visit, served, visited

pytestmark = pytest.mark.browser
pytest_plugins = ("tests.studio.page_fixtures",)


def draw(visit: Visit, places: list[tuple[float, float]]) -> None:
    visit.page.mouse.move(*visit.place(*places[0]))
    visit.page.mouse.down()
    for place in places[1:]:
        visit.page.mouse.move(*visit.place(*place), steps=4)
    visit.page.mouse.up()


def _read_wav(content: bytes) -> tuple[int, np.ndarray]:
    with wave.open(io.BytesIO(content)) as file:
        return file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_a_path_plays_and_goes_home(visit: Visit):
    visit.page.keyboard.press("m")
    assert visit.page.locator(".tool[data-tool=pen]").get_attribute("aria-checked") == "true"
    draw(visit, [(0.3, 0.4), (0.5, 0.3), (0.7, 0.6)])
    visit.until("() => synthvae.studio.path.made")
    assert visit.page.locator("#tab-path").get_attribute("aria-selected") == "true"
    assert "16 steps" in visit.status()
    visit.until("() => synthvae.studio.map.scene.pathShare !== null")
    with visit.page.expect_download() as wav:
        visit.page.locator("#path-wav").click()
    rate, samples = _read_wav(Path(wav.value.path()).read_bytes())
    assert rate == 16000
    # Sixteen sounds of a quarter of a second; of two, four fifths were asked to overlap, and half is the most. The last
    # one has its release too, which takes seconds at most.
    assert 4000 < len(samples) - 15 * 2000 < 8 * rate
    assert np.abs(samples).max() > 30
    with visit.page.expect_download() as archive:
        visit.page.locator("#path-zip").click()
    names = zipfile.ZipFile(archive.value.path()).namelist()
    assert len([name for name in names if name.endswith(".wav")]) == 16
    assert len([name for name in names if name.endswith(".json")]) == 16
    visit.page.locator("#path-clear").click()
    assert visit.page.locator("#path-play").is_disabled()


def test_lasso_and_box_select_what_lies_inside(visit: Visit):
    visit.page.locator("#playable").uncheck()
    visit.page.keyboard.press("n")
    draw(visit, [(0.25, 0.2), (0.7, 0.2), (0.7, 0.7), (0.25, 0.7)])
    visit.until("() => synthvae.studio.store.get('selection')")
    lassoed = set(visit.page.evaluate("() => [...synthvae.studio.store.get('selection')]"))
    corners = [visit.place(0.25, 0.2), visit.place(0.7, 0.7)]
    expected = {
        number
        for number in range(64)
        if all(low < at < high for low, at, high in zip(corners[0], visit.point(number), corners[1], strict=True))
    }
    assert lassoed == expected
    assert len(expected) > 3
    assert f"{len(expected)} sounds" in visit.page.locator("#selection").text_content()
    visit.page.keyboard.press("Escape")
    assert visit.page.locator("#selection").is_hidden()
    visit.page.keyboard.press("b")
    draw(visit, [(0.25, 0.2), (0.7, 0.7)])
    assert set(visit.page.evaluate("() => [...synthvae.studio.store.get('selection')]")) == expected


def test_legend_and_search_select_too(visit: Visit):
    visit.page.locator("#colour").select_option("cluster")
    visit.page.locator("#playable").uncheck()
    visit.page.locator("#legend summary").click()
    button = visit.page.locator("#legend .classes button").first
    count = int(button.locator("small").text_content())
    button.click()
    assert visit.page.evaluate("() => synthvae.studio.store.get('selection').length") == count
    visit.page.evaluate("() => synthvae.studio.map.hide([...synthvae.studio.store.get('selection')].slice(1))")
    button.click()
    button.click()
    assert visit.page.evaluate("() => synthvae.studio.store.get('selection').length") == 1
    visit.page.evaluate("() => synthvae.studio.map.hide([])")
    name = visit.page.evaluate("async () => (await synthvae.studio.api.sounds({ point: 4 }, 'sound-pca')).name")
    visit.page.keyboard.press("/")
    visit.page.locator("#search-text").fill(name.split(",")[0])
    visit.until("() => [...(synthvae.studio.store.get('selection') ?? [])].includes(4)")
    visit.page.keyboard.press("Enter")
    found = visit.described()
    assert all(word in found["name"] for word in name.split(",")[0].split())


def test_sounds_are_added_and_taken_away(visit: Visit):
    visit.page.locator("#playable").uncheck()
    for number, key in ((2, "Shift"), (8, "Alt")):
        visit.page.keyboard.down(key)
        visit.page.mouse.click(*visit.point(number))
        visit.page.keyboard.up(key)
        visit.until("count => synthvae.studio.blend.picked.length === count", 1 if number == 2 else 2)
    weights = visit.page.evaluate("() => synthvae.studio.blend.picked.map(one => one.weight)")
    assert weights == [1, -1]
    visit.page.locator("#tab-blend").click()
    visit.page.locator(".chip .sign").nth(1).click()
    visit.page.locator(".chip .number").first.fill("0.5")
    visit.page.locator(".chip .number").first.press("Enter")
    with visit.page.expect_request("**/blend") as request:
        visit.page.locator("#blend-make").click()
    assert request.value.post_data_json["weights"] == [0.5, 1]
    assert request.value.post_data_json["specs"] == [{"point": 2}, {"point": 8}]
    visit.until("() => synthvae.studio.sounds.current.origin.includes('+')")
    assert set(visit.described()["spec"]) <= {"values", "latent"}


def test_neighbours_lie_under_the_number_keys(visit: Visit):
    visit.page.mouse.click(*visit.point(5))
    origin = visit.described()
    visit.page.locator("#tab-vary").click()
    visit.page.locator("#vary-make").click()
    visit.until("() => synthvae.studio.vary.found.length === 16")
    distances = visit.page.evaluate("() => synthvae.studio.vary.found.map(one => one.distance)")
    assert distances == sorted(distances)
    heard = []
    for key in ("1", "0", "Shift+Digit6"):
        visit.page.keyboard.press(key)
        heard.append(visit.described())
    assert [sound["origin"].split(",")[0] for sound in heard] == ["variation 1", "variation 10", "variation 16"]
    assert heard[2]["values"] == visit.page.evaluate("() => synthvae.studio.vary.found[15].values")
    for _ in heard:
        visit.page.locator("#undo").click()
    assert visit.described()["spec"] == origin["spec"]


def test_a_kept_sound_outlives_the_page_and_a_crash(chromium: Any, small_run: Path, studio_cache: Path, tmp_path: Path):
    bank = tmp_path / "bank.sqlite"
    with served(small_run, studio_cache, bank) as address:
        with visited(chromium, address) as made:
            made.open()
            made.page.mouse.click(*made.point(6))
            values = made.described()["values"]
            made.page.locator("#keep").click()
            made.until("() => document.activeElement.name === 'name' && document.activeElement.value")
            made.page.keyboard.type("<b>My</b> sound & more")
            made.page.locator("[name=tags]").fill("warm, #pad")
            made.page.keyboard.press("Enter")
            made.until("() => document.querySelector('.entry-name')")
            made.open()
            made.until("() => document.querySelector('.entry-name')")
            assert made.page.locator(".entry-name").text_content() == "<b>My</b> sound & more"
            assert made.page.locator(".entry-tags").text_content() == "#pad #warm"
            made.until(
                "() => document.querySelector('.entry canvas').getContext('2d').getImageData(48, 32, 1, 1).data[3]"
            )
            made.page.locator(".entry-play").click()
            assert made.described()["values"] == pytest.approx(values, rel=1e-6, abs=1e-6)
        pid = int(os.popen(f"pgrep -f -- '--bank {bank} '").read().split()[0])
        os.kill(pid, signal.SIGKILL)
    (entry,) = Bank(bank).search()
    assert (entry.name, entry.tags) == ("<b>My</b> sound & more", ("pad", "warm"))


def test_bank_entries_are_renamed_found_and_taken_out(visit: Visit):
    for number in (12, 13):
        visit.page.evaluate("n => synthvae.studio.api.keep({ point: n }, `kept ${n}`, [`tag${n}`])", number)
    visit.page.evaluate("() => synthvae.studio.refreshBank()")
    visit.page.locator("#bank input[type=search]").fill("#tag12")
    assert visit.page.locator(".entry-name").all_text_contents() == ["kept 12"]
    visit.page.locator(".entry").hover()
    visit.page.locator("[aria-label='Rename kept 12']").click()
    visit.page.locator(".entry-edit [aria-label=Name]").fill("another name")
    visit.page.locator(".entry-edit [aria-label=Tags]").fill("tag12 more")
    visit.page.locator(".entry-edit [type=submit]").click()
    visit.until("() => document.querySelector('.entry-name')?.textContent === 'another name'")
    assert visit.page.locator(".entry-tags").text_content() == "#more #tag12"
    visit.page.locator(".entry").hover()
    visit.page.locator("[aria-label='Remove another name from the bank']").click()
    visit.until("() => !document.querySelector('.entry-name')")
    visit.page.get_by_text("Restore").click()
    visit.until("() => document.querySelector('.entry-name')?.textContent === 'another name'")


def test_sounds_are_downloaded(visit: Visit):
    visit.page.mouse.click(*visit.point(5))
    sound = visit.described()
    visit.page.locator("#download").click()
    for label in ("JSON", "WAV"):
        with visit.page.expect_download() as file:
            visit.page.locator("#files").get_by_text(label, exact=True).click()
        content = Path(file.value.path()).read_bytes()
        assert file.value.suggested_filename.endswith(f".{label.lower()}")
        if label == "JSON":
            stored = json.loads(content)
            assert sound["values"]["vco_1.tuning"] == pytest.approx(_tuning(stored), abs=1e-5)
        else:
            assert content[:4] == b"RIFF"


def _tuning(stored: Any) -> float:
    """vco_1.tuning, wherever the format holds it."""
    if isinstance(stored, dict):
        if isinstance(stored.get("vco_1.tuning"), float):
            return stored["vco_1.tuning"]
        stored = list(stored.values())
    if isinstance(stored, list):
        for part in stored:
            found = _tuning(part)
            if not np.isnan(found):
                return found
    return float("nan")


def test_links_hold_the_sound_and_nothing_else(chromium: Any, studio_address: str):
    with visited(chromium, studio_address) as made:
        made.open()
        made.page.mouse.click(*made.point(5))
        made.described()
        made.page.locator("#share").click()
        made.until("() => location.hash.includes('&v=')")
        samples = made.described()["samples"]
        fragment = made.page.evaluate("() => location.hash")
    with visited(chromium, studio_address) as other:
        other.open("?token=not-for-sharing" + fragment)
        assert "token" not in other.page.evaluate("() => location.href")
        other.page.keyboard.press("Space")
        assert other.described()["samples"] == samples
    with visited(chromium, studio_address) as third:
        third.open(re.sub("run=[0-9a-f]+&view=[a-z-]+", "run=0123456789abcdef&view=timbre-pca", fragment))
        third.page.keyboard.press("Space")
        assert third.described()["samples"] == samples
        assert third.page.evaluate("() => synthvae.studio.sounds.current.origin") == "from a link of another run"
        assert third.page.evaluate("() => synthvae.studio.store.get('view')") == "timbre-pca"


#: Drops files on the page: names and contents in base64; a folder where a name has one.
DROP = """files => {
    const transfer = new DataTransfer();
    for (const [name, content] of files) {
        const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type: "audio/wav" }));
    }
    for (const kind of ["dragenter", "dragover", "drop"])
        window.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


def recording(frequency: float) -> str:
    import base64

    time = np.arange(8000) / 16000
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((20000 * np.sin(2 * np.pi * frequency * time) * np.exp(-4 * time)).astype("<i2").tobytes())
    return base64.b64encode(buffer.getvalue()).decode()


def test_a_dropped_wav_is_matched(visit: Visit):
    pytest.importorskip("synthvae.matching.engine")
    visit.page.locator("#tab-match").click()
    visit.page.locator("#panel-match select").select_option("5")
    visit.page.evaluate(DROP, [["tone.wav", recording(440)]])
    visit.page.wait_for_selector(".job progress", state="attached")
    visit.page.wait_for_selector(".job .result", timeout=90_000)
    visit.page.wait_for_function(
        "() => /^Done|^Stopped/.test(document.querySelector('.job [role=status]').textContent)", timeout=90_000
    )
    visit.until("() => synthvae.studio.sounds.current?.origin.startsWith('match 1')")
    sound = visit.described()
    assert "like tone.wav" in sound["name"]
    marks = visit.page.evaluate("() => synthvae.studio.map.scene.marks.filter(mark => mark.kind === 'match')")
    assert marks[0]["place"] == pytest.approx(sound["places"]["sound"], abs=1e-4)


def test_dropped_folders_lie_on_the_map_by_their_names(
    chromium: Any, encoding_run: Path, studio_cache: Path, tmp_path: Path
):
    with served(encoding_run, studio_cache, tmp_path / "bank.sqlite") as address, visited(chromium, address) as made:
        made.open()
        files = [["low.wav", recording(110)], ["high.wav", recording(1760)]]
        made.page.evaluate(DROP, files)
        made.until("() => synthvae.studio.imported.length === 2")
        marks = made.page.evaluate("() => synthvae.studio.map.scene.marks.filter(mark => mark.kind === 'import')")
        assert len(marks) == 2
        assert marks[0]["place"] != marks[1]["place"]
        folder = tmp_path / "bells"
        folder.mkdir()
        import base64

        (folder / "bell.wav").write_bytes(base64.b64decode(recording(880)))
        made.page.locator("#match-folder").set_input_files(folder)
        made.until("() => synthvae.studio.imported.length === 3")
        assert made.page.evaluate("() => synthvae.studio.imported[2].label") == "bells"
        made.until("() => document.getElementById('legend').textContent.includes('bells')")


@pytest.fixture(scope="module")
def encoding_run(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small run with an encoder that has learnt nothing, which is enough to put sounds on a map."""
    import shutil

    import torch

    from synthvae.models.audio_encoder import ENCODER_FILE, AudioEncoder, write_encoder
    from synthvae.training.run import load_run

    copy = tmp_path_factory.mktemp("runs") / "encoding"
    shutil.copytree(small_run, copy, ignore=shutil.ignore_patterns(".cache"))
    run = load_run(copy)
    torch.manual_seed(0)
    encoder = AudioEncoder(run.latent_size, 16000, 4000)
    write_encoder(copy / ENCODER_FILE, encoder, {"weights_hash": run.weights_hash})
    return copy


def test_what_cannot_be_done_is_said_in_a_line(visit: Visit):
    visit.expected |= {409, 422}  # no recording
    visit.page.evaluate(DROP, [["a.wav", "aGVsbG8="], ["b.wav", "aGVsbG8="]])
    visit.page.wait_for_selector("#error:not([hidden])")
    assert "2 files skipped" in visit.page.locator("#error-text").text_content()
    visit.page.keyboard.press("Escape")
    assert visit.page.locator("#error").is_hidden()
    visit.page.evaluate(DROP, [["notes.txt", "aGVsbG8="]])
    visit.until("() => synthvae.studio.map && !document.getElementById('drop').offsetParent")


def test_a_ranked_list_steps_plays_and_saves(visit: Visit):
    visit.page.mouse.click(*visit.point(5))
    visit.described()
    visit.page.locator("#tab-similar").click()
    visit.page.locator("#similar-make").click()
    visit.until("() => synthvae.studio.similar.rows.length > 10")
    visit.page.locator("#playable").uncheck()
    visit.page.locator("[data-shift=brightness]").fill("3")
    visit.until("() => synthvae.studio.similar.rows.some(row => row.off > 0)")
    visit.page.locator(".ranked").focus()
    visit.page.keyboard.press("ArrowDown")
    visit.page.keyboard.press("ArrowDown")
    second = visit.page.evaluate("() => synthvae.studio.similar.rows[1].point")
    visit.until("point => synthvae.studio.sounds.current.spec.point === point", second)
    assert visit.page.locator(".ranked [aria-selected=true]").count() == 1
    visit.page.keyboard.press("s")
    visit.until("() => synthvae.studio.bank.entries.some(entry => entry.tags.includes('star'))")
    with visit.page.expect_download() as archive:
        visit.page.locator("#bank-download").click()
    names = zipfile.ZipFile(archive.value.path()).namelist()
    assert {name.rsplit(".")[-1] for name in names} == {"json", "wav"}


def test_what_is_not_playable_is_hidden_by_a_switch(chromium: Any, studio_address: str):
    with visited(chromium, studio_address) as made:
        made.open()
        _switch_playable(made)


def _switch_playable(visit: Visit) -> None:
    visit.until("() => synthvae.studio.leftOut.length")
    left_out = visit.page.evaluate("() => synthvae.studio.leftOut[0]")
    assert visit.page.evaluate("id => synthvae.studio.map.hidden[id]", left_out) == 1
    assert "quieter" in visit.page.locator("#playable-label").get_attribute("title")
    visit.page.locator("#playable").uncheck()
    assert visit.page.evaluate("id => synthvae.studio.map.hidden[id]", left_out) == 0
    visit.page.mouse.click(*visit.point(left_out))
    assert visit.described()["spec"] == {"point": left_out}


def test_a_kit_is_sixteen_variations_on_sixteen_keys(visit: Visit):
    visit.page.mouse.click(*visit.point(5))
    visit.described()
    visit.page.locator("#tab-vary").click()
    with visit.page.expect_download() as archive:
        visit.page.locator("#vary-kit").click()
    files = zipfile.ZipFile(archive.value.path())
    (sfz,) = [name for name in files.namelist() if name.endswith(".sfz")]
    assert files.read(sfz).decode().count("<region>") == 16
    assert all(
        " dB away" in cell
        for cell in visit.page.evaluate("() => synthvae.studio.vary.found.map(one => one.sound.origin)")
    )


def test_weights_of_a_blend_are_live(visit: Visit):
    visit.page.locator("#playable").uncheck()
    visit.page.mouse.click(*visit.point(5))
    base = visit.described()
    visit.page.keyboard.down("Shift")
    visit.page.mouse.click(*visit.point(8))
    visit.page.keyboard.up("Shift")
    visit.until("() => synthvae.studio.blend.picked.length === 1")
    visit.page.locator("#tab-blend").click()
    with visit.page.expect_request("**/blend") as request:
        visit.page.locator(".blend-weight").fill("0.4")
    sent = request.value.post_data_json
    assert (sent["weights"], sent["base"]) == ([0.4], base["spec"])
    visit.until("() => synthvae.studio.sounds.current.origin.includes('+')")
    assert visit.described()["values"] != base["values"]


def test_loudness_is_one_unless_switched_off(visit: Visit):
    visit.page.mouse.click(*visit.point(5))
    visit.described()
    gain = visit.page.evaluate("() => synthvae.studio.sounds.current.gain")
    assert visit.page.evaluate("() => synthvae.studio.audio.level(0.25)") == 0.25
    assert gain > 0
    visit.page.locator("#level").uncheck()
    assert visit.page.evaluate("() => synthvae.studio.audio.level(0.25)") == 1
    assert visit.page.evaluate("() => synthvae.studio.audio.master.gain.value") == pytest.approx(0.64, abs=1e-3)
