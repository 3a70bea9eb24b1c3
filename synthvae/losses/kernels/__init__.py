"""Compiled losses on waveforms and spectra: value and gradient of float32 sounds in one pass."""
