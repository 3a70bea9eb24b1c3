from __future__ import annotations

import pytest

from synthvae.core.counts import counted


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 presets"), (1, "1 preset"), (2, "2 presets"), (2000, "2,000 presets")],
)
def test_a_count_and_its_noun_agree(count: int, words: str):
    assert counted(count, "preset") == words


def test_an_irregular_plural():
    assert counted(1, "sound with its preset", "sounds with their presets") == "1 sound with its preset"
    assert counted(3, "sound with its preset", "sounds with their presets") == "3 sounds with their presets"
