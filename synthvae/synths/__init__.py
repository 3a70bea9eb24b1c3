"""Synthesizers: what all of them have in common, their registry, their parameters, and how presets are rendered.

`base` says what a synth is and `registry` knows them by name; `parameters` holds the parameter vector and needs no
synthesizer. `voice` is torchsynth's Voice, and defines the two sets of its parameters, `VOICE_63` and `VOICE_78`.
"""

from synthvae.synths.parameters import Parameter, ParameterSpace

__all__ = ["Parameter", "ParameterSpace"]
