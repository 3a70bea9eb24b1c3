"""The text of an instrument, key by key."""

from __future__ import annotations

import io
import struct
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile

from synthvae.core.errors import UserError
from synthvae.export import ExportOptions, export_presets
from synthvae.export.sfz import has_instrument, play_sound

OPTIONS = ExportOptions(lowest=48, highest=61, every=5, lengths=(0.1, 0.5))


def opcodes(path: Path) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Global opcodes, and every region with the opcodes of its group."""
    everywhere: dict[str, str] = {}
    group: dict[str, str] = {}
    regions: list[dict[str, str]] = []
    target = everywhere
    for line in path.read_text().splitlines():
        if line == "<global>":
            target = everywhere
        elif line == "<group>":
            target = group = {}
        elif line == "<region>":
            regions.append(dict(group))
            target = regions[-1]
        elif line and not line.startswith("//"):
            key, value = line.split("=", 1)
            assert key not in target or target is not everywhere
            target[key] = value
    return everywhere, regions


@pytest.fixture
def instrument(make_preset, tmp_path: Path) -> Path:
    preset = make_preset(vco_1__tuning=2.2, adsr_1__release=0.3)
    return export_presets([preset], ["pure tone, A4"], tmp_path, "sfz", OPTIONS)[0]


def test_an_instrument_is_a_folder_of_its_own(instrument: Path, tmp_path: Path):
    assert instrument == tmp_path / "pure-tone/pure-tone.sfz"
    assert sorted(path.name for path in (instrument.parent / "samples").iterdir()) == [
        f"pure-tone-{note}-{length}.wav" for note in ("As3", "C3", "F3") for length in ("0.1s", "0.5s")
    ]
    assert {path.name for path in instrument.parent.iterdir()} == {"pure-tone.sfz", "samples"}


def test_every_key_has_one_sample_for_each_length(instrument: Path):
    everywhere, regions = opcodes(instrument)
    assert everywhere == {"amp_veltrack": "100", "sw_lokey": "36", "sw_hikey": "37", "sw_default": "37"}
    for switch, label in (("36", "held 0.1s"), ("37", "held 0.5s")):
        mine = [region for region in regions if region["sw_last"] == switch]
        assert {region["sw_label"] for region in mine} == {label}
        assert [(int(r["lokey"]), int(r["hikey"])) for r in mine] == [(48, 50), (51, 55), (56, 61)]
        for region in mine:
            assert int(region["lokey"]) <= int(region["pitch_keycenter"]) <= int(region["hikey"])


def test_loops_lie_in_their_samples_and_are_those_of_the_wav(instrument: Path):
    _, regions = opcodes(instrument)
    looped = [region for region in regions if region["loop_mode"] == "loop_continuous"]
    assert [region["sw_last"] for region in looped] == ["37"] * 3
    assert all("loop_start" not in region for region in regions if region not in looped)
    for region in looped:
        content = (instrument.parent / region["sample"]).read_bytes()
        place = content.index(b"smpl")
        numbers = struct.unpack("<9I6I", content[place + 8 : place + 68])
        assert numbers[3] == int(region["pitch_keycenter"])
        assert numbers[11:13] == (int(region["loop_start"]), int(region["loop_end"]))
        assert 0 < numbers[11] < numbers[12] < soundfile.info(io.BytesIO(content)).frames


def test_the_release_is_that_of_the_envelopes_and_never_a_click(make_preset, tmp_path: Path, instrument: Path):
    assert {region["ampeg_release"] for region in opcodes(instrument)[1]} == {"0.300"}
    short = export_presets([make_preset()], ["short"], tmp_path, "sfz", ExportOptions(every=30, lengths=(0.3,)))[0]
    everywhere, regions = opcodes(short)
    assert {region["ampeg_release"] for region in regions} == {"0.020"}
    assert "sw_lokey" not in everywhere
    assert "sw_last" not in regions[0]
    assert "0.3s" not in short.read_text()


def test_noise_stays_where_it_is(make_preset, tmp_path: Path):
    noise = make_preset(mixer__vco_1=0.0, mixer__noise=0.5)
    path = export_presets([noise], ["noise"], tmp_path, "sfz", ExportOptions(every=12, lengths=(0.3,)))[0]
    regions = opcodes(path)[1]
    assert [(region["lokey"], region["hikey"], region["pitch_keytrack"]) for region in regions] == [("36", "96", "0")]


def test_any_change_to_text_or_samples_is_noticed(instrument: Path):
    text = instrument.read_text()
    source = text.split("made from ")[1][:16]
    assert has_instrument(instrument, source)
    assert not has_instrument(instrument, "0" * 16)
    instrument.write_text(text.replace("amp_veltrack=100", "amp_veltrack=50"))
    assert not has_instrument(instrument, source)
    instrument.write_text(text)
    sample = next((instrument.parent / "samples").iterdir())
    content = sample.read_bytes()
    sample.write_bytes(content[: len(content) // 2])
    assert not has_instrument(instrument, source)
    sample.unlink()
    assert not has_instrument(instrument, source)
    instrument.write_bytes(b"\xff\xfe")
    assert not has_instrument(instrument, source)
    assert not has_instrument(instrument.parent / "missing.sfz", source)


class FakeDevice(types.ModuleType):
    """What of sounddevice is called."""

    class PortAudioError(Exception):
        pass

    def __init__(self, error: str = "") -> None:
        super().__init__("sounddevice")
        self.calls: list[object] = []
        self.error = error

    def play(self, sound, sample_rate):
        if self.error:
            raise self.PortAudioError(self.error)
        self.calls.append((sound, sample_rate))

    def wait(self):
        self.calls.append("wait")

    def stop(self):
        self.calls.append("stop")


def test_a_sound_is_played_to_its_end(monkeypatch):
    device = FakeDevice()
    monkeypatch.setitem(sys.modules, "sounddevice", device)
    sound = np.zeros(100, dtype=np.float32)
    play_sound(sound, 44100)
    assert device.calls[0][0] is sound
    assert device.calls[0][1] == 44100
    assert device.calls[1:] == ["wait", "stop"]


def test_a_key_stroke_silences_it(monkeypatch):
    device = FakeDevice()
    device.wait = lambda: (_ for _ in ()).throw(KeyboardInterrupt)
    monkeypatch.setitem(sys.modules, "sounddevice", device)
    with pytest.raises(KeyboardInterrupt):
        play_sound(np.zeros(100, dtype=np.float32), 44100)
    assert device.calls[-1] == "stop"


def test_no_package_no_library_and_no_output_are_a_line_each(monkeypatch):
    sound = np.zeros(10, dtype=np.float32)
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(UserError, match=r"sounddevice is missing; pip install 'synthvae\[play\]'.*export"):
        play_sound(sound, 44100)
    monkeypatch.setitem(sys.modules, "sounddevice", FakeDevice("Error querying device -1"))
    with pytest.raises(UserError, match=r"no output for sound at 44100 Hz \(Error querying device -1\).*export"):
        play_sound(sound, 44100)

    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice")
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(UserError, match="PortAudio library not found; install PortAudio"):
        play_sound(sound, 44100)
