"""Presets, datasets of presets and libraries of recordings: generating, reading and writing."""
