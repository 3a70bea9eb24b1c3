"""The training loop.

Lightning Fabric carries device, precision and several GPUs; its Trainer is not used because a run that is
killed in the middle of an epoch and resumed must repeat, bit for bit, what a run never killed does, which
takes a loop that owns its randomness and its position.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from types import FrameType

import torch
from torch import Tensor, nn

from synthvae.errors import UserError
from synthvae.files import ensure_directory
from synthvae.losses import BetaController, build_loss, kl_divergence
from synthvae.models import VAE, parse_architecture
from synthvae.presets.dataset import Dataset
from synthvae.tensors import save_tensors
from synthvae.training.checkpoint import Position, restore_checkpoint, save_checkpoint
from synthvae.training.config import TrainConfig
from synthvae.training.metrics import MetricsLog
from synthvae.training.objective import TERMS, Objective, Weights, typical
from synthvae.training.randomness import epoch_order, posterior_noise
from synthvae.training.run_directory import read_description, write_description

__all__ = ["ACTIVE_NATS", "Interrupted", "Trainer", "train"]

#: A latent dimension counts as active where its mean KL divergence is above this many nats.
ACTIVE_NATS = 0.05
#: Settings that a resumed run may change.
#: Mixed precisions of the network; everything else stays in float32.
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
CHANGEABLE = {"data", "epochs", "patience", "device", "devices"}
SAVE_SECONDS = 20.0
LOCK = ".lock"
VALIDATION_BATCH = 128

OnStep = Callable[[int, int, int], object]
OnEpoch = Callable[[Mapping[str, float]], object]


class Interrupted(Exception):  # noqa: N818 - a request, not an error
    """Training was stopped by the user; what was done is saved."""


def train(
    config: TrainConfig,
    dataset: Dataset,
    voice: nn.Module | None,
    out: Path,
    resume: bool = False,
    on_step: OnStep = lambda epoch, step, steps: None,
    on_epoch: OnEpoch = lambda row: None,
) -> Position:
    """Set up a `Trainer` and run it; same arguments, returns and errors."""
    return Trainer(config, dataset, voice, out, resume, on_step, on_epoch).run()


class Trainer:
    """One training run: everything is checked when it is made, nothing is written before `run`."""

    def __init__(
        self,
        config: TrainConfig,
        dataset: Dataset,
        voice: nn.Module | None,
        out: Path,
        resume: bool = False,
        on_step: OnStep = lambda epoch, step, steps: None,
        on_epoch: OnEpoch = lambda row: None,
    ) -> None:
        """Prepare to train a VAE.

        Args:
            config: the settings.
            dataset: the presets.
            voice: renders unit parameters ``(B, P)`` to audio ``(B, T)``; not needed where the loss is ``none``.
            out: the run directory.
            resume: go on with the run that is there, if there is one.
            on_step: called after each step with epoch, steps done in it, and steps per epoch.
            on_epoch: called after each epoch with its metrics.

        Raises:
            UserError: for a setting that names nothing, or a directory that holds another run.
        """
        from lightning_fabric import Fabric

        self.config, self.dataset, self.out = config, dataset, out
        self.on_step, self.on_epoch = on_step, on_epoch
        widths = parse_architecture(config.architecture, len(dataset.parameters))
        spectral = build_loss(config.loss, dataset.header.settings.sample_rate, config.feature)
        if config.loss == "none" and config.synth_layer:
            raise UserError(
                "--synth-layer with --loss none: there is no gradient to send through the Voice; name a loss"
            )
        rendering = config.loss != "none"
        if rendering and voice is None:
            raise ValueError(f"the loss {config.loss} needs a voice")
        existing = _check_out(out, config, dataset, resume)

        if config.precision not in PRECISIONS:
            raise UserError(f"--precision is {config.precision!r}; choose one of {', '.join(PRECISIONS)}")
        if config.device == "cuda" and not torch.cuda.is_available():
            raise UserError("--device cuda: this PyTorch sees no CUDA GPU; use --device auto or cpu")
        on_gpu = config.device == "cuda" or (config.device == "auto" and torch.cuda.is_available())
        if config.devices > (torch.cuda.device_count() if on_gpu else 1):
            raise UserError(
                f"--devices is {config.devices}; there are {torch.cuda.device_count()} GPUs, and a CPU is one device"
            )
        self.fabric = Fabric(
            accelerator="cuda" if on_gpu else "cpu",
            devices=config.devices,
            precision=config.precision,  # type: ignore[arg-type]
        )
        self.fabric.launch()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.network = VAE(len(dataset.parameters), widths, config.output)
        self.optimiser: torch.optim.Optimizer = torch.optim.Adam(self.network.parameters(), lr=config.lr)
        self.forward, self.stepper = self.fabric.setup(self.network, self.optimiser)
        self.beta = BetaController("auto" if config.beta == "auto" else float(config.beta)).to(self.fabric.device)
        self.objective = Objective(
            voice if rendering else None, spectral if rendering else None, config.synth_layer, config.gradient_clip
        ).to(self.fabric.device)
        self.train_unit = dataset.split("train").to(self.fabric.device)
        self.validation_unit = dataset.split("validation")[: config.validation_limit].to(self.fabric.device)
        self.steps = -(-len(self.train_unit) // config.batch_size)
        self.modules = {"model": self.network, "beta": self.beta}
        self.position = Position()
        self.sums: dict[str, Tensor] = {}
        if existing:
            self.position, sums = restore_checkpoint(out / "checkpoint.safetensors", self.modules, self.optimiser)
            self.sums = {name: value.to(self.fabric.device) for name, value in sums.items()}
        self.saved_at = self.started_at = time.monotonic()

    def run(self) -> Position:
        """Train, and leave a run directory.

        Returns:
            How far the run got, and why it ended.

        Raises:
            UserError: if the directory cannot be written to, or the loss is not finite.
            Interrupted: if stopped by SIGINT; a checkpoint was written.
        """
        position = self.position
        if position.finished and not self._may_continue():
            return position
        position.finished = ""
        ensure_directory(self.out)
        with _alone_in(self.out) if self.fabric.is_global_zero else nullcontext():
            return self._run()

    def _run(self) -> Position:
        config, position = self.config, self.position
        self._describe()
        log = MetricsLog(self.out, position.epoch) if self.fabric.is_global_zero else None
        try:
            with _stop_on_sigint() as stopped:
                while position.epoch < config.epochs:
                    self._train_epoch(stopped)
                    row = self._validate()
                    if log is not None:
                        log.add(row)
                    self.on_epoch(row)
                    if config.patience and position.waited >= config.patience:
                        position.finished = f"no better validation loss for {config.patience} epochs"
                        break
                    if time.monotonic() - self.saved_at > SAVE_SECONDS:
                        self._save()
        finally:
            if log is not None:
                log.close()
        position.finished = position.finished or f"all {config.epochs} epochs done"
        self._save()
        return position

    def _may_continue(self) -> bool:
        """Whether a finished run has more to do under settings that were raised since."""
        patient = not self.config.patience or self.position.waited < self.config.patience
        return self.position.epoch < self.config.epochs and patient

    def _train_epoch(self, stopped: Callable[[], bool]) -> None:
        config, position, fabric = self.config, self.position, self.fabric
        order = epoch_order(config.seed, position.epoch, len(self.train_unit))
        for group in self.optimiser.param_groups:
            group["lr"] = config.learning_rate(position.epoch)
        self.forward.train()
        while position.step < self.steps:
            rows = order[position.step * config.batch_size : (position.step + 1) * config.batch_size]
            noise = posterior_noise(config.seed, position.epoch, position.step, len(rows), self.network.latent_size)
            # Every process draws for the whole batch and takes every n-th row; a batch that does not divide evenly is
            # filled up from its own start, so that no process is left without rows.
            mine = torch.arange(
                fabric.global_rank, -(-len(rows) // fabric.world_size) * fabric.world_size, fabric.world_size
            )
            mine = mine % len(rows)
            unit = self.train_unit[rows[mine].to(fabric.device)]
            output = self.forward(unit, noise[mine].to(fabric.device))
            terms = self.objective.terms(output, unit, with_spectral=config.synth_layer)
            means = {name: value.mean() for name, value in terms.items()}
            summary = typical(terms)
            if "spectral" in terms:
                self.beta.update(self._reduce(summary["parameter"]), self._reduce(summary["spectral"]))
            total = self._weights().total(means)
            self.stepper.zero_grad()
            fabric.backward(total)
            self.stepper.step()
            for name, value in {**summary, "spectral_mean": means.get("spectral"), "loss": total}.items():
                if value is None:
                    continue
                share = value.detach().double() * len(rows)
                self.sums[name] = self.sums.get(name, torch.zeros_like(share)) + share
            position.step += 1
            self.on_step(position.epoch, position.step, self.steps)
            if stopped():
                self._save()
                raise Interrupted(f"stopped in epoch {position.epoch + 1}")
            if time.monotonic() - self.saved_at > SAVE_SECONDS:
                self._save()

    def _reduce(self, value: Tensor) -> Tensor:
        """The mean of a scalar over all processes."""
        reduced = self.fabric.all_reduce(value.detach())
        return torch.as_tensor(reduced)

    def _weights(self) -> Weights:
        return Weights(alpha=self.config.alpha, beta=self.beta.beta, kl=self.config.kl_weight)

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Close the epoch: validation terms, the early-stopping decision, the row for the log."""
        position = self.position
        self.forward.eval()
        collected: dict[str, list[Tensor]] = {}
        kl = []
        for unit in self.validation_unit.split(VALIDATION_BATCH):
            output = self.forward(unit)
            for name, value in self.objective.terms(output, unit).items():
                collected.setdefault(name, []).append(value)
            kl.append(kl_divergence(output.mean, output.log_variance))
        every = {name: torch.cat(values).double() for name, values in collected.items()}
        terms = typical(every)
        if "spectral" in terms and not self.config.synth_layer:
            self.beta.update(terms["parameter"], terms["spectral"])
        weights = self._weights()
        kl_per_dimension = torch.cat(kl).double().mean(dim=0)

        row = {"epoch": float(position.epoch), "lr": self.config.learning_rate(position.epoch)}
        train = {name: self._reduce(value) / len(self.train_unit) for name, value in self.sums.items()}
        for split, means in (("train", train), ("validation", terms)):
            chosen = {name: means[name] for name in TERMS if name in means}
            row |= {f"{split}/{name}": float(value) for name, value in chosen.items()}
            row[f"{split}/total"] = float(weights.total(chosen))
        row["train/loss"] = float(train["loss"])
        for split, mean in (("train", train.get("spectral_mean")), ("validation", every.get("spectral"))):
            if mean is not None:
                row[f"{split}/spectral_mean"] = float(mean.mean())
        row["beta"] = float(weights.beta)
        row["active_units"] = float((kl_per_dimension > ACTIVE_NATS).sum())
        row |= {f"kl/{number:02d}": float(value) for number, value in enumerate(kl_per_dimension)}

        if not all(math.isfinite(value) for value in row.values()):
            raise UserError(
                f"{self.out}: the loss is not finite in epoch {position.epoch + 1}; "
                f"lower --lr (now {self.config.lr:g}) or --gradient-clip (now {self.config.gradient_clip:g})"
            )

        # The weight of the spectral term moves, so the best epoch so far is weighed again with today's.
        best = {name: torch.tensor(value, dtype=torch.float64) for name, value in position.best_terms.items()}
        if not best or float(weights.total(terms)) < float(weights.total(best)):
            position.best_epoch, position.waited = position.epoch, 0
            position.best_terms = {name: float(value) for name, value in terms.items()}
            if self.fabric.is_global_zero:
                save_tensors(self.out / "weights.safetensors", self.network.state_dict(), {"epoch": position.epoch})
        else:
            position.waited += 1
        position.epoch, position.step, self.sums = position.epoch + 1, 0, {}
        return row

    def _save(self) -> None:
        now = time.monotonic()
        self.position.seconds += now - self.started_at
        self.saved_at = self.started_at = now
        if self.fabric.is_global_zero:
            path = self.out / "checkpoint.safetensors"
            save_checkpoint(path, self.modules, self.optimiser, self.sums, self.position)
            self._describe()

    def _describe(self) -> None:
        if self.fabric.is_global_zero:
            write_description(self.out, self.config, self.dataset, asdict(self.position))


def _check_out(out: Path, config: TrainConfig, dataset: Dataset, resume: bool) -> bool:
    """Whether `out` holds a checkpoint to go on from; refuse a directory that holds anything else."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: not a directory; choose another --out")
    if not (out / "run.json").exists():
        if out.is_dir() and any(not _is_leftover(path) for path in out.iterdir()):
            raise UserError(f"{out}: not empty and not a run; choose another --out")
        return False
    if not resume:
        raise UserError(f"{out}: already holds a run; add --resume to go on with it, or choose another --out")
    document = read_description(out)
    if document.get("dataset_hash") != dataset.hash:
        raise UserError(
            f"{dataset.path}: is not the dataset {document.get('dataset_hash')} that {out} was trained on "
            f"(hash {dataset.hash}); give that one, or choose another --out"
        )
    for name, before in document.get("config", {}).items():
        now = getattr(config, name, None)
        if name not in CHANGEABLE and now != before:
            raise UserError(
                f"{out}: was trained with {name} = {before!r}, now it is {now!r}; set it back or choose another --out"
            )
    return (out / "checkpoint.safetensors").exists()


def _is_leftover(path: Path) -> bool:
    """Whether a file is what a process killed in the middle of a first write leaves, or the lock."""
    return path.name == LOCK or (path.name.startswith(".") and path.name.endswith(".part"))


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Hold the directory's lock, which the operating system frees with the process, however that ends."""
    try:
        import fcntl
    except ImportError:  # Windows has no such lock
        yield
        return
    with (directory / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"{directory}: another process is training there; wait for it or choose another --out"
            ) from None
        yield


@contextmanager
def _stop_on_sigint() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a flag, so that a step is never cut in half; the second one stops at once."""
    asked: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    try:
        before = signal.signal(signal.SIGINT, handle)
    except ValueError:  # not in the main thread, where nobody presses Ctrl-C
        yield lambda: False
        return
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)
