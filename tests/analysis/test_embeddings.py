"""Embeddings, and the real loading code of the extra ``fad`` on weights that are made here.

`make test-fad` runs this in an environment that has the extra, where nothing may be skipped. There the shapes, file
names and code are those of the published models; the numbers in the weights are drawn.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from synthvae.analysis.embeddings import EMBEDDINGS, Embedding, build_embedding, package, registry, resample
from synthvae.analysis.frechet import (
    GaussianStatistics,
    frechet_distance,
    frechet_extrapolated,
    logmel_embedding,
)
from synthvae.errors import UserError
from synthvae.features import build_feature

RATE = 44_100
REQUIRED = "SYNTHVAE_REQUIRE_FAD" in os.environ
needs_fad = pytest.mark.skipif(
    not REQUIRED and importlib.util.find_spec("frechet_audio_distance") is None,
    reason='needs the extra fad: pip install "synthvae[fad]"; make test-fad has it',
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


def test_resampling_keeps_what_fits_and_removes_what_does_not() -> None:
    time = np.arange(RATE) / RATE
    tone = lambda hertz: np.sin(2 * np.pi * hertz * time)[None]  # noqa: E731
    for hertz in (50, 440, 7000):
        changed = resample(tone(hertz), RATE, 16_000)
        assert changed.shape == (1, 16_000)
        expected = np.sin(2 * np.pi * hertz * np.arange(16_000) / 16_000)
        np.testing.assert_allclose(changed[0, 500:-500], expected[500:-500], atol=1e-4)
    for hertz in (8000, 9000, 12_000, 20_000):
        assert np.abs(resample(tone(hertz), RATE, 16_000)[0, 500:-500]).max() < 1e-5
    assert resample(tone(440), RATE, 48_000).shape == (1, 48_000)
    audio = sounds(1)
    assert resample(audio, RATE, RATE) is audio


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
    with pytest.raises(UserError, match=r"toy: sounds of 1\.000 s, at least 1\.000 s are needed.*--seconds"):
        identity(shortest=8001).embed(bad[:1], RATE)
    with pytest.raises(UserError, match=r"toy: sounds of 1\.000 s, it hears 1\.000 s at most"):
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
    with pytest.raises(UserError, match=r"none is called 'openl3'; choose one of logmel, vggish,.*encodec$"):
        build_embedding("openl3", RATE)


PRETRAINED = [name for name in EMBEDDINGS if name != "logmel"]


@pytest.mark.parametrize("name", PRETRAINED)
def test_missing_package(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "PACKAGE", "no_such_package")
    with pytest.raises(UserError, match=rf'^{name}: needs the package.*pip install "synthvae\[fad\]"'):
        build_embedding(name, RATE)


@pytest.mark.parametrize("name", PRETRAINED)
def test_missing_weights(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(package, "PACKAGE", "json")  # any that is installed: files are looked at before the import
    with pytest.raises(UserError, match=r"nowhere: no such folder.*--weights-dir$"):
        build_embedding(name, RATE, tmp_path / "nowhere")
    first = {
        "vggish": "harritaylor_torchvggish_master",
        "panns": "Cnn14_16k_mAP%3D0.438.pth",
        "clap": "630k-audioset-best.pt",
        "encodec": "checkpoints/encodec_24khz-d7cc33bc.th",
    }[name.partition("-")[0]]
    with pytest.raises(UserError) as caught:
        build_embedding(name, RATE, tmp_path)
    assert f"{name}: {tmp_path} lacks {first} (from " in str(caught.value)


def test_only_what_is_missing_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(package, "PACKAGE", "json")
    (tmp_path / "harritaylor_torchvggish_master").mkdir()
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/vggish-10086976.pth").touch()
    with pytest.raises(UserError, match="lacks checkpoints/vggish_pca_params-970ea276.pth") as caught:
        build_embedding("vggish", RATE, tmp_path)
    assert "10086976" not in str(caught.value)


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
    def forward(self, audio, rate):
        if self.name == "pann":
            return {"embedding": audio[:, :2048]}
        return torch.from_numpy(audio[:256].reshape(2, 128))

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
    for kind in (registry._VGGISH, registry._PANNS, registry._ENCODEC):
        for file in kind.files:
            (folder / file.path).parent.mkdir(exist_ok=True)
            (folder / file.path).touch()
    return folder


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("vggish", (10, 128)),
        ("vggish-windows", (20, 128)),
        ("panns", (10, 2048)),
        ("panns-collapsed", (20_480, 1)),
        ("encodec", (10, 128)),
    ],
)
def test_loading_leaves_no_trace(
    name: str, shape: tuple[int, int], fake_package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub, before, path = torch.hub.get_dir(), set(sys.modules), list(sys.path)
    embedding = build_embedding(name, RATE, fake_package)
    assert not (set(sys.modules) - before) & {"laion_clap", "torchaudio", "encodec", "fake_distance"}
    assert (torch.hub.get_dir(), sys.path) == (hub, path)
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ
    assert "HF_HUB_OFFLINE" not in os.environ
    assert capsys.readouterr().out == ""
    rows = embedding.embed(sounds(10), RATE)
    assert (rows.shape, rows.dtype) == (shape, np.float64)
    kind = registry._KINDS[name].package
    encodec = "real" if name == "encodec" else None
    assert package.load_model(name, kind, fake_package).seen == (
        str(fake_package.resolve()), kind.name, kind.sample_rate, encodec, "1",
    )  # fmt: skip


def test_a_folder_means_no_network(fake_package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(torch.hub, "urlopen", lambda *arguments: asked.append(arguments))
    (fake_package / "fail").touch()
    with pytest.raises(UserError, match=r"panns: cannot be loaded from .*could not be found in the cache"):
        build_embedding("panns", RATE, fake_package)
    assert not asked


def test_a_package_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_distance.py").write_text("import no_such_dependency")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(package, "PACKAGE", "broken_distance")
    with pytest.raises(
        UserError, match=r"panns: frechet-audio-distance cannot be imported .*no_such_dependency.*fad\]"
    ):
        build_embedding("panns", RATE)


# The real loading code


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **keywords: object) -> None:
        raise OSError("this test reaches for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def weights() -> Iterator[Path]:
    """A folder that a test fills; deleted at the end, for the models have hundreds of megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def numbers(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A state dict as drawn, with running statistics that are not those of a new network."""
    return {
        key: value + 0.1 * torch.rand_like(value) if key.endswith(("running_mean", "running_var")) else value
        for key, value in module.state_dict().items()
    }


@cache
def build(name: str, folder: Path) -> Embedding:
    """As `build_embedding`, once."""
    return build_embedding(name, RATE, folder)


@cache
def load_panns(folder: Path) -> object:
    """The package's object."""
    return package.load_model("panns", package.PackageModel("pann", 16_000, ()), folder)


def make_panns(folder: Path) -> None:
    path = folder / "Cnn14_16k_mAP%3D0.438.pth"
    if path.exists():
        return
    with package._standing_in(["torchaudio", "laion_clap", "encodec"]):
        from frechet_audio_distance.models.pann import Cnn14_16k

        torch.manual_seed(0)
        model = Cnn14_16k(16000, 512, 160, 64, 50, 8000, 527)
    checkpoint = {
        "iteration": 1,
        "model": numbers(model),
        "sampler": {"indexes": np.arange(9, dtype=np.int64), "pointer": np.int64(3)},  # as the published file has it
    }
    torch.save(checkpoint, path, _use_new_zipfile_serialization=False)


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


def make_vggish(folder: Path) -> None:
    repository, checkpoints = folder / "harritaylor_torchvggish_master", folder / "checkpoints"
    if repository.exists():
        return
    from torchvggish.torchvggish import VGG, make_layers

    checkpoints.mkdir(exist_ok=True)
    torch.manual_seed(1)
    torch.save(VGG(make_layers(), False).state_dict(), checkpoints / "vggish-10086976.pth")
    pca = {"pca_eigen_vectors": np.eye(128, dtype=np.float32), "pca_means": np.zeros(128, dtype=np.float32)}
    torch.save(pca, checkpoints / "vggish_pca_params-970ea276.pth")
    repository.mkdir()
    (repository / "hubconf.py").write_text(HUBCONF)


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
def test_panns_is_the_packages_model_in_all_its_dimensions(weights: Path) -> None:
    before, path, hub = dict(sys.modules), list(sys.path), torch.hub.get_dir()
    make_panns(weights)
    embedding = build("panns", weights)
    new = {name.partition(".")[0] for name in set(sys.modules) - set(before)}
    assert not new & {"laion_clap", "transformers", "torchaudio", "torchvision", "encodec", "frechet_audio_distance"}
    assert (sys.path, torch.hub.get_dir()) == (path, hub)
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ

    audio = sounds(9)
    rows = embedding.embed(audio, RATE)
    assert (rows.shape, rows.dtype, embedding.sample_rate) == ((9, 2048), np.float64, 16_000)
    assert len(np.unique(rows.round(6), axis=0)) == 9
    saved = torch.load(weights / "Cnn14_16k_mAP%3D0.438.pth", weights_only=False)["model"]
    loaded = load_panns(weights)
    assert all(torch.equal(value, saved[key]) for key, value in loaded.model.state_dict().items())
    assert not loaded.model.training
    # The package's own embeddings: the same numbers, all in one row.
    theirs = loaded.get_embeddings(list(resample(audio, RATE, 16_000)), 16_000)
    assert theirs.shape == (9 * 2048,)
    np.testing.assert_allclose(rows.ravel(), theirs, rtol=1e-3, atol=1e-4 * np.abs(theirs).max())


@needs_fad
def test_panns_collapsed_is_the_distance_that_was_published(weights: Path) -> None:
    make_panns(weights)
    embedding = build("panns-collapsed", weights)
    assert not embedding.per_sound
    first, second = (embedding.embed(sounds(n, seed=n), RATE) for n in (4, 5))
    assert (first.shape, second.shape, embedding.dimension) == ((4 * 2048, 1), (5 * 2048, 1), 1)
    np.testing.assert_allclose(first.reshape(4, 2048), build("panns", weights).embed(sounds(4, seed=4), RATE))
    ours = frechet_distance(GaussianStatistics.of(first), GaussianStatistics.of(second)).value
    loaded = load_panns(weights)
    mean, variance = np.array([loaded.calculate_embd_statistics(rows[:, 0]) for rows in (first, second)]).T
    # Its formula in one dimension; its own code for it does not run with SciPy 1.17.
    theirs = (mean[0] - mean[1]) ** 2 + variance.sum() - 2 * np.sqrt(variance[0] * variance[1])
    assert ours == pytest.approx(theirs, rel=1e-6)


@needs_fad
def test_fewer_sounds_than_dimensions_of_panns_make_no_distance(weights: Path) -> None:
    make_panns(weights)
    statistics = GaussianStatistics.of(build("panns", weights).embed(sounds(3), RATE))
    with pytest.raises(UserError, match="3 sounds in 2048 dimensions, at least 2049 are needed"):
        frechet_distance(statistics, statistics)


@needs_fad
def test_vggish_from_a_folder(weights: Path) -> None:
    make_vggish(weights)
    embedding, windows = (build(name, weights) for name in ("vggish", "vggish-windows"))
    audio = sounds(3, 2.2)
    rows, all_rows = embedding.embed(audio, RATE), windows.embed(audio, RATE)
    assert (rows.shape, all_rows.shape) == ((3, 128), (6, 128))
    assert (embedding.sample_rate, embedding.per_sound, windows.per_sound) == (16_000, True, False)
    np.testing.assert_allclose(all_rows.reshape(3, 2, 128).mean(axis=1), rows, rtol=1e-5, atol=1e-7)
    assert (rows < 0).any()  # without the last activation
    loaded = package.load_model("vggish", package.PackageModel("vggish", 16_000, ()), weights)
    theirs = loaded.get_embeddings(list(resample(audio, RATE, 16_000)), 16_000)
    np.testing.assert_allclose(all_rows, theirs, rtol=1e-4, atol=1e-6)
    assert embedding.embed(sounds(1, 0.976), RATE).shape == (1, 128)
    with pytest.raises(UserError, match=r"vggish: sounds of 0\.970 s, at least 0\.975 s are needed"):
        embedding.embed(sounds(1, 0.97), RATE)


@needs_fad
def test_encodec_from_a_folder(weights: Path) -> None:
    make_encodec(weights)
    embedding = build("encodec", weights)
    audio = sounds(3)
    rows = embedding.embed(audio, RATE)
    assert (rows.shape, embedding.sample_rate) == ((3, 128), 24_000)
    loaded = package.load_model("encodec", package.PackageModel("encodec", 24_000, ()), weights)
    theirs = loaded.get_embeddings(list(resample(audio, RATE, 24_000)), 24_000)
    np.testing.assert_allclose(rows, theirs.reshape(3, -1, 128).mean(axis=1), rtol=1e-3, atol=1e-5)
    assert "torchaudio" not in sys.modules
    assert "encodec" not in sys.modules


@needs_fad
@pytest.mark.parametrize(("name", "seconds"), [("panns", 0.32), ("vggish", 1.0), ("encodec", 0.5)])
def test_silence_has_a_pretrained_embedding_and_nan_has_none(name: str, seconds: float, weights: Path) -> None:
    {"panns": make_panns, "vggish": make_vggish, "encodec": make_encodec}[name](weights)
    embedding = build(name, weights)
    audio = np.zeros((2, round(seconds * RATE)), dtype=np.float32)
    rows = embedding.embed(audio, RATE)
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-5, atol=1e-6)
    audio[1, 5] = np.inf
    with pytest.raises(UserError, match=f"{name}: audio: sound 1 holds inf"):
        embedding.embed(audio, RATE)


@needs_fad
def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "Cnn14_16k_mAP%3D0.438.pth"
    path.touch()
    with pytest.raises(UserError, match=r"^panns: cannot be loaded from .*; replace what is broken of Cnn14_16k"):
        build_embedding("panns", RATE, tmp_path)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(UserError, match=r"^panns: .*Cnn14_16k_mAP%3D0\.438\.pth: not a file of weights alone"):
        build_embedding("panns", RATE, tmp_path)
    torch.save({"model": {"fc1.weight": torch.zeros(3)}}, path)
    with pytest.raises(UserError, match="panns: cannot be loaded from .*loading state_dict"):
        build_embedding("panns", RATE, tmp_path)
    (tmp_path / "harritaylor_torchvggish_master").mkdir()
    (tmp_path / "checkpoints").mkdir()
    for name in ("vggish-10086976.pth", "vggish_pca_params-970ea276.pth"):
        (tmp_path / "checkpoints" / name).touch()
    with pytest.raises(UserError, match=r"vggish: cannot be loaded from .*hubconf\.py"):
        build_embedding("vggish", RATE, tmp_path)


class Trap:
    """What a hostile file would hold."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("sprung",)


@needs_fad
@pytest.mark.parametrize("name", ["panns", "encodec"])
def test_nothing_is_unpickled(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / ("Cnn14_16k_mAP%3D0.438.pth" if name == "panns" else "checkpoints/encodec_24khz-d7cc33bc.th")
    path.parent.mkdir(exist_ok=True)
    torch.save({"model": Trap()}, path)
    with pytest.raises(
        UserError, match=f"{name}: .*{path.name}: not a file of weights alone, and nothing is unpickled"
    ):
        build_embedding(name, RATE, tmp_path)
    assert not (tmp_path / "sprung").exists()


@needs_fad
def test_the_command_that_saves_weights_anew(weights: Path, tmp_path: Path) -> None:
    make_panns(weights)
    path = tmp_path / "Cnn14_16k_mAP%3D0.438.pth"
    whole = torch.load(weights / path.name, weights_only=False)
    torch.save({**whole, "where": Path("training")}, path, pickle_protocol=4)
    with pytest.raises(UserError, match="save its weights anew: python -c") as caught:
        build_embedding("panns", RATE, tmp_path)
    command = shlex.split(str(caught.value).partition("anew: ")[2])
    assert (command[0], command[-1]) == ("python", "FILE")
    subprocess.run([sys.executable, *command[1:-1], str(path)], check=True)
    rows = build_embedding("panns", RATE, tmp_path).embed(sounds(1), RATE)
    path.unlink()
    np.testing.assert_allclose(rows, build("panns", weights).embed(sounds(1), RATE), rtol=1e-5)


@needs_fad
@pytest.mark.parametrize("name", ["panns", "vggish", "encodec", "clap"])
def test_without_folder_and_network(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # or it tries five times, for a minute
    with pytest.raises(UserError, match=f"^{name}: cannot be fetched and loaded .*--weights-dir$") as caught:
        build_embedding(name, RATE)
    assert "\n" not in str(caught.value)


@needs_fad
def test_clap_from_a_folder(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_clap(weights)
    capsys.readouterr()
    here = Path.cwd()
    embedding = build_embedding("clap", RATE, weights)
    assert Path.cwd() == here
    assert capsys.readouterr().out == ""
    audio = np.concatenate([sounds(2), np.zeros((1, RATE), dtype=np.float32)])
    rows = embedding.embed(audio, RATE)
    assert (rows.shape, embedding.sample_rate) == ((3, 512), 48_000)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(embedding.embed(audio[1:2], RATE)[0], rows[1], atol=1e-5)
    assert np.abs(rows[0] - rows[1]).max() > 1e-4
    with pytest.raises(UserError, match=r"clap: sounds of 10\.100 s, it hears 10\.000 s at most"):
        embedding.embed(np.zeros((1, round(10.1 * RATE)), dtype=np.float32), RATE)
    (weights / "630k-audioset-best.pt").write_bytes(b"")
    with pytest.raises(UserError, match=r"clap: cannot be loaded .*630k-audioset-best\.pt"):
        build_embedding("clap", RATE, weights)
