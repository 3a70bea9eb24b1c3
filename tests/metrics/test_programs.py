"""The external programs are rarely installed: stand-ins on the path print their arguments."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from synthvae.metrics.programs import bit_agreement, difference_grade, fingerprint_agreement, installed
from tests.errors import user_error

SOUNDS = torch.sin(torch.arange(16000) * torch.tensor([[0.1], [0.3]]))


def stand_in(folder: Path, name: str, script: str, patch: pytest.MonkeyPatch) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    patch.setenv("PATH", str(folder), prepend=":")


def test_bits_of_codes_agree():
    first = np.array([0, 0xFFFFFFFF, 0b1111], np.uint32)
    assert bit_agreement(first, first) == 1.0
    assert bit_agreement(first, ~first) == 0.0
    assert bit_agreement(first[:1], np.array([0xFFFF, 7], np.uint32)) == 0.5, "over the codes that both have"
    random = np.random.default_rng(0).integers(0, 2**32, (2, 1000), np.uint32)
    assert bit_agreement(*random) == pytest.approx(0.5, abs=0.01)
    assert np.isnan(bit_agreement(first, first[:0]))


def test_fingerprints_of_repeated_sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # A code of the file's size in bytes, so that lengths show; negative as fpcalc prints signed ones.
    script = (
        'size=$(wc -c < "$3"); echo "{\\"duration\\": 1, \\"fingerprint\\": [$size, -1]}"; echo "$1 $2 $size" >> '
        + str(tmp_path / "log")
    )
    stand_in(tmp_path, "fpcalc", script, monkeypatch)
    assert fingerprint_agreement(SOUNDS, 0.5 * SOUNDS, 16000).tolist() == [1.0, 1.0]
    calls = (tmp_path / "log").read_text().split("\n")
    assert len(calls) == 5
    assert calls[0].startswith("-raw -json ")
    assert int(calls[0].split()[2]) == pytest.approx(3 * 48000 * 2, abs=2000), "3 s of 16 bits at 48 kHz"
    stand_in(tmp_path, "fpcalc", "exit 3", monkeypatch)
    assert np.isnan(fingerprint_agreement(SOUNDS, SOUNDS, 16000)).all()


def test_grades_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stand_in(tmp_path, "peaq", 'echo "Objective Difference Grade: -3.645"; echo "Distortion Index: -2.9"', monkeypatch)
    assert difference_grade(SOUNDS, SOUNDS, 16000).tolist() == [-3.645, -3.645]
    stand_in(tmp_path, "peaq", 'echo "Objective Difference Grade: -nan"', monkeypatch)
    assert np.isnan(difference_grade(SOUNDS, SOUNDS, 16000)).all()


def test_what_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    assert not installed("peaq")
    with user_error("peaq", "peaq"):
        difference_grade(SOUNDS, SOUNDS, 16000)


@pytest.mark.skipif(shutil.which("fpcalc") is None, reason="needs fpcalc")
def test_unrelated_noises_agree_by_chance():
    noises = torch.randn(2, 64000, generator=torch.Generator().manual_seed(0)) * 0.1
    assert fingerprint_agreement(noises, noises, 16000).tolist() == [1.0, 1.0]
    assert 0.35 < fingerprint_agreement(noises[:1], noises[1:], 16000)[0] < 0.65
