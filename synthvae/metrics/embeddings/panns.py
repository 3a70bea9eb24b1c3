"""PANNs CNN14: a convolutional network trained to tag AudioSet (Kong et al. 2020, IEEE/ACM TASLP 28:2880).

Based on the authors' code (github.com/qiuqiangkong/audioset_tagging_cnn, MIT; ``Cnn14`` and ``Cnn14_16k`` of
``pytorch/models.py``), whose weights it loads. The embedding is the layer before the classifier, as in
``frechet-audio-distance``.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from synthvae.metrics.embeddings.base import Model
from synthvae.metrics.embeddings.weights import Checkpoint

__all__ = ["CHECKPOINTS", "Cnn14", "build_cnn14", "panns", "panns_collapsed", "shortest"]

_PAGE = "zenodo.org/record/3987831"


def _checkpoint(name: str) -> Checkpoint:
    escaped = name.replace("=", "%3D")  # the file name under which frechet-audio-distance saves it
    return Checkpoint(
        name, f"https://{_PAGE}/files/{escaped}", _PAGE, escaped, "model", ("fc_audioset.weight", "fc_audioset.bias")
    )


#: The published files by sample rate in Hz.
CHECKPOINTS = {16_000: _checkpoint("Cnn14_16k_mAP=0.438.pth"), 32_000: _checkpoint("Cnn14_mAP=0.431.pth")}

BANDS = 64
WIDTHS = (64, 128, 256, 512, 1024, 2048)


class _Block(nn.Module):
    """Two convolutions with batch normalisation ``(B, C, T, F)``, and mean pooling over `pool` by `pool` cells."""

    def __init__(self, channels: int, width: int, pool: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.pool = pool

    def forward(self, maps: Tensor) -> Tensor:
        maps = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(maps))))))
        return F.avg_pool2d(maps, self.pool)


class Cnn14(nn.Module):
    """Sounds ``(B, T)`` to embeddings ``(B, 2048)``.

    ``10 log10(max(|S|^2 M, 1e-10))``, batch normalisation per band, six blocks of two convolutions, the mean over
    frequency, the sum of maximum and mean over time, and one fully connected layer. S is the STFT with a Hann window,
    padded by reflection; S and the mel bands M are read from the published file.

    Args:
        window: window of the STFT, in samples.
        hop: hop of the STFT, in samples.
    """

    def __init__(self, window: int, hop: int) -> None:
        super().__init__()
        self.window = window
        bins = window // 2 + 1
        transform = {f"conv_{part}": nn.Conv1d(1, bins, window, hop, bias=False) for part in ("real", "imag")}
        self.spectrogram_extractor = nn.ModuleDict({"stft": nn.ModuleDict(transform)})
        self.logmel_extractor = nn.ParameterDict({"melW": nn.Parameter(torch.empty(bins, BANDS))})
        self.bn0 = nn.BatchNorm2d(BANDS)
        for number, (channels, width) in enumerate(zip((1, *WIDTHS), WIDTHS, strict=False), start=1):
            self.add_module(f"conv_block{number}", _Block(channels, width, 2 if number < len(WIDTHS) else 1))
        self.fc1 = nn.Linear(WIDTHS[-1], WIDTHS[-1])

    def forward(self, audio: Tensor) -> Tensor:
        """See the class."""
        padded = F.pad(audio[:, None], (self.window // 2, self.window // 2), mode="reflect")
        real, imaginary = (
            self.get_submodule(f"spectrogram_extractor.stft.conv_{part}")(padded) for part in ("real", "imag")
        )
        power = real**2 + imaginary**2  # (B, bins, frames)
        bands = 10.0 * torch.log10((power.transpose(1, 2) @ self.logmel_extractor["melW"]).clamp(min=1e-10))
        maps = self.bn0(bands.transpose(1, 2)[..., None]).permute(0, 3, 2, 1)  # (B, 1, frames, bands)
        for number in range(1, len(WIDTHS) + 1):
            maps = self.get_submodule(f"conv_block{number}")(maps)
        over_time = maps.mean(dim=3)
        return F.relu(self.fc1(over_time.amax(dim=2) + over_time.mean(dim=2)))


def build_cnn14(sample_rate: int) -> Cnn14:
    """The network of a published file: a window of 32 ms every 10 ms.

    Args:
        sample_rate: sample rate in Hz, one of `CHECKPOINTS`.
    """
    return Cnn14(sample_rate * 32 // 1000, sample_rate // 100)


def shortest(sample_rate: int) -> int:
    """Number of samples of the shortest sound: 32 frames, which are halved five times."""
    return 31 * (sample_rate // 100)


def panns(network: nn.Module) -> Model:
    """One row of 2048 numbers per sound."""
    device = next(network.parameters()).device

    def embed(audio: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            rows: NDArray[np.float32] = network(torch.from_numpy(np.ascontiguousarray(audio)).to(device)).cpu().numpy()
        return rows

    return embed


def panns_collapsed(network: nn.Module) -> Model:
    """The numbers of `panns`, each as a separate row.

    ``frechet-audio-distance`` concatenates the embeddings of all sounds, so that its PANNs distance compares mean and
    variance of single numbers. A Gaussian of these rows gives that distance. It does not measure sounds; it exists for
    comparison with values reported with that package.
    """
    embed = panns(network)
    return lambda audio: embed(audio).reshape(-1, 1)
