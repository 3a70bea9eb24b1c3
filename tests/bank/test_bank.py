"""What people do with a bank: add, find by word, number and ear, change, take out."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synthvae.audio.descriptors import PRESET_DESCRIPTORS
from synthvae.audio.recordings import Recording
from synthvae.bank import Added, Bank, UnknownPresetError
from synthvae.bank import bank as module
from synthvae.core.errors import UserError
from synthvae.data.preset import Preset
from synthvae.naming import name_sounds
from synthvae.synths.settings import RenderSettings
from synthvae.synths.voice.parameters import VOICE_78
from synthvae.synths.voice.voice import Voice
from tests.errors import user_error


def rendered(preset: Preset, small_voice: Voice) -> np.ndarray:
    import torch

    with torch.inference_mode():
        return small_voice(torch.from_numpy(preset.unit[None].astype(np.float32)))[0].numpy()


def test_what_was_added_is_there(small_presets: list[Preset], small_voice: Voice, tmp_path: Path):
    bank = Bank(tmp_path / "new" / "bank.sqlite")
    assert (len(bank), bank.list(), bank.tags(), bank.search("x")) == (0, (), {}, ())
    added = bank.add(small_presets[0], tags=["Keeper", "warm-pad", "keeper"])
    assert added == Added(1, added.name, True)
    entry = bank.get(1)
    (named,) = name_sounds(rendered(small_presets[0], small_voice)[None], 16000)
    assert (entry.name, entry.descriptors) == named
    assert (entry.id, entry.tags) == (1, ("keeper", "warm-pad"))
    assert list(entry.descriptors) == list(PRESET_DESCRIPTORS)
    assert entry.settings == small_presets[0].settings
    assert entry.origin == {"dataset": "small.json", "index": 0}
    np.testing.assert_allclose(VOICE_78.from_dict(entry.values), entry.preset.human)
    np.testing.assert_allclose(small_presets[0].parameters.from_dict(entry.values), small_presets[0].human, rtol=1e-8)
    assert json.loads(json.dumps(entry.to_dict()))["values"] == entry.values


def test_a_preset_is_there_once_whatever_its_name_settings_and_set(small_bank: Bank, small_presets: list[Preset]):
    before = small_bank.list()
    for again in (
        small_presets[3],
        dataclasses.replace(small_presets[3], name="another"),
        dataclasses.replace(small_presets[3], settings=RenderSettings(8000, 0.3, 100)),
        before[3].preset,
    ):
        assert small_bank.add(again, tags=["new"]) == Added(4, before[3].name, False)
    assert small_bank.list() == before
    human = small_presets[3].human * (1 + 1e-8)
    human = np.clip(
        human, [p.minimum for p in small_presets[3].parameters], [p.maximum for p in small_presets[3].parameters]
    )
    assert small_bank.add(dataclasses.replace(small_presets[3], human=human)).new, "a ninth digit makes another preset"


def test_names(small_bank: Bank, small_presets: list[Preset]):
    assert small_bank.add(dataclasses.replace(small_presets[12], name=" own name ")).name == "own name"
    assert small_bank.add(small_presets[13], "given name").name == "given name"
    for name in ("", "  ", "two\nlines", "x" * 201):
        with pytest.raises(UserError, match="name"):
            small_bank.add(small_presets[14], name)
    assert len(small_bank) == 14


def test_presets_of_several_settings_and_twice_the_same(small_presets: list[Preset], tmp_path: Path):
    other = [dataclasses.replace(preset, settings=RenderSettings(8000, 0.2, 100)) for preset in small_presets[2:4]]
    bank, done = Bank(tmp_path / "b.sqlite"), []
    added = bank.add_all([*small_presets[:2], *other, small_presets[0]], [()] * 5, done.append)
    assert [one.id for one in added] == [1, 2, 3, 4, 1]
    assert [one.new for one in added] == [True] * 4 + [False]
    assert done == [2, 4, 5]
    both = bank.add_all([small_presets[5], small_presets[5]], [["first"], ["second"]])
    assert [(one.id, one.new) for one in both] == [(5, True), (5, False)]
    assert bank.get(5).tags == ("first",)


def test_long_sounds_are_rendered_fewer_at_a_time(
    small_presets: list[Preset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "SAMPLES", 2.5 * 4000)
    done: list[int] = []
    Bank(tmp_path / "b.sqlite").add_all(small_presets[:5], [()] * 5, done.append)
    assert done == [2, 4, 5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": RenderSettings(8000, 60.1, 100)}, r"seconds is 60\.1; a bank takes at most 60"),
        ({"settings": RenderSettings(100, 1.0, 100)}, "sample_rate is 100"),
        ({"origin": {"x": math.nan}}, "origin is not what JSON can hold"),
        ({"origin": {"x": object()}}, "origin is not what JSON can hold"),
        ({"human": np.full(63, np.nan)}, "is nan"),
        ({"human": np.full(63, 1e6)}, "outside"),
    ],
)
def test_one_wrong_preset_of_many_adds_none(
    change: dict[str, object], message: str, small_bank: Bank, small_presets: list[Preset]
):
    wrong = dataclasses.replace(small_presets[13], **change)
    with pytest.raises(UserError, match=message) as caught:
        small_bank.add_all([small_presets[12], wrong], [(), ()], sources=["a.json", "b.json"])
    assert "b.json" in str(caught.value)
    assert len(small_bank) == 12


@pytest.mark.parametrize("tag", ["", "two words", "-minus", "+plus", "_x", "a,b", "x" * 41, "a\nb"])
def test_tags_are_single_words(tag: str, small_bank: Bank, small_presets: list[Preset]):
    with pytest.raises(UserError, match="not one word"):
        small_bank.add(small_presets[12], tags=[tag])
    with pytest.raises(UserError, match="not one word"):
        small_bank.retag(1, add=["good", tag])
    assert len(small_bank) == 12
    assert small_bank.get(1).tags == ("even",)


def test_get_by_number_name_and_beginning(small_bank: Bank):
    small_bank.rename(3, "Glass Drop")
    small_bank.rename(4, "glass")
    small_bank.rename(5, "7")
    assert small_bank.get(3) == small_bank.get("3") == small_bank.get("GLASS drop") == small_bank.get("glass d")
    assert small_bank.get("glass").id == 4, "a whole name goes before a beginning"
    assert small_bank.get("7").id == 7, "a number goes before a name"
    with pytest.raises(UserError, match=r"'gl' fits 2 presets: 3 \(Glass Drop\), 4 \(glass\); give the number"):
        small_bank.get("gl")
    for which in (13, 0, -1, "13", "nothing", "", " ", "1.0", "９"):
        with pytest.raises(UnknownPresetError, match="no preset"):
            small_bank.get(which)


def test_search_by_text_and_tags(small_bank: Bank):
    small_bank.rename(2, "Dunkler STRASSENton")
    small_bank.rename(3, "dark noise_100%")
    assert [entry.id for entry in small_bank.search("straßenTON dunkler")] == [2]
    assert [entry.id for entry in small_bank.search("strassenton other")] == [2], "tags count too"
    assert [entry.id for entry in small_bank.search("e_1 0%")] == [3], "no letter is a wildcard"
    assert small_bank.search("a_k") == ()
    assert small_bank.search("dark noise_100% never") == ()
    assert [entry.id for entry in small_bank.search(tags=["EVEN"])] == [1, 3, 5, 7, 9, 11]
    assert [entry.id for entry in small_bank.search(tags=["odd", "other"], limit=2)] == [2, 4]
    assert small_bank.search(tags=["odd", "even"]) == ()
    assert small_bank.search(tags=["od"]) == (), "a tag is meant whole"
    assert len(small_bank.search("")) == 12
    assert small_bank.tags() == {"even": 6, "odd": 6, "other": 6}


@pytest.mark.parametrize("name", PRESET_DESCRIPTORS)
def test_search_by_ranges(name: str, small_bank: Bank):
    values = {entry.id: entry.descriptors[name] for entry in small_bank.list()}
    known = sorted(value for value in values.values() if value is not None)
    low, high = (known[len(known) // 4], known[3 * len(known) // 4]) if known else (0.0, 1.0)
    for ends in ((low, high), (low, None), (None, high), (None, None), (low, low)):
        found = {entry.id for entry in small_bank.search(ranges={name: ends})}
        assert found == {
            key
            for key, value in values.items()
            if value is not None and (ends[0] is None or value >= ends[0]) and (ends[1] is None or value <= ends[1])
        }


def test_ranges_texts_and_tags_have_to_fit_together(small_bank: Bank):
    entries = small_bank.list()
    bright = [entry for entry in entries if entry.descriptors["brightness"] is not None]  # silence has none
    middle = sorted(entry.descriptors["brightness"] for entry in bright)[6]
    found = small_bank.search("t", {"brightness": (None, middle), "loudness": (-200, 0)}, tags=["even"])
    assert [entry.id for entry in found] == [
        entry.id
        for entry in bright
        if entry.descriptors["brightness"] <= middle
        and entry.id % 2 == 1
        and any("t" in word for word in (entry.name, *entry.tags))
    ]


def test_order(small_bank: Bank):
    small_bank.rename(5, "A first")
    assert small_bank.search(sort="name")[0].id == 5
    names = [entry.name.casefold() for entry in small_bank.search(sort="name")]
    assert names == sorted(names)
    values = [entry.descriptors["pitch"] for entry in small_bank.search(sort="pitch")]
    known = [value for value in values if value is not None]
    assert known == sorted(known)
    assert values == known + [None] * (12 - len(known)), "those without come last"


@pytest.mark.parametrize(
    ("arguments", "argument", "value"),
    [
        ({"ranges": {"size": (1, 2)}}, "ranges", "size"),
        ({"ranges": {"pitch'": (1, 2)}}, "ranges", "pitch'"),
        ({"sort": "id; DROP TABLE presets"}, "sort", "id; DROP TABLE presets"),
        ({"ranges": {"pitch": (5, 3)}}, "pitch", (5, 3)),
        ({"ranges": {"pitch": (math.nan, 3)}}, "pitch", (math.nan, 3)),
        ({"ranges": {"pitch": (3, math.inf)}}, "pitch", (3, math.inf)),
        ({"limit": 0}, "limit", 0),
        ({"sort": "name", "like": np.zeros(64)}, "sort", "name"),
        ({"tags": ["two words"]}, "tag", "two words"),
    ],
)
def test_impossible_searches(arguments: dict[str, object], argument: str, value: object, small_bank: Bank):
    with user_error(argument, value):
        small_bank.search(**arguments)
    assert len(small_bank) == 12


@pytest.mark.parametrize("gain", [0.2, 1.0, 3.0])
def test_a_recording_finds_its_preset_first(
    gain: float, small_bank: Bank, small_presets: list[Preset], small_voice: Voice
):
    """At another gain, with silence around it, an offset, and the noise of 16 bits."""
    noise = np.random.default_rng(0)
    for number, entry in enumerate(small_bank.list()):
        sound = rendered(small_presets[number], small_voice)
        if np.abs(sound).max() < 0.02:
            continue  # not much of it is left in 16 bits
        recording = np.concatenate([np.zeros(3000), gain * sound, np.zeros(9000)]) + 0.01
        recording = np.rint(2**15 * recording + noise.triangular(-1, 0, 1, len(recording))) / 2**15
        found = small_bank.search(like=Recording(recording, 16000), limit=3)
        assert found[0].id == entry.id
        assert found[0].distance < 1.5
        assert found[0].distance < found[1].distance <= found[2].distance


def test_like_a_preset_or_an_embedding(small_bank: Bank, small_presets: list[Preset]):
    by_preset = small_bank.search(like=small_presets[4])
    assert by_preset[0].id == 5
    assert by_preset[0].distance == pytest.approx(0.0, abs=1e-4)
    assert len(by_preset) == 12
    by_embedding = small_bank.search(like=small_bank.embedding(5), tags=["even"], limit=3)
    assert [entry.id for entry in by_embedding] == [entry.id for entry in by_preset if entry.id % 2][:3]
    assert small_bank.search("never", like=small_presets[4]) == ()
    assert {entry.distance for entry in small_bank.list()} == {None}
    with pytest.raises(ValueError, match="shape"):
        small_bank.search(like=np.zeros(63))
    with pytest.raises(UserError, match="not finite"):
        small_bank.search(like=Recording(np.full(100, np.nan), 16000))
    with user_error("like: seconds", 61.0):
        small_bank.search(like=dataclasses.replace(small_presets[4], settings=RenderSettings(1000, 61.0, 100)))


def test_thumbnails_are_pictures(small_bank: Bank):
    pictures: list[bytes] = []
    for entry in small_bank.list():
        content = small_bank.thumbnail(entry.id)
        picture = Image.open(io.BytesIO(content))
        assert (picture.format, picture.size, picture.mode) == ("PNG", (96, 64), "RGB")
        if (entry.descriptors["loudness"] or -100.0) > -60.0:
            assert np.asarray(picture).max() > 200, "something is bright in it"
            pictures.append(content)
    assert len(pictures) > 8
    assert len(set(pictures)) == len(pictures)


def test_retag(small_bank: Bank):
    assert small_bank.retag(1, add=["Neu", "even"]).tags == ("even", "neu")
    assert small_bank.retag(1, remove=["even", "never-there"]).tags == ("neu",)
    assert small_bank.retag(1, add=["a", "b"], remove=["neu", "a"]).tags == ("b",)
    assert small_bank.get(1).tags == ("b",)
    assert small_bank.get(2).tags == ("odd", "other")
    with pytest.raises(UserError, match="no preset number 99"):
        small_bank.retag(99, add=["x"])


def test_rename(small_bank: Bank):
    before = small_bank.get(2)
    assert small_bank.rename(before.name, "  glass  ") == dataclasses.replace(before, name="glass")
    assert small_bank.get("glass").id == 2
    for name in ("", " ", "a\nb", "x" * 201):
        with user_error("new"):
            small_bank.rename(2, name)
    assert small_bank.get(2).name == "glass"


def test_remove_takes_all_or_none_and_no_number_comes_again(small_bank: Bank, small_presets: list[Preset]):
    with pytest.raises(UserError, match="no preset number 99"):
        small_bank.remove(1, 99)
    assert len(small_bank) == 12
    gone = (small_bank.get(12), small_bank.get(2))
    assert small_bank.remove(12, "12", 2) == gone
    assert [entry.id for entry in small_bank.list()] == [1, *range(3, 12)]
    assert small_bank.tags() == {"even": 6, "odd": 4, "other": 4}, "tags go with their presets"
    assert small_bank.add(small_presets[11]).id == 13


def test_another_process_may_remove_what_was_being_added(small_bank: Bank, small_presets: list[Preset], monkeypatch):
    """Found in the bank, so not rendered; gone when it is to be written: rendered after all."""
    analysed, analyse = [], module.analyse

    def remove_first(presets: list[Preset]):
        analysed.append(len(presets))
        if len(analysed) == 1:
            Bank(small_bank.path).remove(1)
        return analyse(presets)

    monkeypatch.setattr(module, "analyse", remove_first)
    added = small_bank.add_all([small_presets[0], small_presets[12]], [(), ()])
    assert analysed == [1, 1]
    assert [(one.id, one.new) for one in added] == [(13, True), (14, True)]


def test_text_and_limits_that_the_file_cannot_hold(small_bank: Bank):
    """A name in another encoding arrives from the command line with lone surrogates."""
    for action in (small_bank.search, small_bank.get, lambda text: small_bank.retag(text, add=["x"])):
        with pytest.raises(UserError, match="is not text in UTF-8"):
            action("\udcff")
    with user_error("new"):
        small_bank.rename(1, "\udcff")
    assert len(small_bank.search(limit=10**30)) == 12
    assert len(small_bank.search(like=small_bank.embedding(1), limit=10**30)) == 12
