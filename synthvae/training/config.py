"""Settings of a run: defaults, overridden by TOML files, overridden by the command line.

Settings of a run on presets are here; those of a run on recorded sounds are in `synthvae.training.sound_config`.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from synthvae.core.errors import UserError, choose_one, reason
from synthvae.training.schedules import KL_SCHEDULES
from synthvae.training.settings import (
    DATA,
    LOSS,
    NETWORK,
    OPTIMISATION,
    RUN,
    Settings,
    checked,
    refuse_unknown,
    setting,
    settings_of,
)
from synthvae.training.sound_config import RECORDED_SOUNDS, SoundConfig

__all__ = ["CONFIGS", "PHASE", "PRESETS", "Overlay", "TrainConfig", "read_overlay", "resolve_config"]
__all__ += ["resolve_sound_config"]

#: Matrices of the metric that the loss `pnp` can use.
METRICS = ("diagonal", "full", "preset", "effect")
#: Ways to choose the weight of the compared term, in place of a number (`synthvae.losses.BetaController`).
BETA_MODES = ("auto", "constant")
INITIALISATIONS = ("centred", "default")


def _losses() -> Iterable[str]:
    from synthvae.losses import LOSSES  # loads PyTorch, as the registries below do

    return LOSSES


def _features() -> Iterable[str]:
    from synthvae.features import FEATURES

    return ("auto", *FEATURES)


def _networks() -> Iterable[str]:
    from synthvae.models import NETWORKS

    return NETWORKS


def _outputs() -> Iterable[str]:
    from synthvae.models import OUTPUTS

    return OUTPUTS


@dataclasses.dataclass(frozen=True)
class TrainConfig(Settings):
    """All settings of a training run on presets; stored in the run's directory.

    `then` holds the settings (`PHASE`) of a second phase, which continues from the best weights of the first.
    """

    data: str = setting(
        "",
        "A dataset made with generate-dataset.",
        DATA,
        shown="datasets/presets.json, or the newest",
        example="datasets/presets.json",
    )
    loss: str = setting(
        "sclp",
        "The loss: spectral convergence (scl), log and linear magnitudes (logsl, lmsl), the three on complex spectra "
        "(sclp, logslp, lslp), log-mel spectrograms (logmel), three resolutions (mrstft), optimal transport (sot), "
        "amplitude envelopes (envelope), the perceptual metric of parameters (pnp), or parameters alone (none).",
        LOSS,
        choices=_losses,
    )
    synth_layer: bool = setting(False, "Back-propagate the spectral term through the Voice into the network.", LOSS)
    hold_phases: bool = setting(False, "Treat oscillator phases as constants in that gradient.", LOSS)
    feature: str = setting("auto", "Feature that the loss compares; auto: the loss's default.", LOSS, choices=_features)
    frame_step: int = setting(
        1, "Compare every n-th frame of the feature, from a random offset per step.", LOSS, above=0
    )
    metric: str = setting(
        "effect",
        "Metric of pnp: mean over presets (full), its diagonal, one per preset, or total effects.",
        LOSS,
        choices=METRICS,
    )
    metric_limited: bool = setting(
        True, "Limit each slope to the parameter's total effect (`synthvae.synths.sensitivity`).", LOSS, flag=False
    )
    damping: float = setting(0.0, "Damping of pnp's metric, in dB².", LOSS, least=0)
    parameter_weight: float = setting(1.0, "Weight of the parameter error.", LOSS, least=0, flag=False)
    alpha: float = setting(100.0, "Weight of the clamp penalty.", LOSS, least=0)
    beta: float | str = setting(
        "auto",
        "Weight of the spectral or perceptual term. auto: adapted so that the weighted term stays --beta-ratio times "
        "the parameter error; constant: the same, but set once, from the initial weights.",
        LOSS,
        choices=BETA_MODES,
        number=True,
        least=0,
    )
    beta_ratio: float = setting(3.0, "Ratio for --beta auto and constant; 3 in the thesis.", LOSS, above=0)
    kl_weight: float = setting(
        1e-3,
        "Weight of the KL divergence; 1 in the thesis, which makes the posterior over uniform parameters collapse.",
        LOSS,
        least=0,
    )
    kl_schedule: str = setting("constant", "Schedule of the KL weight.", LOSS, choices=KL_SCHEDULES)
    kl_warmup: float = setting(0.0, "Epochs of warm-up, or per cycle.", LOSS, least=0)
    free_bits: float = setting(0.0, "Free bits per latent dimension, in nats.", LOSS, least=0)
    gradient_clip: float = setting(
        1.0, "Maximum norm of each preset's spectral gradient at the Voice's input; 0: no clipping.", LOSS, least=0
    )
    network: str = setting(
        "selective",
        "Network: mlp is the thesis's; selective has latents initialised to the most audible parameters.",
        NETWORK,
        choices=_networks,
    )
    architecture: str = setting(
        "512-512-16", "Encoder widths: numbers, or the thesis's exp1 (63-256-64-16) and exp3 (63-128-16).", NETWORK
    )
    latent: int = setting(0, "Number of latent dimensions; 0: the architecture's.", NETWORK, least=0)
    output: str = setting("linear", "Output activation of mlp; linear outputs are clamped.", NETWORK, choices=_outputs)
    initialisation: str = setting(
        "centred",
        "Initialisation of mlp. centred: the decoder's initial output is 0.5 for every parameter; default: PyTorch's.",
        NETWORK,
        choices=INITIALISATIONS,
    )
    validation_limit: int = setting(2000, "Validation presets rendered per epoch.", OPTIMISATION, above=0)
    cache_targets: bool = setting(
        False, "Render each target once and cache it in memory: 176 KB per second at 44.1 kHz.", RUN
    )
    then: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def phases(self) -> tuple[TrainConfig, ...]:
        """Settings of each phase, in order."""
        first = dataclasses.replace(self, then={})
        return (first, _with_usual_feature(dataclasses.replace(first, **self.then))) if self.then else (first,)


#: Settings that a second phase may change: all but those of data, network and run, such as devices and the seed.
PHASE = frozenset(name for name, known in settings_of(TrainConfig).items() if known.panel in (LOSS, OPTIMISATION))


#: Settings that are TOML tables, merged with those of the base files.
TABLES = ("then", "representation_options")
#: Task of a training on presets; descriptions of runs omit it.
PRESETS = "presets"
#: Settings class of each task of `train`.
CONFIGS: dict[str, type[Settings]] = {PRESETS: TrainConfig, RECORDED_SOUNDS: SoundConfig}


@dataclasses.dataclass(frozen=True)
class Overlay:
    """A TOML file merged with its bases.

    Attributes:
        path: path of the file.
        tasks: tasks whose settings it may hold: the one named by ``task``, or all that have its settings.
        settings: settings by name.
        case: entries of the table ``[case]`` by name.
        own_case: whether the file itself has that table.
    """

    path: Path
    tasks: tuple[str, ...]
    settings: Mapping[str, Any]
    case: Mapping[str, Any]
    own_case: bool


def resolve_config(overlay: Overlay | Path | None, flags: Mapping[str, Any], source: str = "") -> TrainConfig:
    """Defaults, overridden by a TOML file, overridden by the flags that were given.

    A TOML file may have base files (`read_overlay`). Its table ``[then]`` holds the settings of a second phase. A
    table ``[case]`` is not a setting (`synthvae.experiments.cases`).

    Args:
        overlay: the file, if any, as a path or already read.
        flags: settings by name; None where a flag was not given. ``then`` is a mapping of the same form.
        source: origin of the flags, if not arguments, for messages.

    Raises:
        UserError: if the file cannot be read, or a setting is unknown or out of range.
    """
    if isinstance(overlay, Path):
        overlay = read_overlay(overlay)
    given = dict(flags)
    values = dict(overlay.settings) if overlay else {}
    file = str(overlay.path) if overlay else source
    for table, where in ((values.get("then"), file), (given.get("then"), source)):
        if table is not None and not isinstance(table, Mapping):
            raise UserError(f"{where}: then" if where else "then", table, "give a table of settings")
    then = {**values.pop("then", {}), **{k: v for k, v in (given.pop("then", None) or {}).items() if v is not None}}
    config = _with_usual_feature(_overlaid(TrainConfig, PRESETS, overlay, values, given, source))
    if not config.data:
        raise UserError("data", config.data, "name a dataset (make one: synthvae generate-dataset)", "missing")
    if not then:
        return config
    checked_then = _check_then(config, then, file)
    second = dataclasses.replace(config, then=checked_then).phases[1]  # which resolves the feature
    return dataclasses.replace(config, then={name: getattr(second, name) for name in checked_then})


def resolve_sound_config(overlay: Overlay | Path | None, flags: Mapping[str, Any], source: str = "") -> SoundConfig:
    """The same for a run on recorded sounds; ``auto`` is not resolved here (`SoundConfig.resolved`).

    Raises:
        UserError: if the file cannot be read, or a setting is unknown or out of range.
    """
    if isinstance(overlay, Path):
        overlay = read_overlay(overlay)
    config = _overlaid(SoundConfig, RECORDED_SOUNDS, overlay, overlay.settings if overlay else {}, flags, source)
    if not config.data:
        raise UserError(
            "data", config.data, "name a library (make one: synthvae import-library or make-library)", "missing"
        )
    return config


S = TypeVar("S", bound=Settings)


def _overlaid(
    kind: type[S],
    task: str,
    overlay: Overlay | None,
    values: Mapping[str, Any],
    flags: Mapping[str, Any],
    source: str,
) -> S:
    """Settings of a task from a file's values and flags."""
    if overlay and task not in overlay.tasks:
        raise UserError(
            overlay.path,
            overlay.path,
            "name data that fit it, or leave it out",
            f"has settings of the task {' or '.join(overlay.tasks)}, not of {task}",
        )
    file = str(overlay.path) if overlay else source
    given = {name: value for name, value in flags.items() if value is not None}
    sources = {name: source if name in given else file for name in {**values, **given}}
    return checked(kind, {**values, **given}, sources)


def _check_then(config: TrainConfig, then: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Settings of the second phase; by default through the Voice and on the loss's usual feature."""
    from synthvae.losses import LOSSES

    refuse_unknown(then, PHASE, source, "then.")
    second = checked(TrainConfig, then, f"{source}: then" if source else "then")
    through = LOSSES[then.get("loss", config.loss)].compares == "audio"
    values = {"synth_layer": through, **{name: getattr(second, name) for name in then}}
    if "loss" in then:
        values.setdefault("feature", "auto")
    return values


def _with_usual_feature(config: TrainConfig) -> TrainConfig:
    """Replace ``auto`` by the loss's usual feature, so that a stored run does not depend on later defaults."""
    from synthvae.losses import LOSSES

    features = LOSSES[config.loss].features if config.loss in LOSSES else ()
    return dataclasses.replace(config, feature=features[0]) if config.feature == "auto" and features else config


def read_overlay(path: Path, seen: tuple[Path, ...] = ()) -> Overlay:
    """Read a TOML file of settings.

    Args:
        path: path of the file. Its key ``base`` names a base file or a list of them, relative to the file itself, whose
            settings it overrides; later bases override earlier ones. Its key ``task`` names its task; without it, the
            task follows from its settings and those of its bases.
        seen: files that have this one as a base.

    Raises:
        UserError: if a file cannot be read, is its own base, or has an unknown setting.
    """
    if path.resolve() in seen:
        raise UserError(path, path, "remove the cycle", "base leads back to the file itself")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(path, path, "name a TOML file", f"cannot read ({reason(error)})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(path, path, "correct that line", f"not TOML ({reason(error)})") from None
    own_case = values.pop("case", None)
    base = values.pop("base", [])
    task = values.pop("task", None)
    if task is not None and task not in CONFIGS:
        raise UserError(f"{path}: task", task, choose_one(task, CONFIGS))
    known = {name: [f.name for f in dataclasses.fields(kind)] for name, kind in CONFIGS.items()}
    refuse_unknown(values, {n for name in known if task in (None, name) for n in known[name]}, str(path))
    tables = {name: values.get(name, {}) for name in TABLES}
    for name, table in (tables | {"case": {} if own_case is None else own_case}).items():
        if not isinstance(table, dict):
            raise UserError(f"{path}: {name}", table, f'make it a table: [{name}], and below it loss = "logmel"')
    settings: dict[str, Any] = {}
    case: dict[str, Any] = {}
    tasks = [name for name in known if task in (None, name) and set(values) <= set(known[name])]
    for name in base if isinstance(base, list) else [base]:
        below = read_overlay(path.parent / str(name), (*seen, path.resolve()))
        settings, case = _over(below.settings, settings), {**case, **below.case}
        tasks = [task for task in tasks if task in below.tasks]
    if not tasks:
        raise UserError(path, path, f"use those of one alone: {', '.join(known)}", "mixes settings of several tasks")
    return Overlay(path, tuple(tasks), _over(values, settings), {**case, **(own_case or {})}, own_case is not None)


def _over(values: Mapping[str, Any], below: Mapping[str, Any]) -> dict[str, Any]:
    tables = {name: {**below.get(name, {}), **values.get(name, {})} for name in TABLES}
    return {**below, **values} | {name: table for name, table in tables.items() if table}
