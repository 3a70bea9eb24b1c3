"""The weight of the spectral term."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["BetaController"]


class BetaController(nn.Module):
    """Weight of the spectral term: adaptive, set once by the first update, or a given number.

    With `beta="auto"`, `beta = ratio * average(parameter error) / average(spectral term)`, both exponential
    moving averages of the values passed to `update`, with Adam's bias correction (Kingma and Ba, Adam, 2015, section
    3), which keeps the ratio of parameter error to weighted spectral term at 1 : `ratio`. With `beta="constant"` only
    the first update has an effect: it sets the weight from its terms. No gradient passes through the weight. It is 0
    before the first update and while the spectral average is 0.

    The averages are buffers: `state_dict` and `load_state_dict` restore them exactly, and `.to(device)` avoids a
    synchronisation with the accelerator at every step.

    Args:
        beta: `"auto"`, `"constant"`, or the weight itself.
        ratio: the weighted spectral term per unit of parameter error.
        decay: decay of the averages per update.

    Raises:
        ValueError: if an argument is out of range.
    """

    parameter_sum: Tensor
    spectral_sum: Tensor
    weight_sum: Tensor

    def __init__(
        self, beta: float | Literal["auto", "constant"] = "auto", ratio: float = 3.0, decay: float = 0.99
    ) -> None:
        super().__init__()
        if beta not in ("auto", "constant") and not (isinstance(beta, (int, float)) and 0.0 <= beta < float("inf")):
            raise ValueError(f"beta must be 'auto', 'constant' or a finite number of at least 0, got {beta!r}")
        if not 0.0 < ratio < float("inf"):
            raise ValueError(f"ratio must be positive, got {ratio}")
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"decay must be in [0, 1), got {decay}")
        self.fixed = None if isinstance(beta, str) else float(beta)
        self.once = beta == "constant"
        self.ratio = ratio
        self.decay = decay
        for name in ("parameter_sum", "spectral_sum", "weight_sum"):
            self.register_buffer(name, torch.zeros(()))

    @torch.no_grad()
    def update(self, parameter_error: Tensor, spectral: Tensor) -> None:
        """Update the averages with the unweighted terms of a batch, `(B,)` or means; non-finite ones are ignored."""
        parameter = parameter_error.mean().to(self.parameter_sum)
        spectrum = spectral.mean().to(self.spectral_sum)
        usable = torch.isfinite(parameter) & torch.isfinite(spectrum)
        if self.once:
            usable = usable & (self.weight_sum == 0)
        for total, value in (
            (self.parameter_sum, parameter),
            (self.spectral_sum, spectrum),
            (self.weight_sum, torch.ones_like(self.weight_sum)),
        ):
            total.copy_(torch.where(usable, self.decay * total + (1.0 - self.decay) * value, total))

    @property
    def averages(self) -> tuple[Tensor, Tensor]:
        """Moving averages of parameter error and spectral term; zeros before the first update."""
        weight = torch.where(self.weight_sum > 0, self.weight_sum, torch.ones_like(self.weight_sum))
        return self.parameter_sum / weight, self.spectral_sum / weight

    @property
    def beta(self) -> Tensor:
        """The weight, a scalar without gradient."""
        if self.fixed is not None:
            return torch.full_like(self.weight_sum, self.fixed)
        parameter, spectral = self.averages
        some = spectral > 0
        ratio = parameter / torch.where(some, spectral, torch.ones_like(spectral))
        return self.ratio * torch.where(some, ratio, torch.zeros_like(ratio))
