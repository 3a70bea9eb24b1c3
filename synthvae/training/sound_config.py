"""Settings of a run on recorded sounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from synthvae.training.schedules import KL_SCHEDULES, PUBLISHED_KL_SCHEDULES
from synthvae.training.settings import (
    DATA,
    LOSS,
    NETWORK,
    OPTIMISATION,
    PRECISIONS,
    RUN,
    Settings,
    setting,
)

__all__ = ["CONDITIONS", "RECORDED_SOUNDS", "SOUND_LOSSES", "SoundConfig"]

#: The task of a training on recorded sounds.
RECORDED_SOUNDS = "recorded-sounds"
SOUND_LOSSES = ("cross-entropy", "gaussian", "mse")
CONDITIONS = ("none", "label", "pitch")
#: Values that replace ``auto``, by network: representation, loss and latent size; as published, and otherwise.
USUAL = {
    "spectrogram-conv": (("stft-g", "gaussian", 200), ("mel", "gaussian", 64)),
    "spectrogram-iaf": (("mel-r", "cross-entropy", 64), ("mel", "cross-entropy", 64)),
    "dense": (("mel", "mse", 128), ("mel", "gaussian", 128)),
}


def _networks() -> Iterable[str]:
    from synthvae.models.spectrogram import SPECTROGRAM_NETWORKS  # loads PyTorch

    return SPECTROGRAM_NETWORKS


def _representations() -> Iterable[str]:
    from synthvae.features.representations import REPRESENTATIONS

    return ("auto", *REPRESENTATIONS)


@dataclasses.dataclass(frozen=True)
class SoundConfig(Settings):
    """All settings of a training run on recorded sounds; stored in the run's directory."""

    data: str = setting(
        "", "A library made with import-library or make-library.", DATA, shown="none", example="datasets/lib"
    )
    representation: str = setting(
        "auto", "Representation of sounds; auto: the network's.", DATA, choices=_representations
    )
    condition: str = setting("none", "Conditioning input of encoder and decoder.", NETWORK, choices=CONDITIONS)
    network: str = setting("spectrogram-conv", "Network architecture.", NETWORK, choices=_networks)
    latent: int = setting(0, "Number of latent dimensions; 0: the network's.", NETWORK, least=0)
    flows: int = setting(10, "Flow layers of spectrogram-iaf.", NETWORK, least=0)
    widths: str = setting(
        "auto", "Channels of spectrogram-conv or hidden widths of dense: 256-256.", NETWORK, example="256-256"
    )
    decoder_widths: str = setting(
        "auto", "Hidden widths of the decoder of dense; auto: those of the encoder.", NETWORK, flag=False
    )
    frames: int = setting(0, "Frames per latent of dense; 0: the whole sound.", NETWORK, least=0)
    dropout: float = setting(0.0, "Dropout probability of spectrogram-iaf.", NETWORK, least=0, below=1)
    autoencoder: bool = setting(False, "Train a plain autoencoder, without latent noise and KL divergence.", NETWORK)
    as_published: bool = setting(
        False,
        "Network and training rules as published: no bounds, no clipping, no level, padding after the decoder.",
        NETWORK,
    )
    last_relu: bool = setting(
        True, "Whether the published autoencoder has a ReLU after its last layer.", NETWORK, flag=False
    )
    loss: str = setting("auto", "Error of spectrograms; auto: the network's.", LOSS, choices=("auto", *SOUND_LOSSES))
    sigma: float | str = setting(
        "learnt",
        "Standard deviation of the Gaussian loss. learnt: maximum likelihood per batch and channel; a number: relative "
        "to the standard deviation about the mean spectrogram, or absolute as published.",
        LOSS,
        choices=("learnt",),
        number=True,
        above=0,
    )
    level_weight: float = setting(
        0.5, "Weight of the squared error of a sound's level, per dB².", LOSS, least=0, flag=False
    )
    kl_weight: float = setting(1.0, "Weight of the KL divergence.", LOSS, least=0)
    kl_schedule: str = setting(
        "constant", "Schedule of the KL weight.", LOSS, choices=(*KL_SCHEDULES, *PUBLISHED_KL_SCHEDULES)
    )
    kl_warmup: float = setting(0.0, "Epochs of warm-up, or per cycle.", LOSS, least=0)
    kl_baseline: float = setting(0.0, "Initial KL weight as a fraction of the final one.", LOSS, least=0, below=1)
    kl_per_epoch: bool = setting(
        False, "Whether the KL weight changes once per epoch, not every step.", LOSS, flag=False
    )
    free_bits: float = setting(0.0, "Free bits per latent dimension, in nats.", LOSS, least=0)
    gradient_clip: float = setting(
        1.0,
        "Maximum norm of the gradient of all weights, per value of a spectrogram; 0: no clipping.",
        LOSS,
        least=0,
    )
    epochs: int = setting(100, "Maximum number of epochs.", OPTIMISATION, above=0)
    epoch_steps: int = setting(
        0, "Steps per epoch, each followed by validation; 0: one pass over the training sounds.", OPTIMISATION, least=0
    )
    batch_size: int = setting(32, "Batch size.", OPTIMISATION, above=0)
    lr: float = setting(1e-3, "Adam's learning rate.", OPTIMISATION, above=0)
    validation_limit: int = setting(1000, "Validation sounds per epoch.", OPTIMISATION, above=0)
    precision: str = setting(
        "auto",
        "Numeric precision of the network, in Lightning's notation; auto: bf16-mixed if the device supports it.",
        RUN,
        choices=("auto", *PRECISIONS),
    )
    #: Options of the representation's class; a TOML table.
    representation_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def resolved(self) -> SoundConfig:
        """Replace ``auto`` and 0 by actual values, so that a stored run does not depend on later defaults."""
        representation, loss, latent = USUAL[self.network][0 if self.as_published else 1]
        changes: dict[str, Any] = {}
        if self.representation == "auto":
            changes["representation"] = representation
        if self.loss == "auto":
            changes["loss"] = loss
        if not self.latent:
            changes["latent"] = latent
        if self.precision == "auto":
            changes["precision"] = "bf16-mixed" if _computes_in_bf16(self.device) else "32-true"
        return dataclasses.replace(self, **changes)


def _computes_in_bf16(device: str) -> bool:
    """Whether products in bfloat16 are faster than in single precision."""
    import torch

    if device == "cuda" or (device == "auto" and torch.cuda.is_available()):
        return torch.cuda.is_bf16_supported()
    return bool({"avx512_bf16", "amx_bf16"} & _processor_flags())


def _processor_flags() -> set[str]:
    """Instruction sets of the processor, as named by Linux; empty on other systems."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next((set(line.split()) for line in file if line.startswith("flags")), set())
    except OSError:
        return set()
