from __future__ import annotations

import torch

from synthvae.features.representations import build_representation
from tests.features.representations.sounds import RATE, chord, log_distance


def test_mel_frames_are_those_of_mel():
    audio = chord(5000)[None]
    frames, mel = (build_representation(name, RATE, 5000) for name in ("frames", "mel"))
    for ours, others in zip(frames.analyse(audio), mel.analyse(audio), strict=True):
        torch.testing.assert_close(ours, others, rtol=0, atol=0)


def test_linear_frames_are_the_magnitudes_of_the_transform():
    audio = chord(5000)[None]
    frames = build_representation("frames", RATE, 5000, scale="linear")
    whole = build_representation("stft", RATE, 5000, phase="none")
    assert frames.shape == (1, 513, 40)
    torch.testing.assert_close(frames(audio), whole(audio)[:, :, :, :40])
    assert log_distance(audio, frames.invert(frames.analyse(audio))) < 3.0


def test_one_frame_is_a_frame_of_the_whole():
    # A network that learns columns sees the same ones as one that learns wholes, up to the level of each.
    audio = chord(5000)[None]
    frames = build_representation("frames", RATE, 5000)
    whole = frames(audio)[0, 0]
    part = frames(audio[:, : 20 * 128])[0, 0]
    difference = whole[:, 4:15] - part[:, 4:15]
    assert difference.std() < 1e-3
