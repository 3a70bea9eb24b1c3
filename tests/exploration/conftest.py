"""A model whose latents are heard."""

from __future__ import annotations

import pytest

from synthvae.training.run import Run


@pytest.fixture(scope="session")
def run(selective_run: Run) -> Run:
    return selective_run
