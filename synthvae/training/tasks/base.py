"""Interface between the trainer and a training task: data, network, loss and validation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from synthvae.core.errors import UserError
from synthvae.core.stopwatch import Stopwatch
from synthvae.training.finite import listed
from synthvae.training.settings import Settings, checked

__all__ = ["AUDIO", "PARAMETERS", "SOUNDS", "Place", "Task", "Validation"]

#: Abilities of a task's runs: latents are decoded to parameters of a synth; audio is encoded to latents; latents are
#: decoded to audio.
PARAMETERS, AUDIO, SOUNDS = "parameters", "audio", "sounds"
S = TypeVar("S", bound=Settings)


class Place(NamedTuple):
    """A step of a run: all randomness is a function of it.

    Attributes:
        seed: of the run.
        epoch: epochs finished before, of all phases.
        step: steps finished before in this epoch.
        progress: epochs finished in this phase, with the part of the one under way.
    """

    seed: int
    epoch: int
    step: int
    progress: float


@dataclass(frozen=True)
class Validation:
    """Measures of a model on validation items.

    Attributes:
        terms: one number per term, float64; they decide which epoch is the best.
        details: whatever else `Task.row` describes an epoch by.
        each: the terms of every item, ``(N,)``, by which an item is named whose term is not finite; may be left out.
    """

    terms: dict[str, Tensor]
    details: Mapping[str, Tensor] = field(default_factory=dict)
    each: Mapping[str, Tensor] = field(default_factory=dict)


class Task(ABC, Generic[S]):
    """One kind of training run, for one dataset and one set of settings.

    The trainer calls `describe`, `build`, `prepare` and `adopt` once, `begin` before each phase, then for each step
    `batch`, `terms`, `summarise`, `follow` and `weigh`, and after each epoch `validate`, `follow`, `total` and `row`.

    Attributes:
        name: what run.json calls it.
        settings_type: the dataclass of its settings.
        abilities: abilities of its runs: `PARAMETERS`, `AUDIO`, `SOUNDS`, or task-specific ones.
        changeable: settings that a resumed run may have changed.
        otherwise: what to do where a directory holds another run, for messages.
        gradient_norm: largest norm of the gradient of all weights; 0 for none.
        adam_epsilon: what Adam adds to the root of its second moment.
        items: number of training items in the phase, set by `begin`.
        validation_items: of validation items, likewise.
        device: where to compute, set by the trainer.
        items_per_process: size of the batch divided by the number of processes, likewise; 0 before.
        remark: a line for the user about the phase, set by `begin`; may be empty.
        stopwatch: for the stages of `terms` and of its backward pass, likewise.
    """

    name: ClassVar[str]
    settings_type: ClassVar[type[Settings]]
    abilities: ClassVar[frozenset[str]] = frozenset()
    changeable: ClassVar[frozenset[str]] = frozenset(
        {"epochs", "patience", "device", "devices", "nodes", "strategy", "on_nonfinite"}
    )
    otherwise: ClassVar[str] = "choose another `out`"
    gradient_norm: float = 0.0
    adam_epsilon: float = 1e-8
    remark: str = ""
    items_per_process: float = 0.0
    items: int
    validation_items: int
    device: torch.device = torch.device("cpu")

    def __init__(self, settings: S) -> None:
        """Keep the settings; a task checks here what it can, before anything is written.

        Args:
            settings: of the run; `phase` are those of the phase under way.

        Raises:
            UserError: for a setting out of its range, as a program may have made it.
        """
        for phase in settings.phases:
            checked(type(phase), vars(phase), "")
        self.settings = settings
        self.phase: S = settings.phases[0]
        self.stopwatch = Stopwatch()

    # The description of a run in its directory.

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Description of the data for run.json; sufficient for `build`."""

    def record(self) -> dict[str, Any]:
        """The settings as run.json shall have them."""
        return asdict(self.settings)

    @classmethod
    def read_settings(cls, values: Mapping[str, Any], source: str) -> Settings:
        """The settings that `record` wrote; refused with a `UserError` where they are none."""
        return checked(cls.settings_type, values, source)

    @classmethod
    @abstractmethod
    def build(cls, settings: S, description: Mapping[str, Any]) -> nn.Module:
        """Make the network, for training and for loading, its weights drawn from PyTorch's generator."""

    def require_same(self, out: Path, description: Mapping[str, Any]) -> None:
        """Refuse to resume a run on data other than that of its description, from `describe`.

        Raises:
            UserError: naming what differs.
        """
        for name, now in self.describe().items():
            if description.get(name) != now:
                raise UserError(
                    name,
                    now,
                    f"give that, or {self.otherwise}",
                    f"{out} was trained on {description.get(name)!r}, now it is {now!r}",
                )

    # What happens once.

    def prepare(self, progress: Callable[[int], object] = lambda done: None) -> None:
        """Compute once the statistics that the training needs; a second call does nothing.

        Args:
            progress: called with the number of parts done, of `preparation_parts`.
        """

    @property
    def preparation_parts(self) -> int:
        """Number of parts that `prepare` reports; 0 if it is fast."""
        return 0

    def adopt(self, model: nn.Module) -> None:
        """Set up the new network with the results of `prepare`; a resumed run's weights replace it."""

    def begin(self, phase: S) -> None:
        """Set up `phase`, `items` and `validation_items`, and the modules of the phase on `device`."""
        self.phase = phase

    @property
    def modules(self) -> dict[str, nn.Module]:
        """Modules stored in a checkpoint besides the network, by name."""
        return {}

    # Each step.

    @abstractmethod
    def batch(self, place: Place) -> dict[str, Tensor]:
        """A whole batch on the CPU: tensors ``(B, ...)`` by name, a function of `place` alone."""

    @abstractmethod
    def terms(self, model: nn.Module, batch: Mapping[str, Tensor], place: Place) -> dict[str, Tensor]:
        """Unweighted terms by name, each ``(B,)``; `batch` holds this process's share, on `device`."""

    def locate(self, rows: Tensor, place: Place | None) -> str:
        """Words for rows of a batch, or of the validation items where `place` is None: numbers in the data."""
        return f"rows {listed(rows.tolist())} of the {'batch' if place else 'validation items'}"

    def summarise(self, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Scalars, from the terms of a whole batch, whose means over an epoch describe it."""
        return {name: value.mean() for name, value in terms.items()}

    def follow(self, summary: Mapping[str, Tensor], validation: bool = False) -> None:
        """Update adaptive weights from the terms of a step or of the validation items."""

    @abstractmethod
    def weigh(self, terms: Mapping[str, Tensor], progress: float) -> Tensor:
        """The minimised scalar, from the terms of a whole batch: the one place where they are weighted."""

    # Each epoch.

    @property
    def wants_start(self) -> bool:
        """Whether `follow` is called with the validation items before the first step of the phase."""
        return False

    @abstractmethod
    def validate(self, model: nn.Module, limit: int | None = None) -> Validation:
        """Measure the network on the validation items, or on the first `limit` of them."""

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """The sum that epochs are compared by, of one number per term, weighed as at the end of the phase."""
        return self.weigh(terms, float("inf"))

    def row(self, train: Mapping[str, Tensor], validation: Validation, progress: float) -> dict[str, float]:
        """The numbers that describe an epoch, by column of metrics.csv, from means of what `summarise` gave, and loss.

        `progress` is the number of epochs finished in this phase before it.
        """
        row: dict[str, float] = {}
        for split, means in (("train", train), ("validation", validation.terms)):
            chosen = {name: means[name] for name in validation.terms if name in means}
            row |= {f"{split}/{name}": float(value) for name, value in chosen.items()}
            row[f"{split}/total"] = float(self.total(chosen))
        return row | {"train/loss": float(train["loss"])}

    @property
    def remedy(self) -> str:
        """Advice for a loss that is not finite."""
        return f"lower `lr` (now {self.phase.lr:g})"
