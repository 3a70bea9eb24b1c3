"""What the modulation matrix lets each parameter reach."""

from __future__ import annotations

from synthvae.synth.reference import SOURCES, TARGETS
from synthvae.synths.parameters import ParameterSpace

__all__ = ["heard_as_pitch"]

#: Of the oscillators: what moves their phase and nothing else, but for a little of the second one's waveform.
_OSCILLATORS = tuple(
    f"{oscillator}.{part}" for oscillator in ("vco_1", "vco_2") for part in ("tuning", "mod_depth", "initial_phase")
)
_PITCHES = tuple(target for target in TARGETS if target.endswith("_pitch"))


def heard_as_pitch(parameters: ParameterSpace) -> list[str]:
    """The columns that reach the sound through the oscillators' phases alone.

    They are the pitch of the keyboard, tuning, depth and initial phase of the oscillators, the routes to pitch, and
    whatever belongs to a source of the modulation matrix from which no route to an amplitude is open. For them the
    derivative with phases held (`synthvae.synth.voice.Voice.forward`) is zero, or as good as: pitch also sets how
    steep the second oscillator's waveform is.

    Args:
        parameters: of torchsynth's Voice. A route is open if it is a column or fixed at another value than 0.

    Returns:
        Names, in the order of the columns.
    """
    open_routes = {name for name in parameters.names if name.startswith("mod_matrix.")}
    open_routes |= {name for name, value in parameters.fixed.items() if name.startswith("mod_matrix.") and value != 0}
    pitch_sources = {
        source
        for source in SOURCES
        if not any(f"mod_matrix.{source}->{target}" in open_routes for target in TARGETS if target not in _PITCHES)
    }
    # An LFO's own envelopes are called after it: lfo_1_amp_adsr, lfo_1_rate_adsr.
    modules = pitch_sources | {f"{s}_{kind}_adsr" for s in pitch_sources for kind in ("amp", "rate")}
    routes = {f"mod_matrix.{source}->{target}" for source in SOURCES for target in _PITCHES}
    held = {"keyboard.midi_f0", *_OSCILLATORS, *routes}
    return [p.name for p in parameters if p.name in held or p.module in modules]
