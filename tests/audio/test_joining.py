from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from synthvae.audio.joining import joined, write_joined
from tests.errors import user_error


def test_lengths():
    sounds = np.ones((3, 1000), np.float32)
    assert len(joined(sounds, 1000)) == 3000
    assert len(joined(sounds, 1000, 0.5)) == 4000
    assert len(joined(sounds, 1000, -0.25)) == 2500
    assert len(joined(sounds, 1000, -2.0)) == 2000  # half a sound at most
    assert len(joined(sounds[:1], 1000, 0.5)) == 1000


def test_sounds_that_overlap_add_up_to_no_more_than_one_of_them():
    result = joined(np.ones((4, 1000), np.float32), 1000, -0.25)
    np.testing.assert_allclose(result[:-250], 1.0, atol=1e-6)


def test_what_does_not_overlap_is_kept_and_does_not_click():
    sounds = np.stack([np.full(1000, 0.5), np.full(1000, -0.5)]).astype(np.float32)
    result = joined(sounds, 1000, 0.1)
    np.testing.assert_array_equal(result[10:990], 0.5)
    np.testing.assert_array_equal(result[1000:1100], 0.0)
    np.testing.assert_array_equal(result[1110:2090], -0.5)
    assert np.abs(np.diff(result)).max() < 0.51


def test_sounds_may_differ_in_length():
    sounds = [np.ones(1000, np.float32), np.ones(400, np.float32), np.ones(2000, np.float32)]
    assert len(joined(sounds, 1000, 0.1)) == 3400 + 200
    overlapped = joined(sounds, 1000, -0.5)  # by 200 each, half of the shortest
    assert len(overlapped) == 3400 - 400
    np.testing.assert_allclose(overlapped[:-5], 1.0, atol=1e-6)


def test_an_attack_at_once_is_kept():
    assert joined([np.ones(100, np.float32)] * 2, 1000, 0.1)[200] == 1.0


def test_joined_sounds_follow_each_other_with_a_gap_and_without_a_click(tmp_path: Path):
    write_joined(tmp_path / "j.wav", np.ones((3, 1000), dtype=np.float32), 1000, 0.5)
    sound, _ = soundfile.read(tmp_path / "j.wav")
    assert len(sound) == 3 * 1000 + 2 * 500
    assert (sound[:990] == 1.0).all()
    assert sound[999] == 0.0
    assert (sound[1000:1500] == 0.0).all()
    assert sound[1500] == 1.0
    for gap in (-1.0, float("nan"), 61.0):
        with user_error("gap"):
            write_joined(tmp_path / "k.wav", np.ones((1, 9), dtype=np.float32), 1000, gap)
    assert not (tmp_path / "k.wav").exists()
