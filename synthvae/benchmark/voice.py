"""The Voice against torchsynth's own modules."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from synthvae.parameters.voice import VOICE_63, VOICE_78
from synthvae.provenance import hardware, versions
from synthvae.synth.torchsynth_voice import TorchsynthVoice
from synthvae.synth.voice import Voice

__all__ = ["check_equality"]


def check_equality(presets: int, seed: int) -> Iterator[str]:
    """Compare one-second sounds at 44.1 kHz with torchsynth's modules wired with the same noise.

    Args:
        presets: how many random presets.
        seed: of the presets.

    Yields:
        Lines for people: for each parameter set and type, the largest and the mean absolute difference of
        samples, and in float32 the distance of both from float64.
    """
    machine, packages = hardware(), versions()
    yield f"{machine['processor']}, torch {packages['torch']}, torchsynth {packages['torchsynth']}"
    yield f"{presets} presets, seed {seed}, one second at 44,100 Hz; absolute differences of samples"
    for name, space in (("VOICE_63", VOICE_63), ("VOICE_78", VOICE_78)):
        unit = torch.rand(presets, len(space), generator=torch.Generator().manual_seed(seed))
        voice = Voice(space)
        with torch.inference_mode():
            exact = TorchsynthVoice(space, presets, dtype=torch.float64)(unit.double())
            ours, theirs = voice(unit), TorchsynthVoice(space, presets)(unit)
            yield _line(f"{name} float64, ours against torchsynth's", voice(unit.double()) - exact)
        yield _line(f"{name} float32, ours against torchsynth's", ours - theirs)
        yield _line(f"{name} float32, ours against float64", ours - exact)
        yield _line(f"{name} float32, torchsynth's against float64", theirs - exact)


def _line(what: str, difference: torch.Tensor) -> str:
    return f"{what:48} largest {difference.abs().max():.2e}  mean {difference.abs().mean():.2e}"
