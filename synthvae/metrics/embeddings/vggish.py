"""VGGish: a convolutional network for sounds of 0.96 s (Hershey et al. 2017, ICASSP, arXiv 1609.09430).

Based on the PyTorch port ``torchvggish`` (github.com/harritaylor/torchvggish, Apache 2.0), whose weights it loads,
and Google's original (github.com/tensorflow/models, research/audioset/vggish). As in ``frechet-audio-distance`` with
its defaults, the embedding is the last layer before its activation, without PCA and quantization.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synthvae.metrics.embeddings.base import Model
from synthvae.metrics.embeddings.weights import Checkpoint

__all__ = ["CHECKPOINT", "SAMPLE_RATE", "SHORTEST", "VGGish", "log_mel_windows", "vggish", "vggish_windows"]

CHECKPOINT = Checkpoint(
    "vggish-10086976.pth",
    "https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
    "github.com/harritaylor/torchvggish/releases/tag/v0.1",
)

SAMPLE_RATE = 16_000
WINDOW, HOP, N_FFT = 400, 160, 512
FRAMES, BANDS = 96, 64
#: Band edges in Hz.
LOWEST, HIGHEST = 125.0, 7500.0
OFFSET = 0.01
#: Samples of one window of 0.96 s: 96 frames of 25 ms, 10 ms apart.
SHORTEST = (FRAMES - 1) * HOP + WINDOW


class VGGish(nn.Module):
    """Log-mel windows ``(B, 96, 64)`` to embeddings ``(B, 128)``.

    Six convolutions in four blocks, each block followed by max pooling, and three fully connected layers.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for widths in ((64,), (128,), (256, 256), (512, 512)):
            for width in widths:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(512 * (FRAMES // 16) * (BANDS // 16), 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(),
            nn.Linear(4096, 128),
        )  # fmt: skip

    def forward(self, windows: Tensor) -> Tensor:
        """See the class."""
        # Channels last, the order of the inputs of the first fully connected layer in TensorFlow.
        features: Tensor = self.features(windows[:, None]).permute(0, 2, 3, 1).flatten(1)
        embeddings: Tensor = self.embeddings(features)
        return embeddings


def log_mel_windows(audio: NDArray[np.floating]) -> NDArray[np.float32]:
    """The front end of VGGish: ``log(|S| M + 0.01)``, cut into non-overlapping windows.

    S is the STFT with a periodic Hann window of 25 ms every 10 ms, without padding; M has 64 triangular bands from 125
    to 7500 Hz, linear in mel. The remainder at the end that does not fill a window is dropped.

    Args:
        audio: sounds at 16 kHz, shape (B, T), full scale is 1, T at least `SHORTEST`.

    Returns:
        Shape (B, W, 96, 64), W windows of 0.96 s.
    """
    frames = np.lib.stride_tricks.sliding_window_view(audio.astype(np.float64), WINDOW, axis=1)[:, ::HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    bands = np.log(np.abs(np.fft.rfft(frames * hann, N_FFT)) @ _mel_weights() + OFFSET)
    count = bands.shape[1] // FRAMES
    return bands[:, : count * FRAMES].reshape(len(audio), count, FRAMES, BANDS).astype(np.float32)


@lru_cache(maxsize=1)
def _mel_weights() -> NDArray[np.float64]:
    """Weights ``(257, 64)`` of each bin in each band.

    Unlike HTK's and librosa's, the slopes are linear in mel and not in Hz; the bin at 0 Hz has no weight.
    """

    def mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1127.0 * np.log1p(hertz / 700.0)

    lowest, highest = mel(np.array([LOWEST, HIGHEST]))
    edges = np.linspace(lowest, highest, BANDS + 2)
    bins = mel(np.linspace(0.0, SAMPLE_RATE / 2, N_FFT // 2 + 1))[:, None]
    rising, falling = (bins - edges[:-2]) / np.diff(edges)[:-1], (edges[2:] - bins) / np.diff(edges)[1:]
    weights = np.maximum(0.0, np.minimum(rising, falling))
    weights[0] = 0.0
    return weights


def vggish(network: nn.Module) -> Model:
    """One row per sound, the mean over its windows of 0.96 s: the windows of a sound depend on each other."""
    return lambda audio: _windows(network, audio).mean(axis=1)


def vggish_windows(network: nn.Module) -> Model:
    """One row per window, as in ``frechet-audio-distance``."""
    return lambda audio: _windows(network, audio).reshape(-1, 128)


def _windows(network: nn.Module, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embeddings ``(B, W, 128)`` of all windows of sounds ``(B, T)``."""
    windows = log_mel_windows(audio)
    batch = torch.from_numpy(windows.reshape(-1, FRAMES, BANDS)).to(next(network.parameters()).device)
    with torch.inference_mode():
        rows: NDArray[np.float32] = network(batch).cpu().numpy()
    return rows.reshape(*windows.shape[:2], 128)
