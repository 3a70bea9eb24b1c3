from __future__ import annotations

import base64
import csv
import io
import json
import re
import shutil
import subprocess
import wave
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthvae.audio.loudness import CEILING, LOUDNESS, integrated_loudness
from synthvae.core.errors import UserError
from synthvae.core.provenance import hardware, versions
from synthvae.report.document import (
    Bar,
    Column,
    Command,
    FigureItem,
    Headline,
    MapItem,
    Measured,
    Overview,
    Provenance,
    Report,
    Section,
    SoundTable,
    Table,
    Verdict,
    format_number,
    sound_row,
    true_minus,
    write_csv,
    write_metrics_json,
)
from synthvae.report.figures import png_bytes, waveform_overlays
from synthvae.report.html import render_report, write_report

TONE = np.sin(np.arange(4410) * 0.06)


def example() -> Report:
    figure = FigureItem(
        png_bytes(waveform_overlays(TONE, {"half": 0.5 * TONE}, 44100), dpi=40),
        "Two sine waves",
        "One is half as loud.",
    )
    table = Table(
        "Errors <of> the runs",
        [Column("Run"), Column("MSE", note="mean & interval"), Column("Ratio", "ratio"), Column("Verdict")],
        [
            ["a", Measured(10.04, "dB²", 9.5, 11.25), 0.5, Verdict("good", "better than both nulls")],
            ["b", Measured(9.0, "dB²"), 1.25, Verdict("bad", "better than no null")],
            ["c", Measured(None, "dB²"), None, Verdict("neutral", "no result")],
            ["d", Measured(100.0, "dB²"), 1e-5, Verdict("good", "better than both nulls")],
        ],
        "Read with care.",
    )
    sounds = SoundTable(
        "Original beside reconstruction",
        [sound_row("preset 7", ("original", "reconstruction"), (TONE, TONE), 44100, figure=figure)],
    )
    return Report(
        "Report on <run>",
        "What was analysed.",
        [Headline("log-mel error", Measured(0.356, "ratio"), "random preset: 1.06 ratio")],
        [Verdict("good", "It beats the mean preset."), Verdict("bad", "Its clusters are noise's.")],
        [Section("Reconstruction", ("A paragraph.",), (table, figure)), Section("Sounds", (), (sounds,))],
        {"log-mel": "20 log10(mel + 1e-4)"},
        Provenance("synthvae analyze runs/a --seed 3", 3, versions(), hardware(), {"run": "runs/a"}),
    )


def overview() -> Overview:
    bars = [Bar("reconstructions", Measured(3.0, "dB"), own=True), Bar("mean preset", Measured(12.0, "dB"))]
    commands = [Command("synthvae explore runs/a", "Play.", "http://127.0.0.1:8321")]
    found = [Verdict("good", "It morphs.")], [Verdict("bad", "It cannot.")]
    return Overview("Close.", bars, *found, commands, None)


class Outline(HTMLParser):
    """Tags that are open, attributes that load something, and the order of headings."""

    void = frozenset({"meta", "link", "img", "br", "input"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in self.void:
            self.open.append(tag)
        self.ids += [values["id"]] if values.get("id") else []
        for name in ("src", "href", "srcset", "action", "data"):
            if name in values:
                target = values[name] or ""
                (self.links if tag == "a" else self.loads).append(target)
        if tag == "img" and "src" in values:
            self.images.append(values)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (12, "12"),
        (-3, "−3"),
        (140000, "140\u202f000"),
        (np.int64(1234567), "1\u202f234\u202f567"),
        (0.0, "0"),
        (1.0, "1.00"),
        (0.35571, "0.356"),
        (-0.35571, "−0.356"),
        (12.345, "12.3"),
        (123.45, "123"),
        (1234.5, "1\u202f230"),
        (999.9, "1\u202f000"),
        (9.999, "10.0"),
        (0.001, "0.00100"),
        (0.00099, "9.90 × 10⁻⁴"),
        (-4.1e-6, "−4.10 × 10⁻⁶"),
        (2.5e6, "2.50 × 10⁶"),
        (None, "–"),
    ],
)
def test_numbers_have_three_significant_digits(value: float | int | None, text: str) -> None:
    assert format_number(value) == text


def test_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        format_number(float("nan"))


def test_page_is_well_formed_and_loads_nothing_from_outside() -> None:
    outline = Outline(render_report(example()))
    assert outline.open == []
    assert all(target.startswith("data:") for target in outline.loads)
    assert len(outline.loads) == 1 + 2 + 2  # icon, two figures, two sounds
    assert all(image["alt"] for image in outline.images)
    assert len(set(outline.ids)) == len(outline.ids)
    assert {link.removeprefix("#") for link in outline.links} <= set(outline.ids)
    page = render_report(example())
    assert '<html lang="en">' in page
    assert "default-src 'none'" in page
    assert not re.search(r"(https?:)?//\w+\.\w+", page.replace("base64", ""))


def test_page_says_everything_in_order() -> None:
    text = "".join(Outline(render_report(example())).text)
    places = [
        text.index(part)
        for part in (
            "What was analysed.",
            "It beats the mean preset.",
            "A paragraph.",
            "Errors <of> the runs",
            "better than both nulls",
            "Read with care.",
            "One is half as loud.",
            "preset 7",
            "20 log10(mel + 1e-4)",
            "synthvae analyze runs/a --seed 3",
        )
    ]
    assert places == sorted(places)
    assert "10.0\xa0dB²" in text
    assert "9.50 to 11.2" in text
    for part in versions().values():
        assert part in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("-3.5 to -2 dB", "−3.5 to −2 dB"),
        ("between (-1, [-.5 and +2", "between (−1, [−.5 and +2"),
        ("sclp-stft-0, 2026-11-29, 3-7, 1e-5", "sclp-stft-0, 2026-11-29, 3-7, 1e-5"),
        ("--steps -a runs/-1", "--steps -a runs/-1"),
    ],
)
def test_negative_numbers_in_text_have_a_minus_sign(text: str, shown: str) -> None:
    assert true_minus(text) == shown


def test_a_page_has_one_minus_sign() -> None:
    minus = "-1.5 dB"
    row = ["a " + minus, -1.5, Measured(-2.5, "dB", -3.5, -1.5), Verdict("good", "at " + minus)]
    columns = [Column("of " + minus, note="from " + minus), Column("x", "dB"), Column("y"), Column("z")]
    figure = replace(example().sections[0].items[1], caption="down to " + minus)
    report = replace(
        example(),
        lead="lead " + minus,
        findings=[Verdict("bad", "only " + minus)],
        headlines=[Headline("least", Measured(-1.5, "dB"), "not " + minus)],
        sections=[Section("Levels", ("above " + minus,), (Table("Of " + minus, columns, [row], minus), figure))],
        methods={"level": "down to " + minus},
    )
    page = render_report(report)
    said = [part for part in Outline(page).text if "-1.5" in part or "-2.5" in part]
    assert said == []
    assert page.count("−1.5") >= 12
    assert 'data-key="-1.5"' in page, "columns are sorted by the number"


def test_text_is_escaped() -> None:
    page = render_report(replace(example(), title="<script>alert(1)</script>", lead='"&<b>'))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_numbers_need_units() -> None:
    def page(table: Table) -> str:
        return render_report(replace(example(), sections=[Section("S", (), (table,))]))

    with pytest.raises(ValueError, match="'MSE' holds numbers and has no unit"):
        page(Table("T", [Column("Run"), Column("MSE")], [["a", 0.5]]))
    with pytest.raises(ValueError, match="without unit"):
        page(Table("T", [Column("Run"), Column("MSE")], [["a", Measured(1.0, "")]]))
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        page(Table("T", [Column("Run"), Column("MSE")], [["a"]]))
    with pytest.raises(ValueError, match="finite"):
        page(Table("T", [Column("Run"), Column("MSE", "dB²")], [["a", float("inf")]]))
    with pytest.raises(ValueError, match="without unit"):
        render_report(replace(example(), headlines=[Headline("a", Measured(1, ""), "")]))


def test_a_figure_that_is_no_png_is_refused() -> None:
    with pytest.raises(ValueError, match="PNG"):
        render_report(replace(example(), sections=[Section("S", (), (FigureItem(b"x", "a", "b"),))]))


def test_the_first_screen_comes_first_and_links_to_its_commands() -> None:
    outline = Outline(render_report(replace(example(), overview=overview())))
    text = "".join(outline.text)
    parts = ("Close.", "mean preset", "It morphs.", "It cannot", "synthvae explore runs/a", "Summary", "random preset")
    places = [text.index(part, text.index("What was analysed.")) for part in parts]
    assert places == sorted(places)
    assert "http://127.0.0.1:8321" in outline.links
    assert outline.open == []
    bare = replace(overview(), bars=[Bar("reconstructions", Measured(3.0, ""))])
    with pytest.raises(ValueError, match="reconstructions: a number without unit"):
        render_report(replace(example(), overview=bare))


def test_a_map_has_the_sounds_of_its_marked_points_once() -> None:
    places = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 1.0]])
    values = {"sound": {"level (dB)": [1.0, np.nan, 3.0]}}
    sounds = {2: sound_row("deep tone, C2 (preset 2)", ("original", "reconstruction"), (TONE, TONE), 44100)}
    item = MapItem("Sounds", ["a", "b", "c"], {"PCA": places}, values, {"PCA": np.ones(3)}, [2], sounds)
    other = replace(item, sounds={})
    page = render_report(replace(example(), sections=[Section("Maps", (), (item, other))]))
    assert page.count('data-dot="2"') == 1
    assert page.count('class="dots"') == 2
    maps = [json.loads(text) for text in re.findall(r'<script type="application/json">(.*?)</script>', page)]
    assert [found["marked"] for found in maps] == [[2], [2]]
    steps = np.frombuffer(base64.b64decode(maps[0]["maps"]["PCA"]), "<u2").reshape(-1, 2) / 65534
    np.testing.assert_allclose(steps, [[0.0, 0.25], [1.0, 0.25], [1.0, 0.75]], atol=1e-4)  # in the middle, one scale


def test_empty_parts_leave_no_holes() -> None:
    bare = replace(example(), headlines=[], findings=[], sections=[], methods={})
    assert Outline(render_report(bare)).open == []


def test_report_is_written_whole(tmp_path: Path) -> None:
    write_report(example(), tmp_path / "new" / "report.html")
    assert (tmp_path / "new" / "report.html").read_text(encoding="utf-8") == render_report(example())
    with pytest.raises(UserError, match="is a directory"):
        write_report(example(), tmp_path)


def test_wav_is_what_was_given() -> None:
    row = sound_row("", ["one"], [np.array([0.0, 0.5, -1.0, 2.0])], 44100)
    with wave.open(io.BytesIO(row.sounds[0].wav)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 44100)
        assert list(np.frombuffer(file.readframes(4), "<i2")) == [0, 16384, -32767, 32767]
    with pytest.raises(UserError, match="audio: sample 1 holds nan"):
        sound_row("", ["one"], [[0.0, np.nan]], 44100)


@dataclass(frozen=True)
class Numbers:
    """Something with fields."""

    mse: np.floating
    counts: tuple[int, ...]
    dbcv: float | None


def test_sounds_are_brought_to_one_loudness_without_clipping() -> None:
    def gain(sound: np.ndarray) -> float:
        return sound_row("", ["one"], [sound], 44100).sounds[0].gain

    noise = 0.02 * np.random.default_rng(0).standard_normal(44100)
    for sound in (noise, 10.0 * noise):
        assert integrated_loudness(gain(sound) * sound, 44100) == pytest.approx(LOUDNESS, abs=0.01)
    click = np.zeros(44100)
    click[100] = 0.5
    assert gain(click) == 2.0 * CEILING  # as in exports, and still below the loudness
    assert gain(np.zeros(44100)) == 1.0


def test_metrics_keep_every_number_and_are_sorted(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_metrics_json({"z": Numbers(np.float32(0.25), (1, 2), None), "a": np.arange(3.0)}, path)
    assert json.loads(path.read_text()) == {
        "a": [0.0, 1.0, 2.0],
        "z": {"mse": 0.25, "counts": [1, 2], "dbcv": None},
    }
    assert list(json.loads(path.read_text())) == ["a", "z"]
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"metrics: run\.mse\[1\] is nan"):
        write_metrics_json({"run": {"mse": np.array([1.0, np.nan])}}, path)
    assert path.read_bytes() == before
    with pytest.raises(TypeError, match="cannot write set"):
        write_metrics_json({"a": {1}}, path)


def test_csv_round_trip_in_full_precision(tmp_path: Path) -> None:
    path = tmp_path / "presets.csv"
    values = np.random.default_rng(0).standard_normal(5)
    write_csv(pd.DataFrame({"preset": range(5), "MSE, dB²": values, "note": ["a,b", None, "", "x", "y"]}), path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["MSE, dB²"]) for row in rows] == list(values)
    assert [row["note"] for row in rows] == ["a,b", "", "", "x", "y"]
    write_csv(pd.DataFrame({"mse": [1 / 3, np.nan]}), path, "%.4g")
    assert path.read_text() == 'mse\n0.3333\n""\n'
    with pytest.raises(UserError, match="column mse holds an infinite number"):
        write_csv(pd.DataFrame({"mse": [1.0, np.inf]}), path)


PROBE = """<script>
window.addEventListener("error", event => document.body.dataset.error = event.message);
addEventListener("load", async () => {
  const order = () => [...document.querySelectorAll("tbody tr")].map(row => row.cells[0].textContent.trim()).join("");
  const heads = document.querySelectorAll("thead button"), seen = [order()];
  for (const head of [heads[1], heads[1], heads[2], heads[3], heads[0]]) { head.click(); seen.push(order()); }
  const context = new OfflineAudioContext(1, 44100, 44100), lengths = [];
  for (const sound of document.querySelectorAll("audio")) {
    const bytes = Uint8Array.from(atob(sound.src.split(",")[1]), letter => letter.charCodeAt(0));
    lengths.push((await context.decodeAudioData(bytes.buffer)).duration.toFixed(2));
  }
  document.querySelector(".zoom").click();
  const result = {seen, lengths, open: document.querySelector("dialog").open,
    requests: performance.getEntriesByType("resource").filter(entry => !entry.name.startsWith("data:")).length,
    wide: document.documentElement.scrollWidth - innerWidth};
  document.title = JSON.stringify(result);
});
</script></body>"""


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
def test_in_a_browser_tables_sort_figures_open_and_sounds_have_a_length(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(render_report(example()).replace("</body>", PROBE), encoding="utf-8")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--virtual-time-budget=4000",
        "--window-size=900,900",
        "--dump-dom",
    ]
    done = subprocess.run(
        ["chromium", *options, f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None
    assert "data-error" not in done.stdout
    result = json.loads(title[1].replace("&quot;", '"'))
    # As written; MSE up (dashes last), down; ratio up; verdict, good first; run.
    assert result["seen"] == ["abcd", "badc", "dabc", "dabc", "dacb", "abcd"]
    assert result["lengths"] == ["0.10", "0.10"]
    assert result["open"] is True
    assert result["requests"] == 0
    assert result["wide"] <= 0
