"""Playing, on a machine that has sound, and the lines of one that has not."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from synthvae.core.errors import UserError
from synthvae.instruments.playback import play_sound


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
