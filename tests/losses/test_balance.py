from __future__ import annotations

import pytest
import torch

from synthvae.losses import BetaController


def test_the_first_batch_alone_sets_the_ratio():
    controller = BetaController()
    controller.update(torch.tensor([2.0, 4.0]), torch.tensor([0.5, 1.5]))
    assert controller.beta.item() * 1.0 == pytest.approx(3 * 3.0)
    parameter, spectral = controller.averages
    assert (parameter.item(), spectral.item()) == (pytest.approx(3.0), pytest.approx(1.0))


def test_the_averages_are_the_weighted_means_of_what_was_seen():
    decay = 0.9
    controller = BetaController(decay=decay)
    torch.manual_seed(0)
    seen = torch.rand(50, 2, dtype=torch.float64) + 0.5
    for parameter, spectral in seen:
        controller.update(parameter, spectral)
    weights = decay ** torch.arange(49, -1, -1, dtype=torch.float64)
    means = (weights[:, None] * seen).sum(0) / weights.sum()
    assert controller.beta.item() == pytest.approx((3 * means[0] / means[1]).item(), rel=1e-5)


def test_on_steady_terms_the_weighted_terms_stand_one_to_three():
    controller = BetaController()
    for _ in range(20):
        controller.update(torch.tensor(7.0), torch.tensor(0.02))
    assert 7.0 / (controller.beta.item() * 0.02) == pytest.approx(1 / 3)


def test_no_gradient_passes_through_the_weight():
    controller = BetaController()
    parameter = torch.ones(4, requires_grad=True)
    controller.update(parameter, 2 * parameter)
    assert not controller.beta.requires_grad


def test_zero_before_anything_was_seen_and_while_the_spectral_term_is_zero():
    controller = BetaController()
    assert controller.beta.item() == 0.0
    controller.update(torch.tensor(5.0), torch.tensor(0.0))
    assert controller.beta.item() == 0.0
    controller.update(torch.tensor(5.0), torch.tensor(1.0))
    assert 0.0 < controller.beta.item() < float("inf")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_batch_that_is_not_finite_is_passed_over(bad):
    controller = BetaController()
    controller.update(torch.tensor(1.0), torch.tensor(1.0))
    before = controller.beta.item()
    controller.update(torch.tensor(1.0), torch.tensor(bad))
    controller.update(torch.tensor(bad), torch.tensor(1.0))
    assert controller.beta.item() == before


def test_resuming_is_exact():
    torch.manual_seed(0)
    terms = torch.rand(20, 2)
    whole, first = BetaController(), BetaController()
    for parameter, spectral in terms:
        whole.update(parameter, spectral)
    for parameter, spectral in terms[:11]:
        first.update(parameter, spectral)
    second = BetaController()
    second.load_state_dict({name: value.clone() for name, value in first.state_dict().items()})
    for parameter, spectral in terms[11:]:
        second.update(parameter, spectral)
    assert all(isinstance(value, torch.Tensor) for value in first.state_dict().values())
    assert second.beta.item() == whole.beta.item()


def test_a_fixed_weight_stays():
    controller = BetaController(0.25)
    controller.update(torch.tensor(100.0), torch.tensor(1.0))
    assert controller.beta.item() == 0.25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beta": -1.0}, "beta"),
        ({"beta": float("nan")}, "beta"),
        ({"beta": "Auto"}, "beta"),
        ({"ratio": 0.0}, "ratio"),
        ({"decay": 1.0}, "decay"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        BetaController(**arguments)


def test_a_constant_weight_is_set_by_the_first_usable_update_alone():
    controller = BetaController("constant", ratio=2.0)
    controller.update(torch.tensor(float("nan")), torch.tensor(1.0))
    assert controller.beta.item() == 0.0
    controller.update(torch.tensor(3.0), torch.tensor(4.0))
    controller.update(torch.tensor(30.0), torch.tensor(4.0))
    assert controller.beta.item() == pytest.approx(1.5)
    other = BetaController("constant", ratio=2.0)
    other.load_state_dict(controller.state_dict())
    other.update(torch.tensor(30.0), torch.tensor(4.0))
    assert other.beta.item() == controller.beta.item()
