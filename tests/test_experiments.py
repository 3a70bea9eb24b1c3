"""Every committed configuration is a legal one."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthvae.models import parse_architecture
from synthvae.training.config import PRESETS, read_overlay, resolve_config, resolve_sound_config

CONFIGS = sorted((Path(__file__).parents[1] / "experiments").glob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_committed_configurations_resolve(path: Path):
    overlay = read_overlay(path)
    assert len(overlay.tasks) == 1
    if PRESETS in overlay.tasks:
        assert parse_architecture(resolve_config(overlay, {"data": "x.json"}).architecture, 63)
    else:
        assert resolve_sound_config(overlay, {"data": "x"}).resolved().latent > 0
