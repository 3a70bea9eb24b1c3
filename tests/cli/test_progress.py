from __future__ import annotations

import pytest

from synthvae.cli.progress import spoken


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.84, "0.84 s"),
        (45.2, "45 s"),
        (89.9, "90 s"),
        (120, "2 min"),
        (5399, "90 min"),
        (7000, "1.9 h"),
        (2e5, "2.3 days"),
    ],
)
def test_durations_in_words(seconds: float, words: str):
    assert spoken(seconds) == words
