"""Attack and release times of a preset's sound, derived from its envelopes."""

from __future__ import annotations

from collections.abc import Mapping

from synthvae.synths.voice.parameters import ROUTE_SOURCES

__all__ = ["release_seconds", "rise_seconds", "tail_seconds"]

Values = Mapping[str, float]

#: The mixer level that each amplitude target of the modulation matrix modulates.
_MIXER = {"vco_1_amp": "mixer.vco_1", "vco_2_amp": "mixer.vco_2", "noise_amp": "mixer.noise"}

_AUDIBLE = 0.1  # 20 dB below the source with the largest contribution to the level
_TRACE = 1e-3
_SEMITONES = 0.01  # a modulation that is inaudible


def release_seconds(values: Values) -> float:
    """Audible release time after note-off in seconds, from all 78 human values by name.

    The longest release of the envelopes that modulate a mixer level, those of LFOs included, whose contribution is
    within 20 dB of the largest; 0 if no level is modulated.
    """
    return _longest_release(values, _AUDIBLE)


def tail_seconds(values: Values) -> float:
    """Seconds from note-off to silence: as `release_seconds`, with all envelopes within 60 dB of the largest."""
    return _longest_release(values, _TRACE)


def rise_seconds(values: Values) -> float:
    """Seconds from note-on until the end of the last attack of an audible envelope, of level or pitch.

    Computed from all 78 human values by name; an earlier note-off ends the attack.
    """
    level = _shares(values)
    most = max(level.values())
    rise = 0.0
    for source in ROUTE_SOURCES:
        bend = max(
            values[f"mod_matrix.{source}->{vco}_pitch"] * abs(values[f"{vco}.mod_depth"]) * (values[f"mixer.{vco}"] > 0)
            for vco in ("vco_1", "vco_2")
        )
        if bend < _SEMITONES and not level[source] > _TRACE * most:
            continue
        rise = max(rise, values[f"{_envelope(source)}.attack"])
        if source.startswith("lfo") and values[f"{source}.mod_depth"]:
            rise = max(rise, values[f"{source}_rate_adsr.attack"])
    return rise


def _longest_release(values: Values, least: float) -> float:
    shares = _shares(values)
    most = max(shares.values())
    return max(
        (values[f"{_envelope(source)}.release"] for source, share in shares.items() if share > least * most),
        default=0.0,
    )


def _shares(values: Values) -> dict[str, float]:
    """The maximum contribution of each source of the modulation matrix to a mixer level, 0 to 1."""
    return {
        source: max(values[f"mod_matrix.{source}->{target}"] * values[mixer] for target, mixer in _MIXER.items())
        for source in ROUTE_SOURCES
    }


def _envelope(source: str) -> str:
    return f"{source}_amp_adsr" if source.startswith("lfo") else source
