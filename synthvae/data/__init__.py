"""Presets and datasets of presets in JSON: drawing, reading and writing them."""
