"""Extension points can be used from outside: no line of the package names what is registered here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from synthvae import cli, load_run
from synthvae.core.errors import UserError
from synthvae.core.files import load_tensors
from synthvae.core.randomness import epoch_order, generator
from synthvae.data.preset import read_preset
from synthvae.data.presets import read_dataset
from synthvae.exploration.latent_files import find_run
from synthvae.matching.index import index_path
from synthvae.metrics.logmel_distance import LogMelDistance
from synthvae.synths import registry as synths
from synthvae.synths.registry import register_synth, synth_kind
from synthvae.synths.settings import RenderSettings
from synthvae.training import trainer
from synthvae.training.settings import NETWORK, Settings, setting
from synthvae.training.tasks import registry
from synthvae.training.tasks.base import Place, Task, Validation
from synthvae.training.tasks.registry import register_task
from tests import sine
from tests.errors import user_error

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class VectorSettings(Settings):
    hidden: int = setting(3, "Width of the middle.", NETWORK, above=0)


class VectorTask(Task[VectorSettings]):
    """An autoencoder of fixed vectors."""

    name = "vectors"
    settings_type = VectorSettings
    abilities = frozenset({"vectors"})

    def __init__(self, settings: VectorSettings, vectors: Tensor) -> None:
        super().__init__(settings)
        self.train_vectors, self.validation_vectors = vectors[:-8], vectors[-8:]
        self.items, self.validation_items = len(vectors) - 8, 8

    def describe(self) -> dict[str, Any]:
        return {"width": self.train_vectors.shape[1], "count": self.items}

    @classmethod
    def build(cls, settings: VectorSettings, description: Mapping[str, Any]) -> nn.Module:
        width = description["width"]
        return nn.Sequential(nn.Linear(width, settings.hidden), nn.Dropout(0.0), nn.Linear(settings.hidden, width))

    def batch(self, place: Place) -> dict[str, Tensor]:
        size = self.phase.batch_size
        rows = epoch_order(place.seed, place.epoch, self.items)[place.step * size : (place.step + 1) * size]
        return {"vector": self.train_vectors[rows]}

    def terms(self, model: nn.Module, batch: Mapping[str, Tensor], place: Place) -> dict[str, Tensor]:
        found = model(batch["vector"])
        return {"error": (found - batch["vector"]).square().sum(1), "size": found.square().sum(1)}

    def weigh(self, terms: Mapping[str, Tensor], progress: float) -> Tensor:
        return terms["error"].mean() + 0.01 * terms["size"].mean()

    def validate(self, model: nn.Module, limit: int | None = None) -> Validation:
        terms = self.terms(model, {"vector": self.validation_vectors[:limit]}, Place(0, 0, 0, 0.0))
        return Validation({name: value.double().mean() for name, value in terms.items()})


def made() -> Tensor:
    return torch.rand(40, 6, generator=generator(1))


@pytest.fixture
def vectors() -> Iterator[Tensor]:
    register_task(VectorTask)
    yield made()
    del registry._TASKS["vectors"]


def settings(**changes: Any) -> VectorSettings:
    return VectorSettings(
        **{"epochs": 6, "batch_size": 8, "lr": 0.02, "lr_schedule": "cosine", "device": "cpu"} | changes
    )


def stop_at(epoch: int, step: int, how: int):
    def on_step(now: int, done: int, steps: int) -> None:
        if (now, done) == (epoch, step):
            os.kill(os.getpid(), how)

    return on_step


def killed_training(out: Path) -> int:
    """Train in a process of its own that kills itself in the fourth epoch; its exit status."""
    code = (
        "import signal, torch; from pathlib import Path; from tests.test_seams import *; torch.set_num_threads(1)\n"
        "trainer.SAVE_SECONDS = -1.0\n"
        f"trainer.train(VectorTask(settings(), made()), Path({str(out)!r}), on_step=stop_at(3, 2, signal.SIGKILL))"
    )
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode


def test_a_task_of_ones_own_is_trained_resumed_and_loaded(
    vectors: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(trainer, "SAVE_SECONDS", -1.0)  # after every step
    position = trainer.train(VectorTask(settings(), vectors), tmp_path / "whole")
    assert position.finished == "all epochs done"
    assert killed_training(tmp_path / "killed") == -signal.SIGKILL
    assert load_tensors(tmp_path / "killed" / "checkpoint.safetensors")[1]["epoch"] == 3
    with pytest.raises(trainer.Interrupted, match="epoch 3"):
        trainer.train(VectorTask(settings(), vectors), tmp_path / "stopped", on_step=stop_at(2, 4, signal.SIGINT))
    for name in ("killed", "stopped"):
        trainer.train(VectorTask(settings(), vectors), tmp_path / name, resume=True)
        whole, resumed = (load_tensors(tmp_path / n / "checkpoint.safetensors")[0] for n in ("whole", name))
        assert whole.keys() == resumed.keys()
        assert all(torch.equal(value, resumed[key]) for key, value in whole.items())
        for file in ("weights.safetensors", "metrics.csv"):
            assert (tmp_path / name / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()

    assert json.loads((tmp_path / "whole" / "run.json").read_text())["task"] == "vectors"
    run = load_run(tmp_path / "whole", needs="vectors")
    assert (run.task, run.config) == (VectorTask, settings())
    log = run.metrics()
    assert log["validation/total"].iloc[-1] < 0.7 * log["validation/total"].iloc[0]
    expected = run.model(vectors[-8:])
    total = (expected - vectors[-8:]).square().sum(1).mean() + 0.01 * expected.square().sum(1).mean()
    assert float(total) == pytest.approx(log["validation/best"].iloc[-1], rel=1e-5)
    assert any((tmp_path / "whole" / "tensorboard").iterdir())


@pytest.mark.usefixtures("no_space")
def test_what_such_a_run_has_not_is_refused_in_one_line(vectors: Tensor, small_run: Path, tmp_path: Path):
    out = tmp_path / "runs" / "vectors"
    trainer.train(VectorTask(settings(epochs=1), vectors), out)
    with pytest.raises(UserError, match=r"vectors: task is 'vectors', which has no parameters; name a run that has"):
        load_run(out, needs="parameters")
    with pytest.raises(UserError, match="has no parameters"):
        _ = load_run(out).parameters
    with pytest.raises(UserError, match="no trained run in it"):
        find_run(None, tmp_path / "runs")
    with pytest.raises(UserError, match="task is 'presets', which has no vectors"):
        load_run(small_run, needs="vectors")
    for task, argument, value, message in (
        (VectorTask(settings(epochs=1, hidden=4), vectors), "hidden", 4, "was trained with 3"),
        (VectorTask(settings(epochs=1), vectors[1:]), "count", 31, "was trained on 32, now it is 31"),
    ):
        with user_error(argument, value, message):
            trainer.train(task, out, resume=True)
    with user_error("hidden", 0, "give a value above 0"):
        VectorTask(settings(hidden=0), vectors)
    document = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps(document | {"config": document["config"] | {"width": 3}}))
    with pytest.raises(UserError, match=r"run\.json: unknown setting 'width'"):
        load_run(out)
    (out / "run.json").write_text(json.dumps(document | {"task": "pictures"}))
    with pytest.raises(
        UserError, match="task is 'pictures'; known are presets, recorded-sounds, audio-encoder, vectors: import"
    ):
        load_run(out)


def test_two_tasks_of_one_name_are_refused(vectors: Tensor):
    register_task(VectorTask)
    with pytest.raises(ValueError, match="another task called 'vectors'"):
        register_task(type("Other", (VectorTask,), {}))


def call(*arguments: object) -> int:
    """``synthvae ARGUMENTS``; its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["synthvae", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`tests.sine` as a package that is installed, so that processes of the studio's find its synth as well."""
    site = tmp_path_factory.mktemp("site")
    metadata = site / "sine-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: sine\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[synthvae.synths]\ntests.Sine = tests.sine:KIND\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(ROOT)]))
        yield
    synths._KINDS.pop("tests.Sine", None)


@pytest.fixture(scope="module")
def sine_run(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on 210 decaying sines; the dataset is beside it."""
    folder = tmp_path_factory.mktemp("sines")
    how = ["--sample-rate", 16000, "--seconds", 0.25, "--control-rate", 160, "--seed", 1]
    assert call("generate-dataset", "--synth", "tests.Sine", "--size", 210, *how, "--out", folder / "data.json") == 0
    learn = ["--loss", "sclp", "--synth-layer", "--epochs", 30, "--batch-size", 25, "--lr", 0.005, "--latent", 3]
    data, out = folder / "data.json", folder / "run"
    assert call("train", "--data", data, *learn, "--architecture", "32-3", "--out", out, "--device", "cpu") == 0
    return out


def test_no_line_of_the_package_names_the_synth():
    for path in (ROOT / "synthvae").rglob("*.py"):
        text = path.read_text()
        assert not any(name in text for name in ("tests.Sine", *sine.SPACE.names)), path


def test_nothing_but_the_registry_and_torchsynths_own_format_knows_the_voice():
    allowed = {"synthvae/__init__.py", "synthvae/export/torchsynth_format.py", "synthvae/synths/registry.py"}
    allowed |= {"synthvae/cli/doctor.py"}  # compares the Voice with torchsynth's modules
    allowed |= {"synthvae/metrics/cluster_validity.py"}  # is compiled as the kernels are, and knows nothing of them
    names = ("keyboard.midi_f0", "keyboard.duration", "mixer.noise", "synthvae.synths.voice")
    for path in (ROOT / "synthvae").rglob("*.py"):
        place = path.relative_to(ROOT).as_posix()
        if place not in allowed and not place.startswith("synthvae/synths/voice/"):
            assert not [name for name in names if name in path.read_text()], place


def test_a_synth_of_ones_own_is_drawn_and_learned(sine_run: Path):
    dataset = read_dataset(sine_run.parent / "data.json")
    run = load_run(sine_run)
    assert (dataset.header.settings.synth, run.settings.synth) == ("tests.Sine", "tests.Sine")
    assert run.parameters == sine.SPACE
    assert json.loads((sine_run / "run.json").read_text())["synth"] == {"name": "tests.Sine", "version": 1}
    unit = dataset.split("test")
    pitch, decay, level = dataset.parameters.denormalise(unit.double()).unsqueeze(-1).unbind(1)
    t = torch.arange(4000) / 16000
    expected = level * torch.exp(-t / decay) * torch.sin(2 * torch.pi * 440 * 2 ** ((pitch - 69) / 12) * t)
    torch.testing.assert_close(run.voice(unit).double(), expected, rtol=0, atol=2e-3)
    metric = LogMelDistance(run.voice, 16000)
    apart = (metric.spectrograms(run.decode(run.encode(unit))) - metric.spectrograms(unit)).square().mean()
    mean = (metric.spectrograms(torch.full_like(unit, 0.5)) - metric.spectrograms(unit)).square().mean()
    assert apart < 0.8 * mean


def test_derivatives_of_a_synth_are_those_of_autograd(sine_run: Path):
    voice = load_run(sine_run).voice
    unit = torch.rand(2, 3, generator=generator(2), dtype=torch.float64)
    expected = torch.func.vmap(torch.func.jacrev(lambda row: voice(row[None])[0]))(unit).transpose(1, 2)
    torch.testing.assert_close(voice.jacobian(unit), expected, rtol=1e-6, atol=1e-9)
    energies = voice.jacobian(unit, lambda audio: audio.square().sum(1))
    torch.testing.assert_close(energies, 2 * (expected @ voice(unit)[:, :, None])[..., 0], rtol=1e-6, atol=1e-9)


@pytest.mark.usefixtures("sketched_figures")
def test_a_synth_of_ones_own_is_analyzed(sine_run: Path, tmp_path: Path):
    few = ["--map-presets", 10, "--map-nulls", 1, "--workers", 1]
    assert call("analyze", sine_run, *few, "--out", tmp_path / "analysis") == 0
    assert (tmp_path / "analysis" / "report.html").exists()
    assert json.loads((tmp_path / "analysis" / "metrics.json").read_text())


def test_latents_are_decoded_and_walked_between(sine_run: Path, tmp_path: Path):
    run = load_run(sine_run)
    assert call("decode", sine_run, "--random", 2, "--all", "--out", tmp_path / "decoded") == 0
    files = sorted((tmp_path / "decoded").glob("*.json"))
    human = [read_preset(file).human for file in files]
    np.testing.assert_allclose(human, run.parameters.denormalise(run.sample(2).double().numpy()), rtol=1e-5)
    for way in ("latent", "metric", "smooth"):
        out = tmp_path / way
        assert call("morph", 0, 5, "--run", sine_run, "--steps", 3, "--way", way, "--out", out) == 0
        steps = [read_preset(path) for path in sorted(out.glob("step*.json"))]
        values = read_dataset(sine_run.parent / "data.json").values[[0, 5]]
        np.testing.assert_allclose([steps[0].human, steps[-1].human], values, rtol=1e-4)
        assert steps[1].settings.synth == "tests.Sine"


@pytest.mark.parametrize("known", [True, False])
def test_a_recording_is_matched_by_a_synth_of_ones_own(sine_run: Path, tmp_path: Path, known: bool):
    assert call("render", sine_run.parent / "data.json", "--index", 3, "--out", tmp_path / "sounds") == 0
    (sound,) = (tmp_path / "sounds").glob("*.wav")
    of = ["--run", sine_run] if known else ["--synth", "tests.Sine"]
    assert call("match", sound, *of, "--budget", 400, "--no-index", "--out", tmp_path / "match") == 0
    document = json.loads((tmp_path / "match" / "match.json").read_text())
    assert document["synth"] == {"name": "tests.Sine", "version": 1}
    best = document["answers"][0]
    assert best["distance"] < 0.25 * document["random_preset"]["median"]
    pitch = read_dataset(sine_run.parent / "data.json").values[3, 0]
    found = read_preset(tmp_path / "match" / best["file"])
    assert found.human[0] == pytest.approx(pitch, abs=0.5)


def test_the_studio_plays_keeps_to_and_matches_a_synth_of_ones_own(sine_run: Path, tmp_path: Path):
    pytest.importorskip("fastapi", reason="the studio is an extra")
    import io
    import time

    from scipy.io import wavfile
    from starlette.testclient import TestClient

    from synthvae.studio.app import create_app
    from synthvae.studio.security import Access
    from synthvae.studio.serve import open_session
    from synthvae.synths.rendering import fade_out

    session = open_session(sine_run, bank=tmp_path / "bank.sqlite", most=40, cache=tmp_path / "cache")
    session.warm()
    api = "/api/v1"
    try:
        client = TestClient(create_app(session, Access()), base_url="http://localhost:8321")
        said = client.get(f"{api}/session").json()
        assert [parameter["name"] for parameter in said["parameters"]] == list(sine.SPACE.names)
        assert said["routes"] == []
        assert said["played"] == {"note": "sine.pitch", "hold": None}
        answer = client.post(f"{api}/render", json={"spec": {"point": 3}})
        rate, audio = wavfile.read(io.BytesIO(answer.content))
        assert rate == 16000
        point = client.get(f"{api}/points/3").json()
        human = np.array([[point["values"][name] for name in sine.SPACE.names]])
        unit = torch.from_numpy(sine.SPACE.normalise(human))
        np.testing.assert_allclose(audio, fade_out(session.run.voice(unit)[0].numpy(), rate), atol=2e-3)
        answer = client.post(f"{api}/render", json={"spec": {"point": 3}, "note": 69})
        tuned = torch.from_numpy(sine.SPACE.normalise(human * [[0, 1, 1]] + [[69, 0, 0]]))
        played = wavfile.read(io.BytesIO(answer.content))[1]
        np.testing.assert_allclose(played, fade_out(session.run.voice(tuned)[0].numpy(), rate), atol=2e-3)
        answer = client.post(f"{api}/render", json={"spec": {"point": 3}, "hold": 0.5})
        assert (answer.status_code, "'tests.Sine', which holds no keys" in answer.text) == (422, True), answer.text
        answer = client.post(f"{api}/bank", json={"spec": {"point": 3}, "name": "three"})
        assert (answer.status_code, "a bank holds presets of torchsynth.Voice alone" in answer.text) == (422, True)
        wav = io.BytesIO()
        wavfile.write(wav, rate, played)
        job = client.post(f"{api}/match?seconds=4", content=wav.getvalue()).json()["job"]
        until = time.monotonic() + 300
        while (state := client.get(f"{api}/jobs/{job}").json())["state"] not in ("done", "failed"):
            assert time.monotonic() < until
            time.sleep(0.2)
        assert state["state"] == "done", state
        assert state["results"][0]["values"]["sine.pitch"] == pytest.approx(69, abs=0.5)
    finally:
        session.close()


def test_what_such_a_synth_cannot_do_is_refused_in_one_line(
    sine_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    data, sounds = sine_run.parent / "data.json", tmp_path / "sounds"
    assert call("render", data, "--index", "0", "--out", sounds) == 0
    capsys.readouterr()
    for arguments, message in (
        (["generate-dataset", "--synth", "tests.Cosine"], "--synth is 'tests.Cosine'; choose one of tests.Sine, torch"),
        (["generate-dataset", "--synth", "tests.Sine", "--parameters", 63], "--parameters is 63; choose 3"),
        (["generate-dataset", "--synth", "tests.Sine", "--source", "synth1b1"], "--source is 'synth1b1'"),
        (["export", sounds, "--to", "sfz", "--out", tmp_path / "x"], "'tests.Sine', which holds no keys"),
        (["export", sounds, "--to", "torchsynth", "--out", tmp_path / "x"], "--to is 'torchsynth'"),
        (["export", sounds, "--to", "wav", "--whole", "--out", tmp_path / "x"], "'tests.Sine', which holds no keys"),
        (["bank", "add", sounds, "--bank", tmp_path / "b"], "a bank holds presets of torchsynth.Voice alone"),
        (["train", "--data", data, "--synth-layer", "--loss", "sclp", "--hold-phases"], "--hold-phases: tests.Sine"),
        (
            ["match", "x.wav", "--synth", "tests.Sine", "--run", sine_run],
            "which is given by --run",
        ),
    ):
        assert call(*arguments) == 2, arguments
        error = capsys.readouterr().err
        assert message in error, error
        assert error.count("\n") == 1, error


def test_files_of_a_synth_that_is_not_there_are_refused(sine_run: Path, tmp_path: Path):
    data = sine_run.parent / "data.json"
    for new, message in (
        (
            '"name": "tests.Gone"',
            r"synth is .*tests.Gone.*, none of tests.Sine, torch.*install what brings",
        ),
        ('"name": "torchsynth.Voice"', r"presets of it do not fit, make the file again"),
    ):
        (tmp_path / "data.json").write_text(data.read_text().replace('"name": "tests.Sine"', new))
        with pytest.raises(UserError, match=message):
            read_dataset(tmp_path / "data.json")


def test_two_synths_of_one_name_are_refused(installed: None):
    kind = synth_kind("tests.Sine")
    register_synth(kind)
    for name in ("tests.Sine", "torchsynth.Voice"):
        with pytest.raises(ValueError, match="there is a synth"):
            register_synth(sine.SynthKind(name, sine.Sine, lambda: (sine.SPACE,)))
    # The same parameters under another synth are other sounds.
    of = [index_path(sine.SPACE, RenderSettings(synth=name)) for name in ("tests.Sine", "torchsynth.Voice")]
    assert of[0] != of[1]
