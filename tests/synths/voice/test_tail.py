"""What is concluded from envelopes, against what the Voice plays."""

from __future__ import annotations

import numpy as np
import pytest

from synthvae.data.preset import render_preset, with_values
from synthvae.synths.voice.tail import release_seconds, rise_seconds, tail_seconds


def values(preset):
    return preset.parameters.to_dict(preset.human)


def test_after_the_tail_there_is_silence_and_before_it_there_is_not(make_preset):
    preset = with_values(make_preset(adsr_1__release=0.4, adsr_1__alpha=1.0), {"keyboard.duration": 0.2}, 1.0)
    assert release_seconds(values(preset)) == tail_seconds(values(preset)) == 0.4
    sound = np.abs(render_preset(preset))
    assert sound[round(0.62 * 16000) :].max() == 0.0
    assert sound[round(0.5 * 16000) : round(0.55 * 16000)].max() > 0.05


def test_a_faint_source_has_a_tail_and_no_release(make_preset):
    routed = {"mod_matrix__adsr_2->vco_1_amp": 0.01, "adsr_2__release": 3.0, "adsr_1__release": 0.1}
    preset = make_preset(**routed)
    assert release_seconds(values(preset)) == 0.1
    assert tail_seconds(values(preset)) == 3.0


def test_an_lfo_counts_by_its_own_envelope(make_preset):
    preset = make_preset(**{"mod_matrix__lfo_2->vco_1_amp": 1.0, "lfo_2_amp_adsr__release": 2.0})
    assert release_seconds(values(preset)) == 2.0


def test_a_level_that_is_off_has_no_release(make_preset):
    preset = make_preset(mixer__vco_1=0.0, adsr_1__release=2.0)
    assert release_seconds(values(preset)) == tail_seconds(values(preset)) == 0.0


def test_the_level_is_constant_after_the_rise(make_preset):
    preset = with_values(make_preset(adsr_1__attack=0.3), {"keyboard.duration": 1.0}, 1.0)
    assert rise_seconds(values(preset)) == 0.3
    level = np.abs(render_preset(preset)).reshape(20, -1).max(1)
    assert level[7:].min() == pytest.approx(level[7:].max(), rel=0.01)
    assert level[4] < 0.95 * level[7]


def test_a_bend_counts_until_it_has_risen_and_not_where_nothing_bends(make_preset):
    bent = {"mod_matrix__adsr_2->vco_1_pitch": 1.0, "adsr_2__attack": 0.8}
    assert rise_seconds(values(make_preset(**bent))) == 0.0
    assert rise_seconds(values(make_preset(**bent, vco_1__mod_depth=12.0))) == 0.8
