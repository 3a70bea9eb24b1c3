"""Share of presets for which a loss's gradient points towards the right pitch.

A preset is rendered, and rendered again with the keyboard's pitch moved; the gradient of the loss by that pitch,
through the Voice, should have the sign of the move, so that a step against it leads back. By chance it does so half
the time. After Turian and Henry, "I'm Sorry for Your Loss", 2020, and the tables of Uzrad et al., "DiffMoog", 2024.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.voice import presets
from synthvae.losses import LOSSES, AudioLoss, build_loss
from synthvae.synths.voice.parameters import VOICE_63
from synthvae.synths.voice.voice import Voice

__all__ = ["CENTS", "LossMeasurement", "interval", "loss_table", "measure_losses", "pitch_direction"]

CENTS = (50, 300, 600)
BATCH = 32
_PITCH = "keyboard.midi_f0"


@dataclass(frozen=True)
class LossMeasurement:
    """What was measured of one loss on one feature.

    Attributes:
        loss: its name.
        feature: what it compares; empty for a loss with transforms of its own.
        right: share of gradients that point the right way, by distance in cents.
        trials: gradients behind each share.
        milliseconds: milliseconds for one sound and its target, forward and backward, the Voice included.
    """

    loss: str
    feature: str
    right: dict[int, float]
    trials: int
    milliseconds: float


def measure_losses(
    count: int,
    seed: int,
    names: Sequence[str] | None = None,
    progress: Callable[[int, str], object] = lambda done, what: None,
) -> list[LossMeasurement]:
    """Score every loss on every feature it takes.

    Args:
        count: presets of one second at 44.1 kHz; each is moved up and down.
        seed: seed of the presets.
        names: losses; all by default.
        progress: called with the number of combinations done and the one that is next.

    Returns:
        One measurement per loss and feature.
    """
    voice = Voice(VOICE_63)
    unit = presets(count, seed)
    chosen = combinations(names)
    results = []
    for number, (name, feature) in enumerate(chosen):
        progress(number, f"{name} {feature}".strip())
        loss = build_loss(name, voice.sample_rate, feature or "auto")
        start = time.perf_counter()
        right = {cents: pitch_direction(loss, voice, unit, cents) for cents in CENTS}
        spent = time.perf_counter() - start
        results.append(LossMeasurement(name, feature, right, 2 * count, 1000 * spent / (2 * count * len(CENTS))))
    progress(len(chosen), "")
    return results


def combinations(names: Sequence[str] | None = None) -> list[tuple[str, str]]:
    """Every loss on sound with every feature it takes, or with none."""
    return [
        (name, feature)
        for name, spec in LOSSES.items()
        if spec.compares == "audio" and (names is None or name in names)
        for feature in spec.features or ("",)
    ]


def pitch_direction(loss: AudioLoss, voice: nn.Module, unit: Tensor, cents: float) -> float:
    """The share of presets and directions for which the gradient points to the right pitch.

    Args:
        loss: compares two batches of audio.
        voice: Voice with the parameters `VOICE_63`.
        unit: presets ``(N, 63)``; their pitch is moved into the range in which both moves end.
        cents: how far the reconstruction's pitch lies from the target's.

    Returns:
        Between 0 and 1; a gradient of exactly 0 points nowhere and counts as wrong.
    """
    column = VOICE_63.index(_PITCH)
    keyboard = VOICE_63.parameters[column]
    step = cents / 100 / (keyboard.maximum - keyboard.minimum)
    unit = unit.clone()
    unit[:, column] = step + (1 - 2 * step) * unit[:, column]
    right = 0
    for part in unit.split(BATCH):
        with torch.no_grad():
            target = voice(part)
        for sign in (-1.0, 1.0):
            moved = part.clone()
            moved[:, column] += sign * step
            moved.requires_grad_()
            loss(voice(moved), target).sum().backward()
            assert moved.grad is not None
            right += int((torch.sign(moved.grad[:, column]) == sign).sum())
    return right / (2 * len(unit))


def interval(share: float, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval of a share (Wilson 1927, JASA 22:209)."""
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2))
    return centre - half, centre + half


def loss_table(results: Sequence[LossMeasurement]) -> str:
    """Measurements as a Markdown table, the null in its first row."""
    heads = [f"{cents} cents" for cents in CENTS]
    lines = [
        f"| loss | feature | {' | '.join(heads)} | ms a sound |",
        "|---|---|" + "---|" * (len(CENTS) + 1),
        f"| chance | | {' | '.join('0.50' for _ in CENTS)} | |",
    ]
    for r in results:
        shares = []
        for cents in CENTS:
            low, high = interval(r.right[cents], r.trials)
            shares.append(f"{r.right[cents]:.2f} ({low:.2f} to {high:.2f})")
        lines.append(f"| `{r.loss}` | {r.feature or 'its own'} | {' | '.join(shares)} | {r.milliseconds:.1f} |")
    return "\n".join(lines)
