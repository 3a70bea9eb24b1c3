"""Settings of a training run, each defined once for files, command-line options and ``--help``."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Self, TypeVar

from synthvae.core.errors import UserError, choose_one
from synthvae.training.schedules import LR_SCHEDULES, learning_rate_factor

__all__ = ["DATA", "LOSS", "NETWORK", "OPTIMISATION", "RUN", "Setting", "Settings"]
__all__ += ["checked", "refuse_unknown", "setting", "settings_of"]

#: Panels of ``train --help``, in display order.
DATA, LOSS, NETWORK, OPTIMISATION, RUN = "Data", "Loss", "Network", "Optimisation", "Run"
DEVICES = ("auto", "cpu", "cuda")
#: Adam divides the rate of its first step by 0.1, and the largest float32 is 3.4e38.
LR_END = 34 * 10**36
STRATEGIES = ("auto", "ddp")
#: Mixed precisions of the network; everything else stays in float32.
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
#: Handling of a batch whose loss or gradient is not finite.
ON_NONFINITE = ("stop", "skip")
Names = Callable[[], Iterable[str]] | tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Setting:
    """Metadata of a setting besides its name, type and default: help, panel, legal values, bounds.

    Attributes:
        help: description in one sentence.
        panel: panel of ``train --help``.
        choices: the legal words, or a function that lists them, so that a registry is loaded only on demand.
        number: whether a number is legal beside those words.
        above: exclusive lower bound of a number.
        least: inclusive lower bound of a number.
        below: exclusive upper bound of a number.
        flag: whether ``train`` has a flag for it; otherwise only a file can set it.
        shown: text shown in place of an uninformative default.
        example: example for messages, in place of an uninformative default.
    """

    help: str
    panel: str
    choices: Names = ()
    number: bool = False
    above: float | None = None
    least: float | None = None
    below: int | None = None
    flag: bool = True
    shown: str = ""
    example: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The legal names."""
        return tuple(self.choices() if callable(self.choices) else self.choices)


def setting(default: Any, help: str, panel: str, **more: Any) -> Any:  # noqa: ANN401
    """A field of a dataclass of settings; `more` are attributes of `Setting`."""
    return dataclasses.field(default=default, metadata={"setting": Setting(help, panel, **more)})


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of the trainer; tasks add their own."""

    epochs: int = setting(500, "Maximum number of epochs.", OPTIMISATION, above=0)
    batch_size: int = setting(256, "Batch size.", OPTIMISATION, above=0)
    lr: float = setting(1e-4, "Adam's learning rate.", OPTIMISATION, above=0, below=LR_END)
    lr_schedule: str = setting(
        "constant",
        "Learning-rate schedule; cosine decays to 0 over all epochs, plateau drops when the validation loss stops "
        "improving; drop and plateau are configured in --config.",
        OPTIMISATION,
        choices=LR_SCHEDULES,
    )
    lr_warmup: int = setting(0, "Steps of linear warm-up from 0.", OPTIMISATION, least=0, flag=False)
    lr_drop_after: int = setting(200, "With drop, epochs at the full rate.", OPTIMISATION, above=0, flag=False)
    lr_drop_every: int = setting(100, "With drop, epochs between drops.", OPTIMISATION, above=0, flag=False)
    lr_drop_factor: float = setting(
        0.5, "With drop and plateau, factor of each drop.", OPTIMISATION, above=0, flag=False
    )
    lr_patience: int = setting(
        5, "With plateau, epochs without a lower validation loss before a drop.", OPTIMISATION, above=0, flag=False
    )
    lr_least: float = setting(
        0.0, "With plateau, the rate below which training ends.", OPTIMISATION, least=0, flag=False
    )
    patience: int = setting(
        20, "Epochs without a lower validation loss before early stopping; 0: never.", OPTIMISATION, least=0
    )
    seed: int = setting(0, "Random seed of initial weights, data order and latent samples.", RUN, least=0, below=2**63)
    device: str = setting("auto", "Device of the network.", RUN, choices=DEVICES)
    devices: int = setting(
        1, "GPUs per machine, or processes on CPUs; each batch is divided between them.", RUN, above=0
    )
    nodes: int = setting(
        1, "Number of machines, each with its own devices; started by torchrun or SLURM.", RUN, above=0
    )
    strategy: str = setting(
        "auto",
        "Distributed training: ddp, or auto (ddp for several processes, none for one).",
        RUN,
        choices=STRATEGIES,
    )
    precision: str = setting(
        "32-true", "Numeric precision of the network, in Lightning's notation.", RUN, choices=PRECISIONS
    )

    on_nonfinite: str = setting(
        "stop",
        "If a batch's loss or gradient is not finite: stop and name it, or skip and count it.",
        RUN,
        choices=ON_NONFINITE,
    )

    @property
    def phases(self) -> tuple[Self, ...]:
        """Settings of each phase, in order."""
        return (self,)

    def learning_rate(self, epoch: float, drops: int = 0) -> float:
        """Learning rate at a fractional epoch, counted from 0, after `drops` drops of ``plateau``."""
        drop = (self.lr_drop_after, self.lr_drop_every, self.lr_drop_factor)
        factor = learning_rate_factor(self.lr_schedule, epoch, self.epochs, *drop)
        return self.lr * factor * self.lr_drop_factor**drops


S = TypeVar("S", bound=Settings)


def settings_of(kind: type[Settings]) -> dict[str, Setting]:
    """Every setting by name, in the order of the panels."""
    order = (DATA, LOSS, NETWORK, OPTIMISATION, RUN)
    found = {f.name: f.metadata["setting"] for f in dataclasses.fields(kind) if "setting" in f.metadata}
    return dict(sorted(found.items(), key=lambda item: order.index(item[1].panel)))


def refuse_unknown(values: Iterable[str], known: Collection[str], source: str, table: str = "") -> None:
    """Reject unknown settings.

    Args:
        values: names that were given.
        known: legal names.
        source: name of the file; empty for arguments.
        table: name of the table in the file, followed by a dot.

    Raises:
        UserError: naming the first of them and the closest legal name, if any.
    """
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name.replace("-", "_"), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(sorted(known))}"
            raise UserError(source or name, name, hint, f"unknown setting {f'{table}{name}'!r}")


def checked(kind: type[S], values: Mapping[str, Any], sources: Mapping[str, str] | str) -> S:
    """Settings with defaults for those not given; each value of the right type and in its range.

    Raises:
        UserError: naming the source, of each value or of all, the setting and the value.
    """
    fields = {f.name: f for f in dataclasses.fields(kind)}
    result = dict(values)
    for name, value in values.items():
        source = sources if isinstance(sources, str) else sources[name]
        refuse_unknown([name], fields, source)
        if "setting" not in fields[name].metadata:
            if fields[name].default_factory is dict and not isinstance(value, Mapping):
                raise UserError(f"{source}: {name}" if source else name, value, "give a table of settings")
        else:
            result[name] = _checked(
                fields[name].metadata["setting"], fields[name].default, value, f"{source}: {name}" if source else name
            )
    return kind(**result)


def _checked(known: Setting, default: Any, value: Any, argument: str) -> Any:  # noqa: ANN401
    if known.choices and isinstance(value, str) and value in known.names:
        return value
    if known.choices and not known.number:
        raise UserError(argument, value, choose_one(value, known.names))
    kind: type = float if known.number else type(default)
    number: Any = value
    if known.number and isinstance(value, str):  # the value of a flag
        try:
            number = float(value)
        except ValueError:
            number = math.nan
    if kind is float and isinstance(number, int) and not isinstance(number, bool):
        number = float(number)
    right = type(number) is kind
    if not right or (kind is float and not math.isfinite(number)):
        wanted = f"{', '.join(known.names)} or a number" if known.number else f"a {kind.__name__} such as "
        raise UserError(argument, value, f"give {wanted}" + ("" if known.number else repr(known.example or default)))
    if known.above is not None and number <= known.above:
        raise UserError(argument, number, f"give a value above {known.above}")
    if known.least is not None and number < known.least:
        raise UserError(argument, number, f"give {known.least} or more")
    if known.below is not None and number >= known.below:
        end = f"{known.below:g}" if kind is float else known.below
        raise UserError(argument, number, f"give a number below {end}")
    return number
