"""The Voice compiled by numba: arithmetic, control rate, oscillators, audio rate, and the rows of a batch.

Every module here computes what `synthvae.synth.reference` defines; the derivatives are derived by hand. Private to
`synthvae.synth.fast`. Importing any of it loads numba; compiling happens on the first call.
"""
