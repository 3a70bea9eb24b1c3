from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from synthvae.core.errors import UserError
from synthvae.training.config import TrainConfig, resolve_config
from tests.errors import user_error


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_flags_win_over_the_file_and_the_file_over_its_base(tmp_path: Path):
    write(tmp_path / "base.toml", 'data = "a.json"\nlr = 1\nepochs = 7\n')
    overlay = write(tmp_path / "over.toml", 'base = "base.toml"\nepochs = 9\nbeta = 2\n')
    config = resolve_config(overlay, {"loss": "scl", "seed": None, "lr": 0.5})
    assert config == TrainConfig(data="a.json", lr=0.5, epochs=9, beta=2.0, loss="scl", feature="stft")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rate = 1", "unknown setting 'learning_rate'"),
        ("epoch = 1", "did you mean epochs"),
        ("synth-layer = true", "did you mean synth_layer"),
        ("epochs = 1.5", r"epochs is 1\.5; give a int"),
        ("epochs = 0", "epochs is 0; give a value above 0"),
        ('lr = "fast"', "lr is 'fast'"),
        ("lr = nan", "lr is nan"),
        ("seed = true", "seed is true"),
        ("synth_layer = 1", "synth_layer is 1"),
        ("alpha = -1", "alpha is -1"),
        ('beta = "automatic"', "beta is 'automatic'; give auto, constant or a number"),
        ("beta = -1", "beta is -1"),
        ('device = "tpu"', "choose one of auto, cpu, cuda"),
        ("epochs = = 1", "not TOML"),
        ("epochs = " + "[" * 100_000, "not TOML .maximum recursion depth"),
        ('base = "x.toml"', "x.toml: cannot read"),
        ('base = "c.toml"', "leads back to the file itself"),
    ],
)
def test_bad_files_are_refused(text: str, message: str, tmp_path: Path):
    with pytest.raises(UserError, match=message):
        resolve_config(write(tmp_path / "c.toml", text), {"data": "a.json"})


def test_a_flags_error_is_not_blamed_on_the_file(tmp_path: Path):
    with user_error("lr", -1.0):
        resolve_config(write(tmp_path / "c.toml", 'data = "a"'), {"lr": -1.0})
    with user_error("seed", 2**64):
        resolve_config(None, {"data": "a", "seed": 2**64})


def test_data_is_needed():
    with user_error("data", ""):
        resolve_config(None, {})


def test_a_byte_order_mark_is_passed_over(tmp_path: Path):
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbf" + b'data = "a.json"\nepochs = 7\n')
    assert resolve_config(tmp_path / "a.toml", {}).epochs == 7


@pytest.mark.parametrize("then", ["text", 3, [1]])
def test_a_second_phase_that_is_no_table_is_named(then: object):
    with pytest.raises(UserError, match="run.json: then is .*; give a table of settings"):
        resolve_config(None, {"data": "a", "then": then}, "run.json")


def test_beta_from_the_command_line_is_text():
    assert resolve_config(None, {"data": "a", "beta": "0.5"}).beta == 0.5
    assert resolve_config(None, {"data": "a", "beta": "auto"}).beta == "auto"


def test_the_schedule_of_the_second_set_up_of_the_thesis():
    config = TrainConfig(lr=1.0, lr_schedule="drop", lr_drop_after=200, lr_drop_every=100, lr_drop_factor=0.5)
    assert [config.learning_rate(e) for e in (0, 199, 200, 299, 300, 499)] == [1, 1, 0.5, 0.5, 0.25, 0.125]


def test_several_bases_lie_over_each_other_in_order(tmp_path: Path):
    write(tmp_path / "a.toml", 'data = "a.json"\nepochs = 7\nlr = 1e-2\n[then]\nlr = 0.5\nepochs = 4\n')
    write(tmp_path / "b.toml", "epochs = 8\n[then]\nepochs = 5\n")
    overlay = write(tmp_path / "over.toml", 'base = ["a.toml", "b.toml"]\nbatch_size = 3\n')
    config = resolve_config(overlay, {})
    assert (config.data, config.epochs, config.lr, config.batch_size) == ("a.json", 8, 1e-2, 3)
    assert (config.then["lr"], config.then["epochs"]) == (0.5, 5)


def test_a_second_phase_overlays_the_first(tmp_path: Path):
    write(tmp_path / "base.toml", 'data = "a.json"\nepochs = 7\n[then]\nloss = "mrstft"\nepochs = 3\n')
    overlay = write(tmp_path / "over.toml", 'base = "base.toml"\nloss = "none"\n[then]\nlr = 1e-5\n')
    config = resolve_config(overlay, {"then": {"loss": "logmel", "epochs": None}})
    first, second = config.phases
    assert (first.loss, first.epochs, first.synth_layer, first.then) == ("none", 7, False, {})
    assert (second.loss, second.epochs, second.lr, second.feature) == ("logmel", 3, 1e-5, "logmel")
    assert second.synth_layer
    assert resolve_config(None, dataclasses.asdict(config)) == config


def test_the_second_phase_may_measure_without_a_gradient(tmp_path: Path):
    overlay = write(tmp_path / "a.toml", 'data = "a.json"\n[then]\nloss = "scl"\nsynth_layer = false\n')
    assert not resolve_config(overlay, {}).phases[1].synth_layer


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("then = 3", r"then is 3; make it a table: \[then\]"),
        ("[then]\nseed = 3", "unknown setting 'then.seed'; choose from alpha, "),
        ("[then]\nlr = 0", "then: lr is 0.0; give a value above 0"),
        ("[then]\nkl_schedule = 'up'", "then: kl_schedule is 'up'; choose one of constant, linear"),
        ("kl_schedule = 'up'", "kl_schedule is 'up'; choose one of constant, linear, cosine, logistic, cyclical"),
        ("metric = 'mean'", "metric is 'mean'; choose one of diagonal, full, preset, effect"),
        ("lr_schedule = 'step'", "lr_schedule is 'step'; choose one of constant, drop, cosine"),
        ("free_bits = -1", "free_bits is -1.0; give 0 or more"),
        ("frame_step = 0", "frame_step is 0; give a value above 0"),
    ],
)
def test_bad_phases_and_schedules_are_refused(text: str, message: str, tmp_path: Path):
    path = write(tmp_path / "a.toml", 'data = "x.json"\n' + text + "\n")
    with pytest.raises(UserError, match=message):
        resolve_config(path, {})
