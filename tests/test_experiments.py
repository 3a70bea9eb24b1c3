"""Every committed configuration is a legal one."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthvae.models import parse_architecture
from synthvae.training.config import resolve_config

CONFIGS = sorted((Path(__file__).parents[1] / "experiments").glob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_committed_configurations_resolve(path: Path):
    config = resolve_config(path, {"data": "x.json"})
    assert parse_architecture(config.architecture, 63)
