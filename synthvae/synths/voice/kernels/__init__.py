"""The Voice compiled with numba: arithmetic, control rate, oscillators, audio rate, and the rows of a batch.

Every module here computes what `synthvae.synths.voice.reference` defines; the derivatives are derived by hand. Private
to `synthvae.synths.voice.fast`. Importing any module loads numba; kernels are compiled on the first call.

Written for this project because torchsynth's modules with PyTorch's differentiation take nine to sixteen times as long
(README).
"""
