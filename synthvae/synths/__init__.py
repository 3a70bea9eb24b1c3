"""Synthesizers: base classes, registry, parameter spaces, and rendering of presets.

`base` defines the interface of a synth and `registry` finds synths by name; `parameters` holds the parameter vector and
needs no synthesizer. `voice` is torchsynth's Voice with its two parameter sets, `VOICE_63` and `VOICE_78`.
"""

from synthvae.synths.parameters import Parameter, ParameterSpace

__all__ = ["Parameter", "ParameterSpace"]
