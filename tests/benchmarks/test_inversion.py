from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from benchmarks.inversion import CONFIGURATIONS, PHASES, Claim, claims_table
from benchmarks.inversion_sounds import KINDS, sounds_to_invert
from synthvae.features.representations import REPRESENTATIONS
from tests.cli.refusal import refused


def test_sounds_are_the_same_every_time_and_all_audible():
    sounds = sounds_to_invert(16000, 1.0, 2, seed=3)
    assert sounds.shape == (2 * len(KINDS), 16000)
    torch.testing.assert_close(sounds, sounds_to_invert(16000, 1.0, 2, seed=3), rtol=0, atol=0)
    np.testing.assert_allclose(sounds.abs().amax(1).numpy(), 0.9, rtol=1e-6)
    assert (sounds.square().mean(1).sqrt() > 0.003).all()
    assert not torch.equal(sounds, sounds_to_invert(16000, 1.0, 2, seed=4))
    for first in range(len(sounds)):
        for second in range(first):
            assert torch.corrcoef(sounds[[first, second]])[0, 1].abs() < 0.5


def test_every_representation_has_a_ladder(run):
    assert {name for name, _ in CONFIGURATIONS} == set(REPRESENTATIONS)
    code, out, err = run("inversion", "--each", 1, "--seconds", 0.5, "--repetitions", 1, "--no-visqol", "--json")
    assert code in (0, 1), err  # one round on a busy machine need not meet the times
    document = json.loads(out)
    found = {(rung["representation"], rung["phase"]): rung for rung in document["ladder"]}
    for name in ("mel-r", "mel", "stft-g", "stft none", "frames linear"):
        ladder = {phase: found[name, phase]["log_spectral"] for phase in PHASES}
        assert ladder["original"] < ladder["pghi+5"] < min(ladder["random"], ladder["zero"])
        assert found[name, "zero"]["log_mel"] > found[name, "original"]["log_mel"]
    for name in ("stft if", "stft unit"):
        assert found[name, "modelled"]["log_spectral"] < 0.1
    assert found["the sounds, hop 128", ""]["log_spectral"] == 0.0
    claims = {(claim["magnitudes"], claim["phase"]): claim for claim in document["claims"]}
    assert claims["exact, 1024/128, Gaussian", "pghi+5"]["distance"] < 0.7
    assert claims["mel", "pghi+5"]["distance"] < 1.05
    assert "hardware" in document
    assert document["scale"]["seed"] == 0


@pytest.mark.parametrize(("distance", "seconds", "passed"), [(0.5, 0.3, True), (0.8, 0.3, False), (0.5, 0.7, False)])
def test_claims(distance, seconds, passed):
    claim = Claim("exact", "pghi+5", distance, 0.7, seconds, 0.1, 0.6)
    assert claim.passed == passed
    assert claims_table([claim]).splitlines()[-1].endswith("| yes |" if passed else "| no |")
    assert Claim("mel", "pghi", 9.0, None, 9.0, 9.0, None).passed


def test_bad_input_is_refused(run):
    refused(run("inversion", "--each", 0), "--each is 0")
    refused(run("inversion", "--seconds", 0.1), "--seconds is 0.1")
