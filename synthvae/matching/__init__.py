"""Preset matching: find presets that sound like a recording, with an audio encoder and search."""

from synthvae.matching.engine import Candidate, MatchResult, Progress, match
from synthvae.matching.target import Target, prepare_target, read_target

__all__ = ["Candidate", "MatchResult", "Progress", "Target", "match", "prepare_target", "read_target"]
