"""The steps of an analysis: each computed when it is first asked for, once, or read from the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from synthvae.analysis.storage import Store

__all__ = ["Agenda", "Step"]

Result = TypeVar("Result")
Progress = Callable[[float, str], object]


class Step(Generic[Result]):
    """One thing that is measured.

    Attributes:
        label: what it is, for people.
        seconds: how long it takes on two cores, roughly.
    """

    def __init__(
        self, agenda: Agenda, kind: type[Result], name: str, label: str, inputs: Sequence[object], seconds: float,
        compute: Callable[[Callable[[str], object]], Result],
    ) -> None:  # fmt: skip
        """Describe it; nothing is computed.

        Args:
            agenda: to which it belongs.
            kind: the dataclass that comes out.
            name: of what is computed, with the version of how.
            label: see above.
            inputs: everything the result depends on (`Store.get`).
            seconds: see above.
            compute: makes it; is given a function to tell what is being done.
        """
        self.label, self.seconds = label, seconds
        self._agenda, self._kind, self._name, self._inputs, self._compute = agenda, kind, name, inputs, compute
        self._result: Result | None = None

    @property
    def kept(self) -> bool:
        """Whether it needs no computation."""
        return self._result is not None or self._agenda.store.has(self._name, self._inputs)

    @property
    def result(self) -> Result:
        """What came out; computed now where it is not there."""
        if self._result is None:
            tell, kept = self._agenda.tell, self.kept
            tell(self.label)
            self._result = self._agenda.store.get(
                self._kind, self._name, self._inputs, lambda: self._compute(lambda what: tell(f"{self.label}: {what}"))
            )
            self._agenda.finish(self, 0.0 if kept else self.seconds)
        return self._result


class Agenda:
    """All steps of an analysis, in the order in which they are done.

    A step may ask for the result of an earlier one, which is then computed first.

    Attributes:
        progress: told the seconds of work that are behind, as estimated, and what is being done.
    """

    def __init__(self, store: Store) -> None:
        """Begin with no step.

        Args:
            store: where results are kept.
        """
        self.store = store
        self.steps: list[Step[Any]] = []
        self.progress: Progress = lambda seconds, what: None
        self._done = 0.0

    def add(
        self,
        kind: type[Result],
        name: str,
        label: str,
        inputs: Sequence[object],
        seconds: float,
        compute: Callable[[Callable[[str], object]], Result],
    ) -> Step[Result]:
        """Add a step; arguments as of `Step`."""
        step = Step(self, kind, name, label, inputs, seconds, compute)
        self.steps.append(step)
        return step

    @property
    def seconds(self) -> float:
        """Estimate of what all steps take that are not kept."""
        return sum(step.seconds for step in self.steps if not step.kept)

    def run(self) -> None:
        """Do every step."""
        for step in self.steps:
            step.result  # noqa: B018 - computes it

    def tell(self, what: str) -> None:
        """Say what is being done."""
        self.progress(self._done, what)

    def finish(self, step: Step[Any], seconds: float) -> None:
        """Count a step as done, and the work that it was."""
        self._done += seconds
        self.progress(self._done, step.label)
