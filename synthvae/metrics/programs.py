"""Scores of reconstructions from external programs, where installed: Chromaprint and PEAQ.

Fingerprint agreement is the share of equal bits of raw codes by `fpcalc`, 32 bits for each eighth of a second; those of
unrelated sounds agree in about half. Rebnord (2022) compares compressed strings of fingerprints instead, by an edit
distance that hardly depends on the sounds. The objective difference grade is PEAQ's by `peaq` of gstPEAQ (ITU-R
BS.1387; Holters and Zölzer, "GstPEAQ", DAFx 2015), from 0 for no audible difference to about -4; it is designed for 10
to 20 s of music.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from synthvae.audio.files import write_wav
from synthvae.audio.pitch import check_sounds
from synthvae.audio.resampling import resample
from synthvae.core.errors import UserError
from synthvae.core.files import temporary_folder
from synthvae.metrics.distances import Audio

__all__ = ["CHANCE", "bit_agreement", "difference_grade", "fingerprint_agreement", "installed"]

#: Agreement of the codes of unrelated sounds.
CHANCE = 0.5
#: Minimum duration for Chromaprint in seconds, and the sample rate of PEAQ in Hz.
LEAST_SECONDS, RATE = 2.8, 48000
_BITS = 32


def installed(program: str) -> bool:
    """Whether a program, `fpcalc` or `peaq`, is installed."""
    return shutil.which(program) is not None


def fingerprint_agreement(target: Audio, reconstruction: Audio, sample_rate: int) -> NDArray[np.float64]:
    """Share of equal bits of the fingerprints of each reconstruction and its original, ``(N,)``.

    Sounds shorter than 2.8 s are repeated until they are at least that long: Chromaprint has no code for them.

    Args:
        target: targets, shape (N, T), full scale is 1.
        reconstruction: reconstructions, shape (N, T).
        sample_rate: sample rate in Hz.

    Returns:
        0.5 is chance; NaN if a sound has no fingerprint.

    Raises:
        UserError: if `fpcalc` is not installed.
    """
    times = int(np.ceil(LEAST_SECONDS * sample_rate / target.shape[1]))
    return _score("fpcalc", _agreement, target, reconstruction, sample_rate, times)


def difference_grade(target: Audio, reconstruction: Audio, sample_rate: int) -> NDArray[np.float64]:
    """PEAQ's objective difference grade of each reconstruction, ``(N,)``, from about 0 to -4.

    Each sound is played twice in a row, as in Rebnord (2022), since short ones have no grade. Arguments as in
    `fingerprint_agreement`; computed at 48 kHz.

    Returns:
        NaN if there is no grade.

    Raises:
        UserError: if `peaq` is not installed.
    """
    return _score("peaq", _grade, target, reconstruction, sample_rate, 2)


def bit_agreement(first: NDArray[np.integer], second: NDArray[np.integer]) -> float:
    """Share of equal bits of the 32-bit codes that two fingerprints have in common; NaN if there are none."""
    count = min(len(first), len(second))
    if not count:
        return float("nan")
    differing = np.bitwise_count(first[:count].astype(np.uint32) ^ second[:count].astype(np.uint32))
    return float(1.0 - differing.mean() / _BITS)


def _score(
    program: str,
    score: Callable[[Path, Path], float],
    target: Audio,
    reconstruction: Audio,
    sample_rate: int,
    times: int,
) -> NDArray[np.float64]:
    """Score of each pair of files, with sounds repeated and resampled to 48 kHz."""
    pairs = check_sounds(target, "targets"), check_sounds(reconstruction, "reconstructions")
    if pairs[0].shape != pairs[1].shape:
        raise ValueError(f"targets {tuple(pairs[0].shape)} and reconstructions {tuple(pairs[1].shape)} differ")
    if not installed(program):
        raise UserError(program, program, "install it", "the program is not installed")
    scores = []
    with tempfile.TemporaryDirectory(dir=temporary_folder()) as folder:
        files = Path(folder) / "target.wav", Path(folder) / "reconstruction.wav"
        for sounds in zip(*pairs, strict=True):
            for sound, file in zip(sounds, files, strict=True):
                repeated = resample(np.tile(sound.double().numpy(), times), sample_rate, RATE)
                write_wav(file, repeated, RATE, "int16")
            scores.append(score(*files))
    return np.array(scores, dtype=np.float64)


def _agreement(target: Path, reconstruction: Path) -> float:
    return bit_agreement(*(_codes(file) for file in (target, reconstruction)))


def _codes(file: Path) -> NDArray[np.uint32]:
    """Raw codes of a file; empty if the program finds none."""
    found = subprocess.run(["fpcalc", "-raw", "-json", str(file)], capture_output=True, check=False)
    if found.returncode:
        return np.empty(0, np.uint32)
    return np.array(orjson.loads(found.stdout)["fingerprint"], dtype=np.int64).astype(np.uint32)


def _grade(target: Path, reconstruction: Path) -> float:
    found = subprocess.run(["peaq", str(target), str(reconstruction)], capture_output=True, text=True, check=False)
    grade = re.search(r"Objective Difference Grade:\s*(-?[0-9.]+)", found.stdout)
    return float(grade[1]) if grade else float("nan")
