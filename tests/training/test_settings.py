"""One definition of each setting: its range, its flag and its help."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys

import pytest

from synthvae.core.errors import UserError
from synthvae.features import FEATURES
from synthvae.losses import LOSSES
from synthvae.models import NETWORKS, OUTPUTS
from synthvae.training.config import PHASE, TrainConfig
from synthvae.training.schedules import KL_SCHEDULES, LR_SCHEDULES
from synthvae.training.settings import checked, refuse_unknown, settings_of

KNOWN = settings_of(TrainConfig)


def test_every_setting_is_defined_and_its_default_is_legal():
    names = [f.name for f in dataclasses.fields(TrainConfig)]
    assert set(KNOWN) == set(names) - {"then"}
    assert checked(TrainConfig, {name: getattr(TrainConfig(), name) for name in names}, "x") == TrainConfig()
    assert all(known.help.endswith(".") for known in KNOWN.values())


def test_choices_are_those_of_the_registries():
    assert KNOWN["loss"].names == tuple(LOSSES)
    assert KNOWN["feature"].names == ("auto", *FEATURES)
    assert KNOWN["network"].names == tuple(NETWORKS)
    assert KNOWN["output"].names == OUTPUTS
    assert (KNOWN["kl_schedule"].names, KNOWN["lr_schedule"].names) == (KL_SCHEDULES, LR_SCHEDULES)


def test_a_second_phase_keeps_data_network_device_and_seed():
    kept = {
        "data",
        "network",
        "architecture",
        "latent",
        "output",
        "initialisation",
        "seed",
        "device",
        "devices",
        "nodes",
        "strategy",
        "on_nonfinite",
        "cache_targets",
    }
    assert set(KNOWN) - PHASE == kept | {"precision"}


@pytest.mark.parametrize("name", [name for name, known in KNOWN.items() if known.names and not known.number])
def test_every_choice_is_held_to(name: str):
    for legal in KNOWN[name].names:
        assert getattr(checked(TrainConfig, {name: legal}, "x"), name) == legal
    for wrong in ("nothing of that name", 1, ["cpu"]):
        with pytest.raises(UserError, match=rf"^x: {name} is {re.escape(repr(wrong))}; choose one of "):
            checked(TrainConfig, {name: wrong}, "x")


@pytest.mark.parametrize(
    "name", [n for n, known in KNOWN.items() if known.above is not None or known.least is not None]
)
def test_every_bound_is_held_to(name: str):
    known, kind = KNOWN[name], type(KNOWN[name].least if KNOWN[name].number else getattr(TrainConfig(), name))
    bound = kind(known.least if known.above is None else known.above)
    if known.above is None:
        assert getattr(checked(TrainConfig, {name: bound}, "x"), name) == bound
        bound -= 1
    with pytest.raises(UserError, match=rf"^x: {name} is {float(bound) if known.number else bound}; give "):
        checked(TrainConfig, {name: bound}, "x")


@pytest.mark.parametrize("name", [name for name, known in KNOWN.items() if known.below is not None])
def test_every_number_that_is_too_large_is_refused(name: str):
    bound = type(getattr(TrainConfig(), name))(KNOWN[name].below)
    with pytest.raises(UserError, match=rf"^x: {name} is {re.escape(str(bound))}; give a number below "):
        checked(TrainConfig, {name: bound}, "x")


def test_unknown_settings_are_refused_by_name():
    with pytest.raises(UserError, match="^run.json: unknown setting 'epoch'; did you mean epochs"):
        checked(TrainConfig, {"epoch": 3}, "run.json")
    with pytest.raises(UserError, match="^f: unknown setting 'case.zzz'; choose from about, eps"):
        refuse_unknown(["zzz"], ("eps", "about"), "f", "case.")


def test_the_command_line_and_its_flags_load_no_registry():
    code = (
        "import sys, synthvae.cli\n"
        "assert not [m for m in sys.modules if m.partition('.')[0] in ('torch', 'numba', 'lightning_fabric')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
