"""Counts in messages: a number and its noun."""

from __future__ import annotations

__all__ = ["counted"]


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun: ``1 preset``, ``2,000 presets``.

    Args:
        count: the number.
        noun: what is counted, in the singular.
        plural: the same in the plural; by default with an ``s``.
    """
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
