"""Base class of audio losses: two batches of audio to one value per example."""

from __future__ import annotations

from torch import Tensor, nn

from synthvae.features import EVERY_FRAME, Frames

__all__ = ["AudioLoss", "refuse_chosen_frames"]


class AudioLoss(nn.Module):
    """Compares reconstructions with targets, each example separately.

    Every loss is finite in value and gradient on silence and on identical signals, and an example's value does not
    depend on the rest of its batch.

    Args:
        formula: the definition, for `repr`.
    """

    def __init__(self, formula: str) -> None:
        super().__init__()
        self.formula = formula

    def forward(self, audio_hat: Tensor, audio: Tensor, frames: Frames = EVERY_FRAME) -> Tensor:
        """Compare reconstructions ``(B, T)``, differentiable, with their targets ``(B, T)``: ``(B,)``.

        Raises:
            ValueError: if the shapes differ, or the loss cannot choose frames.
        """
        if audio_hat.shape != audio.shape:
            raise ValueError(f"shapes differ: {tuple(audio_hat.shape)} against {tuple(audio.shape)}")
        return self.compare(audio_hat, audio, frames)

    def compare(self, audio_hat: Tensor, audio: Tensor, frames: Frames) -> Tensor:
        """Compute the loss of audio of equal shapes; see `forward`."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        """Show the loss's formula in `repr`."""
        return self.formula


def refuse_chosen_frames(frames: Frames) -> None:
    """Reject a selection of frames, for losses with their own transforms.

    Raises:
        ValueError: unless all frames are selected.
    """
    if frames != EVERY_FRAME:
        raise ValueError(f"this loss has transforms of its own and cannot choose frames, got {frames}")
