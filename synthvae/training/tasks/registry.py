"""Registry of tasks by name. Those of synthvae are imported on demand."""

from __future__ import annotations

from importlib import import_module

from synthvae.core.errors import UserError
from synthvae.training.config import PRESETS
from synthvae.training.sound_config import RECORDED_SOUNDS
from synthvae.training.tasks.base import Task

__all__ = ["PRESETS", "find_task", "register_task"]

_TASKS: dict[str, str | type[Task]] = {
    PRESETS: "synthvae.training.tasks.presets:PresetTask",
    RECORDED_SOUNDS: "synthvae.training.tasks.spectrogram:SpectrogramTask",
    "audio-encoder": "synthvae.training.tasks.audio_encoder:AudioEncoderTask",
}


def register_task(task: type[Task]) -> type[Task]:
    """Register a task by its name; a class decorator.

    Raises:
        ValueError: if another task has that name.
    """
    if _TASKS.setdefault(task.name, task) is not task:
        raise ValueError(f"there is another task called {task.name!r}")
    return task


def find_task(name: str, source: str) -> type[Task]:
    """Find a task by name.

    Args:
        name: name in a run's description.
        source: name of that description, for the message.

    Raises:
        UserError: if there is no such task.
    """
    try:
        task = _TASKS[name]
    except (KeyError, TypeError):
        raise UserError(
            f"{source}: task", name, f"known are {', '.join(_TASKS)}: import the package that registers it"
        ) from None
    if isinstance(task, str):
        module, _, attribute = task.partition(":")
        task = _TASKS[name] = getattr(import_module(module), attribute)
        assert isinstance(task, type)
    return task
