"""The page of a match: target and answers side by side, switched between while they play."""

from __future__ import annotations

from collections.abc import Sequence

from synthvae.audio.files import wav_bytes
from synthvae.audio.spectrogram_image import spectrogram_png
from synthvae.matching.engine import MatchResult
from synthvae.pages import data_uri, render_template

__all__ = ["render_page"]

WIDTH, HEIGHT = 480, 160


def render_page(result: MatchResult, names: Sequence[str], command: str) -> str:
    """The page as HTML; it holds its sounds and pictures and requests nothing.

    Args:
        result: what was found.
        names: of the answers.
        command: that makes it again.

    Returns:
        A whole document; all text is escaped.
    """
    rate = result.target.sample_rate
    audio = [result.target.audio, *(candidate.audio for candidate in result.candidates)]
    sounds = [
        {
            "wav": data_uri(wav_bytes(sound.numpy(), rate, "int16"), "audio/wav"),
            "picture": data_uri(spectrogram_png(sound.numpy(), rate, WIDTH, HEIGHT), "image/png"),
        }
        for sound in audio
    ]
    return render_template(
        "synthvae.matching",
        "match.html",
        {},
        result=result,
        target=sounds[0],
        answers=[
            {"name": name, "distance": candidate.distance, **sound}
            for name, candidate, sound in zip(names, result.candidates, sounds[1:], strict=True)
        ],
        command=command,
    )
