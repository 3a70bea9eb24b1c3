"""Weight files of the published names, keys and shapes, with drawn numbers.

The numbers come from raw uniform draws, which are the same in every release of NumPy, so that rows computed with them
in one environment can be compared with rows computed in another.
"""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import torch

VGGISH, PANNS, PANNS_32K = "vggish-10086976.pth", "Cnn14_16k_mAP=0.438.pth", "Cnn14_mAP=0.431.pth"


def _draw(generator: np.random.Generator, shape: tuple[int, ...], low: float, high: float) -> torch.Tensor:
    return torch.from_numpy(generator.random(shape, dtype=np.float32) * np.float32(high - low) + np.float32(low))


def _layer(generator: np.random.Generator, *shape: int) -> torch.Tensor:
    """Uniform weights that keep the level of what passes through a ReLU."""
    reach = (6.0 / np.prod(shape[1:])) ** 0.5
    return _draw(generator, shape, -reach, reach)


def vggish_state(seed: int = 1) -> dict[str, torch.Tensor]:
    generator = np.random.default_rng(seed)
    convolutions = {0: (64, 1), 3: (128, 64), 6: (256, 128), 8: (256, 256), 11: (512, 256), 13: (512, 512)}
    layers = {0: (4096, 12_288), 2: (4096, 4096), 4: (128, 4096)}
    shapes = {f"features.{n}": (*shape, 3, 3) for n, shape in convolutions.items()}
    shapes |= {f"embeddings.{n}": shape for n, shape in layers.items()}
    state = {}
    for name, shape in shapes.items():
        state[f"{name}.weight"] = _layer(generator, *shape)
        state[f"{name}.bias"] = _draw(generator, shape[:1], -0.1, 0.1)
    return state


def _norm(generator: np.random.Generator, name: str, width: int) -> dict[str, torch.Tensor]:
    ranges = {"weight": (0.5, 1.5), "bias": (-0.1, 0.1), "running_mean": (-0.1, 0.1), "running_var": (0.5, 1.5)}
    drawn = {f"{name}.{key}": _draw(generator, (width,), *reach) for key, reach in ranges.items()}
    return drawn | {f"{name}.num_batches_tracked": torch.tensor(7)}


def panns_state(rate: int = 16_000, seed: int = 0) -> dict[str, torch.Tensor]:
    """The transform and the mel bands are those of the published files: a DFT under a Hann window, and librosa's."""
    generator = np.random.default_rng(seed)
    window, highest = {16_000: (512, 8000), 32_000: (1024, 14_000)}[rate]
    bins, time = np.arange(window // 2 + 1)[:, None], np.arange(window)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * time / window)
    angle = 2 * np.pi * (bins * time % window) / window
    mel = librosa.filters.mel(sr=rate, n_fft=window, n_mels=64, fmin=50, fmax=highest).T
    state = {
        "spectrogram_extractor.stft.conv_real.weight": torch.from_numpy((np.cos(angle) * hann)[:, None]).float(),
        "spectrogram_extractor.stft.conv_imag.weight": torch.from_numpy((-np.sin(angle) * hann)[:, None]).float(),
        "logmel_extractor.melW": torch.from_numpy(np.ascontiguousarray(mel)).float(),
        **_norm(generator, "bn0", 64),
    }
    channels = 1
    for number, width in enumerate((64, 128, 256, 512, 1024, 2048), start=1):
        block = f"conv_block{number}"
        state[f"{block}.conv1.weight"] = _layer(generator, width, channels, 3, 3)
        state[f"{block}.conv2.weight"] = _layer(generator, width, width, 3, 3)
        state |= _norm(generator, f"{block}.bn1", width) | _norm(generator, f"{block}.bn2", width)
        channels = width
    for name, width in (("fc1", 2048), ("fc_audioset", 527)):
        state[f"{name}.weight"] = _layer(generator, width, 2048)
        state[f"{name}.bias"] = _draw(generator, (width,), -0.1, 0.1)
    return state


def write_vggish(folder: Path) -> Path:
    path = folder / VGGISH
    if not path.exists():
        torch.save(vggish_state(), path)
    return path


def write_panns(folder: Path, rate: int = 16_000) -> Path:
    """As the authors' training writes it: beside the weights the state of a sampler, in the old format."""
    path = folder / {16_000: PANNS, 32_000: PANNS_32K}[rate]
    if not path.exists():
        sampler = {"indexes": np.arange(9, dtype=np.int64), "pointer": np.int64(3)}
        checkpoint = {"iteration": 1, "model": panns_state(rate), "sampler": sampler}
        torch.save(checkpoint, path, _use_new_zipfile_serialization=False)
    return path
