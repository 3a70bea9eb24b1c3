"""Automatic names of presets from descriptors of their sounds."""

from synthvae.naming.sounds import Named, name_sounds

__all__ = ["Named", "name_sounds"]
