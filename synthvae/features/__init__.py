"""Time-frequency features of audio: STFT, MFCC, CQT and log-mel, differentiable and row by row."""

from synthvae.features.base import EVERY_FRAME, Feature, Frames
from synthvae.features.cqt import Cqt
from synthvae.features.fourier import stft
from synthvae.features.mel import LogMel, log_mel
from synthvae.features.mfcc import Mfcc
from synthvae.features.powers import stft_powers
from synthvae.features.registry import FEATURES, build_feature
from synthvae.features.short_time import StftFeature

__all__ = [
    "EVERY_FRAME",
    "FEATURES",
    "Cqt",
    "Feature",
    "Frames",
    "LogMel",
    "Mfcc",
    "StftFeature",
    "build_feature",
    "log_mel",
    "stft",
    "stft_powers",
]
