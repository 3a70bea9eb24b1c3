from __future__ import annotations

import pytest
import torch

from synthvae.core.stopwatch import Stopwatch
from synthvae.losses import build_loss
from synthvae.models import VAE
from synthvae.synths.voice.voice import Voice
from synthvae.training.clipping import clip_gradient_per_preset
from synthvae.training.targets import TargetSounds
from synthvae.training.tasks.presets import Objective, Weights, typical


def terms_and_model(voice: Voice, through: bool, clip: float = 1.0):
    torch.manual_seed(0)
    model = VAE(63, (32, 4))
    objective = Objective(voice, build_loss("sclp", voice.sample_rate, "stft"), through, clip)
    unit = torch.rand(6, 63, generator=torch.Generator().manual_seed(1))
    return objective.terms(model(unit, torch.randn(6, 4)), unit), model


def test_the_spectral_term_alone_reaches_the_encoders_weights(small_voice: Voice):
    terms, model = terms_and_model(small_voice, through=True)
    terms["spectral"].mean().backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_without_synth_layer_the_term_is_measured_and_has_no_gradient(small_voice: Voice):
    measured, _ = terms_and_model(small_voice, through=False)
    flowing, _ = terms_and_model(small_voice, through=True)
    assert not measured["spectral"].requires_grad
    torch.testing.assert_close(measured["spectral"], flowing["spectral"].detach())
    assert measured["parameter"].requires_grad


def test_terms_are_per_preset_and_weights_are_applied_once(small_voice: Voice):
    terms, _ = terms_and_model(small_voice, through=True)
    assert {name: value.shape for name, value in terms.items()} == dict.fromkeys(
        ("parameter", "clamp", "kl", "spectral"), (6,)
    )
    weights = Weights(alpha=100.0, beta=2.0, kl=0.5)
    expected = terms["parameter"] + 100 * terms["clamp"] + 2 * terms["spectral"] + 0.5 * terms["kl"]
    torch.testing.assert_close(weights.total(terms), expected)


def test_clipping_limits_long_rows_and_leaves_short_ones():
    unit = torch.zeros(3, 2, requires_grad=True)
    gradient = torch.tensor([[3.0, 4.0], [0.03, 0.04], [0.0, 0.0]])
    passed = clip_gradient_per_preset(unit, 1.0)
    torch.testing.assert_close(passed, unit)
    passed.backward(gradient)
    torch.testing.assert_close(unit.grad, torch.tensor([[0.6, 0.8], [0.03, 0.04], [0.0, 0.0]]))


def test_the_clip_bounds_each_presets_share_of_a_mean(small_voice: Voice):
    captured = {}

    class Spy(torch.nn.Module):
        def forward(self, unit: torch.Tensor) -> torch.Tensor:
            return small_voice(unit)

    objective = Objective(Spy(), build_loss("logsl", small_voice.sample_rate, "stft"), True, 0.25)
    raw = torch.rand(5, 63, generator=torch.Generator().manual_seed(2)).requires_grad_()
    target = torch.rand(5, 63, generator=torch.Generator().manual_seed(3))
    output = VAE(63, (4,))(target)._replace(raw=raw)
    objective.terms(output, target)["spectral"].mean().backward()
    captured["norms"] = raw.grad.norm(dim=1) * 5
    assert captured["norms"].max() <= 0.25 * 1.0001
    assert captured["norms"].max() > 0.24


@pytest.mark.parametrize("loss", ["sclp", "logmel"])
def test_it_makes_no_difference_how_many_presets_are_compared_at_once(loss: str, small_voice: Voice):
    unit = torch.rand(6, 63, generator=torch.Generator().manual_seed(1))
    output = VAE(63, (4,))(unit)
    found = []
    for rows in (1, 4, 6):
        raw = torch.rand(6, 63, generator=torch.Generator().manual_seed(2)).requires_grad_()
        objective = Objective(small_voice, build_loss(loss, small_voice.sample_rate), True, 1.0, rows=rows)
        value = objective.terms(output._replace(raw=raw), unit)["spectral"]
        value.mean().backward()
        found.append((value.detach(), raw.grad))
        with torch.no_grad():
            assert torch.equal(objective.terms(output._replace(raw=raw), unit)["spectral"], value)
    for value, gradient in found[:2]:
        assert torch.equal(value, found[2][0])
        assert torch.equal(gradient, found[2][1])


def test_a_stopwatch_times_synth_and_loss_in_both_directions(small_voice: Voice):
    unit = torch.rand(5, 63, generator=torch.Generator().manual_seed(1))
    output = VAE(63, (4,))(unit)
    stopwatch = Stopwatch(on=True)
    objective = Objective(
        small_voice, build_loss("sclp", small_voice.sample_rate), True, 1.0, stopwatch=stopwatch, rows=2
    )
    objective.terms(output, unit)
    stages = "synth, targets", "synth, forward", "loss", "loss, backward", "synth, backward"
    assert stopwatch.laps == dict.fromkeys(stages, 3)
    with stopwatch.paused():
        objective.terms(output, unit)
    assert stopwatch.laps == dict.fromkeys(stages, 3)
    stopwatch.start()
    assert stopwatch.seconds == {}


def test_the_sound_of_a_target_is_rendered_once_and_the_same(small_voice: Voice):
    unit = torch.rand(5, 63, generator=torch.Generator().manual_seed(1))
    rendered = []

    class Counting(torch.nn.Module):
        def forward(self, unit: torch.Tensor) -> torch.Tensor:
            rendered.append(len(unit))
            return small_voice(unit)

    sounds = TargetSounds(Counting(), unit, small_voice.samples)
    expected = small_voice(unit)
    for rows in ([3, 1], [1, 4], [4, 3, 1], [0, 1, 2, 3, 4]):
        assert torch.equal(sounds(torch.tensor(rows)), expected[rows])
    assert rendered == [2, 1, 2]


def test_a_silent_target_does_not_decide_what_is_typical():
    terms = {"parameter": torch.tensor([1.0, 2.0, 6.0]), "spectral": torch.tensor([1.0, 2.0, 1000.0])}
    assert {name: float(value) for name, value in typical(terms).items()} == {"parameter": 3.0, "spectral": 2.0}
