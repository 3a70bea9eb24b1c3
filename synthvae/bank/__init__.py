"""A bank of presets that people search by word, by number and by ear: one SQLite file."""

from synthvae.bank.bank import Bank
from synthvae.bank.database import default_path
from synthvae.bank.entries import Entry
from synthvae.bank.queries import Added, UnknownPresetError

__all__ = ["Added", "Bank", "Entry", "UnknownPresetError", "default_path"]
