from __future__ import annotations

import torch
from scipy import stats

from synthvae.models import SelectiveVAE
from synthvae.models.selective import HELD_LOG_VARIANCE, MARGIN
from tests.errors import user_error

AUDIBLE = torch.tensor([0.1, 5.0, 0.0, 3.0, 4.0, 0.2])


def presets(count: int = 64, width: int = 6) -> torch.Tensor:
    return torch.rand(count, width, generator=torch.Generator().manual_seed(0))


def network(held: tuple[int, ...] = (), trained: bool = False) -> SelectiveVAE:
    torch.manual_seed(1)
    model = SelectiveVAE(6, (16, 3))
    model.select(AUDIBLE, held)
    if trained:
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def test_it_initially_keeps_the_most_audible_parameters_and_centres_the_others():
    unit = presets()
    model = network()
    assert model.kept.tolist() == [1, 4, 3]
    output = model(unit)
    expected = torch.full_like(unit, 0.5)
    expected[:, [1, 3, 4]] = unit[:, [1, 3, 4]].clamp(MARGIN, 1 - MARGIN)
    torch.testing.assert_close(output.raw, expected)
    torch.testing.assert_close(torch.special.ndtr(output.mean[:, 0]), expected[:, 1])


def test_uniform_presets_have_the_priors_latents_and_the_prior_uniform_presets():
    unit = presets(5000)
    model = network()
    for column in model.encode(unit)[0].T:
        assert stats.kstest(column.detach().numpy(), "norm").pvalue > 0.01
    drawn = model.decode(torch.randn(5000, 3, generator=torch.Generator().manual_seed(2)))
    for column in (1, 3, 4):
        assert stats.kstest(drawn[:, column].detach().numpy(), "uniform").pvalue > 0.01


def test_training_corrects_everything_but_what_is_held():
    unit = presets()
    model = network(held=(1, 2), trained=True)
    mean, log_variance = model.encode(unit)
    torch.testing.assert_close(torch.special.ndtr(mean[:, 0]), unit[:, 1].clamp(MARGIN, 1 - MARGIN))
    assert (log_variance[:, 0] == HELD_LOG_VARIANCE).all()
    assert (log_variance[:, 1:] != HELD_LOG_VARIANCE).all()
    decoded = model.decode(mean)
    torch.testing.assert_close(decoded[:, 1], unit[:, 1].clamp(MARGIN, 1 - MARGIN))
    assert (decoded[:, 2] == 0.5).all()
    start = network(held=(1, 2))(unit).raw
    assert ((decoded - start).abs() > 0.01).any(0).tolist() == [True, False, False, True, True, True]


def test_every_weight_receives_a_gradient_and_faces_are_finite():
    unit = torch.cat([presets(), torch.zeros(1, 6), torch.ones(1, 6)]).requires_grad_()
    model = network(held=(1,), trained=True)
    output = model(unit, torch.randn(66, 3))
    (output.raw.square().sum() + output.log_variance.sum()).backward()
    assert [name for name, p in model.named_parameters() if not p.grad.any() or not p.grad.isfinite().all()] == []
    assert unit.grad.isfinite().all()
    assert ((output.raw >= 0) & (output.raw <= 1)).all()


def test_the_selection_is_part_of_the_state():
    model, other = network(held=(1, 2), trained=True), SelectiveVAE(6, (16, 3))
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other(presets()).raw, model(presets()).raw)


def test_more_latents_than_parameters_are_refused():
    with user_error("latent", 7, "there are 6"):
        SelectiveVAE(6, (16, 7))
