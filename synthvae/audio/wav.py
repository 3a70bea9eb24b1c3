"""WAV file format: RIFF chunks.

SciPy's writer has neither 24 bits nor extra chunks, and libsndfile writes the time of day into float files, so that
the same sound would never give the same file twice. The chunks are those of "Multimedia
Programming Interface and Data Specifications 1.0" (IBM and Microsoft, 1991), and of its supplement of 1994 for floats.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["chunk", "riff_wave"]

_PCM, _FLOAT = 1, 3


def riff_wave(
    samples: NDArray[np.generic], sample_rate: int, bits: int, chunks: Iterable[tuple[bytes, bytes]] = ()
) -> bytes:
    """A mono WAV file of ``(T,)``, floats of 32 bits or whole steps of 16 or 24; the same bytes for the same arguments.

    `chunks` are name and content of what follows the samples.
    """
    width, fact = bits // 8, b""
    form = struct.pack("<HHIIHH", _PCM, 1, sample_rate, sample_rate * width, width, bits)
    if samples.dtype.kind == "f":
        form = struct.pack("<HHIIHHH", _FLOAT, 1, sample_rate, sample_rate * width, width, bits, 0)  # no more follows
        fact = chunk(b"fact", struct.pack("<I", len(samples)))
        data = samples.astype("<f4").tobytes()
    elif bits == 16:
        data = samples.astype("<i2").tobytes()
    else:
        data = samples.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    rest = b"".join(chunk(name, content) for name, content in chunks)
    return chunk(b"RIFF", b"WAVE" + chunk(b"fmt ", form) + fact + chunk(b"data", data) + rest)


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a RIFF file, padded to an even length."""
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
