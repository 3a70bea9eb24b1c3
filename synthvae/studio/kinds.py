"""What the sounds of a map are made from, by the abilities of a run's task."""

from __future__ import annotations

from synthvae.studio.libraries import LibrarySource
from synthvae.studio.sources import PresetSource, Source
from synthvae.training.run import Run
from synthvae.training.tasks.base import PARAMETERS, SOUNDS

__all__ = ["open_source"]


def open_source(run: Run) -> Source:
    """What the sounds of a run are made from.

    Raises:
        UserError: if it has none.
    """
    run.require(PARAMETERS, SOUNDS)
    return PresetSource(run) if PARAMETERS in run.task.abilities else LibrarySource(run)
