"""Detection of non-finite losses and gradients: by term and by item."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

__all__ = ["all_finite", "listed", "nonfinite_items", "nonfinite_terms"]

#: Maximum number of item numbers in a message.
NAMED = 10


def all_finite(tensors: Iterable[Tensor]) -> Tensor:
    """Whether all values are finite, as a tensor on their device, so that a step synchronises only once."""
    return torch.stack([tensor.detach().isfinite().all() for tensor in tensors]).all()


def nonfinite_terms(terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Boolean rows ``(B,)`` in which a term is not finite, by term; finite terms are left out."""
    bad = {name: ~value.detach().isfinite() for name, value in terms.items()}
    return {name: rows for name, rows in bad.items() if rows.any()}


def nonfinite_items(
    terms: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]],
    batch: Mapping[str, Tensor],
    network: nn.Module,
    gradients: bool,
) -> dict[str, Tensor]:
    """Rows ``(B,)`` in which a term or its gradient is not finite due to the row alone, by term; others are left out.

    Within a batch, normalisation spreads non-finite values to every row, and so does a backward pass, in which an
    infinite derivative turns the zeros of other rows into NaN.

    Args:
        terms: function from a batch to its terms, each ``(B,)``.
        batch: tensors ``(B, ...)``.
        network: network in evaluation mode, so that rows are independent.
        gradients: whether to check gradients.
    """
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    count = len(next(iter(batch.values())))
    bad: dict[str, Tensor] = {}
    for row in range(count):
        for name, value in terms({key: rows[row : row + 1] for key, rows in batch.items()}).items():
            looked_at = [value]
            if gradients and value.requires_grad:
                found = torch.autograd.grad(value.sum(), weights, retain_graph=True, allow_unused=True)
                looked_at += [part for part in found if part is not None]
            if not all_finite(looked_at):
                bad.setdefault(name, torch.zeros(count, dtype=torch.bool, device=value.device))[row] = True
    return bad


def listed(numbers: Iterable[int]) -> str:
    """``5, 88 and 3 more``: the first numbers, without duplicates, in their order."""
    every = sorted(set(numbers))
    more = f" and {len(every) - NAMED:,} more" if len(every) > NAMED else ""
    return ", ".join(map(str, every[:NAMED])) + more
