"""Shared fixtures: small datasets and a trained run, made once per session."""

from __future__ import annotations

import dataclasses
import importlib
import shutil
import signal
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from synthvae.bank import Bank
from synthvae.data.generation import generate_dataset
from synthvae.data.preset import Preset
from synthvae.data.presets import Dataset, read_dataset
from synthvae.models.selective import SelectiveVAE
from synthvae.synths.settings import RenderSettings
from synthvae.synths.voice.parameters import VOICE_63, VOICE_78, import_torchsynth
from synthvae.synths.voice.voice import Voice
from synthvae.training import spaces
from synthvae.training.config import resolve_config
from synthvae.training.run import Run, load_run
from synthvae.training.tasks.presets import PresetTask
from synthvae.training.trainer import train
from tests.training.sounds import sound_task, write_small_library

KEPT = (
    "keyboard.midi_f0", "keyboard.duration", "vco_1.tuning", "vco_2.tuning", "vco_2.shape", "mixer.vco_1",
    "mixer.vco_2", "mixer.noise", "adsr_1.attack", "adsr_1.decay", "adsr_1.sustain", "adsr_2.attack",
    "adsr_2.decay", "lfo_1.frequency", "lfo_2.frequency", "mod_matrix.lfo_2->vco_2_amp",
)  # fmt: skip


MakePreset = Callable[..., Preset]


torch.set_num_threads(1)

# What a shell starts in the background, such as `make test &`, ignores SIGINT, and so would what tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Sums in one order: what a test before has loaded, UMAP for one, may have given PyTorch more threads."""
    torch.set_num_threads(1)


SHORT = RenderSettings(sample_rate=16000, seconds=0.25, control_rate=160)


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """64 presets of a quarter of a second."""
    path = tmp_path_factory.mktemp("data") / "small.json"
    generate_dataset(path, VOICE_63, 64, seed=3, settings=SHORT)
    return read_dataset(path)


@pytest.fixture(scope="session")
def small_voice() -> Voice:
    return Voice(VOICE_63, **SHORT.to_dict())


@pytest.fixture(scope="session")
def small_run(small_dataset: Dataset, small_voice: Voice, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs through the Voice."""
    out = tmp_path_factory.mktemp("runs") / "small"
    config = resolve_config(
        None,
        {
            "data": str(small_dataset.path),
            "loss": "sclp",
            "synth_layer": True,
            "network": "mlp",
            "architecture": "exp1",
            "epochs": 2,
            "batch_size": 16,
            "lr": 1e-3,
        },
    )
    train(PresetTask(config, small_dataset, small_voice), out)
    return out


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small library, a run on it, one on its labels, one on its pitches, and one of frames."""
    folder = tmp_path_factory.mktemp("sounds")
    library = write_small_library(folder / "lib")
    small = {"data": str(library.path), "network": "dense", "widths": "16", "latent": 3}
    kinds: dict[str, dict[str, Any]] = {"plain": {}, "frames": {"frames": 4}}
    kinds |= {"labels": {"condition": "label"}, "pitches": {"condition": "pitch"}}
    for name, more in kinds.items():
        train(sound_task(library, **small, **more), folder / name)
    return folder


@pytest.fixture
def shipped(small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small run as the space that comes with synthvae."""
    folder = tmp_path / "shipped" / spaces.DEFAULT_SPACE
    shutil.copytree(small_run, folder, ignore=shutil.ignore_patterns("tensorboard", ".cache"))
    spaces.write_manifest(folder)
    monkeypatch.setattr(spaces, "SHIPPED", tmp_path / "shipped")
    return folder


@pytest.fixture
def no_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no space came with synthvae."""
    monkeypatch.setattr(spaces, "SHIPPED", tmp_path / "no-spaces")


@pytest.fixture(scope="session")
def weights_dir() -> Iterator[Path]:
    """A folder that tests fill with weights; deleted at the end, for the files have hundreds of megabytes."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def small_presets(small_dataset: Dataset) -> list[Preset]:
    """24 presets of a quarter of a second, without names."""
    origin = {"dataset": "small.json"}
    return [Preset(VOICE_63, row, SHORT, {**origin, "index": i}) for i, row in enumerate(small_dataset.values[:24])]


@pytest.fixture(scope="session")
def small_bank_file(small_presets: list[Preset], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank of the first 12; for reading only."""
    path = tmp_path_factory.mktemp("bank") / "bank.sqlite"
    Bank(path).add_all(small_presets[:12], [("even",) if i % 2 == 0 else ("odd", "other") for i in range(12)])
    return path


@pytest.fixture
def small_bank(small_bank_file: Path, tmp_path: Path) -> Bank:
    """A copy of it, for one test alone."""
    path = tmp_path / "bank.sqlite"
    shutil.copyfile(small_bank_file, path)
    return Bank(path)


@pytest.fixture
def torchsynth_synth(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """torchsynth.synth itself, given the two imports that current installations no longer have."""
    pkg_resources = types.ModuleType("pkg_resources")
    pkg_resources.resource_string = lambda package, name: (resources.files("torchsynth") / name).read_bytes()

    class LightningModule(torch.nn.Module):
        device = torch.device("cpu")

    core = types.ModuleType("pytorch_lightning.core.lightning")
    core.LightningModule = LightningModule
    for name, module in {
        "pkg_resources": pkg_resources,
        "pytorch_lightning": types.ModuleType("pytorch_lightning"),
        "pytorch_lightning.core": types.ModuleType("pytorch_lightning.core"),
        "pytorch_lightning.core.lightning": core,
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "torchsynth.synth", raising=False)
    module = import_torchsynth("synth")
    yield module
    sys.modules.pop("torchsynth.synth", None)
    importlib.invalidate_caches()


@pytest.fixture(scope="session")
def selective_run(small_run: Path) -> Run:
    """The small run with a selective network as it is before training, whose decoder bends every latent a little.

    Two epochs on 46 presets leave a decoder that answers the middle of the cube whatever it is asked.
    """
    trained = load_run(small_run)
    names = trained.parameters.names
    network = SelectiveVAE(len(names), [32, len(KEPT)])
    network.select(torch.tensor([1.0 if name in KEPT else 0.0 for name in names]), held=[])
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return dataclasses.replace(trained, model=network.eval().requires_grad_(False))


@pytest.fixture
def make_preset() -> MakePreset:
    """A preset of a steady sine at its key, held to the end; change values by name, ``__`` standing for the dot."""

    def make(settings: RenderSettings | None = None, name: str = "", **changes: float) -> Preset:
        human = VOICE_78.denormalise(np.full(len(VOICE_78), 0.5))
        values = dict(zip(VOICE_78.names, human.tolist(), strict=True))
        values |= {key: 0.0 for key in values if key.startswith(("mod_matrix.", "mixer.", "vco_1.", "vco_2."))}
        values |= {key: 0.0 for key in values if key.endswith((".attack", ".decay", ".release"))}
        values |= {"keyboard.midi_f0": 69.0, "keyboard.duration": 1.0, "mixer.vco_1": 0.5}
        values |= {"mod_matrix.adsr_1->vco_1_amp": 1.0, "mod_matrix.adsr_1->vco_2_amp": 1.0, "adsr_1.sustain": 1.0}
        values |= {"mod_matrix.adsr_1->noise_amp": 1.0}
        values |= {key.replace("__", "."): value for key, value in changes.items()}
        settings = settings or RenderSettings(sample_rate=16000, seconds=0.25, control_rate=160)
        return Preset(VOICE_78, VOICE_78.from_dict(values), settings, {}, name)

    return make


@pytest.fixture
def sketched_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of a report drawn once, coarsely and without a layout: for tests of what is said beside them."""
    from synthvae.report import figures  # matplotlib, which few tests need

    def both_bytes(figure: Any) -> tuple[bytes, bytes]:
        figure.set_layout_engine("none")
        return figures.png_bytes(figure, dpi=20), b"<svg/>"

    monkeypatch.setattr(figures, "both_bytes", both_bytes)
