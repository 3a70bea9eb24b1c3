"""The Voice against torchsynth's own modules: speed and equality."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.memory import PEAK_MEMORY
from benchmarks.timing import Candidate, Measurement, measure
from synthvae.core.provenance import hardware, versions
from synthvae.features import build_feature
from synthvae.synths.parameters import ParameterSpace
from synthvae.synths.voice.equality import Difference, compare_with_torchsynth
from synthvae.synths.voice.oracle import TorchsynthVoice
from synthvae.synths.voice.parameters import VOICE_63, VOICE_78
from synthvae.synths.voice.voice import Voice

__all__ = ["check_equality", "first_call_seconds", "measure_voice", "peak_memory"]

#: Batch sizes at which torchsynth is tried; it is slower beyond 128.
TORCHSYNTH_BATCHES = (32, 64, 128)
BATCHES = (1, 16, 128, 1024)

Render = Callable[[Tensor], Tensor]


def presets(n: int, seed: int, space: ParameterSpace = VOICE_63) -> Tensor:
    """Random presets ``(n, P)``."""
    return torch.rand(n, len(space), generator=torch.Generator().manual_seed(seed))


def forward(render: Render, unit: Tensor) -> Callable[[], object]:
    """A call that renders without gradients."""

    def call() -> None:
        with torch.inference_mode():
            render(unit)

    return call


def forward_backward(render: Render, unit: Tensor) -> Callable[[], object]:
    """A call that renders, compares with silence by mean square, and computes the gradient."""

    def call() -> None:
        leaf = unit.clone().requires_grad_()
        torch.autograd.grad(render(leaf).square().mean(), leaf)

    return call


def measure_voice(repetitions: int, seed: int, device: str = "cpu") -> list[Measurement]:
    """Render one-second sounds at 44.1 kHz, forward, forward and backward, and as a Jacobian.

    Args:
        repetitions: timed rounds.
        seed: seed of the presets.
        device: where to render.

    Returns:
        Measurements; torchsynth's modules at their best batch size are the baseline of every task.
    """
    voice = Voice(VOICE_63).to(device)
    theirs = {n: TorchsynthVoice(VOICE_63, n, device=device) for n in TORCHSYNTH_BATCHES}
    results: list[Measurement] = []
    for group, task in (("forward", forward), ("forward + backward", forward_backward)):
        trial = [Candidate(str(n), task(render, presets(n, seed).to(device)), n) for n, render in theirs.items()]
        best = int(max(measure(group, trial, 2), key=lambda m: m.rate).name)
        candidates = [Candidate(f"torchsynth, batch {best}", task(theirs[best], presets(best, seed).to(device)), best)]
        candidates += [Candidate(f"synthvae, batch {n}", task(voice, presets(n, seed).to(device)), n) for n in BATCHES]
        results += measure(group, candidates, repetitions)
    return results + _measure_jacobian(voice, theirs, repetitions, seed, device)


def _measure_jacobian(
    voice: Voice, theirs: dict[int, TorchsynthVoice], repetitions: int, seed: int, device: str
) -> list[Measurement]:
    """The perceptual Jacobian of one preset, beside as many torchsynth renders as there are directions."""
    feature = build_feature("logmel", voice.sample_rate).to(device)
    one = presets(1, seed).to(device)
    directions = len(VOICE_63)
    render = theirs[64]
    group = "Jacobian of the log-mel, 63 directions"
    return measure(
        group,
        [
            Candidate(f"torchsynth, {directions} renders", forward(render, presets(64, seed).to(device)), 64),
            Candidate("synthvae, one Jacobian", lambda: voice.jacobian(one, feature), directions),
        ],
        repetitions,
    )


def first_call_seconds(repetitions: int) -> list[float]:
    """Seconds from the first call of a Voice to its samples, each in a new process, kernels cached on disk."""
    code = (
        "import time, torch\nfrom synthvae import VOICE_63, Voice\n"
        "voice, unit = Voice(VOICE_63), torch.full((1, 63), 0.4)\n"
        "start = time.perf_counter()\nvoice(unit)\nprint(time.perf_counter() - start)"
    )
    return [
        float(subprocess.run([sys.executable, "-P", "-c", code], check=True, capture_output=True, text=True).stdout)
        for _ in range(repetitions + 1)
    ][1:]


def peak_memory(sounds: int = 1024) -> float:
    """Peak memory in GiB of a new process that renders so many sounds forward and backward."""
    code = (
        f"{PEAK_MEMORY}\nimport torch\nfrom synthvae import VOICE_63, Voice\n"
        f"unit = torch.rand({sounds}, 63, requires_grad=True)\n"
        "Voice(VOICE_63)(unit).square().mean().backward()\n"
        "print(peak_memory())"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)


def check_equality(count: int, seed: int) -> tuple[list[str], bool]:
    """Compare one-second sounds at 44.1 kHz with torchsynth's modules wired with the same noise.

    Args:
        count: how many random presets.
        seed: seed of the presets.

    Returns:
        Lines for people (for each parameter set and type, the largest and the mean absolute difference of samples,
        and in float32 the distance of both from float64), and whether the Voice passes (`Equality.passed`).
    """
    machine, packages = hardware(), versions()
    lines = [
        f"{machine['processor']}, torch {packages['torch']}, torchsynth {packages['torchsynth']}",
        f"{count} presets, seed {seed}, one second at 44,100 Hz; absolute differences of samples",
    ]
    passed = True
    for name, space in (("VOICE_63", VOICE_63), ("VOICE_78", VOICE_78)):
        found = compare_with_torchsynth(space, count, seed)
        lines += [
            _line(f"{name} float64, ours against torchsynth's", found.double),
            _line(f"{name} float32, ours against torchsynth's", found.single),
            _line(f"{name} float32, ours against float64", found.ours),
            _line(f"{name} float32, torchsynth's against float64", found.theirs),
        ]
        passed &= found.passed
    return [*lines, "passed" if passed else "FAILED: please report this output"], passed


def _line(what: str, difference: Difference) -> str:
    return f"{what:48} largest {difference.largest:.2e}  mean {difference.mean:.2e}"
