"""Names and descriptors that are measured of sounds: what a preset is called when nobody has named it."""

from synthvae.naming.sounds import Named, name_sounds

__all__ = ["Named", "name_sounds"]
