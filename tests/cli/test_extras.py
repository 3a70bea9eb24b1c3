import sys
import tomllib
from pathlib import Path

import pytest

from synthvae.cli.extras import EXTRAS
from tests.cli.conftest import Command


@pytest.mark.parametrize("command", ["explore", "pack"])
def test_a_command_whose_packages_are_missing_says_what_installs_them(
    run: Command, command: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    code, _, err = run(command)
    assert code == 2
    assert err.strip() == f"error: {command}: needs the package fastapi; install it with pip install 'synthvae[studio]'"


def test_every_extra_is_one_of_the_package():
    declared = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())["project"]
    assert set(EXTRAS) <= set(declared["optional-dependencies"])
