"""Embeddings, loaded by their real code from weight files of the published names, keys and shapes, with drawn numbers.

`make test-fad` runs this in an environment that has ``frechet-audio-distance``, where nothing may be skipped: there
VGGish and PANNs are compared with the package's own. ``reference_embeddings.json`` has rows that the package computed,
so that every other environment is compared with it too.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import os
import shlex
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from synthvae.audio.resampling import resample
from synthvae.core.errors import UserError
from synthvae.features import build_feature
from synthvae.metrics.embeddings import EMBEDDINGS, Embedding, build_embedding, package
from synthvae.metrics.embeddings.logmel import logmel_embedding
from synthvae.metrics.embeddings.panns import CHECKPOINTS
from synthvae.metrics.embeddings.vggish import log_mel_windows
from synthvae.metrics.embeddings.weights import Checkpoint, find_checkpoint, load_checkpoint, sha256
from synthvae.metrics.frechet import GaussianStatistics, frechet_distance, frechet_extrapolated
from tests.errors import user_error
from tests.metrics.embeddings.drawn_weights import PANNS, VGGISH, panns_state, write_panns, write_vggish

RATE = 44_100
REFERENCE = Path(__file__).parent / "reference_embeddings.json"
REQUIRED = "SYNTHVAE_REQUIRE_FAD" in os.environ
needs_fad = pytest.mark.skipif(
    not REQUIRED and importlib.util.find_spec("frechet_audio_distance") is None,
    reason="needs frechet-audio-distance; make test-fad has it",
)


def sounds(n: int, seconds: float = 1.0, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Tones of random pitch and level in a little noise, (n, T)."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitch, level = generator.uniform(100, 4000, (n, 1)), generator.uniform(0.1, 0.8, (n, 1))
    return (level * np.sin(2 * np.pi * pitch * time) + 0.01 * generator.standard_normal((n, len(time)))).astype("f4")


def identity(**fields: object) -> Embedding:
    """Hears the mean and the level of a sound at 8 kHz."""
    model = lambda audio: np.stack([audio.mean(axis=1), audio.std(axis=1)], axis=1)  # noqa: E731
    return Embedding(**{"name": "toy", "dimension": 2, "sample_rate": 8000, "model": model, **fields})


# What needs no package


def test_logmel_is_what_the_analysis_computes() -> None:
    audio = torch.from_numpy(sounds(11))
    embedding = build_embedding("logmel", RATE)
    with torch.inference_mode():
        expected = logmel_embedding(build_feature("logmel", RATE)(audio).numpy())
    rows = embedding.embed(audio, RATE)
    assert rows.dtype == np.float64
    assert rows.shape == (11, embedding.dimension) == (11, 64)
    np.testing.assert_allclose(rows, expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(embedding.embed(audio[3:4].numpy(), RATE)[0], rows[3], rtol=1e-5, atol=1e-4)
    assert (embedding.name, embedding.sample_rate, embedding.per_sound) == ("logmel", RATE, True)


def test_logmel_of_another_rate_is_resampled() -> None:
    rows = build_embedding("logmel", 16_000).embed(sounds(2), RATE)
    expected = build_embedding("logmel", 16_000).embed(sounds(2, rate=16_000), 16_000)
    assert rows.shape == expected.shape
    assert np.abs(rows[:, :32] - expected[:, :32]).mean() < 6  # dB; the noise is another


def test_audio_is_checked() -> None:
    embedding = identity()
    bad = sounds(3)
    bad[1, 7] = np.nan
    with pytest.raises(UserError, match=r"^toy: audio: sound 1 holds nan"):
        embedding.embed(bad, RATE)
    with pytest.raises(UserError, match="logmel: audio: sound 1 holds nan"):
        build_embedding("logmel", RATE).embed(bad, RATE)
    with pytest.raises(UserError, match="0 sounds"):
        embedding.embed(bad[:0], RATE)
    with pytest.raises(ValueError, match=r"shape \(B, T\)"):
        embedding.embed(bad[0], RATE)
    with pytest.raises(ValueError, match="int64"):
        embedding.embed(np.zeros((2, 9), dtype=np.int64), RATE)
    with pytest.raises(ValueError, match="positive"):
        embedding.embed(bad[:1], 0)
    with pytest.raises(UserError, match=r"toy: sounds of 1\.000 s, at least 1\.000 s are needed.*`seconds`"):
        identity(shortest=8001).embed(bad[:1], RATE)
    with pytest.raises(UserError, match=r"toy: sounds of 1\.000 s, it takes 1\.000 s at most"):
        identity(longest=7999).embed(bad[:1], RATE)
    with pytest.raises(ValueError, match=r"rows of 3, got \(1, 2\)"):
        identity(dimension=3).embed(bad[:1], RATE)
    with pytest.raises(UserError, match="toy embedding: row 0 holds inf"):
        identity(model=lambda audio: np.full((len(audio), 2), np.inf)).embed(bad[:1], RATE)


def test_silence_has_an_embedding() -> None:
    rows = build_embedding("logmel", RATE).embed(np.zeros((3, RATE), dtype=np.float32), RATE)
    np.testing.assert_array_equal(rows, rows[:1].repeat(3, axis=0))
    np.testing.assert_array_equal(rows[:, 32:], 0.0)


def test_batches_do_not_change_the_rows() -> None:
    audio = sounds(19, 0.2)
    rows = identity().embed(audio, RATE)
    assert rows.shape == (19, 2)
    np.testing.assert_allclose(rows[8:10], identity().embed(audio[8:10], RATE), rtol=1e-5, atol=1e-7)


def test_fewer_sounds_than_dimensions_make_no_distance() -> None:
    rows = build_embedding("logmel", RATE).embed(sounds(12, 0.3), RATE)
    statistics = GaussianStatistics.of(rows)
    with pytest.raises(UserError, match="12 sounds in 64 dimensions, at least 65 are needed"):
        frechet_distance(statistics, statistics)
    with pytest.raises(UserError, match="12 and 12 sounds in 64 dimensions"):
        frechet_extrapolated(rows, rows)


def test_unknown_name() -> None:
    with user_error("embedding", "openl3", r"choose one of logmel, vggish,.*encodec$"):
        build_embedding("openl3", RATE)


PACKAGED = ["clap", "encodec"]


@pytest.mark.parametrize("name", PACKAGED)
def test_missing_package(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "PACKAGE", "no_such_package")
    with pytest.raises(
        UserError, match=rf'^{name}: needs the package.*pip install "synthvae\[frechet-audio-distance\]"'
    ):
        build_embedding(name, RATE)


@pytest.mark.parametrize("name", [name for name in EMBEDDINGS if name != "logmel"])
def test_missing_weights(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(package, "PACKAGE", "json")  # any that is installed: files are looked at before the import
    with pytest.raises(UserError, match=r"nowhere: no such folder.*`weights_dir`$"):
        build_embedding(name, RATE, tmp_path / "nowhere")
    wanted = {
        "vggish": "vggish-10086976.pth",
        "vggish-windows": "vggish-10086976.pth",
        "panns": "Cnn14_16k_mAP=0.438.pth",
        "panns-32k": "Cnn14_mAP=0.431.pth",
        "panns-collapsed": "Cnn14_16k_mAP=0.438.pth",
        "clap": "630k-audioset-best.pt",
        "encodec": "checkpoints/encodec_24khz-d7cc33bc.th",
    }[name]
    with pytest.raises(UserError) as caught:
        build_embedding(name, RATE, tmp_path)
    assert f"{name}: {tmp_path} lacks {wanted} (from " in str(caught.value)


def test_only_what_is_missing_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(package, "PACKAGE", "json")
    (tmp_path / "roberta-base").mkdir()
    (tmp_path / "630k-audioset-best.pt").touch()
    with pytest.raises(UserError, match="lacks bert-base-uncased") as caught:
        build_embedding("clap", RATE, tmp_path)
    assert "630k" not in str(caught.value)
    assert "roberta" not in str(caught.value)


FAKE = """
import os, sys, torch
import laion_clap, torchaudio
from encodec import EncodecModel

class Model(torch.nn.Module):
    def __init__(self, name):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.encoder = lambda audio: audio[:, :, :128].transpose(1, 2).repeat(1, 1, 3)
        self.name = name

class FrechetAudioDistance:
    def __init__(self, ckpt_dir, model_name, sample_rate):
        print("a word that belongs elsewhere")
        torch.hub.set_dir(ckpt_dir)
        self.seen = (ckpt_dir, model_name, sample_rate, EncodecModel, os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"])
        if os.path.exists(os.path.join(ckpt_dir, "fail")):
            torch.hub.load("nobody/nothing", "model")
        self.model = Model(model_name)
"""


@pytest.fixture
def fake_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of the same shape, and a folder with a file for every weight."""
    code, folder = tmp_path / "code", tmp_path / "weights"
    code.mkdir()
    folder.mkdir()
    (code / "fake_distance.py").write_text(FAKE)
    (code / "encodec.py").write_text("EncodecModel = 'real'")
    for name in ("laion_clap", "torchaudio"):
        (code / f"{name}.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(code)
    monkeypatch.setattr(package, "PACKAGE", "fake_distance")
    monkeypatch.setattr(package, "_TAINTED", ("fake_distance", "encodec"))
    for file in package.ENCODEC.files:
        (folder / file.path).parent.mkdir(exist_ok=True)
        (folder / file.path).touch()
    return folder


def test_loading_leaves_no_trace(fake_package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hub, before, path = torch.hub.get_dir(), set(sys.modules), list(sys.path)
    embedding = build_embedding("encodec", RATE, fake_package)
    assert not (set(sys.modules) - before) & {"laion_clap", "torchaudio", "encodec", "fake_distance"}
    assert (torch.hub.get_dir(), sys.path) == (hub, path)
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ
    assert "HF_HUB_OFFLINE" not in os.environ
    assert capsys.readouterr().out == ""
    rows = embedding.embed(sounds(10), RATE)
    assert (rows.shape, rows.dtype) == ((10, 128), np.float64)
    assert package.load_model("encodec", package.ENCODEC, fake_package).seen == (
        str(fake_package.resolve()), "encodec", 24_000, "real", "1",
    )  # fmt: skip


def test_a_folder_means_no_network(fake_package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(torch.hub, "urlopen", lambda *arguments: asked.append(arguments))
    (fake_package / "fail").touch()
    with pytest.raises(UserError, match=r"encodec: cannot be loaded from .*could not be found in the cache"):
        build_embedding("encodec", RATE, fake_package)
    assert not asked


def test_a_package_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_distance.py").write_text("import no_such_dependency")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(package, "PACKAGE", "broken_distance")
    with pytest.raises(
        UserError, match=r"encodec: frechet-audio-distance cannot be imported .*no_such_dependency.*audio-distance\]"
    ):
        build_embedding("encodec", RATE)


# VGGish and PANNs from weight files


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **keywords: object) -> None:
        raise OSError("this test reaches for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


WRITERS = {"vggish": write_vggish, "panns": write_panns, "panns-32k": lambda folder: write_panns(folder, 32_000)}


@cache
def build(name: str, folder: Path) -> Embedding:
    """As `build_embedding`, once, from a file with drawn numbers."""
    base = name if name in WRITERS else name.partition("-")[0]
    if base in WRITERS:
        WRITERS[base](folder)
    return build_embedding(name, RATE, folder)


def reference_sounds() -> np.ndarray:
    """Three sounds of 2.1 s at 16 kHz: a tone, noise that fades, and silence."""
    time = np.arange(33_600) / 16_000
    noise = np.random.default_rng(5).random(len(time)) - 0.5
    return np.stack([0.5 * np.sin(2 * np.pi * 330 * time), noise * np.exp(-3 * time), 0 * time]).astype("f4")


def summary(rows: np.ndarray) -> list[list[float]]:
    """Thirty-two columns of every row, and its norm."""
    columns = rows[:, :: rows.shape[1] // 32]
    table = np.column_stack([columns, np.linalg.norm(rows, axis=1)])
    return [[float(f"{value:.6g}") for value in row] for row in table]


@pytest.mark.parametrize("name", ["vggish-windows", "panns", "panns-32k"])
def test_rows_are_those_of_frechet_audio_distance(name: str, weights_dir: Path) -> None:
    rows = build(name, weights_dir).embed(reference_sounds(), build(name, weights_dir).sample_rate)
    expected = np.array(json.loads(REFERENCE.read_text())[name])
    found = np.array(summary(rows))
    assert found.shape == expected.shape == ((6 if name == "vggish-windows" else 3), 33)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    assert np.abs(found[0] - found[-1]).max() > 1  # and they differ from sound to sound


def test_vggish_windows_are_defined_by_loops() -> None:
    """The front end once more, in the words of Hershey et al. and of Google's code: one bin and one band at a time."""
    audio = sounds(1, 1.0, 16_000)[0].astype(np.float64)
    found = log_mel_windows(audio[None])
    assert (found.shape, found.dtype) == ((1, 1, 96, 64), np.float32)
    mel = lambda hertz: 1127 * np.log(1 + hertz / 700)  # noqa: E731
    step = (mel(7500) - mel(125)) / 65
    for frame in (0, 50, 95):
        part = audio[160 * frame : 160 * frame + 400]
        part = part * [0.5 - 0.5 * np.cos(2 * np.pi * n / 400) for n in range(400)]
        for band in (0, 17, 63):
            centre, level = mel(125) + step * (band + 1), 0.0
            for k in range(1, 257):
                weight = 1 - abs(mel(k * 16_000 / 512) - centre) / step
                if weight > 0:
                    level += weight * abs(sum(part * np.exp(-2j * np.pi * k * np.arange(400) / 512)))
            assert found[0, 0, frame, band] == pytest.approx(np.log(level + 0.01), rel=1e-5, abs=1e-5)


def test_vggish_is_a_mean_over_windows(weights_dir: Path) -> None:
    embedding, windows = build("vggish", weights_dir), build("vggish-windows", weights_dir)
    audio = sounds(3, 2.2)
    rows, all_rows = embedding.embed(audio, RATE), windows.embed(audio, RATE)
    assert (rows.shape, all_rows.shape) == ((3, 128), (6, 128))
    assert (embedding.sample_rate, embedding.per_sound, windows.per_sound) == (16_000, True, False)
    np.testing.assert_allclose(all_rows.reshape(3, 2, 128).mean(axis=1), rows, rtol=1e-5, atol=1e-6)
    assert (rows < 0).any()  # without the last activation
    assert embedding.embed(sounds(1, 0.976), RATE).shape == (1, 128)
    with pytest.raises(UserError, match=r"vggish: sounds of 0\.970 s, at least 0\.975 s are needed"):
        embedding.embed(sounds(1, 0.97), RATE)
    assert embedding.fingerprint == hashlib.sha256((weights_dir / VGGISH).read_bytes()).hexdigest()


def test_panns_distance_is_the_closed_form_and_not_that_of_single_numbers(weights_dir: Path) -> None:
    """If one set is the other times 0.9 plus c, then d^2 = |0.1 m - c|^2 + 0.01 tr S."""
    rows = build("panns", weights_dir).embed(sounds(7), RATE)
    assert (GaussianStatistics.of(rows).dimension, len(np.unique(rows.round(6), axis=0))) == (2048, 7)
    some = rows[:, ::16]  # eigenvalues of 2048 dimensions take many seconds
    shift = np.linspace(-1, 1, 128)
    first, second = GaussianStatistics.of(some), GaussianStatistics.of(0.9 * some + shift)
    expected = np.square(0.1 * some.mean(axis=0) - shift).sum() + 0.01 * some.var(axis=0, ddof=1).sum()
    assert frechet_distance(first, second, allow_small=True).value == pytest.approx(expected, rel=1e-6)
    # frechet-audio-distance takes mean and variance of all numbers instead.
    collapsed = build("panns-collapsed", weights_dir)
    numbers = collapsed.embed(sounds(7), RATE)
    assert (numbers.shape, collapsed.dimension, collapsed.per_sound) == ((7 * 2048, 1), 1, False)
    np.testing.assert_allclose(numbers.reshape(7, 2048), rows)
    wrong = frechet_distance(GaussianStatistics.of(numbers), GaussianStatistics.of(0.9 * numbers)).value
    right = np.square(0.1 * rows.mean(axis=0)).sum() + 0.01 * rows.var(axis=0, ddof=1).sum()
    assert wrong == pytest.approx((0.1 * rows.mean()) ** 2 + (0.1 * rows.std(ddof=1)) ** 2, rel=1e-6)
    assert wrong < right / 1000


def test_fewer_sounds_than_dimensions_of_panns_make_no_distance(weights_dir: Path) -> None:
    statistics = GaussianStatistics.of(build("panns", weights_dir).embed(sounds(3), RATE))
    with pytest.raises(UserError, match="3 sounds in 2048 dimensions, at least 2049 are needed"):
        frechet_distance(statistics, statistics)


@pytest.mark.parametrize(("name", "seconds"), [("panns", 0.32), ("vggish", 1.0)])
def test_silence_has_an_embedding_and_infinity_has_none(name: str, seconds: float, weights_dir: Path) -> None:
    embedding = build(name, weights_dir)
    audio = np.zeros((2, round(seconds * RATE)), dtype=np.float32)
    rows = embedding.embed(audio, RATE)
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-5, atol=1e-6)
    audio[1, 5] = np.inf
    with pytest.raises(UserError, match=f"{name}: audio: sound 1 holds inf"):
        embedding.embed(audio, RATE)


# Weight files in general, with a network of seven numbers


TINY = Checkpoint("tiny.pth", "https://nowhere/tiny.pth", "nowhere/tiny", "tiny%3D.pth", "model", ("head.weight",))


class Tiny(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.bn = torch.nn.Linear(2, 1), torch.nn.BatchNorm1d(1)


def tiny_state(**changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    state = {f"bn.{name}": torch.ones(1) for name in ("weight", "bias", "running_mean", "running_var")}
    state |= {"fc.weight": torch.tensor([[1.0, 2.0]]), "fc.bias": torch.tensor([3.0]), "head.weight": torch.ones(9)}
    state |= {name.replace("__", "."): value for name, value in changes.items()}
    return {name: value for name, value in state.items() if value is not None}


def load_tiny(folder: Path, document: object) -> torch.nn.Module:
    torch.save(document, folder / TINY.name)
    return load_checkpoint("toy", TINY, find_checkpoint("toy", TINY, folder), Tiny)


def test_a_file_becomes_a_network(tmp_path: Path) -> None:
    globals_before = set(torch.serialization.get_safe_globals())
    extra = {"sampler": {"indexes": np.arange(3), "pointer": np.int64(1)}, "rate": 0.5}
    network = load_tiny(tmp_path, {"model": tiny_state(fc__bias=torch.tensor([3.0], dtype=torch.float64)), **extra})
    assert torch.equal(network.fc.weight, torch.tensor([[1.0, 2.0]]))
    assert {value.dtype for value in network.parameters()} == {torch.float32}
    assert not network.training
    assert not any(value.requires_grad for value in network.parameters())
    assert int(network.bn.num_batches_tracked) == 0  # which older files lack
    assert set(torch.serialization.get_safe_globals()) == globals_before
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


def test_a_file_is_found_under_each_of_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("tiny%3D.pth", "tiny.pth", "checkpoints/tiny%3D.pth", "checkpoints/tiny.pth"):
        directory = tmp_path / place.replace("/", "_")
        (directory / place).parent.mkdir(parents=True)
        (directory / place).touch()
        assert find_checkpoint("toy", TINY, directory) == directory / place
        monkeypatch.setattr(torch.hub, "_hub_dir", str(directory))
        assert find_checkpoint("toy", TINY, None) == directory / place
    assert CHECKPOINTS[16_000].other_name == "Cnn14_16k_mAP%3D0.438.pth"  # where frechet-audio-distance puts it


NAN = torch.tensor([float("nan")])


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"model": tiny_state(fc__weight=None)}, "no tensor 'fc.weight'; fetch tiny.pth from nowhere/tiny again"),
        ({"model": tiny_state(fc__weight=None, fc__bias=None)}, "no tensor 'fc.weight' and 1 more"),
        ({"model": tiny_state(fc__weight=[1.0, 2.0])}, "no tensor 'fc.weight'"),
        ({"model": tiny_state(fc2__bias=torch.ones(1))}, "unknown entry 'fc2.bias'"),
        ({"model": tiny_state(fc__weight=torch.ones(2, 2))}, r"'fc.weight' has shape (2, 2), expected (1, 2)"),
        ({"model": tiny_state(fc__bias=torch.tensor([1]))}, "'fc.bias' is torch.int64, expected floating point"),
        ({"model": tiny_state(bn__running_var=NAN)}, "'bn.running_var' is not finite"),
        (tiny_state(), "no state dict under 'model'"),
        ([1, 2], "no state dict under 'model'"),
    ],
)  # fmt: skip
def test_what_is_not_the_networks_is_refused(document: object, problem: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_tiny(tmp_path, document)
    assert str(caught.value).startswith(f"toy: {tmp_path / 'tiny.pth'}: ")
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


class Trap:
    """What a hostile file would hold."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("sprung",)


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    for old_format in (False, True):
        torch.save({"model": Trap()}, PANNS, _use_new_zipfile_serialization=not old_format)
        with pytest.raises(UserError, match=f"^panns: {PANNS}: not a file of weights alone, and nothing is unpickled"):
            build_embedding("panns", RATE, Path())
    assert not (tmp_path / "sprung").exists()
    assert os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] == "1"


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tiny.pth"
    load_tiny(tmp_path, {"model": tiny_state()})
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(
            UserError, match=r"tiny\.pth: cannot be read \(.*\); fetch tiny\.pth from nowhere/tiny again"
        ):
            load_checkpoint("toy", TINY, path, Tiny)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(UserError, match=r"tiny\.pth: not a file of weights alone"):
        load_checkpoint("toy", TINY, path, Tiny)


def test_the_command_that_saves_weights_anew(tmp_path: Path) -> None:
    document = {"model": tiny_state(), "where": Path("training")}
    with pytest.raises(UserError, match="save its weights anew: python -c") as caught:
        load_tiny(tmp_path, document)
    command = shlex.split(str(caught.value).partition("anew: ")[2])
    assert (command[0], command[-1]) == ("python", "FILE")
    path = tmp_path / "tiny.pth"
    subprocess.run([sys.executable, *command[1:-1], str(path)], check=True)
    assert torch.equal(load_checkpoint("toy", TINY, path, Tiny).fc.bias, torch.tensor([3.0]))


def test_a_file_is_compared_with_its_checksum(tmp_path: Path) -> None:
    load_tiny(tmp_path, {"model": tiny_state()})
    digest = hashlib.sha256((tmp_path / "tiny.pth").read_bytes()).hexdigest()
    assert sha256(tmp_path / "tiny.pth") == digest
    sums = tmp_path / "SHA256SUMS"
    for line in (f"{digest}  tiny.pth", f"{digest.upper()} *tiny.pth", f"{'0' * 64}  other.pth"):
        sums.write_text(f"{line}\n")
        assert find_checkpoint("toy", TINY, tmp_path) == tmp_path / "tiny.pth"
    sums.write_text(f"{'0' * 64}  tiny.pth\n")
    with pytest.raises(UserError, match=rf"tiny\.pth: SHA-256 {digest}, but .*SHA256SUMS says 0{{64}}; fetch"):
        find_checkpoint("toy", TINY, tmp_path)


def test_without_a_folder_a_missing_file_is_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    torch.save({"model": tiny_state()}, tmp_path / "published.pth")
    published = dataclasses.replace(TINY, url=(tmp_path / "published.pth").as_uri())
    path = find_checkpoint("toy", published, None)
    assert path == tmp_path / "hub/checkpoints/tiny.pth"
    assert path.read_bytes() == (tmp_path / "published.pth").read_bytes()
    (tmp_path / "published.pth").unlink()
    assert find_checkpoint("toy", published, None) == path
    path.unlink()
    with pytest.raises(UserError, match=r"toy: file:.* cannot be fetched to .*`weights_dir`$"):
        find_checkpoint("toy", published, None)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("name", ["panns", "vggish"])
def test_without_folder_and_network(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    with pytest.raises(UserError, match=f"^{name}: https://.* cannot be fetched to .*`weights_dir`$") as caught:
        build_embedding(name, RATE)
    assert "\n" not in str(caught.value)


# frechet-audio-distance itself


def numbers(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A state dict as drawn, with running statistics that are not those of a new network."""
    return {
        key: value + 0.1 * torch.rand_like(value) if key.endswith(("running_mean", "running_var")) else value
        for key, value in module.state_dict().items()
    }


@cache
def load_package(model: str, rate: int, folder: Path) -> object:
    """The package's object, by its own loading code."""
    name = {"vggish": "vggish", "pann": "panns"}[model]
    return package.load_model(name, package.PackageModel(model, rate, ()), folder)


def load_panns(rate: int, folder: Path) -> object:
    path = write_panns(folder, rate)
    link = folder / path.name.replace("=", "%3D")
    if not link.exists():
        link.symlink_to(path)
    return load_package("pann", rate, folder)


HUBCONF = '''
"""Stands in for the repository, which no package index has: its layers and front end, with its way of loading."""
import torch
from torchvggish import vggish_input
from torchvggish.torchvggish import VGG, make_layers

dependencies = ["torch", "numpy", "resampy", "soundfile"]
RELEASE = "https://github.com/harritaylor/torchvggish/releases/download/v0.1/"


class VGGish(VGG):
    def __init__(self):
        super().__init__(make_layers(), postprocess=False)
        self.load_state_dict(torch.hub.load_state_dict_from_url(RELEASE + "vggish-10086976.pth", progress=False))
        pca = torch.hub.load_state_dict_from_url(RELEASE + "vggish_pca_params-970ea276.pth", progress=False)
        assert pca["pca_eigen_vectors"].shape == (128, 128)
        self.device = torch.device("cpu")

    def forward(self, x, fs=None):
        return super().forward(vggish_input.waveform_to_examples(x, fs).to(self.device))


def vggish(**keywords):
    return VGGish(**keywords)
'''


def load_vggish(folder: Path) -> object:
    repository, checkpoints = folder / "harritaylor_torchvggish_master", folder / "checkpoints"
    if not repository.exists():
        checkpoints.mkdir(exist_ok=True)
        (checkpoints / VGGISH).symlink_to(write_vggish(folder))
        pca = {"pca_eigen_vectors": np.eye(128, dtype=np.float32), "pca_means": np.zeros(128, dtype=np.float32)}
        torch.save(pca, checkpoints / "vggish_pca_params-970ea276.pth")
        repository.mkdir()
        (repository / "hubconf.py").write_text(HUBCONF)
    return load_package("vggish", 16_000, folder)


def make_encodec(folder: Path) -> None:
    with package._standing_in(["torchaudio"]):
        from encodec import EncodecModel

        torch.manual_seed(2)
        model = EncodecModel._get_model([1.5, 3.0, 6.0, 12.0, 24.0], 24_000, 1)
    (folder / "checkpoints").mkdir(exist_ok=True)
    torch.save(model.state_dict(), folder / "checkpoints/encodec_24khz-d7cc33bc.th")


def make_clap(folder: Path) -> None:
    """Everything CLAP is loaded from: the text side small, for it takes no part in an embedding of sound."""
    letters = [chr(code) for code in range(33, 127)]
    for name in ("bert-base-uncased", "roberta-base", "facebook/bart-base"):
        tokenizer = folder / name
        tokenizer.mkdir(parents=True)
        kind = name.rpartition("/")[2].partition("-")[0]
        (tokenizer / "config.json").write_text(json.dumps({"model_type": kind}))
        if kind == "bert":
            (tokenizer / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]))
        else:
            tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *letters]
            (tokenizer / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
            (tokenizer / "merges.txt").write_text("#version: 0.2\n")
    package._declare_torchvision()
    with package._standing_in(["torchaudio", "encodec"]), package._no_network(folder):
        from transformers import RobertaConfig, RobertaModel

        torch.manual_seed(3)
        text = RobertaConfig(
            vocab_size=99,
            hidden_size=768,
            num_hidden_layers=1,
            num_attention_heads=12,
            intermediate_size=64,
            max_position_embeddings=32,
            type_vocab_size=1,
        )
        RobertaModel(text).save_pretrained(folder / "roberta-base")
        here = Path.cwd()
        os.chdir(folder)
        try:
            import laion_clap

            model = laion_clap.CLAP_Module(enable_fusion=False, device=torch.device("cpu")).model
        finally:
            os.chdir(here)
    state = {f"module.{key}": value for key, value in numbers(model).items()}
    state["module.text_branch.embeddings.position_ids"] = torch.arange(32)[None]  # of the library that trained it
    torch.save({"epoch": 1, "name": "drawn", "state_dict": state}, folder / "630k-audioset-best.pt")


@needs_fad
def test_vggish_is_the_packages(weights_dir: Path) -> None:
    audio = np.concatenate([sounds(3, 2.2, 16_000), np.zeros((1, 35_200), dtype=np.float32)])
    theirs = load_vggish(weights_dir).get_embeddings(list(audio), 16_000)
    rows = build("vggish-windows", weights_dir).embed(audio, 16_000)
    assert rows.shape == theirs.shape == (8, 128)
    np.testing.assert_allclose(rows, theirs, rtol=1e-4, atol=1e-5 * np.abs(theirs).max())


@needs_fad
@pytest.mark.parametrize(("name", "rate"), [("panns", 16_000), ("panns-32k", 32_000)])
def test_panns_is_the_packages_in_all_its_dimensions(name: str, rate: int, weights_dir: Path) -> None:
    loaded = load_panns(rate, weights_dir)
    saved = panns_state(rate)
    assert all(torch.equal(value, saved[key]) for key, value in loaded.model.state_dict().items())
    audio = sounds(5, rate=rate)
    theirs = loaded.get_embeddings(list(audio), rate)
    assert theirs.shape == (5 * 2048,)  # all in one row
    rows = build(name, weights_dir).embed(audio, rate)
    np.testing.assert_allclose(rows.ravel(), theirs, rtol=1e-3, atol=1e-5 * np.abs(theirs).max())


@needs_fad
def test_panns_collapsed_is_the_distance_of_the_package(weights_dir: Path) -> None:
    embedding = build("panns-collapsed", weights_dir)
    first, second = (embedding.embed(sounds(n, seed=n), RATE) for n in (4, 5))
    ours = frechet_distance(GaussianStatistics.of(first), GaussianStatistics.of(second)).value
    loaded = load_panns(16_000, weights_dir)
    mean, variance = np.array([loaded.calculate_embd_statistics(rows[:, 0]) for rows in (first, second)]).T
    # Its formula in one dimension; its own code for it does not run with SciPy 1.17.
    theirs = (mean[0] - mean[1]) ** 2 + variance.sum() - 2 * np.sqrt(variance[0] * variance[1])
    assert ours == pytest.approx(theirs, rel=1e-6)


@needs_fad
def test_the_reference_was_computed_by_the_package(weights_dir: Path) -> None:
    """Where the file is missing it is written, and the test fails once."""
    audio = list(reference_sounds())
    rows = {"vggish-windows": load_vggish(weights_dir).get_embeddings(audio, 16_000)}
    for name, rate in (("panns", 16_000), ("panns-32k", 32_000)):
        rows[name] = load_panns(rate, weights_dir).get_embeddings(audio, rate).reshape(3, 2048)
    found = {name: summary(values) for name, values in rows.items()}
    if not REFERENCE.exists():
        REFERENCE.write_text(json.dumps(found).replace("], ", "],\n").replace(": [", ":\n[") + "\n")
        pytest.fail(f"{REFERENCE} was written; commit it")
    for name, expected in json.loads(REFERENCE.read_text()).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@needs_fad
def test_encodec_from_a_folder(weights_dir: Path) -> None:
    make_encodec(weights_dir)
    embedding = build("encodec", weights_dir)
    audio = sounds(3)
    rows = embedding.embed(audio, RATE)
    assert (rows.shape, embedding.sample_rate) == ((3, 128), 24_000)
    loaded = package.load_model("encodec", package.PackageModel("encodec", 24_000, ()), weights_dir)
    theirs = loaded.get_embeddings(list(resample(audio, RATE, 24_000)), 24_000)
    np.testing.assert_allclose(rows, theirs.reshape(3, -1, 128).mean(axis=1), rtol=1e-3, atol=1e-5)
    assert "torchaudio" not in sys.modules
    assert "encodec" not in sys.modules


@needs_fad
def test_files_of_the_package_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "checkpoints/encodec_24khz-d7cc33bc.th"
    path.parent.mkdir()
    path.touch()
    with pytest.raises(UserError, match=r"^encodec: cannot be loaded from .*; replace what is broken of .*\.th"):
        build_embedding("encodec", RATE, tmp_path)
    torch.save({"model": Trap()}, path)
    with pytest.raises(
        UserError, match=f"^encodec: .*{path.name}: not a file of weights alone, and nothing is unpickled"
    ):
        build_embedding("encodec", RATE, tmp_path)
    assert not (tmp_path / "sprung").exists()


@needs_fad
@pytest.mark.parametrize("name", PACKAGED)
def test_without_folder_and_network_for_the_package(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # or it tries five times, for a minute
    with pytest.raises(UserError, match=f"^{name}: cannot be fetched and loaded .*`weights_dir`$") as caught:
        build_embedding(name, RATE)
    assert "\n" not in str(caught.value)


@needs_fad
def test_clap_from_a_folder(weights_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_clap(weights_dir)
    capsys.readouterr()
    here = Path.cwd()
    embedding = build_embedding("clap", RATE, weights_dir)
    assert Path.cwd() == here
    assert capsys.readouterr().out == ""
    audio = np.concatenate([sounds(2), np.zeros((1, RATE), dtype=np.float32)])
    rows = embedding.embed(audio, RATE)
    assert (rows.shape, embedding.sample_rate) == ((3, 512), 48_000)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(embedding.embed(audio[1:2], RATE)[0], rows[1], atol=1e-5)
    assert np.abs(rows[0] - rows[1]).max() > 1e-4
    with pytest.raises(UserError, match=r"clap: sounds of 10\.100 s, it takes 10\.000 s at most"):
        embedding.embed(np.zeros((1, round(10.1 * RATE)), dtype=np.float32), RATE)
    (weights_dir / "630k-audioset-best.pt").write_bytes(b"")
    with pytest.raises(UserError, match=r"clap: cannot be loaded .*630k-audioset-best\.pt"):
        build_embedding("clap", RATE, weights_dir)
