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
        seed: seed of the run.
        epoch: number of epochs finished, over all phases.
        step: number of steps finished in this epoch.
        progress: fractional number of epochs finished in this phase.
    """

    seed: int
    epoch: int
    step: int
    progress: float


@dataclass(frozen=True)
class Validation:
    """Measures of a model on validation items.

    Attributes:
        terms: one number per term, float64; they determine the best epoch.
        details: other values that `Task.row` needs.
        each: terms of every item, ``(N,)``, used to name items whose term is not finite; may be left out.
    """

    terms: dict[str, Tensor]
    details: Mapping[str, Tensor] = field(default_factory=dict)
    each: Mapping[str, Tensor] = field(default_factory=dict)


class Task(ABC, Generic[S]):
    """One kind of training run, for one dataset and one set of settings.

    The trainer calls `describe`, `build`, `prepare` and `adopt` once, `begin` before each phase, then for each step
    `batch`, `terms`, `summarise`, `follow` and `weigh`, and after each epoch `validate`, `follow`, `total` and `row`.

    Attributes:
        name: name in run.json.
        settings_type: the dataclass of its settings.
        abilities: abilities of its runs: `PARAMETERS`, `AUDIO`, `SOUNDS`, or task-specific ones.
        changeable: settings that may differ when a run is resumed.
        otherwise: advice for messages where a directory holds another run.
        gradient_norm: maximum norm of the gradient of all weights; 0 for no limit.
        adam_epsilon: Adam's epsilon, added to the root of the second moment.
        items: number of training items in the phase, set by `begin`.
        validation_items: number of validation items, set by `begin`.
        device: device of the computation, set by the trainer.
        items_per_process: size of the batch divided by the number of processes, set by the trainer; 0 before.
        remark: a line for the user about the phase, set by `begin`; may be empty.
        stopwatch: stopwatch for the stages of `terms` and of its backward pass, set by the trainer.
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
        """Store the settings; a task checks here as much as it can, before anything is written.

        Args:
            settings: settings of the run; `phase` holds those of the current phase.

        Raises:
            UserError: for a setting out of its range, which is possible when set from Python.
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
        """Settings in the form written to run.json."""
        return asdict(self.settings)

    @classmethod
    def read_settings(cls, values: Mapping[str, Any], source: str) -> Settings:
        """Settings written by `record`; rejected with a `UserError` if invalid."""
        return checked(cls.settings_type, values, source)

    @classmethod
    @abstractmethod
    def build(cls, settings: S, description: Mapping[str, Any]) -> nn.Module:
        """Build the network, for training and for loading, with weights drawn from PyTorch's generator."""

    def require_same(self, out: Path, description: Mapping[str, Any]) -> None:
        """Reject a resume on data other than that of its description, from `describe`.

        Raises:
            UserError: naming the difference.
        """
        for name, now in self.describe().items():
            if description.get(name) != now:
                raise UserError(
                    name,
                    now,
                    f"give that, or {self.otherwise}",
                    f"{out} was trained on {description.get(name)!r}, now it is {now!r}",
                )

    # Called once.

    def prepare(self, progress: Callable[[int], object] = lambda done: None) -> None:
        """Compute once the statistics that the training needs; a second call does nothing.

        Args:
            progress: called with the number of parts done, out of `preparation_parts`.
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

    # Called each step.

    @abstractmethod
    def batch(self, place: Place) -> dict[str, Tensor]:
        """A whole batch on the CPU: tensors ``(B, ...)`` by name, a function of `place` alone."""

    @abstractmethod
    def terms(self, model: nn.Module, batch: Mapping[str, Tensor], place: Place) -> dict[str, Tensor]:
        """Unweighted terms by name, each ``(B,)``; `batch` holds this process's share, on `device`."""

    def locate(self, rows: Tensor, place: Place | None) -> str:
        """Phrase with the data numbers of rows of a batch, or of the validation items where `place` is None."""
        return f"rows {listed(rows.tolist())} of the {'batch' if place else 'validation items'}"

    def summarise(self, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Scalars from the terms of a whole batch, whose means over an epoch describe it."""
        return {name: value.mean() for name, value in terms.items()}

    def follow(self, summary: Mapping[str, Tensor], validation: bool = False) -> None:
        """Update adaptive weights from the terms of a step or of the validation items."""

    @abstractmethod
    def weigh(self, terms: Mapping[str, Tensor], progress: float) -> Tensor:
        """Scalar to minimise, from the terms of a whole batch: the only place where they are weighted."""

    # Called each epoch.

    @property
    def wants_start(self) -> bool:
        """Whether `follow` is called with the validation items before the first step of the phase."""
        return False

    @abstractmethod
    def validate(self, model: nn.Module, limit: int | None = None) -> Validation:
        """Measure the network on the validation items, or on the first `limit` of them."""

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Sum by which epochs are compared, from one number per term, weighted as at the end of the phase."""
        return self.weigh(terms, float("inf"))

    def row(self, train: Mapping[str, Tensor], validation: Validation, progress: float) -> dict[str, float]:
        """Values of an epoch by column of metrics.csv, from the means of `summarise` and the loss, and from validation.

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
