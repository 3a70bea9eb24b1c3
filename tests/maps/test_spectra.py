from __future__ import annotations

import numpy as np

from synthvae.maps import spectra
from synthvae.maps.spectra import spectral_features


def test_distances_of_the_rows_are_those_of_the_spectrograms():
    generator = np.random.default_rng(0)
    basis = generator.standard_normal((6, 40 * 10))
    spectrograms = (generator.standard_normal((300, 6)) @ basis).reshape(300, 40, 10).astype(np.float32)
    found = spectral_features(300, lambda numbers: spectrograms[numbers])
    assert found.rows.shape == (300, 6)
    np.testing.assert_allclose(found.components @ found.components.T, np.eye(6), atol=1e-4)
    direct = np.sqrt(np.square(spectrograms[:50] - spectrograms[50:100]).mean(axis=(1, 2)))
    rows = np.linalg.norm(found.rows[:50] - found.rows[50:100], axis=1)
    np.testing.assert_allclose(rows, direct, rtol=1e-4)
    np.testing.assert_allclose(found.project(spectrograms[:7]), found.rows[:7], atol=1e-3)


def test_sounds_after_the_first_are_projected_on_the_same_components(monkeypatch):
    generator = np.random.default_rng(1)
    spectrograms = generator.standard_normal((90, 8, 5)).astype(np.float32)
    monkeypatch.setattr(spectra, "FITTED", 60)
    monkeypatch.setattr(spectra, "COMPONENTS", 4)
    found = spectral_features(90, lambda numbers: spectrograms[numbers])
    flat = spectrograms.reshape(90, -1)
    centred = flat[:60] - flat[:60].mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    rows = (flat - flat[:60].mean(axis=0)) @ directions[:4].T / np.sqrt(40)
    np.testing.assert_allclose(np.abs(found.rows), np.abs(rows), atol=1e-4)


def test_equal_sounds_have_rows_of_zero():
    found = spectral_features(5, lambda numbers: np.ones((len(numbers), 4, 3), np.float32))
    np.testing.assert_array_equal(found.rows, np.zeros((5, 1)))
