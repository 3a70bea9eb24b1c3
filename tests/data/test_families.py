from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from synthvae.data.families import PlannedFamilies, plan_families
from synthvae.data.library import Library, read_library
from synthvae.data.library_writing import build_library
from synthvae.synths.registry import DEFAULT, synth_kind
from synthvae.synths.voice.families import families
from synthvae.synths.voice.kernels.layout import blocks
from synthvae.synths.voice.voice import Voice
from tests.errors import user_error
from tests.sine import KIND as SINE

LABELS = ("bass", "bell", "clap", "hat", "kick", "pad", "pluck", "snare", "tom")


@pytest.fixture(scope="module")
def planned() -> PlannedFamilies:
    return plan_families(90, seed=5, seconds=1.0)


@pytest.fixture(scope="module")
def library(planned: PlannedFamilies, tmp_path_factory: pytest.TempPathFactory) -> Library:
    out = tmp_path_factory.mktemp("families") / "lib"
    build_library(out, planned.plan, planned.read)
    return read_library(out)


def test_labels_are_balanced_in_every_split(library: Library):
    assert library.labels == LABELS
    assert library.header.counts == {"train": 72, "validation": 9, "test": 9}
    counts = library.items.groupby(["split", "label"]).size().unstack()
    assert (counts.loc["train"] == 8).all()
    assert (counts.loc[["validation", "test"]] == 1).all(axis=None)
    assert library.items["group"].nunique() == 90
    assert library.header.files == {"found": 90, "imported": 90, "skipped": 0}


def test_sounds_are_not_silent_and_begin_at_full_length(library: Library):
    assert library.audio.shape == (90, 16000)
    assert (library.items["peak"] > 0.1).all()
    assert (library.items["peak"] <= 1.0).all()


def test_pitches_are_the_notes_that_are_played(planned: PlannedFamilies, library: Library):
    column = synth_kind(DEFAULT).every.names.index("keyboard.midi_f0")
    numbers = library.items["file"].str.split("/").str[1].astype(int)
    expected = [planned.preset(*row)[column] for row in zip(library.items["label"], numbers, strict=True)]
    np.testing.assert_allclose(library.items["pitch"], expected, rtol=1e-8)
    assert library.items.loc[library.items["label"] == "kick", "pitch"].between(26, 41).all()


def test_families_sound_as_they_are_called(library: Library):
    power = np.abs(np.fft.rfft(library.audio)) ** 2
    centre = (power * np.fft.rfftfreq(16000, 1 / 16000)).sum(axis=1) / power.sum(axis=1)
    energy = np.cumsum(np.square(library.audio), axis=1)
    length = (energy < 0.95 * energy[:, -1:]).sum(axis=1) / 16000
    median = {
        label: (np.median(centre[rows]), np.median(length[rows]))
        for label in LABELS
        for rows in [(library.items["label"] == label).to_numpy()]
    }
    assert median["kick"][0] < median["tom"][0] < 300 < median["pluck"][0] < 3000 < median["hat"][0]
    assert median["kick"][1] < 0.3 < 0.5 < median["pad"][1]
    assert median["hat"][1] < median["bell"][1]


def test_a_sound_depends_on_its_number_and_the_seed_alone(planned: PlannedFamilies, library: Library):
    longer = plan_families(1000, seed=5, seconds=1.0)
    assert [entry.label for entry in longer.plan.entries[:90]] == [entry.label for entry in planned.plan.entries]
    number = 37
    (sound,) = longer.read(longer.plan.entries[number])
    row = library.items.index[library.items["file"] == planned.plan.entries[number].file][0]
    np.testing.assert_array_equal(sound.audio, library.audio[row])
    (other,) = plan_families(90, seed=6, seconds=1.0).read(planned.plan.entries[number])
    assert np.abs(other.audio - sound.audio).max() > 0.1


def test_each_sound_has_its_own_noise_under_the_same_envelope(planned: PlannedFamilies):
    human = planned.preset("clap", 2)
    names = synth_kind(DEFAULT).every.names
    assert human[names.index("mixer.vco_1")] == human[names.index("mixer.vco_2")] == 0  # noise alone
    first, second, again = (planned.render("clap", human, number) for number in (2, 11, 2))
    np.testing.assert_array_equal(first, again)
    correlation = first @ second / np.sqrt((first @ first) * (second @ second))
    assert abs(correlation) < 0.1
    # The noise of each sound lies in [-1, 1] and is multiplied by the envelope, so both have it as their bound.
    noise = [Voice(seconds=1.0, sample_rate=16000).with_noise(seed).noise.numpy() for seed in (1, 2)]
    voice = Voice(synth_kind(DEFAULT).every, 16000, 1.0)
    unit = torch.from_numpy(voice.parameter_space.normalise(human[None]).astype(np.float32))
    sounds = [voice.with_noise(seed)(unit)[0].numpy() for seed in (1, 2)]
    with np.errstate(divide="ignore", invalid="ignore"):
        envelopes = [sound / own for sound, own in zip(sounds, noise, strict=True)]
    loud = (np.abs(noise[0]) > 0.05) & (np.abs(noise[1]) > 0.05)
    np.testing.assert_allclose(envelopes[0][loud], envelopes[1][loud], atol=1e-5)
    assert envelopes[0][loud].max() > 0.1


def test_a_sound_without_noise_does_not_depend_on_its_seed():
    voice = Voice(synth_kind(DEFAULT).every, 16000, 0.5)
    unit = torch.rand(1, 78, generator=torch.Generator().manual_seed(0))
    unit[0, voice.parameter_space.names.index("mixer.noise")] = 0.0
    assert torch.equal(voice.with_noise(1)(unit), voice(unit))
    unit[0, voice.parameter_space.names.index("mixer.noise")] = 1.0
    assert not torch.equal(voice.with_noise(1)(unit), voice(unit))
    assert torch.equal(voice.with_noise(13)(unit), voice(unit))  # the Voice's own seed
    exact = Voice(synth_kind(DEFAULT).every, 16000, 0.5, exact=True)
    torch.testing.assert_close(exact.with_noise(1)(unit), voice.with_noise(1)(unit), atol=0.01, rtol=0)


def test_sounds_share_the_layout_of_the_kernels(monkeypatch: pytest.MonkeyPatch):
    made = []
    monkeypatch.setattr("synthvae.synths.voice.fast.blocks", lambda *sizes: made.append(sizes) or blocks(*sizes))
    planned = plan_families(20, seconds=0.4)  # of a length that no other test has
    for entry in planned.plan.entries[:3]:
        list(planned.read(entry))
    assert len(made) == 1


def test_presets_stay_in_their_ranges():
    for family in families().values():
        assert set(family.ranges) == set(family.space.names) == set(synth_kind(DEFAULT).every.names)
        low, high = (np.array([family.ranges[name][end] for name in family.space.names]) for end in (0, 1))
        minimum, maximum = (np.array([getattr(p, end) for p in family.space]) for end in ("minimum", "maximum"))
        assert (minimum <= low).all()
        assert (low <= high).all()
        assert (high <= maximum).all()
        drawn = family.draw(np.random.default_rng(0).uniform(size=(200, 78)))
        assert (low <= drawn).all()
        assert (drawn <= high).all()
        free = high > low
        assert free.sum() >= 8
        spread = (drawn.max(axis=0) - drawn.min(axis=0))[free] / (high - low)[free]
        assert spread.min() > 0.5


def test_impossible_libraries_are_refused(monkeypatch: pytest.MonkeyPatch):
    for argument, value in (("size", 2), ("seed", -1), ("seconds", 0.0), ("sample_rate", 3), ("split", "1,2")):
        with user_error(argument, value):
            plan_families(**({"size": 10} | {argument: value}))
    with user_error("synth", "unknown"):
        plan_families(10, synth="unknown")
    monkeypatch.setattr("synthvae.data.families.synth_kind", lambda name: SINE)
    with user_error("synth", match="which has no families of sounds"):
        plan_families(10, synth=SINE.name)


def test_an_interrupted_library_goes_on(planned: PlannedFamilies, library: Library, tmp_path: Path):
    def stop(done: int) -> None:
        if done == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_library(tmp_path / "lib", planned.plan, planned.read, progress=stop)
    build_library(tmp_path / "lib", planned.plan, planned.read)
    for name in ("audio.npy", "items.csv", "library.json"):
        assert (tmp_path / "lib" / name).read_bytes() == (library.path / name).read_bytes()
