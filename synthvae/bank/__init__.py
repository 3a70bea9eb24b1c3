"""Preset bank in one SQLite file, with text, descriptor and audio-similarity search."""

from synthvae.bank.bank import Bank
from synthvae.bank.database import default_path
from synthvae.bank.entries import Entry
from synthvae.bank.queries import Added, UnknownPresetError

__all__ = ["Added", "Bank", "Entry", "UnknownPresetError", "default_path"]
