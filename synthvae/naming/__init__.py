"""Names and descriptors that are measured of sounds: what a preset is called when nobody has named it."""

from synthvae.naming.measures import DESCRIPTORS, Descriptor
from synthvae.naming.notes import note_name, parse_note
from synthvae.naming.sounds import Named, name_sounds

__all__ = ["DESCRIPTORS", "Descriptor", "Named", "name_sounds", "note_name", "parse_note"]
