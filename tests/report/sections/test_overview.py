from __future__ import annotations

import inspect
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from synthvae.cli.explore import explore
from synthvae.metrics.reconstruction import PresetErrors
from synthvae.report.sections.overview import EXPLORE_ADDRESS, closeness, commands, comparison, marked_sounds, spread


def results(own: float, null: float, names: tuple[str, ...] = ("a", "b")) -> Any:
    noise = 1.0 + 0.1 * np.tile([-1.0, 1.0], 50)
    run = SimpleNamespace(
        name="r", sounds=SimpleNamespace(errors={"logmel": PresetErrors(own * noise, 0.1 * own * noise)})
    )
    nulls = SimpleNamespace(
        nulls={"logmel": SimpleNamespace(mean_spectrogram=PresetErrors(null * noise, null * noise))}
    )
    points = np.random.default_rng(1).standard_normal((len(names), 2))
    return SimpleNamespace(runs=(run,), nulls=nulls, names=list(names), sound_map=points)


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (5.0, "very close to"),
        (30.0, "are close to"),
        (60.0, "roughly like"),
        (90.0, "only a little"),
        (120.0, "not closer"),
    ],
)
def test_closeness_is_described_by_the_explained_variance(own: float, words: str) -> None:
    found = results(own, 100.0)
    text = closeness(found.runs[0], found)
    assert words in text
    assert f"{own / 10:.1f} dB off" in text
    if own < 100.0:
        assert f"{100 - own:.0f}\u00a0% of the variance" in text


def test_marked_sounds_are_audible_and_spread() -> None:
    found = results(1.0, 2.0, names=("silence", *("deep tone, C2" for _ in range(99))))
    marked = marked_sounds(found)
    assert len(set(marked)) == len(marked) == 24
    assert 0 not in marked
    line = np.stack([np.arange(9.0), np.zeros(9)], axis=1)
    assert spread(line, 3) == [4, 0, 8]  # the middle, then both ends
    assert sorted(spread(line, 20)) == list(range(9))
    assert spread(np.zeros((0, 2)), 3) == []


def test_several_runs_are_heard_side_by_side_on_sounds_that_no_model_chose() -> None:
    found = results(1.0, 2.0, names=("silence", *("deep tone, C2" for _ in range(99))))
    assert comparison(found) is None, "one run has nothing beside it"
    audio = torch.linspace(-0.5, 0.5, 100)[:, None].expand(100, 400)
    runs = []
    for name, factor in (("worse", 0.5), ("better", 0.9)):
        errors = PresetErrors(np.arange(100.0), (1.0 - factor) * np.arange(100.0))
        sounds = SimpleNamespace(errors={"logmel": errors}, unit=factor * audio[:, :1])
        runs.append(SimpleNamespace(name=name, sounds=sounds, run=SimpleNamespace(voice=lambda u: u.expand(-1, 400))))
    found.runs, found.title = tuple(runs), lambda index: f"sound {index}"
    found.tests = SimpleNamespace(audio=audio, sample_rate=16000)
    table = comparison(found)
    assert table is not None
    chosen = marked_sounds(found)[:3]
    assert [row.name for row in table.rows] == [f"sound {index}" for index in chosen]
    for row, index in zip(table.rows, chosen, strict=True):
        assert [sound.label for sound in row.sounds] == ["original", "worse", "better"]
        assert [sound.detail for sound in row.sounds] == ["", f"{0.5 * index:.1f} dB off", f"{0.1 * index:.1f} dB off"]
        for sound, factor in zip(row.sounds, (1.0, 0.5, 0.9), strict=True):
            samples, _ = soundfile.read(io.BytesIO(sound.wav))
            assert samples[200] == pytest.approx(factor * float(audio[index, 0]), abs=1e-4)


def test_commands_name_the_run_and_the_address_of_explore(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    port = inspect.signature(explore).parameters["port"].default
    assert f"http://127.0.0.1:{port}" == EXPLORE_ADDRESS
    inside, outside = (
        [command.text for command in commands(SimpleNamespace(run=SimpleNamespace(path=path)))]  # type: ignore[arg-type]
        for path in (tmp_path / "runs" / "a b", Path("/elsewhere/b"))
    )
    assert inside[0] == "synthvae explore 'runs/a b'"
    assert outside == ["synthvae explore /elsewhere/b", "synthvae decode /elsewhere/b --random 8 --out sounds"]


def test_a_space_that_comes_with_synthvae_is_called_by_its_name(shipped: Path) -> None:
    told = commands(SimpleNamespace(run=SimpleNamespace(path=shipped)))  # type: ignore[arg-type]
    assert told[0].text == "synthvae explore voice-16"
