from __future__ import annotations

import pytest
import torch

from synthvae.core.errors import UserError
from synthvae.models import ARCHITECTURES, VAE


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_shapes_and_mirrored_widths(name: str):
    widths = ARCHITECTURES[name]
    model = VAE(63, widths)
    output = model(torch.rand(5, 63), torch.randn(5, widths[-1]))
    assert output.raw.shape == (5, 63)
    assert output.mean.shape == output.log_variance.shape == output.latent.shape == (5, widths[-1])
    down = [m.out_features for m in model.body if isinstance(m, torch.nn.Linear)]
    up = [m.in_features for m in model.decoder if isinstance(m, torch.nn.Linear)]
    assert down == list(widths[:-1])
    assert up == list(reversed(widths))


def test_without_noise_the_mean_is_decoded():
    model = VAE(63, (32, 4))
    unit = torch.rand(3, 63)
    output = model(unit)
    torch.testing.assert_close(output.latent, output.mean)
    torch.testing.assert_close(output.raw, model.decode(model.encode(unit)[0]))
    torch.testing.assert_close(model(unit).raw, output.raw)


def test_reparameterisation_has_the_posteriors_moments():
    model = VAE(63, (32, 4))
    unit = torch.rand(1, 63).expand(200_000, 63)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        output = model(unit, torch.randn(200_000, 4, generator=generator))
    torch.testing.assert_close(output.latent.mean(0), output.mean[0], rtol=0, atol=0.02)
    torch.testing.assert_close(output.latent.var(0), output.log_variance[0].exp(), rtol=0.03, atol=0)


def test_clamped_output_and_sigmoid_stay_in_the_cube():
    latent_extreme = 50 * torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
    linear, sigmoid = VAE(63, (32, 4)), VAE(63, (32, 4), "sigmoid")
    raw = linear.decode(latent_extreme)
    assert raw.min() < 0 < 1 < raw.max()
    assert (linear(torch.rand(9, 63)).unit >= 0).all()
    squashed = sigmoid.decode(latent_extreme)
    assert squashed.min() >= 0
    assert squashed.max() <= 1


def test_every_weight_receives_a_gradient():
    model = VAE(63, (32, 4))
    output = model(torch.rand(16, 63), torch.randn(16, 4))
    (output.raw.square().sum() + output.log_variance.sum()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_unknown_output():
    with pytest.raises(UserError, match="choose one of linear, sigmoid"):
        VAE(63, (4,), "softmax")


def test_the_decoder_starts_at_the_middle_of_the_cube_or_with_pytorchs_own_weights():
    torch.manual_seed(0)
    centred = VAE(63, (32, 4))
    torch.manual_seed(0)
    default = VAE(63, (32, 4), centred=False)
    ours, theirs = centred.state_dict(), default.state_dict()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == ["decoder.2.bias"]
    assert (ours["decoder.2.bias"] == 0.5).all()
    assert theirs["decoder.2.bias"].abs().max() <= 32**-0.5
