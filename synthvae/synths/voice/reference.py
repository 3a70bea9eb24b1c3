"""Reference implementation of the Voice in plain PyTorch, differentiable in every parameter.

The signal flow and every formula are those of torchsynth 1.0.2 (``torchsynth/module.py`` and ``synth.Voice``; Turian
et al., DAFx 2021), in the same order of operations, so that float32 audio on a CPU is bitwise equal to that of
torchsynth's modules. The only difference is guards: wherever a derivative is infinite or 0/0 although the value is
finite, the singular input is replaced before the operation *and* the result is selected after it. One ``where`` is
not enough, because the branch that was not selected passes 0 * inf = NaN back. No guard changes a value, with one
exception: if all five shapes of an LFO are 0, torchsynth returns NaN; here they count as equal.

All signals are ``(B, T)`` at audio rate or ``(B, C)`` at control rate; parameters are ``(B, 1)`` in human units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["EPSILON", "LFO_EXPONENT", "LFO_SHAPES", "SOURCES", "TARGETS", "limit", "render"]

SOURCES = ("adsr_1", "adsr_2", "lfo_1", "lfo_2")
TARGETS = ("vco_1_pitch", "vco_1_amp", "vco_2_pitch", "vco_2_amp", "noise_amp")
LFO_SHAPES = ("sin", "tri", "saw", "rsaw", "sqr")
#: torchsynth's ``SynthConfig.eps``: makes the first sample of a ramp positive.
EPSILON = 1e-6
#: e as torchsynth rounds it to float32.
LFO_EXPONENT = 2.7182817459106445
#: Below this share all five shapes of an LFO count as 0 (their powers underflow in float32).
LFO_SILENT = 1e-12

Values = Mapping[str, Tensor]


def render(
    values: Values, noise: Tensor, control_size: int, sample_rate: float, control_rate: float, hold_phases: bool = False
) -> Tensor:
    """Render presets to audio ``(B, T)`` in [-1, 1].

    Args:
        values: all 78 parameters of torchsynth's Voice by name, each ``(B, 1)``, in human units.
        noise: white noise ``(T,)`` in [-1, 1], the same for every preset.
        control_size: number of control points, C.
        sample_rate: sample rate in Hz.
        control_rate: rate of control signals in Hz.
        hold_phases: whether the phases of both oscillators are constants in the backward pass.
    """
    modulation = control_signals(values, control_size, control_rate)
    upsampled = {name: _upsample(signal, noise.shape[0]) for name, signal in modulation.items()}
    phases = [_phase(values, name, upsampled[f"{name}_pitch"], sample_rate) for name in ("vco_1", "vco_2")]
    phase_1, phase_2 = (phase.detach() for phase in phases) if hold_phases else phases
    vco_1, vco_2 = torch.cos(phase_1), _square_saw(values, phase_2)
    signals = torch.stack(
        [vco_1 * upsampled["vco_1_amp"], vco_2 * upsampled["vco_2_amp"], noise * upsampled["noise_amp"]], dim=1
    )
    levels = torch.stack([values[f"mixer.{name}"] for name in ("vco_1", "vco_2", "noise")], dim=2)
    return _normalise_if_clipping(_mix(levels, signals).squeeze(1))


def control_signals(values: Values, size: int, rate: float) -> dict[str, Tensor]:
    """Envelopes, LFOs and the modulation matrix: the five modulation signals ``(B, C)`` by target name."""
    envelope = {
        name: _adsr(values, name, size, rate)
        for name in ("lfo_1_rate_adsr", "lfo_2_rate_adsr", "lfo_1_amp_adsr", "lfo_2_amp_adsr", "adsr_1", "adsr_2")
    }
    lfo_1 = _lfo(values, "lfo_1", envelope["lfo_1_rate_adsr"], rate) * envelope["lfo_1_amp_adsr"]
    lfo_2 = _lfo(values, "lfo_2", envelope["lfo_2_rate_adsr"], rate) * envelope["lfo_2_amp_adsr"]
    sources = torch.stack([envelope["adsr_1"], envelope["adsr_2"], lfo_1, lfo_2], dim=1)
    routes = torch.stack(
        [torch.cat([values[f"mod_matrix.{source}->{target}"] for source in SOURCES], dim=1) for target in TARGETS],
        dim=1,
    )
    return dict(zip(TARGETS, _mix(routes, sources).unbind(1), strict=True))


def _adsr(values: Values, name: str, size: int, rate: float) -> Tensor:
    """Attack, decay and release as a product of three ramps; the end of the note truncates attack and decay."""
    attack, decay, sustain, release, alpha = (
        values[f"{name}.{part}"] for part in ("attack", "decay", "sustain", "release", "alpha")
    )
    note_on = values["keyboard.duration"]
    held_attack = torch.minimum(attack, note_on)
    held_decay = torch.minimum(limit(note_on - attack, low=0.0), decay)
    points = torch.arange(size, dtype=attack.dtype, device=attack.device).expand(attack.shape[0], size)
    rising = _ramp(points, held_attack * rate, alpha)
    falling = _ramp(limit(points - held_attack * rate, low=0.0), held_decay * rate, alpha, inverse=True)
    releasing = _ramp(limit(points - note_on * rate, low=0.0), release * rate, alpha, inverse=True)
    return rising * ((1.0 - sustain) * falling + sustain) * releasing


def _ramp(elapsed: Tensor, duration: Tensor, alpha: Tensor, inverse: bool = False) -> Tensor:
    """min((elapsed + eps)/duration + eps, 1)^alpha, or 1 minus that if inverse; 1 where the duration is 0.

    `elapsed` ``(B, C)`` is the number of control points since the start of the ramp, `duration` ``(B, 1)`` its length.
    """
    # After its end a ramp is constant: its derivative is 0 there even where that of the quotient is infinite.
    running = elapsed + EPSILON < duration
    quotient = (elapsed + EPSILON) / torch.where(running, duration, 1.0) + EPSILON
    ramp = torch.where(running, limit(quotient, high=1.0), 1.0)
    if inverse:
        ramp = torch.where(duration > 0.0, 1.0 - ramp, ramp)
    positive = ramp > 0.0
    return torch.where(positive, torch.pow(torch.where(positive, ramp, 1.0), alpha), 0.0)


def _lfo(values: Values, name: str, rate_envelope: Tensor, rate: float) -> Tensor:
    """Mixture of five shapes of one phase; the weights are raised to a power and normalised to sum 1."""
    modulation = values[f"{name}.mod_depth"] * rate_envelope
    frequency = limit(values[f"{name}.frequency"] + modulation, low=0.0)
    phase = torch.cumsum(2 * math.pi * frequency / rate, dim=1) + values[f"{name}.initial_phase"]
    cosine = torch.cos(phase + math.pi)
    square = (torch.sign(cosine) + 1.0) / 2.0
    cosine = (cosine + 1.0) / 2.0
    saw = torch.remainder(phase, 2 * math.pi) / (2 * math.pi)
    triangle = torch.where(2 * saw > 1.0, 2.0 - 2 * saw, 2 * saw)
    shapes = torch.stack([cosine, triangle, saw, 1.0 - saw, square], dim=1)

    share = torch.cat([values[f"{name}.{shape}"] for shape in LFO_SHAPES], dim=1)
    largest = share.detach().amax(dim=1, keepdim=True)
    silent = largest < LFO_SILENT
    # The mixture is invariant to a common scale of all shares: tiny ones are scaled up, so that their powers do not
    # underflow, and for the same reason the gradient with the scale as a constant is exact.
    share = torch.where(silent, 1.0, share / torch.where((largest < 1e-3) & ~silent, largest, 1.0))
    mode = torch.pow(share, LFO_EXPONENT)
    mode = mode / mode.sum(dim=1, keepdim=True)
    return _mix(mode.unsqueeze(1), shapes).squeeze(1)


def _upsample(control: Tensor, size: int) -> Tensor:
    """Linear interpolation from ``(B, C)`` to ``(B, size)``, with the first and last points aligned."""
    return F.interpolate(control.unsqueeze(1), size, mode="linear", align_corners=True).squeeze(1)


def _phase(values: Values, name: str, pitch_modulation: Tensor, sample_rate: float) -> Tensor:
    """Phase in rad of an oscillator whose pitch, clamped to MIDI 0 to 127, follows a modulation signal."""
    base = values["keyboard.midi_f0"] + values[f"{name}.tuning"]
    pitch = limit(base + values[f"{name}.mod_depth"] * pitch_modulation, 0.0, 127.0)
    return torch.cumsum(2 * math.pi * _midi_to_hz(pitch) / sample_rate, dim=1) + values[f"{name}.initial_phase"]


def _square_saw(values: Values, phase: Tensor) -> Tensor:
    """Square-to-saw waveform by tanh waveshaping (Lazzarini and Timoney, Computer Music Journal 34(1), 2010)."""
    depth = values["vco_2.mod_depth"]
    highest = values["keyboard.midi_f0"] + values["vco_2.tuning"] + limit(depth, low=0.0)
    f0 = _midi_to_hz(highest)
    partials = 12000 / (f0 * torch.log10(f0))
    square = torch.tanh(math.pi * partials * torch.sin(phase) / 2)
    shape = values["vco_2.shape"]
    return (1 - shape / 2) * square * (1 + shape * torch.cos(phase))


def limit(signal: Tensor, low: float = -math.inf, high: float = math.inf) -> Tensor:
    """`torch.clamp` with derivative 1 at the limits too, as before PyTorch 2.15, which made it 0 there.

    Presets on faces of the cube are at the limits: at MIDI note 127 the derivative by pitch would be 0.
    """
    signal = signal if low == -math.inf else torch.where(signal < low, low, signal)
    return signal if high == math.inf else torch.where(signal > high, high, signal)


def _mix(weights: Tensor, signals: Tensor) -> Tensor:
    """``(B, M, N) @ (B, N, T)``, summed in a fixed order."""
    out = weights[:, :, :1] * signals[:, None, 0]
    for i in range(1, signals.shape[1]):
        out = torch.addcmul(out, weights[:, :, i : i + 1], signals[:, None, i])
    return out


def _midi_to_hz(midi: Tensor) -> Tensor:
    return 440.0 * torch.exp2((midi - 69.0) / 12.0)


def _normalise_if_clipping(signal: Tensor) -> Tensor:
    """Divide a row by its peak if the peak is above 1."""
    peak = signal.abs().max(dim=1, keepdim=True).values
    return signal / torch.where(peak > 1.0, peak, 1.0)
