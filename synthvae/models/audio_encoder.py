"""Audio encoder: log-mel spectrogram to a latent Gaussian.

It outputs a Gaussian for every latent dimension, since many presets sound alike: the mean is the prediction, and draws
are starting points of a search.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synthvae.core.errors import UserError
from synthvae.core.files import load_tensors, save_tensors
from synthvae.features.base import as_constant
from synthvae.features.mel import FLOOR, LOWEST, htk_filterbank

__all__ = ["ENCODER_FILE", "AudioEncoder", "read_encoder", "write_encoder"]

#: Name of the file in a run's directory.
ENCODER_FILE = "audio-encoder.safetensors"
FORMAT, VERSION = "synthvae-audio-encoder", 1
WINDOW, HOP, BANDS = 2048, 1024, 128
#: Channels of the four convolutions.
CHANNELS = (24, 48, 96, 144)
#: Widths of the two layers after the convolutions; the second is that of files that do not store theirs.
HIDDEN, FORMER_HIDDEN = 256, 512
#: Bounds of the predicted log variance.
LOG_VARIANCE = (-8.0, 4.0)


class AudioEncoder(nn.Module):
    """Log-mel spectrogram, four convolutions of stride 2, and three linear layers to a Gaussian.

    Args:
        latent_size: number of latent dimensions, D.
        sample_rate: sample rate of its input sounds in Hz.
        samples: length of its input sounds in samples; longer sounds are cut, shorter ones padded with silence.
        hidden: width of the layers after the convolutions.
    """

    def __init__(self, latent_size: int, sample_rate: int, samples: int, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.latent_size, self.sample_rate, self.samples, self.hidden = latent_size, sample_rate, samples, hidden
        frames = samples // HOP + 1
        weights = htk_filterbank(sample_rate, BANDS, LOWEST, WINDOW).T / (WINDOW / 4)
        self.weights: Tensor
        self.window: Tensor
        self.register_buffer("weights", as_constant(weights, torch.float32, torch.device("cpu")), persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        layers: list[nn.Module] = []
        size = (BANDS, frames)
        for before, after in zip((1, *CHANNELS), CHANNELS, strict=False):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.GELU()]
            size = ((size[0] + 1) // 2, (size[1] + 1) // 2)
        self.convolutions = nn.Sequential(*layers)
        self.answer = nn.Sequential(
            nn.Linear(CHANNELS[-1] * size[0] * size[1], hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, 2 * latent_size),
        )

    def spectrogram(self, audio: Tensor) -> Tensor:
        """Input spectrogram of audio ``(B, T)``: ``(B, bands, frames)``, -1 for silence and about 1 for full scale."""
        audio = F.pad(audio, (0, max(0, self.samples - audio.shape[1])))[:, : self.samples]
        transform = torch.stft(audio, WINDOW, HOP, window=self.window, pad_mode="constant", return_complex=True)
        bands = transform.abs().transpose(1, 2) @ self.weights
        return (20.0 * torch.log10(bands + FLOOR) + 40.0).transpose(1, 2) / 40.0

    def forward(self, spectrogram: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, each ``(B, D)``, from `spectrogram`."""
        mean, spread = self.answer(self.convolutions(spectrogram[:, None]).flatten(1)).chunk(2, 1)
        return mean, spread.clamp(*LOG_VARIANCE)

    def encode(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation ``(B, D)`` of the latents predicted from audio ``(B, T)``."""
        training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                mean, log_variance = self(self.spectrogram(audio))
        finally:
            self.train(training)
        return mean, (0.5 * log_variance).exp()


def write_encoder(path: Path, encoder: AudioEncoder, state: dict[str, Any]) -> None:
    """Write an encoder with the hash of its run's weights and its training settings.

    Raises:
        UserError: if `path` cannot be written.
    """
    shape = {name: getattr(encoder, name) for name in ("latent_size", "sample_rate", "samples", "hidden")}
    save_tensors(path, encoder.state_dict(), {"format": FORMAT, "version": VERSION, **shape, **state})


def read_encoder(path: Path, weights_hash: str | None = None) -> AudioEncoder:
    """Read an encoder, in evaluation mode, of the run whose weights have that hash; None skips the check.

    Raises:
        UserError: if the file cannot be read, is not an encoder, or was trained for other weights.
    """
    tensors, state = load_tensors(path)
    if state.get("format") != FORMAT or state.get("version") != VERSION:
        raise UserError(path, path, "train it with synthvae train-encoder", "not an audio encoder of this version")
    if weights_hash is not None and state.get("weights_hash") != weights_hash:
        raise UserError(
            path,
            path,
            "train it again with synthvae train-encoder",
            f"was trained for other weights than {path.parent} has now",
        )
    try:
        latent_size, sample_rate, samples = (int(state[name]) for name in ("latent_size", "sample_rate", "samples"))
        encoder = AudioEncoder(latent_size, sample_rate, samples, int(state.get("hidden", FORMER_HIDDEN)))
        encoder.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise UserError(path, path, "train it again with synthvae train-encoder", "damaged") from None
    return encoder.eval()
