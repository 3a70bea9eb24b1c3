"""Latent-space exploration: decoding, encoding, morphs between presets, and variations."""

from synthvae.audio.joining import write_joined
from synthvae.data.writing import write_presets
from synthvae.exploration.latent_files import (
    Latents,
    decode_to_files,
    find_preset,
    find_presets,
    find_run,
    read_latents,
    write_latents,
)
from synthvae.exploration.morph import WAYS, Walk, blend, morph
from synthvae.exploration.paths import straight_line
from synthvae.exploration.vary import Variations, vary

__all__ = [
    "WAYS",
    "Latents",
    "Variations",
    "Walk",
    "blend",
    "decode_to_files",
    "find_preset",
    "find_presets",
    "find_run",
    "morph",
    "read_latents",
    "straight_line",
    "vary",
    "write_joined",
    "write_latents",
    "write_presets",
]
