"""The parameter vector: what its columns are called, mean and range over.

`space` holds the object and needs no synthesizer; `voice` reads torchsynth's Voice and defines the two
sets this project uses, `VOICE_63` and `VOICE_78`.
"""

from synthvae.synths.parameters import Parameter, ParameterSpace

__all__ = ["Parameter", "ParameterSpace"]
