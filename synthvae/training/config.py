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

__all__ = ["TrainConfig", "resolve_config"]


#: Examples for messages where the default is no good one.
EXAMPLES = {"data": "datasets/study.json"}


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Everything a training run depends on; a run's directory keeps it.

    Attributes:
        data: the dataset file.
        loss: spectral loss, a name of `synthvae.losses.LOSSES`.
        feature: what the loss compares, a name of `synthvae.features.FEATURES`, or ``auto`` for its usual one.
        synth_layer: whether the spectral term's gradient flows through the Voice into the network.
        architecture: a name, or widths such as ``63-256-64-16``.
        output: ``linear`` or ``sigmoid``.
        epochs: at most so many passes over the training presets.
        batch_size: presets per step.
        lr: Adam's learning rate.
        lr_drop_after: epochs at the full rate.
        lr_drop_every: then the rate is multiplied by `lr_drop_factor` once per so many epochs.
        lr_drop_factor: see above.
        patience: stop after so many epochs without a better validation loss; 0 never stops.
        alpha: weight of the clamp penalty.
        beta: weight of the spectral term, or ``auto`` to hold parameter error : spectral term at 1:3.
        kl_weight: weight of the KL divergence; the study has 1, at which a posterior over independent
            uniform parameters collapses.
        gradient_clip: largest norm of one preset's spectral gradient where it leaves the Voice; 0 for none.
        validation_limit: presets of the validation split that are rendered each epoch.
        seed: of the weights, the order of the presets and the posterior samples.
        device: ``auto``, ``cpu`` or ``cuda``.
        devices: number of GPUs.
        precision: as Lightning Fabric names it: ``32-true``, ``bf16-mixed``, …; the Voice stays in float32.
    """

    data: str = ""
    loss: str = "sclp"
    feature: str = "auto"
    synth_layer: bool = False
    architecture: str = "exp1"
    output: str = "linear"
    epochs: int = 500
    batch_size: int = 256
    lr: float = 1e-4
    lr_drop_after: int = 200
    lr_drop_every: int = 100
    lr_drop_factor: float = 0.5
    patience: int = 20
    alpha: float = 100.0
    beta: float | str = "auto"
    kl_weight: float = 1e-3
    gradient_clip: float = 1.0
    validation_limit: int = 2000
    seed: int = 0
    device: str = "auto"
    devices: int = 1
    precision: str = "32-true"

    def learning_rate(self, epoch: int) -> float:
        """The rate of an epoch, counted from 0."""
        drops = 0 if epoch < self.lr_drop_after else 1 + (epoch - self.lr_drop_after) // self.lr_drop_every
        return self.lr * self.lr_drop_factor**drops


def resolve_config(path: Path | None, flags: Mapping[str, Any]) -> TrainConfig:
    """Defaults, overlaid by a TOML file, overlaid by the flags that were given.

    A TOML file may name another in ``base``, relative to itself, which it overlays.

    Args:
        path: the file, if any.
        flags: settings by name; None where a flag was not given.

    Returns:
        The settings, checked.

    Raises:
        UserError: if the file cannot be read, or a setting is unknown or out of range.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    values = {**(_read_overlay(path, []) if path else {}), **given}
    config = _check(values, {name: "command line" if name in given else str(path) for name in values})
    return _with_usual_feature(config)


def _with_usual_feature(config: TrainConfig) -> TrainConfig:
    """Say which feature ``auto`` is, where the loss compares one: a run keeps its settings for later versions."""
    from synthvae.losses import LOSSES  # loads PyTorch

    features = LOSSES[config.loss].features if config.loss in LOSSES else ()
    return dataclasses.replace(config, feature=features[0]) if config.feature == "auto" and features else config


def _read_overlay(path: Path, seen: list[Path]) -> dict[str, Any]:
    if path.resolve() in seen:
        raise UserError(f"{path}: base leads back to the file itself; break the circle")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot read ({error.strerror}); give --config a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not TOML ({error}); correct that line") from None
    known = {f.name for f in dataclasses.fields(TrainConfig)}
    for name in values.keys() - known - {"base"}:
        near = difflib.get_close_matches(name.replace("-", "_"), known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(sorted(known))}"
        raise UserError(f"{path}: unknown setting {name!r}; {hint}")
    base = values.pop("base", None)
    if base is None:
        return values
    return _read_overlay(path.parent / str(base), [*seen, path.resolve()]) | values


def _check(values: dict[str, Any], sources: Mapping[str, str]) -> TrainConfig:
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
    for name in (*positive, "validation_limit"):
        if getattr(config, name) <= 0:
            raise UserError(f"{sources[name]}: {name} is {getattr(config, name)}; give a value above 0")
    for name in ("patience", "alpha", "kl_weight", "gradient_clip", "seed"):
        if getattr(config, name) < 0:
            raise UserError(f"{sources[name]}: {name} is {getattr(config, name)}; give 0 or more")
    if config.seed >= 2**63:
        raise UserError(f"{sources['seed']}: seed is {config.seed}; give a number below 2^63")
    if config.device not in ("auto", "cpu", "cuda"):
        raise UserError(f"{sources['device']}: device is {config.device!r}; choose auto, cpu or cuda")
    if not config.data:
        raise UserError("data is missing; name a dataset with --data (make one: synthvae generate-dataset)")
    return config


def _beta(value: Any, source: str) -> float | str:  # noqa: ANN401
    if value == "auto":
        return "auto"
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not (math.isfinite(number) and number >= 0):
        raise UserError(f"{source}: beta is {value!r}; give auto or a number from 0 up")
    return number
