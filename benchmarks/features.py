"""Features against nnAudio's on the same settings."""

from __future__ import annotations

import functools
import importlib.util
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.timing import Candidate, Measurement, measure
from synthvae.features import build_feature, stft_powers

__all__ = ["measure_features", "nnaudio_feature"]


def nnaudio_feature(name: str, sample_rate: int) -> nn.Module:
    """NnAudio's transform with the settings of ours.

    Args:
        name: ``stft``, ``mfcc`` or ``cqt``.
        sample_rate: Hz.

    Returns:
        A module from audio ``(B, T)`` to its feature; STFT and CQT as (real, imaginary) pairs.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nnAudio import features

        if name == "stft":
            return features.STFT(n_fft=2048, hop_length=512, sr=sample_rate, output_format="Complex", verbose=False)
        if name == "mfcc":
            return features.MFCC(sr=sample_rate, verbose=False)
        return features.CQT1992v2(sr=sample_rate, output_format="Complex", verbose=False)


def measure_features(repetitions: int, seed: int, device: str = "cpu", batch: int = 64) -> list[Measurement]:
    """Transform one-second sounds at 44.1 kHz, forward, and forward and backward.

    Args:
        repetitions: timed rounds.
        seed: seed of the noise.
        device: where to compute.
        batch: sounds per call.

    Returns:
        Measurements; nnAudio is the baseline of each, PyTorch's own STFT that of the log-mel and of powers. Where the
        packages specux or auvux-dsp are installed (`pip install specux`, 165 MB), they are beside ours for powers.
    """
    audio = torch.randn(batch, 44100, generator=torch.Generator().manual_seed(seed)).mul(0.1).to(device)
    window = torch.hann_window(2048, device=device)

    def torch_stft(x: Tensor) -> Tensor:
        return torch.view_as_real(torch.stft(x, 2048, 512, window=window, return_complex=True))

    results = []
    for name in ("stft", "mfcc", "cqt", "logmel"):
        ours = build_feature(name, 44100).to(device)
        ways: list[tuple[str, Callable[[Tensor], Tensor]]] = []
        if name != "logmel":
            ways.append(("nnAudio", nnaudio_feature(name, 44100).to(device)))
        if name in ("stft", "logmel"):
            ways.append(("torch.stft", torch_stft))
        ways.append(("synthvae", _real(ours.spectrum)))
        for task, wrap in ((" forward", _forward), (" forward + backward", _forward_backward)):
            candidates = [Candidate(f"{way}, batch {batch}", wrap(call, audio), batch) for way, call in ways]
            results += measure(name + task, candidates, repetitions)
    for task, wrap in ((" forward", _forward), (" forward + backward", _forward_backward)):
        candidates = [Candidate(f"{way}, batch {batch}", wrap(call, audio), batch) for way, call in _powers(window)]
        results += measure("stft power" + task, candidates, repetitions)
    return results


def _powers(window: Tensor) -> list[tuple[str, Callable[[Tensor], Tensor]]]:
    """Ways to the powers of the same transform; those of other packages where they are installed."""

    def pytorch(x: Tensor) -> Tensor:
        spectrum = torch.stft(x, 2048, 512, window=window, return_complex=True)
        return spectrum.real.square() + spectrum.imag.square()

    ways: list[tuple[str, Callable[[Tensor], Tensor]]] = [("torch.stft", pytorch), ("synthvae", stft_powers)]
    for package, more in (("specux", {}), ("auvux.dsp", {"sr": 44100, "pad_mode": "reflect"})):
        if importlib.util.find_spec(package.split(".")[0]):
            module = importlib.import_module(package)
            transform = functools.partial(module.stft, n_fft=2048, hop_length=512, output="power", **more)
            ways.append((package, transform))
    return ways


def _real(spectrum: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def call(audio: Tensor) -> Tensor:
        values = spectrum(audio)
        return torch.view_as_real(values) if values.is_complex() else values

    return call


def _forward(call: Callable[[Tensor], Tensor], audio: Tensor) -> Callable[[], object]:
    def run() -> None:
        with torch.inference_mode():
            call(audio)

    return run


def _forward_backward(call: Callable[[Tensor], Tensor], audio: Tensor) -> Callable[[], object]:
    def run() -> None:
        leaf = audio.clone().requires_grad_()
        torch.autograd.grad(call(leaf).square().mean(), leaf)

    return run
