from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from synthvae.analysis.thesis import thesis_figures
from synthvae.core.errors import UserError
from synthvae.experiments.cases import dataset_size, find_overlay, list_cases, scale_label, scaled, select_cases
from synthvae.models import build_model, parse_architecture
from tests.errors import user_error

DATA = Path("x.json")
THESIS = [case for case in list_cases() if case.thesis]
#: The second set-up of the thesis, case by case.
SECOND = [case for case in list_cases() if case.group in ("exp1-500", "exp2-500", "exp3-250")]


def test_the_cases_of_the_thesis_are_the_rows_of_its_tables():
    assert sorted(case.thesis for case in THESIS) == sorted(thesis_figures())
    assert len(THESIS) == 15


@pytest.mark.parametrize("case", THESIS, ids=lambda case: case.name)
def test_a_case_has_the_name_and_the_loss_of_its_row(case):
    experiment, loss = case.thesis.lower().removesuffix("-ts").split("-")
    assert case.name == f"{experiment}-{loss}"
    config = case.config(DATA)
    if experiment == "exp3":
        assert config.loss == "none"
        assert (config.then["loss"], config.then["feature"], config.then["parameter_weight"]) == ("sclp", loss, 0.0)
    else:
        assert config.loss == loss
        assert config.synth_layer == (experiment == "exp2")
    assert case.eps == (0.05 if experiment == "exp3" else 0.04)


def test_experiment_two_is_experiment_one_with_the_gradient_and_nothing_else():
    for case in THESIS:
        if case.group == "exp2":
            other = select_cases([case.name.replace("exp2", "exp1")])[0].config(DATA)
            assert case.config(DATA) == dataclasses.replace(other, synth_layer=True)


@pytest.mark.parametrize("case", THESIS, ids=lambda case: case.name)
def test_published_cases_stop_early_at_a_fixed_rate(case):
    stopped = case.config(DATA).phases[-1]
    assert (stopped.lr, stopped.lr_schedule) == (1e-4, "constant")
    experiment_3 = case.group == "exp3"
    assert (stopped.patience, stopped.batch_size) == ((10, 512) if experiment_3 else (20, 256))
    if experiment_3:
        first = case.config(DATA).phases[0]
        assert (first.epochs, first.patience, first.lr_schedule) == (1000, 0, "constant")
    for scale in (0.02, 0.2):
        small = scaled(case.config(DATA), scale).phases[-1]
        assert (small.patience, small.epochs, small.lr_schedule) == (stopped.patience, stopped.epochs, "constant")


@pytest.mark.parametrize("case", SECOND, ids=lambda case: case.name)
def test_the_second_set_up_drops_the_rate_and_never_stops_early(case):
    config = case.config(DATA)
    published = select_cases([case.name.rpartition("-")[0]])[0].config(DATA)
    last = config.phases[-1]
    assert (last.epochs, last.patience) == (250 if case.group == "exp3-250" else 500, 0)
    rates = [last.learning_rate(epoch) for epoch in (0, 199, 200, 249)]
    assert rates == [1e-4, 1e-4, 5e-5, 5e-5]
    changed = {"epochs", "patience", "lr_schedule"}
    for name, value in dataclasses.asdict(published.phases[-1]).items():
        assert name in changed or getattr(last, name) == value, name
    small = scaled(config, 0.02).phases[-1]
    assert (small.patience, small.lr_schedule, small.epochs) == (0, "drop", round(last.epochs * 0.02 ** (2 / 3)))


def test_every_case_of_the_second_set_up_is_there():
    assert sorted(case.name.rpartition("-")[0] for case in SECOND) == sorted(case.name for case in THESIS)


def test_literal_cases_are_as_printed():
    literal = select_cases(["literal"])
    assert [case.name for case in literal] == ["exp1-sclp-literal", "exp2-sclp-literal"]
    for case in literal:
        config = case.config(DATA)
        assert (config.kl_weight, config.beta, config.beta_ratio) == (1.0, "constant", 3.0)
        assert (config.validation_limit, config.alpha, config.patience) == (20_000, 100.0, 20)
        assert config.synth_layer == case.name.startswith("exp2")


def test_a_departure_changes_one_setting_of_exp2_sclp():
    published = dataclasses.asdict(select_cases(["exp2-sclp"])[0].config(DATA))
    for case in select_cases(["departures"]):
        config = dataclasses.asdict(case.config(DATA))
        assert len([name for name in config if config[name] != published[name]]) == 1, case.name


@pytest.mark.parametrize("experiment", ["exp1", "exp2", "exp3"])
def test_the_cases_of_an_experiment_have_seed_and_initial_weights_in_common(experiment: str):
    weights = []
    for case in select_cases([experiment]):
        config = case.config(DATA, seed=4)
        torch.manual_seed(config.seed)
        widths = parse_architecture(config.architecture, 63, config.latent)
        weights.append(build_model(config.network, 63, widths, config.output).state_dict())
    for other in weights[1:]:
        assert all(torch.equal(other[name], value) for name, value in weights[0].items())


def test_our_own_cases_have_the_latent_size_of_their_name():
    for case in select_cases(["best"]):
        config = case.config(DATA)
        assert parse_architecture(config.architecture, 63, config.latent)[-1] == int(case.name.partition("-")[2])


def test_names_choose_cases_experiments_and_files(tmp_path: Path):
    own = tmp_path / "mine.toml"
    own.write_text('loss = "scl"\n')
    chosen = select_cases(["exp3-cqt", "exp1", "exp1-scl", str(own)])
    assert [case.name for case in chosen[:1]] == ["exp3-cqt"]
    assert [case.name for case in chosen].count("exp1-scl") == 1
    assert chosen[-1].name == "mine"
    assert len(chosen) == 8


def test_files_without_a_case_are_none():
    names = [case.name for case in list_cases()]
    assert "demo" not in names
    assert "exp1" not in names


def test_an_unknown_name_is_refused():
    with pytest.raises(UserError, match="no case or experiment is called 'exp4'"):
        select_cases(["exp4"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[case]\nabuot = 1", "unknown setting 'case.abuot'; did you mean about"),
        ("[case]\neps = 0", "case.eps is 0; give a radius above 0"),
        ("[case", "not TOML"),
        ('base = "gone.toml"\n[case]', "gone.toml: cannot read"),
    ],
)
def test_a_case_that_cannot_be_read_is_refused(tmp_path: Path, text: str, message: str):
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(UserError, match=message):
        select_cases([str(tmp_path / "mine.toml")])


def test_two_files_of_one_name_are_refused(tmp_path: Path):
    (tmp_path / "exp1-scl.toml").write_text('loss = "scl"\n')
    with pytest.raises(UserError, match="another case called 'exp1-scl'; rename"):
        select_cases(["exp1", str(tmp_path / "exp1-scl.toml")])


def test_full_scale_is_the_thesis():
    assert dataset_size(1.0) == 140_000
    for case in list_cases():
        assert scaled(case.config(DATA), 1.0) == case.config(DATA)


def test_presets_are_the_fraction_of_the_thesis():
    assert dataset_size(0.02) == 2800
    assert scale_label(0.02) == "scale-0.02"


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.5, float("nan"), 1e-5])
def test_scales_that_cannot_be_are_refused(scale: float):
    with user_error("scale", scale):
        dataset_size(scale)


def test_steps_shrink_less_than_presets_times_epochs():
    full = select_cases(["exp1-scl-500"])[0].config(DATA)
    small = scaled(full, 1 / 64)
    assert (small.epochs, small.lr_drop_after, small.lr_drop_every) == (31, 13, 6)  # / 16
    assert small.batch_size == 64  # / 4
    assert small.lr == pytest.approx(4e-4)
    assert small.patience == full.patience == 0
    steps = [s * c.epochs / c.batch_size for s, c in ((1, full), (1 / 64, small))]
    assert steps[1] / steps[0] == pytest.approx((1 / 64) ** (4 / 3), rel=0.02)


def test_nothing_else_changes():
    full = select_cases(["exp2-scl-500"])[0].config(DATA)
    small = scaled(full, 0.02)
    moved = {f.name for f in dataclasses.fields(full) if getattr(full, f.name) != getattr(small, f.name)}
    assert moved == {
        "epochs", "batch_size", "lr", "lr_drop_after", "lr_drop_every", "validation_limit", "frame_step",
    }  # fmt: skip
    assert small.frame_step == 4


def test_without_gradient_every_frame_is_compared():
    assert scaled(select_cases(["exp1-scl"])[0].config(DATA), 0.02).frame_step == 1


def test_both_phases_shrink():
    full = select_cases(["exp3-mfcc"])[0].config(DATA)
    first, second = scaled(full, 0.02).phases
    assert (first.epochs, second.epochs) == (74, 250)  # early stopping ends the second
    assert (second.batch_size, second.frame_step, second.patience) == (139, 4, 10)
    assert (second.loss, second.feature, second.parameter_weight, second.beta) == ("sclp", "mfcc", 0.0, 1.0)
    assert first.phases[0].loss == "none"


def test_settings_that_come_with_synthvae_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = find_overlay(Path("experiments/best-16.toml"))
    assert own.is_file()
    assert own.parent == list_cases()[0].path.parent
    for other in ("experiments/none.toml", "best-16.toml"):
        assert find_overlay(Path(other)) == Path(other)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/best-16.toml").write_text("epochs = 1")
    assert find_overlay(Path("experiments/best-16.toml")) == Path("experiments/best-16.toml"), "a file of one's own"
