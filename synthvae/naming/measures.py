"""What is measured of a sound to name it: the descriptors that are kept, and the few that only choose words."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.analysis import descriptors as timbre
from synthvae.analysis.descriptors import TREMOLO, Descriptor
from synthvae.analysis.pitch import LOWEST, Pitch, loud_frames, track_pitch
from synthvae.features.fourier import N_FFT, stft
from synthvae.loudness import integrated_loudness
from synthvae.naming.movement import VIBRATO, change, level_track, pitch_track, wavering
from synthvae.naming.notes import midi_number

__all__ = ["DESCRIPTORS", "Descriptor", "Measures", "measure"]

Array = NDArray[np.float64]


DESCRIPTORS: dict[str, Descriptor] = {
    column.name: column
    for column in (
        Descriptor("pitch", "Hz", "median fundamental frequency, none where most of the sound has no pitch from 30 Hz"),
        Descriptor("note", "MIDI", "the note nearest to the pitch, 60 is C4"),
        Descriptor("cents", "cents", "from that note up to the pitch, -50 to 50"),
        Descriptor("brightness", "Hz", "centre of the spectrum, median over what is heard"),
        Descriptor("noisiness", "", "aperiodicity: noise's share of the power, 0 to 1"),
        Descriptor("attack", "s", "time from 10 % to 90 % of the envelope's maximum"),
        Descriptor("decay", "s", "time from the envelope's maximum until it is 20 dB below for good, none where never"),
        Descriptor("loudness", "LUFS", "integrated loudness by ITU-R BS.1770-4"),
        Descriptor("duration", "s", "time from the first to the last moment within 40 dB of the envelope's maximum"),
        Descriptor("glide", "semitones", "pitch at the end over pitch at the start, none where not pitched"),
        Descriptor("vibrato", "semitones", "depth of a regular movement of pitch, peak to trough, none where none"),
        Descriptor(
            "tremolo",
            "dB",
            "depth of a regular movement of level at 4 to 20 Hz, peak to trough, none where none",
        ),
        Descriptor("sweep", "octaves", "brightness at the end over brightness at the start"),
    )
}
"""All there are, in order. A silent sound has a duration of 0 and nothing else."""

#: The envelope falls by 20 dB in its decay; so much is the shortest that ISO 3382-1 takes a reverberation from (T20).
DECAY = 20.0
#: dB below the envelope's maximum that are heard beside it, as in `synthvae.analysis.pitch.loud_frames`.
HEARD = 40.0
#: Depth from which there is a vibrato, in semitones, and a tremolo, in dB.
SHALLOWEST_VIBRATO, SHALLOWEST_TREMOLO = 0.3, 3.0
#: How many times lower than `LOWEST` a sound without pitch is searched for a period.
DEEPER = 4
#: The mean that drifts lies in the bins below, see `synthvae.analysis.descriptors`.
LOWEST_BIN = timbre.LOWEST_BIN
_COLUMN = {name: number for number, name in enumerate(timbre.DESCRIPTORS)}


@dataclass(frozen=True)
class Measures:
    """One sound.

    Attributes:
        descriptors: a value for each of `DESCRIPTORS`.
        heard: whether it is not silent.
        flatness: of the spectrum, in dB, near 0 for noise.
        spread: of the power around its centre, in octaves.
        unsteadiness: interquartile range of the level over what is heard, in dB.
        fall: from the envelope's maximum to the last fifth of what is heard, in dB.
        span: range of the pitch, 5th to 95th percentile, in semitones; 0 where not pitched.
        subsonic: whether it is periodic at a frequency too low to be a pitch.
    """

    descriptors: dict[str, float | None]
    heard: bool
    flatness: float = 0.0
    spread: float = 0.0
    unsteadiness: float = 0.0
    fall: float = 0.0
    span: float = 0.0
    subsonic: bool = False


def measure(sounds: Tensor, sample_rate: int) -> list[Measures]:
    """Measure a few sounds; each one's values are a function of it alone.

    Args:
        sounds: ``(N, T)``, finite, full scale is 1.
        sample_rate: in Hz.
    """
    pitch = track_pitch(sounds, sample_rate)
    table = timbre.describe(sounds, sample_rate, pitch)
    return [_measure(sound, sample_rate, pitch, row, table[row]) for row, sound in enumerate(sounds)]


def _measure(sound: Tensor, sample_rate: int, pitch: Pitch, row: int, timbres: Array) -> Measures:
    still = sound.double()
    still = still - still.mean()
    brightness = _brightness_track(still, sample_rate)
    if not len(brightness):
        return Measures(dict.fromkeys(DESCRIPTORS) | {"duration": 0.0}, False)
    column = {name: float(timbres[number]) for name, number in _COLUMN.items()}
    envelopes, seconds = timbre.power_envelope(still[None], sample_rate)
    power = envelopes[0].numpy()
    envelope = 10.0 * np.log10(np.maximum(power / power.max(), 1e-30))
    heard = np.flatnonzero(envelope >= -HEARD)
    loud = envelope[heard[0] : heard[-1] + 1]
    pitched = bool(pitch.pitched[row])
    noisiness, subsonic = column["aperiodicity"], False
    if not pitched:
        deep = track_pitch(sound[None], DEEPER * sample_rate)  # as if it were played so many times faster
        noisiness = min(noisiness, float(deep.aperiodicity[0]))
        subsonic = bool(deep.pitched[0]) and deep.frequency[0] / DEEPER < LOWEST
    values: dict[str, float | None] = dict.fromkeys(DESCRIPTORS)
    semitones = np.zeros(0)
    if pitched:
        frequency = float(pitch.frequency[row])
        number = midi_number(frequency)
        semitones = pitch_track(pitch.track[row])
        step = float(pitch.times[1] - pitch.times[0]) if len(pitch.times) > 1 else 1.0
        values |= {
            "pitch": frequency,
            "note": float(round(number)),
            "cents": 100.0 * (number - round(number)),
            "glide": change(semitones),
            "vibrato": wavering(semitones, step, SHALLOWEST_VIBRATO, VIBRATO),
        }
    if not subsonic:  # its level follows its periods one by one
        level = level_track(power, seconds, HEARD)
        values["tremolo"] = wavering(level, seconds, SHALLOWEST_TREMOLO, TREMOLO)
    values |= {
        "brightness": 2.0 ** column["centroid"],
        "noisiness": noisiness,
        "attack": 10.0 ** column["log_attack_time"],
        "decay": _decay(envelope, seconds),
        "loudness": _loudness(still.numpy(), sample_rate),
        "duration": len(loud) * seconds,
        "sweep": change(brightness),
    }
    return Measures(
        {name: None if value is None else float(f"{value:.6g}") for name, value in values.items()},
        True,
        column["flatness"],
        column["spread"],
        column["level_iqr"],
        -float(np.median(loud[-max(1, len(loud) // 5) :])),
        float(np.subtract(*np.percentile(semitones, [95, 5]))) if len(semitones) else 0.0,
        subsonic,
    )


def _loudness(still: Array, sample_rate: int) -> float | None:
    """In LUFS; of a sound that nothing passes the gate of, as if it were raised to full scale and turned down again."""
    level = integrated_loudness(still, sample_rate)
    if not math.isfinite(level):
        peak = float(np.abs(still).max())
        level = integrated_loudness(still / peak, sample_rate) + 20.0 * math.log10(peak)
    return level if math.isfinite(level) else None


def _decay(envelope: Array, seconds: float) -> float | None:
    """From the maximum of an envelope ``(E,)`` in dB until it is 20 dB below and does not come back."""
    above = np.flatnonzero(envelope >= envelope.max() - DECAY)[-1]
    return None if above == len(envelope) - 1 else float((above + 1 - envelope.argmax()) * seconds)


def _brightness_track(still: Tensor, sample_rate: int) -> Array:
    """Centre of the power over log2 of the frequency in Hz, of every frame that is heard, ``(F,)``: none of silence."""
    bins = stft(still[None])[0, LOWEST_BIN:].abs().square().T
    power = bins.sum(1)
    loud = loud_frames(power[None] * (2.0 / (N_FFT * timbre.WINDOW_POWER)))[0]
    octaves = torch.arange(LOWEST_BIN, N_FFT // 2 + 1, dtype=bins.dtype).log2() + math.log2(sample_rate / N_FFT)
    return ((bins[loud] @ octaves) / power[loud]).numpy()
