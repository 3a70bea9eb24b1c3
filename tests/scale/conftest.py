"""The command line in an empty folder, as `tests.cli` has it."""

from tests.cli.conftest import run

__all__ = ["run"]
