from __future__ import annotations

import types

import numpy as np
import pytest
import torch
from scipy import stats

from synthvae.data.preset import round_significant
from synthvae.data.sampling import synth1b1_unit, uniform_unit
from synthvae.synths.voice.parameters import VOICE_63, VOICE_78, import_torchsynth


def test_any_shard_equals_its_part_of_the_whole():
    whole = uniform_unit(7, 0, 300, 63)
    np.testing.assert_array_equal(uniform_unit(7, 123, 50, 63), whole[123:173])
    np.testing.assert_array_equal(uniform_unit(7, 0, 10, 63), whole[:10])


def test_seeds_and_presets_differ():
    assert len(np.unique(uniform_unit(0, 0, 1000, 63))) > 62_500  # 24 bits: a few coincide
    assert not np.any(uniform_unit(0, 0, 1, 63) == uniform_unit(1, 0, 1, 63))


def test_words_are_the_published_ones():
    # Known-answer vector of Random123 for philox4x64-10 at counter 0 and key 0; NumPy steps before it draws.
    words = np.random.Philox(key=0, counter=2**256 - 1).random_raw(4)
    assert [f"{word:016x}" for word in words] == [
        "16554d9eca36314c",
        "db20fe9d672d0fdc",
        "d7e772cee186176b",
        "7e68b68aec7ba23b",
    ]
    following = np.random.Philox(key=0, counter=0).random_raw(64)
    np.testing.assert_array_equal(uniform_unit(0, 0, 1, 63)[0], (following[:63] >> np.uint64(40)) / 2.0**24)


def test_uniform_in_the_unit_cube():
    unit = uniform_unit(3, 0, 20000, 63)
    assert unit.min() >= 0.0
    assert unit.max() < 1.0
    p = [stats.kstest(unit[:, column], "uniform").pvalue for column in range(63)]
    assert min(p) > 1e-4 / 63
    correlation = np.corrcoef(unit.T) - np.eye(63)
    assert np.abs(correlation).max() < 6 / np.sqrt(20000)


def test_float32_holds_every_draw():
    unit = uniform_unit(4, 0, 100, 63)
    np.testing.assert_array_equal(unit.astype(np.float32).astype(np.float64), unit)


def test_synth1b1_equals_what_torchsynth_draws(torchsynth_synth: types.ModuleType):
    config = import_torchsynth("config").SynthConfig(batch_size=32, buffer_size_seconds=0.1)
    voice = torchsynth_synth.Voice(config)
    for batch in (0, 3):
        voice.randomize(seed=batch)
        theirs = {f"{m}.{p}": parameter.data for (m, p), parameter in voice.get_parameters().items()}
        ours = synth1b1_unit(batch * 32, 32, VOICE_78.names)
        for column, name in enumerate(VOICE_78.names):
            np.testing.assert_array_equal(ours[:, column], theirs[name].double().numpy(), err_msg=name)


def test_synth1b1_leaves_the_global_generator_alone():
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    synth1b1_unit(0, 3, VOICE_78.names)
    assert torch.rand(1) == expected


def test_synth1b1_needs_all_parameters():
    with pytest.raises(ValueError, match="78"):
        synth1b1_unit(0, 1, VOICE_63.names)


def test_rounding_keeps_nine_digits_and_prints_short():
    rng = np.random.default_rng(0)
    values = rng.standard_normal(5000) * 10.0 ** rng.integers(-12, 4, 5000)
    rounded = round_significant(values)
    np.testing.assert_allclose(rounded, values, rtol=5.0001e-9)
    expected = np.array([float(f"{v:.8e}") for v in values])
    np.testing.assert_allclose(rounded, expected, rtol=4e-16)
    ordinary = np.abs(values) > 1e-12  # the scale is a power of ten that float64 holds exactly
    np.testing.assert_array_equal(rounded[ordinary], expected[ordinary])
    rounded = rounded[ordinary]
    assert max(len(repr(v).replace("-", "").split("e")[0].strip("0.").replace(".", "")) for v in rounded.tolist()) <= 9


def test_rounding_at_the_edges():
    edges = np.array([0.0, -0.0, 1.0, 10.0, 99999999.94, 1e-300, -127.0, 0.999999999999])
    np.testing.assert_array_equal(round_significant(edges), [0, 0, 1, 10, 99999999.9, 1e-300, -127, 1.0])
