"""A model whose latents are heard."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from synthvae.models.selective import SelectiveVAE
from synthvae.training.run import Run, load_run

KEPT = (
    "keyboard.midi_f0", "keyboard.duration", "vco_1.tuning", "vco_2.tuning", "vco_2.shape", "mixer.vco_1",
    "mixer.vco_2", "mixer.noise", "adsr_1.attack", "adsr_1.decay", "adsr_1.sustain", "adsr_2.attack",
    "adsr_2.decay", "lfo_1.frequency", "lfo_2.frequency", "mod_matrix.lfo_2->vco_2_amp",
)  # fmt: skip


@pytest.fixture(scope="session")
def run(small_run: Path) -> Run:
    """The small run with a selective network as it is before training, whose decoder bends every latent a little.

    Two epochs on 46 presets leave a decoder that answers the middle of the cube whatever it is asked.
    """
    trained = load_run(small_run)
    names = trained.parameters.names
    network = SelectiveVAE(len(names), [32, len(KEPT)])
    network.select(torch.tensor([1.0 if name in KEPT else 0.0 for name in names]), held=[])
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return dataclasses.replace(trained, model=network.eval().requires_grad_(False))
