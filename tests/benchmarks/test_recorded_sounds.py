"""``python -m benchmarks sounds``: runs that it trains, and the flow whose draws are compared with simpler ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks import flow_prior, recorded_sounds
from benchmarks.flow_prior import FlowPrior, fit_flow
from benchmarks.recorded_sounds import beta_plans, plan_settings, published_plans
from synthvae.core.randomness import generator
from tests.cli.refusal import refused
from tests.training.sounds import write_small_library


def bent(count: int) -> torch.Tensor:
    """Latents along a parabola."""
    noise = torch.randn(count, 2, generator=generator(5))
    return torch.stack([3.0 * noise[:, 0] + 1.0, noise[:, 0].square() + 0.3 * noise[:, 1]], 1)


@pytest.fixture(scope="module")
def prior() -> FlowPrior:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow_prior, "STEPS", 250)
        return fit_flow(bent(600))


def test_the_density_of_a_flow_integrates_to_one(prior: FlowPrior):
    across, up = torch.linspace(-20.0, 22.0, 400), torch.linspace(-8.0, 25.0, 400)
    grid = torch.cartesian_prod(across, up)
    with torch.inference_mode():
        total = prior.log_density(grid).double().exp().sum() * (across[1] - across[0]) * (up[1] - up[0])
    assert float(total) == pytest.approx(1.0, abs=0.02)


def test_a_flow_fits_what_a_gaussian_does_not(prior: FlowPrior):
    latents, draws = bent(2000), prior.sample(2000, seed=1)
    gaussian = torch.distributions.MultivariateNormal(latents.mean(0), torch.cov(latents.T))
    with torch.inference_mode():
        assert prior.log_density(latents).mean() > gaussian.log_prob(latents).mean() + 0.3
    for found in (latents, draws):
        bend = torch.stack([((found[:, 0] - 1.0) / 3.0).square(), found[:, 1]])
        assert float(torch.corrcoef(bend)[0, 1]) > 0.9
    assert torch.equal(prior.sample(3, seed=1), prior.sample(3, seed=1))


def test_draws_that_overflow_are_drawn_again(prior: FlowPrior, monkeypatch: pytest.MonkeyPatch):
    inverse = prior.flow.inverse

    def overflowing(noise: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        return torch.where(noise[:, :1] > 0, torch.inf, inverse(noise, features))

    monkeypatch.setattr(prior.flow, "inverse", overflowing)
    assert prior.sample(50, seed=1).isfinite().all()
    monkeypatch.setattr(prior.flow, "inverse", lambda noise, features: noise * torch.nan)
    with pytest.raises(FloatingPointError, match="0 of 1000 draws"):
        prior.sample(50)


def test_runs_are_trained_for_the_steps_that_are_asked_for(tmp_path: Path):
    library = write_small_library(tmp_path / "lib")
    for plan in published_plans(["r", "g", "d"]):
        settings = plan_settings(plan, library, steps=50, seed=3)
        assert settings.as_published != plan.name.endswith("-mended")
        assert (settings.epochs, settings.epoch_steps, settings.patience, settings.seed) == (10, 5, 0, 3)
    assert [plan_settings(plan, library, 50, 0).kl_weight for plan in beta_plans([0.5, 2.0])] == [0.5, 2.0]


@pytest.mark.slow
def test_runs_are_trained_and_measured(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    library = write_small_library(tmp_path / "lib").path
    monkeypatch.setattr(recorded_sounds, "EPOCHS", 1)
    monkeypatch.setattr(flow_prior, "STEPS", 1)
    code, out, err = run("sounds", "--betas", "1", "--library", library, "--steps", 3, "--out", "b")
    assert code == 0, err
    assert (tmp_path / "b/runs-lib-3-0/beta-1/run.json").exists()
    steps = next(line.split("|")[2] for line in out.splitlines() if line.startswith("| beta-1 |"))
    assert int(steps) == 3
    assert "| beta-1 | too few sounds |" in out
    refused(run("sounds", "--betas", "1", "--library", "none"), "none")
    refused(run("sounds"), "no runs to measure")
    refused(run("sounds", "--published", "r,x"), "--published is 'x'; choose some of r,g,d")
    refused(run("sounds", "--betas", "1,a"), "--betas is '1,a'")
    refused(run("sounds", "--betas", "1", "--steps", 0), "--steps is 0")
