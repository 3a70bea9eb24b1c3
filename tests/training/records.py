"""Rows of a run's log as mappings without empty cells."""

from __future__ import annotations

from pathlib import Path

from synthvae.training.log import read_metrics


def records(path: Path) -> list[dict[str, float]]:
    return [row.dropna().to_dict() for _, row in read_metrics(path).iterrows()]
