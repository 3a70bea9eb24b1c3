from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.morph import (
    CANDIDATES,
    DESCRIPTOR_SETS,
    PLAIN,
    draw_pairs,
    measure_morphs,
    morph_table,
    smoothness_table,
)
from synthvae.exploration.morph import morph
from synthvae.training.run import load_run


def test_pairs_are_drawn_without_repetition():
    unit = torch.arange(9.0)[:, None]
    pairs = draw_pairs(unit, 100, seed=0)
    assert pairs.shape == (4, 2, 1)
    assert len(set(pairs.flatten().tolist())) == 8
    assert torch.equal(draw_pairs(unit, 2, seed=0), pairs[:2])


def test_the_table_says_what_the_walks_say(small_run, small_dataset):
    run = load_run(small_run)
    pairs = draw_pairs(small_dataset.unit, 3, seed=1)
    told = []
    results = measure_morphs(run, pairs, 4, ["latent", PLAIN], True, lambda done, what: told.append((done, what)))
    assert [r.label for r in results] == ["latent", PLAIN]
    assert told[-1] == (5, PLAIN)
    for result in results:
        way, even = CANDIDATES[result.label]
        ratios = [morph(run, pair, 4, way, even).unevenness for pair in pairs]
        assert (result.median, result.worst) == pytest.approx((np.median(ratios), max(ratios)))
        assert result.under == np.mean([ratio <= 1.5 for ratio in ratios])
        assert result.seconds > 0.0
    changes = results[0].changes
    assert [(c.descriptors, c.score) for c in changes] == [
        (part, score) for part in DESCRIPTOR_SETS for score in ("smoothness", "nonlinearity")
    ]
    assert results[1].changes == ()
    for score in ("smoothness", "nonlinearity"):
        whole, optimised, held_out = (c for c in changes if c.score == score)
        counts = [len(DESCRIPTOR_SETS[c.descriptors]) for c in (optimised, held_out)]
        assert whole.mean == pytest.approx(np.average([optimised.mean, held_out.mean], weights=counts))
        assert whole.mean_interval[0] - 1e-9 <= whole.mean <= whole.mean_interval[1] + 1e-9
    lines = morph_table(results).splitlines()
    assert len(lines) == 4
    assert all(line.count("|") == 7 for line in lines)
    assert f"| {PLAIN} |" in lines[-1]
    scores = smoothness_table(results).splitlines()
    assert sum(line.startswith("| latent |") for line in scores) == 6
    assert f"{100 * changes[0].mean:+.1f} %" in scores[4]
    assert [line.split(":")[0] for line in scores[-2:]] == ["optimised (19)", "held out (14)"]
    assert smoothness_table(measure_morphs(run, pairs[:1], 3, [PLAIN])) == ""
