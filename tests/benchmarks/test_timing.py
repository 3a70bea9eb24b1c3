from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch

from benchmarks import features, timing, train_step
from benchmarks.timing import Candidate, Measurement, document, measure, table
from synthvae.features import build_feature


def test_candidates_take_turns_and_the_first_is_the_baseline(monkeypatch: pytest.MonkeyPatch):
    calls: list[str] = []
    now = 0.0
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: now))

    def wait(name: str, seconds: float):
        def call() -> None:
            nonlocal now
            calls.append(name)
            now += seconds

        return call

    slow, fast = measure("sleep", [Candidate("slow", wait("s", 0.02), 1), Candidate("fast", wait("f", 0.005), 2)], 3)
    assert calls == ["s", "f"] * 4  # the first round is not timed
    assert len(slow.seconds) == len(fast.seconds) == 3
    assert slow.ratio == 1.0
    assert slow.seconds == pytest.approx((0.02,) * 3)
    assert fast.ratio == pytest.approx(8.0)
    assert slow.rate == pytest.approx(50.0)


def test_table_and_document_hold_medians_and_the_machine():
    m = Measurement("g", "n", 10, (1.0, 2.0, 4.0), (1.0, 2.0, 3.0))
    assert "| g | n | 5 (2 to 10) | 2e+03 | 2 (1 to 3) |" in table([m])
    content = json.loads(json.dumps(document([m], {"seed": 1})))
    assert content["measurements"][0]["rate"] == 5.0
    assert content["hardware"]["processor"]
    assert content["versions"]["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert content["scale"] == {"seed": 1}


@pytest.mark.parametrize("name", ["stft", "mfcc", "cqt"])
def test_what_is_compared_is_equal(name: str):
    audio = 0.1 * torch.randn(2, 44100, generator=torch.Generator().manual_seed(0))
    ours = build_feature(name, 44100)(audio)
    theirs = features.nnaudio_feature(name, 44100)(audio)
    if theirs.ndim == 4:
        theirs = theirs.norm(dim=-1)
    assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()


def test_train_steps_run_on_both_sides():
    theirs, ours = train_step.measure_train_step(repetitions=1, seed=0, batch=4)
    assert theirs.ratio == 1.0
    assert ours.sounds == 4
