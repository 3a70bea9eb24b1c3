from __future__ import annotations

import numpy as np
import torch

from synthvae.features.mel import log_mel
from synthvae.metrics.logmel_distance import LogMelDistance, consecutive, pairwise


def test_distances_are_those_of_the_log_mel_spectrogram(small_voice, small_dataset):
    unit = small_dataset.unit[:5]
    heard = LogMelDistance(small_voice, 16000).spectrograms(unit)
    spectra = log_mel(small_voice(unit), 16000).double()
    expected = (spectra[:, None] - spectra[None]).square().mean(dim=(2, 3)).sqrt()
    np.testing.assert_allclose(pairwise(heard), expected, atol=1e-4)
    np.testing.assert_allclose(pairwise(heard[:2], heard), expected[:2], atol=1e-4)
    np.testing.assert_allclose(consecutive(heard), expected.diagonal(1), atol=1e-4)


def test_near_sounds_keep_their_distance():
    base = torch.full((1, 1000), -80.0)
    heard = torch.cat((base, base + 1e-3))
    assert abs(pairwise(heard)[0, 1] - 1e-3) < 1e-5


def test_long_sounds_leave_room_for_fewer():
    assert LogMelDistance.capacity(torch.zeros(1, 128 * 87)) > 4000
    assert LogMelDistance.capacity(torch.zeros(1, 1).expand(1, 10**8)) == 48
