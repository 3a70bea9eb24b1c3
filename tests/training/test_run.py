from __future__ import annotations

import codecs
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from synthvae import load_run
from synthvae.core.errors import UserError
from synthvae.core.files import load_tensors, save_tensors
from synthvae.data.presets import Dataset
from synthvae.exploration.latent_files import find_run
from synthvae.synths.voice.parameters import VOICE_63, VOICE_78
from synthvae.training.run import has_ability, is_unfinished
from synthvae.training.tasks.base import PARAMETERS, SOUNDS


@pytest.fixture
def copy(small_run: Path, tmp_path: Path) -> Path:
    target = tmp_path / "copy"
    shutil.copytree(small_run, target)
    return target


def test_encodes_decodes_and_samples(small_run: Path, small_dataset: Dataset):
    run = load_run(small_run)
    unit = small_dataset.split("test")
    latent = run.encode(unit)
    assert latent.shape == (len(unit), 16) == (len(unit), run.latent_size)
    decoded = run.decode(latent)
    assert decoded.shape == unit.shape
    assert decoded.min() >= 0
    assert decoded.max() <= 1
    torch.testing.assert_close(run.sample(5, seed=1), run.sample(5, seed=1), rtol=0, atol=0)
    assert not torch.equal(run.sample(5, seed=1), run.sample(5, seed=2))
    assert run.voice(run.sample(2)).shape == (2, 4000)
    assert run.parameters == VOICE_63


def test_two_loads_give_identical_latents(small_run: Path, copy: Path, small_dataset: Dataset):
    unit = small_dataset.unit
    assert torch.equal(load_run(small_run).encode(unit), load_run(copy).encode(unit))


def test_description_says_what_made_it(small_run: Path, small_dataset: Dataset):
    document = json.loads((small_run / "run.json").read_text())
    assert document["dataset_hash"] == small_dataset.hash
    assert document["parameter_hash"] == VOICE_63.hash
    assert document["config"]["synth_layer"] is True
    assert document["versions"]["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert document["state"]["finished"] == "all epochs done"


def test_a_model_loads_without_any_synthesizer(small_run: Path):
    code = (
        "import sys; sys.modules['torchsynth'] = None\n"
        "from synthvae import load_run\n"
        f"run = load_run({str(small_run)!r}); run.voice(run.sample(2))\n"
        "assert not [m for m in sys.modules if m.startswith(('torchsynth.', 'umap', 'matplotlib', 'lightning_fabric'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_other_parameters_are_refused_by_hash(small_run: Path):
    run = load_run(small_run)
    run.require_parameters(VOICE_63, "x.json")
    with pytest.raises(UserError, match=f"x.json: .*78.*{VOICE_78.hash}.*{VOICE_63.hash}"):
        run.require_parameters(VOICE_78, "x.json")


def test_directories_that_are_no_runs(tmp_path: Path, copy: Path):
    with pytest.raises(UserError, match="not a run directory"):
        load_run(tmp_path / "nowhere")
    text = (copy / "run.json").read_text()
    for broken, message in (
        (text[:100], "not a whole JSON document"),
        (text.replace('"synthvae-run"', '"other"'), "format is 'other'"),
        (text.replace('"version": 1', '"version": 2', 1), "version is 2"),
        (text.replace(VOICE_63.hash, "0" * 16), "parameter_hash"),
        (text.replace('"exp1"', '"exp3"'), "does not fit the network"),
    ):
        (copy / "run.json").write_text(broken)
        with pytest.raises(UserError, match=message):
            load_run(copy)


@pytest.mark.usefixtures("no_space")
def test_a_description_with_a_byte_order_mark_loads_and_is_found(trained: Path, tmp_path: Path):
    run = Path(shutil.copytree(trained / "plain", tmp_path / "runs" / "plain"))
    document = json.loads((run / "run.json").read_text())
    document["state"]["finished"] = ""
    (run / "run.json").write_bytes(codecs.BOM_UTF8 + json.dumps(document).encode())
    assert load_run(run).latent_size == 3
    assert find_run(None, tmp_path / "runs", needs=SOUNDS) == (
        run,
        f"run {run}: the only run there; its training has not ended",
    )
    with pytest.raises(UserError, match="no trained run in it"):  # it has no parameters
        find_run(None, tmp_path / "runs")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"state": 3}', 100_000 * b"["])
def test_a_description_that_cannot_be_read_counts_as_a_run_on_presets(content: bytes, tmp_path: Path):
    (tmp_path / "run.json").write_bytes(content)
    assert has_ability(tmp_path, PARAMETERS)
    assert not has_ability(tmp_path, SOUNDS)
    assert not is_unfinished(tmp_path)


def test_missing_or_broken_weights(copy: Path):
    weights = copy / "weights.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"weights\.safetensors: cannot read"):
        load_run(copy)
    weights.unlink()
    with pytest.raises(UserError, match="not there; if no epoch"):
        load_run(copy)


def test_decoding_is_differentiable_and_weights_are_not_touched(small_run: Path):
    run = load_run(small_run)
    latent = torch.zeros(2, 16, requires_grad=True)
    run.voice(run.decode(latent)).square().sum().backward()
    assert latent.grad.isfinite().all()
    assert latent.grad.any()
    assert all(p.grad is None for p in run.model.parameters())
    with pytest.raises(ValueError, match="16 latent dimensions"):
        run.decode(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="63 parameters"):
        run.encode(torch.zeros(1, 78))


@pytest.mark.parametrize(("name", "value"), [("parameters", None), ("fixed", []), ("config", "x"), ("state", None)])
def test_fields_of_the_wrong_kind_are_named(copy: Path, name: str, value: object):
    document = json.loads((copy / "run.json").read_text())
    document[name] = value
    (copy / "run.json").write_text(json.dumps(document))
    with pytest.raises(UserError, match=rf"run\.json: {name} is"):
        load_run(copy)


def test_weights_that_are_not_finite_are_refused(copy: Path):
    tensors, state = load_tensors(copy / "weights.safetensors")
    tensors["mean.bias"][0] = torch.nan
    save_tensors(copy / "weights.safetensors", tensors, state)
    with pytest.raises(UserError, match="not finite"):
        load_run(copy)


def test_one_of_several_seeds_is_named_after_its_case(small_run: Path, tmp_path: Path):
    assert load_run(small_run).name == "small"
    shutil.copytree(small_run, tmp_path / "exp1-scl" / "seed-2")
    assert load_run(tmp_path / "exp1-scl" / "seed-2").name == "exp1-scl-seed-2"


def test_a_run_whose_name_is_misspelled_is_suggested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments" / "runs" / "drums").mkdir(parents=True)
    (tmp_path / "experiments" / "runs" / "drums" / "run.json").write_text("{}")
    for name, remedy in {
        "vioce-16": r"did you mean voice-16\?",
        "drum": r"did you mean experiments/runs/drums\?",
        "drums": "give experiments/runs/drums",
        "other": "give one that 'train' made",
    }.items():
        with pytest.raises(UserError, match=f"not a run directory.*{remedy}"):
            load_run(name)
