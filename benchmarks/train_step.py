"""One training step through the Voice against the same step on torchsynth's modules and nnAudio's STFT."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from benchmarks.features import nnaudio_feature
from benchmarks.timing import Candidate, Measurement, measure
from benchmarks.voice import presets
from synthvae.features import Frames
from synthvae.losses import LOSSES, AudioLoss, build_loss
from synthvae.models import ARCHITECTURES, VAE
from synthvae.synths.voice.oracle import TorchsynthVoice
from synthvae.synths.voice.parameters import VOICE_63
from synthvae.synths.voice.voice import Voice
from synthvae.training.tasks.presets import Objective, Weights

__all__ = ["OTHERS", "measure_train_step"]

#: Losses whose steps are worth comparing, with their features.
OTHERS = (
    ("scl", "stft"),
    ("lmsl", "stft"),
    ("logsl", "stft"),
    ("logmel", "logmel"),
    ("sclp", "mfcc"),
    ("sclp", "cqt"),
)


class _NnAudioSclp(AudioLoss):
    """The spectral loss SCLP on nnAudio's STFT: complex difference over complex norm, per preset."""

    def __init__(self, device: str) -> None:
        super().__init__(LOSSES["sclp"].formula)
        self.stft = nnaudio_feature("stft", 44100).to(device)

    def compare(self, audio_hat: Tensor, audio: Tensor, frames: Frames) -> Tensor:
        wanted = self.stft(audio)
        error = (self.stft(audio_hat) - wanted).flatten(1).norm(dim=1)
        return error / wanted.flatten(1).norm(dim=1).clamp_min(0.1)


def measure_train_step(
    repetitions: int, seed: int, device: str = "cpu", batch: int = 256, others: Sequence[tuple[str, str]] = ()
) -> list[Measurement]:
    """Time a step of ``--loss sclp --synth-layer``: encode, decode, render both, compare, go back, update.

    Args:
        repetitions: timed rounds.
        seed: seed of presets and weights.
        device: where to compute.
        batch: presets per step.
        others: further losses and their features, timed on our side alone.

    Returns:
        Measurements; torchsynth's modules with nnAudio's STFT are the baseline.
    """
    unit = presets(batch, seed).to(device)
    voice = Voice(VOICE_63)

    def ours(loss: str, feature: str) -> Callable[[], object]:
        objective = Objective(voice, build_loss(loss, 44100, feature), through_voice=True, gradient_clip=1.0)
        return _step(objective.to(device), unit, seed, device)

    theirs = Objective(
        _AsModule(TorchsynthVoice(VOICE_63, batch, device=device)),
        _NnAudioSclp(device),
        through_voice=True,
        gradient_clip=1.0,
        rows=batch,
    )
    candidates = [
        Candidate(f"torchsynth + nnAudio, batch {batch}", _step(theirs, unit, seed, device), batch),
        Candidate(f"synthvae, batch {batch}", ours("sclp", "stft"), batch),
    ]
    candidates += [Candidate(f"synthvae, {loss} on {feature}", ours(loss, feature), batch) for loss, feature in others]
    return measure("training step, sclp through the Voice", candidates, repetitions)


class _AsModule(nn.Module):
    def __init__(self, render: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.render = render

    def forward(self, unit: Tensor) -> Tensor:
        # torchsynth's gradients are NaN on the faces that a clamped decoder output lies on.
        return self.render(unit.clamp(1e-4, 1 - 1e-4))


def _step(objective: Objective, unit: Tensor, seed: int, device: str) -> Callable[[], object]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = VAE(len(VOICE_63), ARCHITECTURES["exp1"]).to(device)
        noise = torch.randn(len(unit), model.latent_size, device=device)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4)
    weights = Weights(alpha=100.0, beta=50.0, kl=1e-3)

    def call() -> None:
        terms = objective.terms(model(unit, noise), unit)
        optimiser.zero_grad()
        weights.total({name: value.mean() for name, value in terms.items()}).backward()
        optimiser.step()

    return call
