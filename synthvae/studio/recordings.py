"""Recordings that come in: bytes from anywhere, made ready for the matching engine or refused with a reason."""

from __future__ import annotations

import io

import soundfile

from synthvae.core.errors import UserError
from synthvae.matching.target import Target, read_target

__all__ = ["prepare"]

#: Samples of all channels: what is short as a file can be long as a sound, and takes 8 bytes each.
MOST_SAMPLES = 16_000_000


def prepare(content: bytes, name: str, sample_rate: int) -> Target:
    """A recording as the matching engine wants it.

    Args:
        content: of a file in any format that libsndfile reads.
        name: what to call it.
        sample_rate: wanted, in Hz.

    Raises:
        UserError: if it is empty, no audio, too long, silent, or not finite.
    """
    if not content:
        raise UserError(f"{name}: the body is empty; send the recording's bytes")
    try:
        found = soundfile.info(io.BytesIO(content))
    except (soundfile.LibsndfileError, RuntimeError, TypeError):
        raise UserError(f"{name}: not audio that can be read; send a WAV, FLAC, OGG, MP3 or AIFF") from None
    if found.frames * found.channels > MOST_SAMPLES:
        raise UserError(f"{name}: {found.frames:,} samples are too many; cut out the sound that is meant")
    return read_target(io.BytesIO(content), sample_rate, name)
