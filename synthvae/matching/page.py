"""The page of a match: target and answers side by side, switched between while they play."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from synthvae.analysis.thumbnails import spectrogram_png
from synthvae.matching.engine import MatchResult
from synthvae.presets.preset import wav_bytes

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
            "wav": _data_uri(wav_bytes(sound.numpy(), rate, "int16"), "audio/wav"),
            "picture": _data_uri(spectrogram_png(sound.numpy(), rate, WIDTH, HEIGHT), "image/png"),
        }
        for sound in audio
    ]
    environment = Environment(
        loader=PackageLoader("synthvae.matching", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("match.html").render(
        result=result,
        target=sounds[0],
        answers=[
            {"name": name, "distance": candidate.distance, **sound}
            for name, candidate, sound in zip(names, result.candidates, sounds[1:], strict=True)
        ],
        command=command,
    )


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
