"""Layout of the kernels' arrays: parameters, control signals, blocks of samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synthvae.synths.voice.reference import LFO_SHAPES, SOURCES, TARGETS

__all__ = ["BLOCK", "CHUNK", "LANES", "NAMES", "blocks", "chunks"]

_ADSR = ("attack", "decay", "sustain", "release", "alpha")
_LFO = ("frequency", "mod_depth", "initial_phase", *LFO_SHAPES)

_MODULES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("keyboard", ("midi_f0", "duration")),
    ("adsr_1", _ADSR),
    ("adsr_2", _ADSR),
    ("lfo_1_amp_adsr", _ADSR),
    ("lfo_2_amp_adsr", _ADSR),
    ("lfo_1_rate_adsr", _ADSR),
    ("lfo_2_rate_adsr", _ADSR),
    ("lfo_1", _LFO),
    ("lfo_2", _LFO),
    ("mod_matrix", tuple(f"{source}->{target}" for target in TARGETS for source in SOURCES)),
    ("vco_1", ("tuning", "mod_depth", "initial_phase")),
    ("vco_2", ("tuning", "mod_depth", "initial_phase", "shape")),
    ("mixer", ("vco_1", "vco_2", "noise")),
)

#: All 78 parameters in the order of the kernels' rows of human values.
NAMES = tuple(f"{module}.{name}" for module, names in _MODULES for name in names)

# First index of each group in such a row.
MIDI_F0 = NAMES.index("keyboard.midi_f0")
DURATION = NAMES.index("keyboard.duration")
ENVELOPES = NAMES.index("adsr_1.attack")
LFOS = NAMES.index("lfo_1.frequency")
ROUTES = NAMES.index(f"mod_matrix.{SOURCES[0]}->{TARGETS[0]}")
VCO_1 = NAMES.index("vco_1.tuning")
VCO_2 = NAMES.index("vco_2.tuning")
MIXER = NAMES.index("mixer.vco_1")
PER_ENVELOPE, PER_LFO = len(_ADSR), len(_LFO)

# Envelopes in the order of `_MODULES`; sources and targets of the matrix in the order of the reference.
ADSR_1, ADSR_2, LFO_1_AMP, LFO_2_AMP, LFO_1_RATE, LFO_2_RATE = range(6)
N_SOURCES, N_TARGETS = len(SOURCES), len(TARGETS)
PITCH_1, AMP_1, PITCH_2, AMP_2, AMP_NOISE = range(N_TARGETS)

#: Maximum number of samples of a block; its last vector of LANES samples is padded, the padding overwritten or masked.
BLOCK, LANES = 128, 16
#: Maximum number of samples computed at once, in whole blocks: few enough for all their arrays to fit the L1 cache.
CHUNK = 512


def blocks(samples: int, control_size: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Split T samples into blocks that are each between two successive ones of C control points, C at least 2.

    Sample n is at control position n (C - 1) / (T - 1): first and last points aligned.

    Returns:
        The control point before each block, ``(N,)``; the first sample of each block and, last, T, ``(N + 1,)``;
        and the position of the first sample between the two points, in [0, 1], ``(N,)``.
    """
    last = max(samples - 1, 1)
    edges = -(-np.arange(control_size, dtype=np.int64) * last // (control_size - 1))  # ceil: first sample at or after
    edges = np.minimum(edges, samples)
    edges[-1] = samples  # the last sample is at the last point and belongs to the segment before it
    starts = [(i, first) for i in range(control_size - 1) for first in range(int(edges[i]), int(edges[i + 1]), BLOCK)]
    before, first = np.array(starts, dtype=np.int64).T
    offset = (first * (control_size - 1) - before * last) / last
    return np.ascontiguousarray(before), np.append(first, samples), offset


def chunks(first: NDArray[np.int64]) -> NDArray[np.int64]:
    """Group blocks into chunks of at most CHUNK samples.

    Args:
        first: first samples of all blocks and, last, T.

    Returns:
        The first block of every chunk and, last, the number of blocks.
    """
    found = [0]
    for b in range(1, len(first)):
        if first[b] - first[found[-1]] > CHUNK:
            found.append(b - 1)
    return np.array([*found, len(first) - 1], dtype=np.int64)
