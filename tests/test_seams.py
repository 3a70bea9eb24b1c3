"""What synthvae stands on can be added from outside: no line of the package names what is registered here."""

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

import pytest
import torch
from torch import Tensor, nn

from synthvae import load_run
from synthvae.core.errors import UserError
from synthvae.core.files import load_tensors
from synthvae.core.randomness import epoch_order, generator
from synthvae.exploration.latent_files import find_run
from synthvae.training import trainer
from synthvae.training.settings import NETWORK, Settings, setting
from synthvae.training.tasks import registry
from synthvae.training.tasks.base import Place, Task, Validation
from synthvae.training.tasks.registry import register_task


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
    return subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1]).returncode


def test_a_task_of_ones_own_is_trained_resumed_and_loaded(
    vectors: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(trainer, "SAVE_SECONDS", -1.0)  # after every step
    position = trainer.train(VectorTask(settings(), vectors), tmp_path / "whole")
    assert position.finished == "all 6 epochs done"
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


def test_what_such_a_run_has_not_is_refused_in_one_line(vectors: Tensor, small_run: Path, tmp_path: Path):
    out = tmp_path / "runs" / "vectors"
    trainer.train(VectorTask(settings(epochs=1), vectors), out)
    with pytest.raises(UserError, match=r"vectors: its task is vectors, which has no parameters; name a run that has"):
        load_run(out, needs="parameters")
    with pytest.raises(UserError, match="has no parameters"):
        _ = load_run(out).parameters
    with pytest.raises(UserError, match="no trained run in it"):
        find_run(None, tmp_path / "runs")
    with pytest.raises(UserError, match="its task is presets, which has no vectors"):
        load_run(small_run, needs="vectors")
    for task, message in (
        (VectorTask(settings(epochs=1, hidden=4), vectors), "was trained with hidden = 3, now it is 4"),
        (VectorTask(settings(epochs=1), vectors[1:]), "was trained on count = 32, now it is 31"),
    ):
        with pytest.raises(UserError, match=message):
            trainer.train(task, out, resume=True)
    with pytest.raises(UserError, match="hidden is 0; give a value above 0"):
        VectorTask(settings(hidden=0), vectors)
    document = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps(document | {"config": document["config"] | {"width": 3}}))
    with pytest.raises(UserError, match=r"run\.json: unknown setting 'width'"):
        load_run(out)
    (out / "run.json").write_text(json.dumps(document | {"task": "pictures"}))
    with pytest.raises(UserError, match="task is 'pictures'; known are presets, audio-encoder, vectors: import"):
        load_run(out)


def test_two_tasks_of_one_name_are_refused(vectors: Tensor):
    register_task(VectorTask)
    with pytest.raises(ValueError, match="another task called 'vectors'"):
        register_task(type("Other", (VectorTask,), {}))
