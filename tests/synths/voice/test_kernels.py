"""The parts of the compiled Voice that can be checked on their own."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numba import njit

from synthvae.features.kernels import fourier
from synthvae.features.kernels.vector import load, root, splat, store
from synthvae.synths.voice.kernels import arithmetic, sources, spectrum
from synthvae.synths.voice.kernels.layout import BLOCK, CHUNK, LANES, NAMES, blocks, chunks
from synthvae.synths.voice.parameters import VOICE_63, VOICE_78
from synthvae.synths.voice.voice import Voice
from tests.synths.voice.cube import interior


@njit(error_model="numpy")
def evaluate(single, double, unit):
    out = np.empty((13, single.shape[0]))
    for i in range(single.shape[0]):
        turns = single[i] - np.rint(single[i])
        out[0, i], out[1, i] = arithmetic.sin_turns(turns), arithmetic.cos_turns(turns)
        out[2, i], out[3, i] = arithmetic.tanh_parts(single[i])
        out[4, i], out[5, i] = arithmetic.exp2(double[i]), arithmetic.exp2m1(double[i])
        out[6, i] = arithmetic.log2(unit[i])
        out[7, i], out[8, i] = arithmetic.sincos_64(double[i] - np.rint(double[i]))
        out[9, i] = arithmetic.exponential_ratio(np.float32(turns))
        out[10, i] = arithmetic.exponential_ratio_slope(np.float32(turns))
        out[11, i] = arithmetic.exponential_ratio_slope_64(double[i] - np.rint(double[i]))
        out[12, i] = arithmetic.small_exponential_ratio(np.float32(turns / 8))
    return out


def test_elementary_functions():
    rng = np.random.default_rng(0)
    single = (rng.normal(size=50_000) * 10.0 ** rng.uniform(-6, 1, 50_000)).astype(np.float32)
    double, unit = single.astype(np.float64), rng.uniform(size=50_000) * 10.0 ** rng.uniform(-12, 0, 50_000)
    out = evaluate(single, double, unit)
    angle = 2 * np.pi * (double - np.rint(double))
    x = double - np.rint(double)

    def relative(row: int, reference: np.ndarray) -> float:
        return float(np.max(np.abs(out[row] - reference) / np.maximum(np.abs(reference), 1e-300)))

    assert relative(0, np.sin(angle)) < 1e-6  # near all three zeros
    assert np.abs(out[1] - np.cos(angle)).max() < 1e-6
    assert relative(2, np.tanh(double)) < 1e-6
    small = np.abs(double) < 13
    assert np.max(np.abs(out[3] * np.cosh(double) ** 2 - 1)[small]) < 1e-5
    assert relative(4, np.exp2(double)) < 1e-13
    assert relative(5, np.expm1(double * math.log(2))) < 1e-13
    assert relative(6, np.log2(unit)) < 1e-13
    assert np.abs(out[7] - np.sin(angle)).max() < 1e-12
    assert np.abs(out[8] - np.cos(angle)).max() < 1e-12
    ratio = np.expm1(x * math.log(2)) / x
    assert relative(9, ratio) < 5e-7
    assert relative(12, np.expm1(x / 8 * math.log(2)) / (x / 8)) < 5e-7
    # d/dx ln((2^x - 1) / x) = ln 2 / (1 - 2^-x) - 1/x, which cancels near 0.
    away = np.abs(x) > 1e-3
    slope = math.log(2) / -np.expm1(-x * math.log(2)) - 1 / x
    assert np.abs(out[10] - slope)[away].max() < 1e-6
    assert np.abs(out[11] - slope)[away].max() < 1e-11
    assert np.abs(out[11] - math.log(2) / 2 - math.log(2) ** 2 / 12 * x)[~away].max() < 1e-11


@pytest.mark.parametrize(
    ("samples", "points"), [(44100, 441), (8000, 441), (441, 441), (300, 441), (1, 2), (44100, 2), (11025, 110)]
)
def test_blocks_cover_a_sound_once(samples: int, points: int):
    before, first, offset = blocks(samples, points)
    count = np.diff(first)
    assert first[0] == 0
    assert first[-1] == samples
    assert count.min() >= 1
    assert count.max() <= BLOCK
    place = np.repeat(offset, count) + (np.arange(samples) - np.repeat(first[:-1], count)) * (
        (points - 1) / max(samples - 1, 1)
    )
    np.testing.assert_allclose(
        np.repeat(before, count) + place, np.arange(samples) * (points - 1) / max(samples - 1, 1), atol=1e-9
    )
    assert place.min() >= 0
    assert place.max() <= 1 + 1e-9
    groups = chunks(first)
    assert groups[0] == 0
    assert groups[-1] == len(before)
    assert np.diff(first[groups]).max() <= CHUNK


def test_names_are_those_of_torchsynths_voice():
    assert sorted(NAMES) == sorted(VOICE_78.names)


def test_vectors():
    @njit
    def run(source, target):
        x, y = load(source, 3), load(source, 20)
        store(target, 1, root(x * x + splat(np.float32(2.0)) * y) / (x - y))

    source = np.random.default_rng(0).uniform(1, 2, 40).astype(np.float32)
    target = np.zeros(20, np.float32)
    run(source, target)
    x, y = source[3 : 3 + LANES], source[20 : 20 + LANES]
    np.testing.assert_allclose(target[1 : 1 + LANES], np.sqrt(x * x + 2 * y) / (x - y), rtol=1e-5)
    assert target[0] == target[1 + LANES] == 0


def test_transform_equals_numpys():
    constants = fourier.transform()
    rng = np.random.default_rng(1)
    ring = rng.normal(size=spectrum.RING * LANES).astype(np.float32)
    work = np.empty(fourier.WORK, np.float32)
    place, taper = np.empty(2 * fourier.HALF, np.int64), np.empty(2 * fourier.HALF, np.float32)
    fourier.places(0, 2000, -1, place, taper, constants.window)
    fourier.frame_spectrum(ring, 0, place, taper, work, constants.cosine, constants.sine)
    frame = ring.reshape(-1, LANES)[place].astype(np.float64) * np.hanning(2 * fourier.HALF + 1)[:-1, None]
    reference = np.fft.fft(frame[0::2] + 1j * frame[1::2], axis=0)
    real, imaginary = work.reshape(2, fourier.HALF, LANES)[:, constants.place]
    np.testing.assert_allclose(real + 1j * imaginary, reference, atol=2e-6 * np.abs(reference).max())


def test_cache_is_keyed_by_all_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = Path(sources.__file__).parents[3]
    for path in [
        *package.glob("synths/voice/*.py"),
        *package.glob("synths/voice/kernels/*.py"),
        *package.glob("features/kernels/*.py"),
        package / "features/fourier.py",
        package / "core/compile.py",
    ]:
        copy = tmp_path / path.relative_to(package)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    before = sources.sources()
    monkeypatch.setattr(sources, "__file__", str(tmp_path / "synths/voice/kernels/sources.py"))
    assert sources.sources() == before
    for name in (
        "synths/voice/kernels/lfo.py",
        "features/kernels/vector.py",
        "synths/voice/reference.py",
        "core/compile.py",
    ):
        with (tmp_path / name).open("a") as file:
            file.write("#\n")
        after = sources.sources()
        assert after != before
        before = after


def test_kernels_leave_the_arithmetic_of_their_thread_alone():
    voice = Voice(VOICE_63, 16000, 0.125, 160)
    tiny = torch.tensor([1e-40])
    unit = interior(2, 63).requires_grad_()
    voice(unit).sum().backward()
    voice.jacobian(unit)
    assert (tiny * 1.0).item() != 0
    assert (np.float32(1e-40) * np.float32(1)) != 0
