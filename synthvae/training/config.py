"""Training settings: defaults, TOML files, and what the command line puts over them."""

from __future__ import annotations

import dataclasses
import difflib
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthvae.errors import UserError
from synthvae.training.schedules import KL_SCHEDULES, LR_SCHEDULES, learning_rate_factor

__all__ = ["PHASE", "PNP", "Overlay", "TrainConfig", "read_overlay", "resolve_config"]

#: Examples for messages where the default is no good one.
EXAMPLES = {"data": "datasets/presets.json"}
#: The loss on parameters that needs no sound; all others are in `synthvae.losses.LOSSES`.
PNP = "pnp"
#: Which of the metric's matrices the loss `pnp` uses.
METRICS = ("diagonal", "full", "preset", "effect")
DEVICES = ("auto", "cpu", "cuda")
#: Ways to choose the weight of the compared term, in place of a number (`synthvae.losses.BetaController`).
BETA_MODES = ("auto", "constant")
INITIALISATIONS = ("centred", "default")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Everything a training run depends on; a run's directory keeps it.

    Attributes:
        data: the dataset file.
        loss: a name of `synthvae.losses.LOSSES`, or ``pnp``.
        feature: what the loss compares, a name of `synthvae.features.FEATURES`, or ``auto`` for its usual one.
        synth_layer: whether the spectral term's gradient flows through the Voice into the network.
        hold_phases: whether that gradient leaves out what pitch does (`synthvae.synth.voice.Voice.forward`).
        frame_step: compare every so manieth frame of the feature, from a random one on.
        metric: of the loss ``pnp``: ``diagonal`` or ``full`` for the mean over presets, ``preset`` for each preset's
            own, ``effect`` for the diagonal of total effects.
        metric_limited: whether slopes count for no more than their total effect (`synthvae.perception.metric`).
        damping: of the loss ``pnp``, in the feature's unit squared.
        network: a name of `synthvae.models.NETWORKS`.
        architecture: a name, or widths such as ``63-256-64-16``.
        latent: the latent size, in place of the architecture's; 0 leaves that.
        output: ``linear`` or ``sigmoid``.
        initialisation: of the network ``mlp``: ``centred`` starts the decoder at 0.5 in every parameter, ``default`` is
            PyTorch's.
        epochs: at most so many passes over the training presets.
        batch_size: presets per step.
        lr: Adam's learning rate.
        lr_schedule: ``constant``, ``drop`` or ``cosine``, which falls to 0 over all epochs.
        lr_warmup: steps over which the rate rises from 0.
        lr_drop_after: with ``drop``, epochs at the full rate.
        lr_drop_every: with ``drop``, then the rate is multiplied by `lr_drop_factor` once per so many epochs.
        lr_drop_factor: with ``drop``, see above.
        patience: stop after so many epochs without a better validation loss; 0 never stops.
        parameter_weight: weight of the parameter error.
        alpha: weight of the clamp penalty.
        beta: weight of the spectral or the perceptual term; ``auto`` moves it so that parameter error : weighted term
            stay at 1 : `beta_ratio`, ``constant`` sets it so for the initial weights and then leaves it.
        beta_ratio: see above; the thesis has 3.
        kl_weight: weight of the KL divergence; the thesis has 1, at which a posterior over independent
            uniform parameters collapses.
        kl_schedule: how that weight rises, a name of `synthvae.training.schedules.KL_SCHEDULES`.
        kl_warmup: epochs of the rise, or of one cycle.
        free_bits: nats of KL divergence that each latent dimension has for nothing.
        gradient_clip: largest norm of one preset's spectral gradient where it leaves the Voice; 0 for none.
        validation_limit: presets of the validation split that are rendered each epoch.
        seed: of the weights, the order of the presets and the posterior samples.
        device: ``auto``, ``cpu`` or ``cuda``.
        devices: number of GPUs.
        precision: as Lightning Fabric names it: ``32-true``, ``bf16-mixed``, …; the Voice stays in float32.
        then: settings of a second phase, which goes on from the best weights of the first; those of `PHASE`.
    """

    data: str = ""
    loss: str = "sclp"
    feature: str = "auto"
    synth_layer: bool = False
    hold_phases: bool = False
    frame_step: int = 1
    metric: str = "effect"
    metric_limited: bool = True
    damping: float = 0.0
    network: str = "mlp"
    architecture: str = "exp1"
    latent: int = 0
    output: str = "linear"
    initialisation: str = "centred"
    epochs: int = 500
    batch_size: int = 256
    lr: float = 1e-4
    lr_schedule: str = "constant"
    lr_warmup: int = 0
    lr_drop_after: int = 200
    lr_drop_every: int = 100
    lr_drop_factor: float = 0.5
    patience: int = 20
    parameter_weight: float = 1.0
    alpha: float = 100.0
    beta: float | str = "auto"
    beta_ratio: float = 3.0
    kl_weight: float = 1e-3
    kl_schedule: str = "constant"
    kl_warmup: float = 0.0
    free_bits: float = 0.0
    gradient_clip: float = 1.0
    validation_limit: int = 2000
    seed: int = 0
    device: str = "auto"
    devices: int = 1
    precision: str = "32-true"
    then: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def phases(self) -> tuple[TrainConfig, ...]:
        """The settings of each phase, one after the other."""
        first = dataclasses.replace(self, then={})
        return (first, _with_usual_feature(dataclasses.replace(first, **self.then))) if self.then else (first,)

    def learning_rate(self, epoch: float) -> float:
        """The rate of an epoch, counted from 0, with the part of it that is done."""
        drops = (self.lr_drop_after, self.lr_drop_every, self.lr_drop_factor)
        return self.lr * learning_rate_factor(self.lr_schedule, epoch, self.epochs, *drops)


#: What a second phase may set anew: all but the data, the network, the device and the seed.
PHASE = frozenset(f.name for f in dataclasses.fields(TrainConfig)) - {
    "data",
    "network",
    "architecture",
    "latent",
    "output",
    "initialisation",
    "seed",
    "device",
    "devices",
    "precision",
    "then",
}


def resolve_config(path: Path | None, flags: Mapping[str, Any]) -> TrainConfig:
    """Defaults, overlaid by a TOML file, overlaid by the flags that were given.

    A TOML file may lie over others (`read_overlay`). Its table ``[then]`` holds the settings of a second phase. A table
    ``[case]`` is no setting (`synthvae.experiments.cases`).

    Args:
        path: the file, if any.
        flags: settings by name; None where a flag was not given. ``then`` is a mapping of such.

    Returns:
        The settings, checked.

    Raises:
        UserError: if the file cannot be read, or a setting is unknown or out of range.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    values = dict(read_overlay(path).settings) if path else {}
    then = {**values.pop("then", {}), **{k: v for k, v in given.pop("then", {}).items() if v is not None}}
    sources = {name: "command line" if name in given else str(path) for name in {**values, **given}}
    config = _with_usual_feature(_check({**values, **given}, sources))
    if not config.data:
        raise UserError("data is missing; name a dataset with --data (make one: synthvae generate-dataset)")
    if not then:
        return config
    checked = _check_then(config, then, str(path) if path else "command line")
    second = dataclasses.replace(config, then=checked).phases[1]  # which knows the feature
    return dataclasses.replace(config, then={name: getattr(second, name) for name in checked})


def _check_then(config: TrainConfig, then: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The settings of the second phase; through the Voice and on the loss's usual feature, unless they say else."""
    for name in then:
        if name not in PHASE:
            raise UserError(f"{source}: then.{name} cannot be set; a second phase may set {', '.join(sorted(PHASE))}")
    values = {"synth_layer": then.get("loss", config.loss) not in (PNP, "none"), **then}
    if "loss" in then:
        values.setdefault("feature", "auto")
    checked = dataclasses.asdict(_check(values, {name: f"{source}: then" for name in values}))
    return {name: checked[name] for name in values}


def _with_usual_feature(config: TrainConfig) -> TrainConfig:
    """Say which feature ``auto`` is, where the loss compares one: a run keeps its settings for later versions."""
    from synthvae.losses import LOSSES  # loads PyTorch

    features = LOSSES[config.loss].features if config.loss in LOSSES else ()
    return dataclasses.replace(config, feature=features[0]) if config.feature == "auto" and features else config


@dataclasses.dataclass(frozen=True)
class Overlay:
    """A TOML file with everything that its bases say below it.

    Attributes:
        settings: of a `TrainConfig`, by name.
        case: the table ``[case]``, likewise.
        own_case: whether the file itself has that table.
    """

    settings: Mapping[str, Any]
    case: Mapping[str, Any]
    own_case: bool


def read_overlay(path: Path, seen: tuple[Path, ...] = ()) -> Overlay:
    """Read a TOML file of settings.

    Args:
        path: the file. Its key ``base`` names a file, or a list of files, relative to itself, over which it lies; of
            several the later lie over the earlier.
        seen: files that lie over this one.

    Raises:
        UserError: if a file cannot be read, leads back to itself, or has an unknown setting.
    """
    if path.resolve() in seen:
        raise UserError(f"{path}: base leads back to the file itself; break the circle")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot read ({error.strerror}); name a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not TOML ({error}); correct that line") from None
    own_case = values.pop("case", None)
    known = {f.name for f in dataclasses.fields(TrainConfig)}
    for name in values.keys() - known - {"base"}:
        near = difflib.get_close_matches(name.replace("-", "_"), known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(sorted(known))}"
        raise UserError(f"{path}: unknown setting {name!r}; {hint}")
    for name, table in (("then", values.get("then", {})), ("case", {} if own_case is None else own_case)):
        if not isinstance(table, dict):
            raise UserError(f'{path}: {name} is {table!r}; make it a table: [{name}], and below it loss = "logmel"')
    base = values.pop("base", [])
    settings: dict[str, Any] = {}
    case: dict[str, Any] = {}
    for name in base if isinstance(base, list) else [base]:
        below = read_overlay(path.parent / str(name), (*seen, path.resolve()))
        settings, case = _over(below.settings, settings), {**case, **below.case}
    return Overlay(_over(values, settings), {**case, **(own_case or {})}, own_case is not None)


def _over(values: Mapping[str, Any], below: Mapping[str, Any]) -> dict[str, Any]:
    then = {**below.get("then", {}), **values.get("then", {})}
    return {**below, **values} | ({"then": then} if then else {})


def _check(values: Mapping[str, Any], sources: Mapping[str, str]) -> TrainConfig:
    """The settings, defaults for those not given; each value of the right kind and in its range."""
    checked: dict[str, Any] = {}
    for setting in dataclasses.fields(TrainConfig):
        if setting.name not in values:
            continue
        name, value = setting.name, values[setting.name]
        source = sources[name]
        if name == "beta":
            checked[name] = _beta(value, source)
            continue
        kind: type = type(setting.default)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
            raise UserError(
                f"{source}: {name} is {value!r}; give a {kind.__name__} such as {EXAMPLES.get(name, setting.default)!r}"
            )
        checked[name] = value
    config = TrainConfig(**checked)
    positive = ("epochs", "batch_size", "lr", "lr_drop_after", "lr_drop_every", "lr_drop_factor", "devices")
    for name in (*positive, "validation_limit", "frame_step", "beta_ratio"):
        if getattr(config, name) <= 0:
            raise UserError(f"{sources[name]}: {name} is {getattr(config, name)}; give a value above 0")
    weights = ("parameter_weight", "alpha", "kl_weight", "kl_warmup", "free_bits", "damping")
    for name in (*weights, "patience", "gradient_clip", "lr_warmup", "latent", "seed"):
        if getattr(config, name) < 0:
            raise UserError(f"{sources[name]}: {name} is {getattr(config, name)}; give 0 or more")
    if config.seed >= 2**63:
        raise UserError(f"{sources['seed']}: seed is {config.seed}; give a number below 2^63")
    choices = {
        "device": DEVICES,
        "metric": METRICS,
        "kl_schedule": KL_SCHEDULES,
        "lr_schedule": LR_SCHEDULES,
        "initialisation": INITIALISATIONS,
    }
    for name, legal in choices.items():
        value = getattr(config, name)
        if value not in legal:
            raise UserError(f"{sources[name]}: {name} is {value!r}; choose one of {', '.join(legal)}")
    return config


def _beta(value: Any, source: str) -> float | str:  # noqa: ANN401
    if value in BETA_MODES:
        return str(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not (math.isfinite(number) and number >= 0):
        raise UserError(f"{source}: beta is {value!r}; give {', '.join(BETA_MODES)} or a number from 0 up")
    return number
