"""Dense frames: spectra as input of fully connected networks, as whole sounds or frame by frame."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from synthvae.core.errors import UserError
from synthvae.features.representations.base import compress, expand
from synthvae.features.representations.mel import Mel, full_scale

__all__ = ["DenseFrames"]


class DenseFrames(Mel):
    """Spectra in dB, scaled to [0, 1] for a sigmoid output, as in De Luca's dense networks.

    The publication shows waveforms, mel and linear spectrograms without stating which was learned, and gives no sizes.
    Here they are the bands of `Mel`, or with `scale` `linear` all bins of its transform; whole sounds are flattened or
    single columns learned, one per frame.

    Args:
        sample_rate: sample rate in Hz.
        samples: number of samples of the sounds that `shape` describes.
        scale: `mel` or `linear`.
        n_fft: frame size, as for `Mel`.
    """

    name: ClassVar[str] = "frames"
    description: ClassVar[str] = "frames in dB for dense networks, mel or linear, 1024/128 at 16 kHz"
    level: ClassVar[str] = "loudest band or bin of any frame, 0 dB for a full-scale sine; values are without it"

    def __init__(self, sample_rate: int, samples: int, scale: str = "mel", n_fft: int | None = None) -> None:
        super().__init__(sample_rate, samples, n_fft)
        if scale not in ("mel", "linear"):
            raise UserError("scale", scale, "choose mel or linear")
        self._options = {"scale": scale, "n_fft": n_fft}
        self._linear = scale == "linear"

    @property
    def _planes(self) -> tuple[int, int]:
        return (1, self.transform.bins) if self._linear else super()._planes

    def _analyse(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        if not self._linear:
            return super()._analyse(audio)
        magnitude = self.transform.forward(audio, self.frames(audio.shape[1])).abs()
        values, level = compress(magnitude, full_scale(self.transform))
        return values[:, None], level

    def _magnitude(self, values: Tensor, level: Tensor) -> Tensor:
        if not self._linear:
            return super()._magnitude(values, level)
        return expand(values[:, 0], level, full_scale(self.transform))
