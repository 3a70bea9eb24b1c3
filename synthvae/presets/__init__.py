"""Presets as people keep them: datasets and single presets in JSON, sounds in WAV."""
