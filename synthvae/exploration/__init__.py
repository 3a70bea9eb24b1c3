"""Latent-space exploration: decoding, encoding, morphs between presets, and variations."""

from synthvae.audio.joining import write_joined
from synthvae.data.writing import write_presets
from synthvae.exploration.drawing import draw_presets, why_left_out
from synthvae.exploration.latent_files import (
    Latents,
    decoded_presets,
    find_preset,
    find_presets,
    find_run,
    read_latents,
    write_latents,
    write_listening,
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
    "decoded_presets",
    "draw_presets",
    "find_preset",
    "find_presets",
    "find_run",
    "morph",
    "read_latents",
    "straight_line",
    "vary",
    "why_left_out",
    "write_joined",
    "write_latents",
    "write_listening",
    "write_presets",
]
