"""From a recording to presets that sound like it: a network that guesses, and searches that go on."""

from synthvae.matching.engine import Candidate, MatchResult, Progress, match
from synthvae.matching.target import Target, prepare_target, read_target

__all__ = ["Candidate", "MatchResult", "Progress", "Target", "match", "prepare_target", "read_target"]
