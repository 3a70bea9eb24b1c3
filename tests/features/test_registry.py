from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.features import FEATURES, Frames, build_feature


def test_the_table_names_every_feature():
    assert list(FEATURES) == ["stft", "mfcc", "cqt", "logmel"]
    for name in FEATURES:
        assert build_feature(name, 16000).name == name


def test_an_unknown_name_lists_the_legal_ones():
    with pytest.raises(UserError, match=r"'mel'.*stft, mfcc, cqt, logmel"):
        build_feature("mel", 16000)


@pytest.mark.parametrize("sample_rate", [0, -44100])
def test_a_sample_rate_is_positive(sample_rate):
    with pytest.raises(ValueError, match="sample_rate"):
        build_feature("stft", sample_rate)


def test_importing_features_and_losses_leaves_heavy_packages_alone():
    heavy = ("nnAudio", "auraloss", "scipy")
    code = f"import sys, synthvae.features, synthvae.losses; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", FEATURES)
def test_chosen_frames_are_those_of_the_whole_feature(name):
    audio = torch.randn(2, 9000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    feature = build_feature(name, 16000)
    torch.testing.assert_close(feature(audio, Frames(1, 5)), feature(audio)[:, :, 1::5])
