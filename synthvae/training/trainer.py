"""The training loop.

Lightning Fabric carries device, precision and several GPUs; its Trainer is not used because a run that is
killed in the middle of an epoch and resumed must repeat, bit for bit, what a run never killed does, which
takes a loop that owns its randomness and its position.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from synthvae.errors import UserError
from synthvae.features import EVERY_FRAME, Frames
from synthvae.files import ensure_directory
from synthvae.losses import LOSSES, AudioLoss, BetaController, build_loss
from synthvae.models import SelectiveVAE, VAEOutput, build_model, parse_architecture
from synthvae.perception import metric_path
from synthvae.presets.dataset import Dataset
from synthvae.tensors import load_tensors, save_tensors
from synthvae.training.checkpoint import Position, read_position, restore_checkpoint, save_checkpoint
from synthvae.training.config import PNP, TrainConfig
from synthvae.training.lock import alone_in, check_out, stop_on_sigint
from synthvae.training.log import MetricsLog
from synthvae.training.objective import COMPARED, TERMS, Objective, Weights, typical
from synthvae.training.preparation import Preparation, perceptual_loss, prepare
from synthvae.training.randomness import epoch_order, frame_offset, posterior_noise
from synthvae.training.run import write_description
from synthvae.training.schedules import kl_factor

__all__ = ["ACTIVE_NATS", "Interrupted", "Trainer", "train"]

#: A latent dimension counts as active where its mean KL divergence is above this many nats.
ACTIVE_NATS = 0.05
#: Mixed precisions of the network; everything else stays in float32.
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
SAVE_SECONDS = 20.0
VALIDATION_BATCH = 128
CHECKPOINT, WEIGHTS = "checkpoint.safetensors", "weights.safetensors"

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
    preparation: Preparation | None = None,
) -> Position:
    """Set up a `Trainer` and run it; same arguments, returns and errors."""
    return Trainer(config, dataset, voice, out, resume, on_step, on_epoch, preparation).run()


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
        preparation: Preparation | None = None,
    ) -> None:
        """Prepare to train a network.

        Args:
            config: the settings.
            dataset: the presets.
            voice: renders unit parameters ``(B, P)`` to audio ``(B, T)``; not needed where no loss compares sounds.
            out: the run directory.
            resume: go on with the run that is there, if there is one.
            on_step: called after each step with epoch, steps done in it, and steps per epoch.
            on_epoch: called after each epoch with its metrics.
            preparation: from `synthvae.training.preparation.prepare`; found out here where it is not given.

        Raises:
            UserError: for a setting that names nothing, or a directory that holds another run.
        """
        from lightning_fabric import Fabric

        self.config, self.dataset, self.out, self.voice = config, dataset, out, voice
        self.on_step, self.on_epoch = on_step, on_epoch
        widths = parse_architecture(config.architecture, len(dataset.parameters), config.latent)
        for phase in config.phases:
            _check_phase(phase, dataset, voice)
        existing = check_out(out, config, dataset, resume)

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
            self.network = build_model(
                config.network, len(dataset.parameters), widths, config.output, config.initialisation
            )
        self.preparation = prepare(config, dataset, voice) if preparation is None else preparation
        if isinstance(self.network, SelectiveVAE) and self.preparation.effect is not None:
            self.network.select(self.preparation.effect, self.preparation.held)
        self.optimiser: torch.optim.Optimizer = torch.optim.Adam(self.network.parameters(), lr=config.lr)
        self.forward, self.stepper = self.fabric.setup(self.network, self.optimiser)
        self.position = read_position(out / CHECKPOINT) if existing else Position()
        self.sums: dict[str, Tensor] = {}
        self._set_up_phase()
        if existing:
            self.position, sums = restore_checkpoint(out / CHECKPOINT, self.modules, self.optimiser)
            self.sums = {name: value.to(self.fabric.device) for name, value in sums.items()}
        self.saved_at = self.started_at = time.monotonic()

    def _set_up_phase(self) -> None:
        """Everything that is a phase's own: its settings, terms and weights, and the presets it trains on."""
        device = self.fabric.device
        self.phase = phase = self.config.phases[self.position.phase]
        self.beta = BetaController(phase.beta, phase.beta_ratio).to(device)  # type: ignore[arg-type]
        self.modules = {"model": self.network, "beta": self.beta}
        spectral = perceptual = None
        if phase.loss == PNP:
            assert self.preparation.metric is not None
            perceptual = perceptual_loss(phase, self.preparation.metric, str(metric_path(self.dataset.path)))
        elif phase.loss != "none":
            spectral = build_loss(phase.loss, self.dataset.header.settings.sample_rate, phase.feature)
        self.objective = Objective(
            None if spectral is None else self.voice,
            spectral,
            phase.synth_layer,
            phase.gradient_clip,
            phase.hold_phases,
            perceptual,
            phase.free_bits,
        ).to(device)
        train = self.dataset.split("train")
        if perceptual is not None and perceptual.presets is not None:
            train = train[: len(perceptual.presets)]
        self.train_unit = train.to(device)
        self.validation_unit = self.dataset.split("validation")[: phase.validation_limit].to(device)
        self.steps = -(-len(self.train_unit) // phase.batch_size)

    @property
    def _epoch(self) -> int:
        """Epochs finished in this phase."""
        return self.position.epoch - self.position.phase_start

    @property
    def _progress(self) -> float:
        """Epochs done in this phase, with the part of the one under way."""
        return self._epoch + self.position.step / self.steps

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
            self._describe()  # settings that change nothing of what is done, such as more patience
            return position
        position.finished = ""
        ensure_directory(self.out)
        with alone_in(self.out) if self.fabric.is_global_zero else nullcontext():
            return self._run()

    def _run(self) -> Position:
        position = self.position
        self._describe()
        log = MetricsLog(self.out, position.epoch) if self.fabric.is_global_zero else None
        try:
            with stop_on_sigint() as stopped:
                while True:
                    ended = self._run_phase(log, stopped)
                    if position.phase + 1 == len(self.config.phases):
                        break
                    self._next_phase()
        finally:
            if log is not None:
                log.close()
        position.finished = ended
        self._save()
        return position

    def _run_phase(self, log: MetricsLog | None, stopped: Callable[[], bool]) -> str:
        """Train to the end of a phase; say why it ended."""
        phase, position = self.phase, self.position
        if phase.beta == "constant" and not self.beta.weight_sum:
            self._balance(self._typical(self._measure_validation()[0]))
        while self._epoch < phase.epochs:
            self._train_epoch(stopped)
            row = self._validate()
            if log is not None:
                log.add(row)
            self.on_epoch(row)
            if phase.patience and position.waited >= phase.patience:
                return f"no better validation loss for {phase.patience} epochs"
            if time.monotonic() - self.saved_at > SAVE_SECONDS:
                self._save()
        return f"all {phase.epochs} epochs done"

    def _next_phase(self) -> None:
        """Go on from the best weights so far, which count as best until an epoch of the new phase is better."""
        position = self.position
        position.phase, position.phase_start, position.waited = position.phase + 1, position.epoch, 0
        self.fabric.barrier()
        self.network.load_state_dict(load_tensors(self.out / WEIGHTS)[0])
        self.optimiser.state.clear()
        self._set_up_phase()
        terms = self._typical(self._measure_validation()[0])
        self._balance(terms)
        position.best_terms = {name: float(value) for name, value in terms.items()}
        self._save()

    def _may_continue(self) -> bool:
        """Whether a finished run has more to do under settings that were raised since."""
        patient = not self.phase.patience or self.position.waited < self.phase.patience
        return self._epoch < self.phase.epochs and patient

    def _train_epoch(self, stopped: Callable[[], bool]) -> None:
        phase, position, fabric = self.phase, self.position, self.fabric
        seed = self.config.seed
        order = epoch_order(seed, position.epoch, len(self.train_unit))
        self.forward.train()
        while position.step < self.steps:
            done = self._epoch * self.steps + position.step
            warm = min(1.0, (done + 1) / phase.lr_warmup) if phase.lr_warmup else 1.0
            for group in self.optimiser.param_groups:
                group["lr"] = warm * phase.learning_rate(self._progress)
            rows = order[position.step * phase.batch_size : (position.step + 1) * phase.batch_size]
            output, terms = self._compute(rows)
            summary = self._typical(terms)
            self._balance(summary)
            total = self._weights(self._progress).total(self.objective.minimised(terms, output))
            self.stepper.zero_grad()
            fabric.backward(total)
            self.stepper.step()
            means = {f"{name}_mean": terms[name].mean() for name in COMPARED if name in terms}
            for name, value in {**summary, **means, "loss": total}.items():
                share = value.detach().double() * len(rows)
                self.sums[name] = self.sums.get(name, torch.zeros_like(share)) + share
            position.step += 1
            self.on_step(position.epoch, position.step, self.steps)
            if stopped():
                self._save()
                raise Interrupted(f"stopped in epoch {position.epoch + 1}")
            if time.monotonic() - self.saved_at > SAVE_SECONDS:
                self._save()

    def _compute(self, rows: Tensor) -> tuple[VAEOutput, dict[str, Tensor]]:
        """One pass of the network over this process's share of a batch, and its terms, one value per preset."""
        phase, position, fabric = self.phase, self.position, self.fabric
        seed = self.config.seed
        noise = posterior_noise(seed, position.epoch, position.step, len(rows), self.network.latent_size)
        # Every process draws for the whole batch and takes every n-th row; a batch that does not divide evenly is
        # filled up from its own start, so that no process is left without rows.
        mine = torch.arange(
            fabric.global_rank, -(-len(rows) // fabric.world_size) * fabric.world_size, fabric.world_size
        )
        mine = mine % len(rows)
        chosen = rows[mine].to(fabric.device)
        unit = self.train_unit[chosen]
        output = self.forward(unit, noise[mine].to(fabric.device))
        first = frame_offset(seed, position.epoch, position.step, phase.frame_step)
        frames = Frames(first, phase.frame_step) if phase.frame_step > 1 else EVERY_FRAME
        return output, self.objective.terms(output, unit, phase.synth_layer, frames, chosen)

    def measure_epoch(self) -> float:
        """How long an epoch of the phase under way takes, in seconds.

        Measured on one training step and one batch of validation presets after a step that loads what they need; the
        run is left as it was.
        """
        rows = torch.arange(min(self.phase.batch_size, len(self.train_unit)))
        seconds = 0.0
        for _ in range(2):
            begun = time.monotonic()
            output, terms = self._compute(rows)
            total = self._weights().total(self.objective.minimised(terms, output))
            self.fabric.backward(total)
            float(total.detach())  # waits for an accelerator
            seconds = (time.monotonic() - begun) * self.steps
            self.stepper.zero_grad()
        begun = time.monotonic()
        with torch.no_grad():
            batch = self.validation_unit[:VALIDATION_BATCH]
            terms = self.objective.terms(self.forward(batch), batch)
            float(terms["parameter"].sum())
        return seconds + (time.monotonic() - begun) * len(self.validation_unit) / len(batch)

    def _typical(self, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        loss = self.phase.loss
        return typical(terms, loss in LOSSES and LOSSES[loss].heavy_tailed)

    def _balance(self, summary: Mapping[str, Tensor]) -> None:
        """Let the weight of the compared term follow, where this phase has one."""
        for name in COMPARED:
            if name in summary:
                self.beta.update(self._reduce(summary["parameter"]), self._reduce(summary[name]))

    def _reduce(self, value: Tensor) -> Tensor:
        """The mean of a scalar over all processes."""
        reduced = self.fabric.all_reduce(value.detach())
        return torch.as_tensor(reduced)

    def _weights(self, progress: float = math.inf) -> Weights:
        """The weights at a point of the phase; without one, those at its end, by which epochs are compared."""
        phase = self.phase
        warm = 1.0 if progress == math.inf else kl_factor(phase.kl_schedule, progress, phase.kl_warmup)
        return Weights(phase.alpha, self.beta.beta, warm * phase.kl_weight, phase.parameter_weight)

    @torch.no_grad()
    def _measure_validation(self) -> tuple[dict[str, Tensor], Tensor]:
        """Terms of every validation preset, and the mean KL divergence of every latent dimension."""
        self.forward.eval()
        collected: dict[str, list[Tensor]] = {}
        kl = []
        for unit in self.validation_unit.split(VALIDATION_BATCH):
            output = self.forward(unit)
            for name, value in self.objective.terms(output, unit).items():
                collected.setdefault(name, []).append(value)
            kl.append(self.objective.kl(output))
        return {name: torch.cat(values).double() for name, values in collected.items()}, torch.cat(kl).double().mean(0)

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        """Close the epoch: validation terms, the early-stopping decision, the row for the log."""
        position = self.position
        every, kl_per_dimension = self._measure_validation()
        terms = self._typical(every)
        if not self.phase.synth_layer:
            self._balance({name: value for name, value in terms.items() if name != "perceptual"})
        weights = self._weights()

        lr = self.phase.learning_rate(self._epoch)
        row = {"epoch": float(position.epoch), "phase": float(position.phase), "lr": lr}
        train = {name: self._reduce(value) / len(self.train_unit) for name, value in self.sums.items()}
        for split, means in (("train", train), ("validation", terms)):
            chosen = {name: means[name] for name in TERMS if name in means}
            row |= {f"{split}/{name}": float(value) for name, value in chosen.items()}
            row[f"{split}/total"] = float(weights.total(chosen))
        row["train/loss"] = float(train["loss"])
        for name in COMPARED:
            for split, mean in (("train", train.get(f"{name}_mean")), ("validation", every.get(name))):
                if mean is not None:
                    row[f"{split}/{name}_mean"] = float(mean.mean())
        row["beta"] = float(weights.beta)
        row["kl_weight"] = self._weights(self._epoch).kl
        row["active_units"] = float((kl_per_dimension > ACTIVE_NATS).sum())
        row |= {f"kl/{number:02d}": float(value) for number, value in enumerate(kl_per_dimension)}

        if not all(math.isfinite(value) for value in row.values()):
            raise UserError(
                f"{self.out}: the loss is not finite in epoch {position.epoch + 1}; "
                f"lower --lr (now {self.phase.lr:g}) or --gradient-clip (now {self.phase.gradient_clip:g})"
            )

        # The weight of the spectral term moves, so the best epoch so far is weighed again with today's.
        best = {name: torch.tensor(value, dtype=torch.float64) for name, value in position.best_terms.items()}
        if not best or float(weights.total(terms)) < float(weights.total(best)):
            position.best_epoch, position.waited = position.epoch, 0
            position.best_terms = {name: float(value) for name, value in terms.items()}
            if self.fabric.is_global_zero:
                save_tensors(self.out / WEIGHTS, self.network.state_dict(), {"epoch": position.epoch})
        else:
            position.waited += 1
        position.epoch, position.step, self.sums = position.epoch + 1, 0, {}
        return row

    def _save(self) -> None:
        now = time.monotonic()
        self.position.seconds += now - self.started_at
        self.saved_at = self.started_at = now
        if self.fabric.is_global_zero:
            save_checkpoint(self.out / CHECKPOINT, self.modules, self.optimiser, self.sums, self.position)
            self._describe()

    def _describe(self) -> None:
        if self.fabric.is_global_zero:
            write_description(self.out, self.config, self.dataset, asdict(self.position))


def _check_phase(phase: TrainConfig, dataset: Dataset, voice: nn.Module | None) -> None:
    """Refuse settings that contradict each other.

    Raises:
        UserError: naming them.
        ValueError: if sounds shall be compared without a voice.
    """
    loss: AudioLoss | None = None
    if phase.loss != PNP:
        loss = build_loss(phase.loss, dataset.header.settings.sample_rate, phase.feature)
    if phase.loss in (PNP, "none"):
        if phase.synth_layer:
            raise UserError(
                f"--synth-layer with --loss {phase.loss}: there is no gradient to send through the Voice; name a loss "
                "that compares sounds"
            )
    elif voice is None:
        raise ValueError(f"the loss {phase.loss} needs a voice")
    if phase.hold_phases and not phase.synth_layer:
        raise UserError(
            "--hold-phases without --synth-layer: there is no gradient through the Voice; add --synth-layer"
        )
    if phase.frame_step > 1 and (loss is None or not LOSSES[phase.loss].features):
        raise UserError(f"--frame-step is {phase.frame_step}, but the loss {phase.loss} has no frames to choose from")
