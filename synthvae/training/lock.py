"""Run-directory lock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synthvae.core import files
from synthvae.core.errors import UserError, shown
from synthvae.training.run import read_description, task_name
from synthvae.training.tasks.base import Task

__all__ = ["alone_in", "check_out"]


def check_out(out: Path, task: Task[Any], resume: bool) -> bool:
    """Whether `out` holds a run to resume; reject a directory that holds anything else.

    Raises:
        UserError: naming the contents.
    """
    if out.exists() and not out.is_dir():
        raise UserError(out, out, "choose another `out`", "not a directory")
    if not (out / "run.json").exists():
        if out.is_dir() and any(not files.is_leftover(path) for path in out.iterdir()):
            raise UserError(out, out, "choose another `out`", "not empty and not a run")
        return False
    if not resume:
        raise UserError(out, out, "add `resume` to go on with it, or choose another `out`", "already holds a run")
    document = read_description(out)
    if task_name(document) != task.name:
        raise UserError(out, out, task.otherwise, f"holds a run of the task {task_name(document)}, not {task.name}")
    task.require_same(out, document)
    differing = {
        name: before
        for name, before in document.get("config", {}).items()
        if name not in task.changeable and _fixed(getattr(task.settings, name, None), task) != _fixed(before, task)
    }
    for name, before in differing.items():
        every = ", ".join(f"`{other}` {shown(value)}" for other, value in differing.items())
        raise UserError(
            name,
            getattr(task.settings, name, None),
            f"give {every}, or {task.otherwise}" if len(differing) > 1 else f"set it back or {task.otherwise}",
            why=f"but {out} was trained with {before!r}",
        )
    return True


def _fixed(value: Any, task: Task[Any]) -> Any:  # noqa: ANN401
    """The value of a setting or table of settings, without settings that a resumed run may change."""
    if not isinstance(value, Mapping):
        return value
    return {name: inner for name, inner in value.items() if name not in task.changeable}


@contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Hold the lock of a run's directory, which the operating system releases when the process ends.

    Raises:
        UserError: if another process holds it.
    """
    with files.alone_in(directory, "training"):
        yield
