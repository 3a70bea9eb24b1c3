from __future__ import annotations

import numpy as np
import pytest

from synthvae.core.errors import UserError
from synthvae.metrics.embeddings.logmel import logmel_embedding


def test_logmel_embedding_against_its_definition() -> None:
    logmel = np.random.default_rng(0).normal(-40, 20, (7, 128, 11)).astype(np.float32)
    embedding = logmel_embedding(logmel)
    assert embedding.shape == (7, 64)
    band = logmel[4, 12:16].astype(np.float64).mean(axis=0)  # the fourth pooled band of preset 4
    assert embedding[4, 3] == pytest.approx(band.mean())
    assert embedding[4, 32 + 3] == pytest.approx(band.std())
    np.testing.assert_allclose(logmel_embedding(logmel[4:5])[0], embedding[4], rtol=1e-12)


def test_logmel_embedding_hears_loudness_and_movement() -> None:
    still = np.full((1, 128, 10), -80.0)
    louder, moving = still + 6.0, still.copy()
    moving[:, :, ::2] += 20.0
    np.testing.assert_allclose((logmel_embedding(louder) - logmel_embedding(still))[0], [6.0] * 32 + [0.0] * 32)
    np.testing.assert_allclose(logmel_embedding(moving)[0, 32:], 10.0)


def test_logmel_embedding_checks_its_input() -> None:
    with pytest.raises(UserError, match="log-mel: preset 1 holds"):
        logmel_embedding(np.stack([np.zeros((128, 3)), np.full((128, 3), np.inf)]))
    with pytest.raises(ValueError, match="pooled evenly"):
        logmel_embedding(np.zeros((1, 100, 3)))
    with pytest.raises(ValueError, match="expected shape"):
        logmel_embedding(np.zeros((128, 3)))
    with pytest.raises(UserError, match="0 sounds"):
        logmel_embedding(np.zeros((0, 128, 3)))
