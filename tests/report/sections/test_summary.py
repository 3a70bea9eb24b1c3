from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from synthvae.metrics.frechet import FrechetDistance
from synthvae.metrics.neighbourhoods import neighbourhood_trust
from synthvae.report.sections.summary import drawn_sounds, near_latents


def frechet(value: float | None) -> FrechetDistance | None:
    return None if value is None else FrechetDistance(value, 200, 200, 64)


@pytest.mark.parametrize(("prior", "judgement"), [(30.0, "good"), (80.0, "neutral"), (7000.0, "bad"), (None, None)])
def test_sounds_that_are_drawn_lie_between_the_floor_and_the_mean_preset(prior: float | None, judgement: str | None):
    run = SimpleNamespace(
        name="a", sets={"logmel": SimpleNamespace(prior=SimpleNamespace(frechet_audio_distance=frechet(prior)))}
    )
    nulls = SimpleNamespace(
        frechet_audio_distance_of_halves=frechet(40.0),
        mean_preset=SimpleNamespace(frechet_audio_distance=frechet(6000.0)),
    )
    results = SimpleNamespace(embedded={"logmel": SimpleNamespace(nulls=nulls)})
    found = drawn_sounds(run, results)  # type: ignore[arg-type]
    assert [finding.judgement for finding in found] == ([] if judgement is None else [judgement])
    if prior == 80.0:
        assert "2 times that between two halves" in found[0].text
        assert "that of the mean preset is 150 times" in found[0].text


def test_near_latents_are_judged_by_what_chance_gives():
    generator = np.random.default_rng(0)
    latents, other = generator.standard_normal((2, 200, 4))

    def judged(sounds: np.ndarray, points: int = 200) -> list[tuple[str, str]]:
        trust = neighbourhood_trust(latents[:points], sounds[:points], min(10, points - 1))
        run = SimpleNamespace(name="a", neighbourhoods=SimpleNamespace(latents_and_sounds=trust))
        return [(finding.judgement, finding.text) for finding in near_latents(run)]  # type: ignore[arg-type]

    ((judgement, text),) = judged(latents)
    assert judgement == "good"
    assert "100 % are among the 10 % with the most similar sound, by chance 10 %" in text
    ((judgement, text),) = judged(other)
    assert judgement == "neutral"
    assert "no relation of latent distance and sound can be told" in text
    assert judged(latents, points=9) == []  # all the others are the nearest
