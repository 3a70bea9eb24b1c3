"""Names and descriptors of sounds whose truth is known."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor

from synthvae.audio import descriptors as timbre
from synthvae.audio.descriptors import PRESET_DESCRIPTORS
from synthvae.core.errors import UserError
from synthvae.data.sampling import uniform_unit
from synthvae.naming import Named, name_sounds
from synthvae.naming.words import LONGEST
from synthvae.synths.voice.parameters import VOICE_63
from synthvae.synths.voice.voice import Voice

RATE = 44100
TIME = torch.arange(RATE, dtype=torch.float64) / RATE
TURN = 2.0 * math.pi


def tone(frequency: float | Tensor) -> Tensor:
    """A sine of amplitude 0.3 whose frequency in Hz may move."""
    return 0.3 * torch.sin(torch.cumsum(TURN * frequency * torch.ones_like(TIME) / RATE, 0))


def noise(seed: int = 0) -> Tensor:
    """White noise of standard deviation 1."""
    return torch.randn(RATE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


SOUNDS: dict[str, tuple[Tensor, str]] = {
    "pluck": (tone(440.0) * torch.exp(-8 * TIME), "pure pluck, A4"),
    "low": (tone(82.4), "loud dark steady tone, E2"),
    "saw": (sum(tone(220.0 * k) / k for k in range(1, 60)), "loud buzzy steady tone, A3"),
    "in noise": (0.5 * tone(220.0) + 0.03 * noise(), "noisy steady tone, A3"),
    "noise": (0.1 * noise(), "piercing steady hiss"),
    "quiet noise": (0.001 * noise(), "quiet piercing steady hiss"),
    "burst": (0.3 * noise() * torch.exp(-20 * TIME), "piercing burst"),
    "silence": (torch.zeros_like(TIME), "silence"),
    "constant": (torch.full_like(TIME, 0.3), "silence"),
    "up": (0.2 * tone(200.0 * 2 ** (4 * TIME)), "pure rising sweep"),
    "down": (0.2 * tone(4000.0 * 2 ** (-4 * TIME)), "bright pure falling sweep"),
    "glide": (0.5 * tone(440.0 * 2 ** (TIME / 4 - 1 / 8)), "pure rising tone, A4"),
    "tremolo": (0.5 * tone(440.0) * (1 + 0.8 * torch.sin(TURN * 6 * TIME)), "pure pulsing tone, A4"),
    "vibrato": (0.5 * tone(440.0 * 2 ** (0.05 * torch.sin(TURN * 6 * TIME))), "pure wavering tone, A4"),
    "swell": (tone(330.0) * TIME, "pure swell, E4"),
    "below hearing": (tone(15.0), "deep steady rumble"),
    "slow pulses": (tone(15.0).sign() * 0.3, "dark rattle"),
    "impulse": ((TIME == 0).double(), "piercing click"),
}


@pytest.fixture(scope="module")
def named() -> dict[str, Named]:
    together = name_sounds(torch.stack([sound for sound, _ in SOUNDS.values()]), RATE)
    return dict(zip(SOUNDS, together, strict=True))


@pytest.mark.parametrize("which", SOUNDS)
def test_names(which: str, named: dict[str, Named]):
    assert named[which].name == SOUNDS[which][1]


def test_descriptors_are_the_truth(named: dict[str, Named]):
    pluck, up, swell = (named[which].descriptors for which in ("pluck", "up", "swell"))
    assert list(pluck) == list(PRESET_DESCRIPTORS)
    assert pluck["pitch"] == pytest.approx(440.0, rel=1e-4)
    assert (pluck["note"], pluck["cents"]) == (69.0, pytest.approx(0.0, abs=0.1))
    assert pluck["brightness"] == pytest.approx(440.0, rel=0.01)
    assert pluck["noisiness"] < 0.001
    assert pluck["decay"] == pytest.approx(math.log(10) / 8, abs=0.006), "20 dB are a tenth of the amplitude"
    assert pluck["duration"] == pytest.approx(math.log(100) / 8, abs=0.01), "and 40 dB a hundredth"
    assert pluck["attack"] == 0.0025, "the shortest that is told"
    assert swell["attack"] == pytest.approx(0.8, abs=0.01)
    assert swell["decay"] is None
    assert up["sweep"] == pytest.approx(4 * 0.8, abs=0.1), "the medians of the outer fifths lie 0.8 s apart"
    assert up["glide"] == pytest.approx(48 * 0.8, abs=3.0)
    assert named["glide"].descriptors["glide"] == pytest.approx(3 * 0.76, abs=0.05), "the last frame is 67 ms long"
    assert named["noise"].descriptors["noisiness"] > 0.9
    assert named["noise"].descriptors["pitch"] is None
    assert named["below hearing"].descriptors["noisiness"] < 0.01, "no pitch, but no noise either"
    assert named["below hearing"].descriptors["tremolo"] is None


def test_movements_are_measured_where_there_are_any(named: dict[str, Named]):
    depth = {name: value.descriptors["tremolo"] for name, value in named.items()}
    assert depth["tremolo"] == pytest.approx(20 * math.log10(1.8 / 0.2), abs=4.0), "smoothed over 50 ms"
    assert [name for name, value in depth.items() if value is not None] == ["tremolo"]
    depth = {name: value.descriptors["vibrato"] for name, value in named.items()}
    assert depth["vibrato"] == pytest.approx(1.2, abs=0.2), "blurred by frames of 67 ms"
    assert [name for name, value in depth.items() if value is not None] == ["vibrato"]


@pytest.mark.parametrize(("rate", "found"), [(3.0, False), (5.0, True), (18.0, True), (22.0, False)])
def test_the_analysis_and_the_names_mean_the_same_rates_by_a_tremolo(rate: float, found: bool):
    sound = 0.5 * tone(440.0) * (1 + 0.9 * torch.sin(TURN * rate * TIME))
    assert (name_sounds(sound[None], RATE)[0].descriptors["tremolo"] is not None) is found
    depth = timbre.describe(sound[None], RATE)[0, list(timbre.DESCRIPTORS).index("modulation")]
    assert (depth > 0.8) is np.bool_(found)


def test_no_name_denotes_two_measures():
    assert timbre.DESCRIPTORS.keys().isdisjoint(PRESET_DESCRIPTORS)


def test_what_passes_no_gate_of_the_recommendation_has_a_loudness_all_the_same():
    loud, quiet = name_sounds(torch.stack([0.1 * noise(), 1e-4 * noise()]), RATE)
    assert loud.descriptors["loudness"] - quiet.descriptors["loudness"] == pytest.approx(60.0, abs=0.1)
    assert quiet.name.startswith("quiet ")


def test_a_minute_is_measured():
    sound = torch.cat([torch.sin(TURN * 100.0 * torch.arange(60_000, dtype=torch.float64) / 1000), torch.ones(2000)])
    assert name_sounds(sound[None], 1000) == name_sounds(sound[None, :60_000], 1000)


def test_silence_has_no_descriptors_but_its_duration(named: dict[str, Named]):
    assert named["silence"].descriptors == dict.fromkeys(PRESET_DESCRIPTORS) | {"duration": 0.0}


def test_a_sound_is_named_alike_alone_and_in_any_company(named: dict[str, Named]):
    for which, (sound, _) in SOUNDS.items():
        assert name_sounds(sound[None], RATE) == [named[which]], which


def test_progress_and_refusals():
    done: list[int] = []
    name_sounds(torch.zeros(9, 1000), 16000, done.append)
    assert done == [8, 9]
    with pytest.raises(UserError, match="not finite|finite"):
        name_sounds(torch.full((1, 1000), torch.nan), 16000)
    with pytest.raises(UserError, match="empty"):
        name_sounds(torch.zeros(0, 1000), 16000)
    with pytest.raises(ValueError, match="shape"):
        name_sounds(torch.zeros(1000), 16000)


@pytest.mark.parametrize(("rate", "samples"), [(1000, 20), (8000, 1), (16000, 4000), (384000, 40000)])
def test_every_rate_and_length_is_measured(rate: int, samples: int):
    sound = torch.sin(TURN * 0.1 * torch.arange(samples, dtype=torch.float64))[None]
    (named,) = name_sounds(sound, rate)
    assert all(value is None or math.isfinite(value) for value in named.descriptors.values())


def test_words_tell_random_presets_apart():
    unit = torch.from_numpy(uniform_unit(7, 0, 64, 63).astype(np.float32))
    names = [named.name for named in name_sounds(Voice(VOICE_63)(unit), RATE)]
    assert max(map(len, names)) <= LONGEST
    assert len(set(names)) > 50
    words = Counter(word for name in names for word in name.split(",")[0].split())
    assert max(words.values()) < 32, "no word says next to nothing"
    assert {"dark", "bright", "quiet", "loud", "pure", "noisy", "buzzy", "tone", "swell", "pluck", "sweep"} <= set(
        words
    )
