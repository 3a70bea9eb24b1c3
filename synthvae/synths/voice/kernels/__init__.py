"""The Voice compiled by numba: arithmetic, control rate, oscillators, audio rate, and the rows of a batch.

Every module here computes what `synthvae.synths.voice.reference` defines; the derivatives are derived by hand. Private
to `synthvae.synths.voice.fast`. Importing any of it loads numba; compiling happens on the first call.

Ours, because torchsynth's modules under PyTorch's own differentiation take nine to sixteen times as long (README).
"""
