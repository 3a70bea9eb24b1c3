"""Figures of a morph."""

import numpy as np
import pytest

from synthvae.metrics.morphs import harmonic_share, morph_figures
from tests.tones import RATE, tone


def test_share_of_energy_on_a_series():
    sound = tone(200.0, "sine") + 2.0 * tone(1000.0, "sine") + 3.0 * tone(310.0, "sine")
    assert harmonic_share(sound, RATE, 200.0) == pytest.approx(5.0 / 14.0, abs=1e-3)
    near, far = 200.0 * 2.0 ** (6 / 1200), 200.0 * 2.0 ** (25 / 1200)
    assert harmonic_share(tone(near, "sine"), RATE, 200.0) > 0.95
    assert harmonic_share(tone(far, "sine"), RATE, 200.0) < 0.05
    assert harmonic_share(np.zeros(RATE), RATE, 200.0) == 0.0


def test_dip_jump_and_evenness():
    steps = [tone(hertz, "sine", 1.0) for hertz in (200.0, 200.0, 300.0, 400.0)]
    found = morph_figures(steps, 0.5 * tone(np.sqrt(200.0 * 400.0), "sine", 1.0), RATE)
    assert found.on_middle_series > 0.99
    # The weighting filter rises by a part of a decibel from 200 to 400 Hz, evenly enough.
    assert found.dip == pytest.approx(6.02, abs=0.2)
    assert found.pitch_jump == pytest.approx(1200 * np.log2(1.5), abs=2.0)
    assert found.even_jump == pytest.approx(400.0, abs=1.0)
    assert found.distances[0] == 0.0
    assert found.unevenness == found.distances.max() / found.distances.mean() > 1.5
    assert found.unpitched == 0


def test_what_is_not_defined_is_none():
    noise = np.random.default_rng(0).normal(0.0, 0.1, (3, RATE)).astype(np.float32)
    found = morph_figures(list(noise), np.zeros(RATE, np.float32), RATE)
    assert (found.on_middle_series, found.dip, found.pitch_jump, found.even_jump) == (None,) * 4
    assert found.unpitched == 3
    same = morph_figures([noise[0]] * 3, noise[0], RATE)
    assert (same.unevenness, same.dip) == (1.0, 0.0)
