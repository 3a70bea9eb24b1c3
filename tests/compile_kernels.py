"""Compile the kernels once, before the workers of a test run would each do it: ``python -m tests.compile_kernels``."""

from __future__ import annotations

import torch

from synthvae import VOICE_63, Voice
from synthvae.features import build_feature
from synthvae.losses import build_loss


def compile_kernels() -> None:
    """Call what most tests call: the Voice in all its modes, log-mel, and the losses that are kernels."""
    unit = torch.rand(2, len(VOICE_63), generator=torch.Generator().manual_seed(0))
    voice = Voice(VOICE_63, seconds=0.25)
    target = voice(unit.flip(0))
    logmel = build_feature("logmel", 44100)
    logmel(target)
    voice.jacobian(unit, logmel)
    for name, feature in (("sclp", "stft"), ("scl", "stft"), ("logmel", "logmel"), ("sclp", "mfcc")):
        wanted = unit.clone().requires_grad_()
        build_loss(name, 44100, feature)(voice(wanted), target).mean().backward()


if __name__ == "__main__":
    compile_kernels()
