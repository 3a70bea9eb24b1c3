"""The training loop: devices, optimiser, schedule, phases, checkpoints, the lock, the log and SIGINT.

Lightning Fabric handles device, precision and several GPUs; its Trainer is not used because a run that is killed in
the middle of an epoch and resumed must equal an uninterrupted run bit for bit, which requires a loop that controls
its own randomness and position. The model and its data are defined by a `Task`.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from synthvae.core.errors import UserError
from synthvae.core.events import EVENTS, event, keep_events
from synthvae.core.executor import stop_on_sigint
from synthvae.core.files import ensure_directory, load_tensors, save_tensors
from synthvae.core.provenance import hardware, versions
from synthvae.core.stopwatch import Stopwatch
from synthvae.training.checkpoint import Position, read_position, restore_checkpoint, save_checkpoint
from synthvae.training.finite import all_finite, nonfinite_items, nonfinite_terms
from synthvae.training.lock import alone_in, check_out
from synthvae.training.log import MetricsLog
from synthvae.training.processes import is_lost_connection, launch, sync_batch_norm
from synthvae.training.run import WEIGHTS, write_description
from synthvae.training.tasks.base import Place, Task, Validation

__all__ = ["EPOCH_END", "UPDATE", "Interrupted", "Trainer", "train"]

_log = logging.getLogger(__name__)

SAVE_SECONDS = 20.0
#: Number of validation items that `Trainer.measure_epoch` times.
TIMED = 128
CHECKPOINT = "checkpoint.safetensors"
#: Stages of the stopwatch common to all runs: the weight update of each step, and the end of an epoch.
UPDATE, EPOCH_END = "optimiser", "validation"

OnStep = Callable[[int, int, int], object]
OnEpoch = Callable[[Mapping[str, float]], object]

#: Sums of an epoch besides those of its terms: numbers of skipped batches and of their items.
SKIPPED, SKIPPED_ITEMS = "skipped batches", "skipped items"


class Interrupted(Exception):  # noqa: N818 - a request, not an error
    """Training was stopped by the user; its state is saved."""


def train(
    task: Task[Any],
    out: Path,
    resume: bool = False,
    on_step: OnStep = lambda epoch, step, steps: None,
    on_epoch: OnEpoch = lambda row: None,
) -> Position:
    """Set up a `Trainer` and run it; same arguments, returns and errors."""
    return Trainer(task, out, resume, on_step, on_epoch).run()


class _Batch(NamedTuple):
    """This process's share of a batch.

    Attributes:
        rows: numbers of its rows in the whole batch, ``(B,)``; the last repeat the first, to make shares of one size.
        tensors: ``(B, ...)`` by name, on the device.
        size: size of the whole batch.
    """

    rows: Tensor
    tensors: dict[str, Tensor]
    size: int


class Trainer:
    """One training run: everything is checked on construction, nothing is written before `run`."""

    def __init__(
        self,
        task: Task[Any],
        out: Path,
        resume: bool = False,
        on_step: OnStep = lambda epoch, step, steps: None,
        on_epoch: OnEpoch = lambda row: None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        """Prepare to train a network.

        Args:
            task: definition of network, data and settings.
            out: the run directory.
            resume: continue the run in the directory, if there is one.
            on_step: called after each step with the epoch, the steps done in it, and the steps per epoch.
            on_epoch: called after each epoch with its metrics.
            stopwatch: times the stages of steps and epochs.

        Raises:
            UserError: for an unknown setting, or a directory that holds another run.
        """
        self.task, self.settings, self.out = task, task.settings, out
        self.on_step, self.on_epoch = on_step, on_epoch
        self.stopwatch = task.stopwatch = stopwatch or Stopwatch()
        settings = self.settings
        existing = check_out(out, task, resume) and (out / CHECKPOINT).exists()
        if settings.device == "cuda" and not torch.cuda.is_available():
            raise UserError("device", "cuda", "use auto or cpu", why="but this PyTorch sees no CUDA GPU")
        on_gpu = settings.device == "cuda" or (settings.device == "auto" and torch.cuda.is_available())
        self.fabric = launch(settings, on_gpu)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.network = task.build(settings, task.describe())
        task.prepare()
        task.adopt(self.network)
        if self.fabric.world_size > 1:
            self.network = sync_batch_norm(self.network, on_gpu)
        self.optimiser: torch.optim.Optimizer = torch.optim.Adam(
            self.network.parameters(), lr=settings.lr, eps=task.adam_epsilon
        )
        self.forward, self.stepper = self.fabric.setup(self.network, self.optimiser)
        task.device = self.fabric.device
        if on_gpu:
            self.stopwatch.wait = torch.cuda.synchronize
        self.position = read_position(out / CHECKPOINT, len(settings.phases)) if existing else Position()
        self.sums: dict[str, Tensor] = {}
        self._begin_phase()
        if existing:
            self.position, sums = restore_checkpoint(
                out / CHECKPOINT, self.modules, self.optimiser, len(settings.phases)
            )
            self.sums = {name: value.to(self.fabric.device) for name, value in sums.items()}
        self.saved_at = self.started_at = time.monotonic()

    def _begin_phase(self) -> None:
        self.phase = phase = self.settings.phases[self.position.phase]
        self.task.begin(phase)
        self.modules = {"model": self.network, **self.task.modules}
        self.steps = -(-self.task.items // phase.batch_size)

    @property
    def _epoch(self) -> int:
        """Number of epochs finished in this phase."""
        return self.position.epoch - self.position.phase_start

    @property
    def _place(self) -> Place:
        position = self.position
        return Place(self.settings.seed, position.epoch, position.step, self._epoch + position.step / self.steps)

    def run(self) -> Position:
        """Train, write the run directory, and return the final position with the reason why the run ended.

        Raises:
            UserError: if the directory cannot be written to, or the loss is not finite.
            Interrupted: on SIGINT, after a checkpoint has been written.
        """
        position = self.position
        if self.complete:
            self._describe()  # settings that do not affect completed training, such as a larger patience
            return position
        position.finished = ""
        ensure_directory(self.out)
        if not self.fabric.is_global_zero:
            return self._watched()
        with alone_in(self.out), keep_events(self.out / EVENTS):
            try:
                return self._watched()
            except UserError as error:
                event(_log, "failed", str(error))
                raise

    def _watched(self) -> Position:
        """Run; a connection closed because another process ended becomes a `UserError`."""
        try:
            return self._run()
        except RuntimeError as error:
            if not is_lost_connection(error):
                raise
            why = "another process of the training has ended"
            raise UserError(self.out, self.out, "run the same command with `resume` to continue", why) from error

    def _run(self) -> Position:
        position = self.position
        self._describe()
        event(
            _log,
            "began",
            f"{self.out}: training {'goes on' if position.epoch or position.step else 'begins'}",
            task=self.task.name,
            epoch=position.epoch,
            step=position.step,
            items=self.task.items,
            processes=self.fabric.world_size,
            device=str(self.fabric.device),
            versions=versions(),
            hardware=hardware(),
        )
        self.stopwatch.start()
        log = MetricsLog(self.out, position.epoch) if self.fabric.is_global_zero else None
        try:
            with stop_on_sigint() as stopped:
                while True:
                    ended = self._run_phase(log, stopped)
                    if position.phase + 1 == len(self.settings.phases):
                        break
                    self._next_phase()
        finally:
            if log is not None:
                log.close()
        position.finished = ended
        self._save()
        event(_log, "ended", f"{self.out}: {ended}", epoch=position.epoch, best_epoch=position.best_epoch)
        return position

    def _run_phase(self, log: MetricsLog | None, stopped: Callable[[], bool]) -> str:
        """Train to the end of a phase; return why it ended."""
        phase = self.phase
        if self.task.wants_start:
            self.task.follow(self._measure().terms)
        while self._epoch < phase.epochs:
            self._train_epoch(stopped)
            row = self._close_epoch()
            self.stopwatch.lap(EPOCH_END)
            if log is not None:
                log.add(row)
                event(_log, "epoch", f"{self.out}: epoch {self.position.epoch} done", **row)
            self.on_epoch(row)
            if ended := self._ended:
                return ended
            if time.monotonic() - self.saved_at > SAVE_SECONDS:
                self._save()
            self.stopwatch.lap("log")
        return "all epochs done"

    def _next_phase(self) -> None:
        """Continue from the best weights so far, which count as best until an epoch of the new phase is better."""
        position = self.position
        position.phase, position.phase_start, position.waited = position.phase + 1, position.epoch, 0
        position.drops = position.since_drop = 0
        self.fabric.barrier()
        self.network.load_state_dict(load_tensors(self.out / WEIGHTS)[0])
        self.optimiser.state.clear()
        self._begin_phase()
        terms = self._measure().terms
        self.task.follow(terms)
        position.best_terms = {name: float(value) for name, value in terms.items()}
        self._save()

    @property
    def _ended(self) -> str:
        """Reason why the phase ended before its last epoch; empty if it did not."""
        phase, position = self.phase, self.position
        if phase.patience and position.waited >= phase.patience:
            return f"no better validation loss for {phase.patience} epochs"
        if position.drops and phase.learning_rate(self._epoch, position.drops) < phase.lr_least:
            return f"learning rate below {phase.lr_least:g}"
        return ""

    @property
    def complete(self) -> bool:
        """Whether nothing is left to train: the run has finished, and no limit has been increased since."""
        return bool(self.position.finished) and (self._epoch >= self.phase.epochs or bool(self._ended))

    def _train_epoch(self, stopped: Callable[[], bool]) -> None:
        phase, position = self.phase, self.position
        self.forward.train()
        while position.step < self.steps:
            place = self._place
            done = self._epoch * self.steps + position.step
            warm = min(1.0, (done + 1) / phase.lr_warmup) if phase.lr_warmup else 1.0
            for group in self.optimiser.param_groups:
                group["lr"] = warm * phase.learning_rate(place.progress, position.drops)
            self._step(place)
            position.step += 1
            self.on_step(position.epoch, position.step, self.steps)
            stop = self._in_any(stopped())
            if stop or time.monotonic() - self.saved_at > SAVE_SECONDS:
                self._save()
            if stop:
                event(_log, "interrupted", f"{self.out}: stopped", epoch=position.epoch, step=position.step)
                raise Interrupted(f"stopped in epoch {position.epoch + 1}")
            self.stopwatch.lap("log")

    def _step(self, place: Place) -> None:
        """Take a step, or skip the batch where its loss or a gradient is not finite."""
        task = self.task
        before = {name: value.clone() for name, value in self._buffers()}
        batch = self._batch(place)
        self.stopwatch.lap("batch")
        terms = task.terms(self.forward, batch.tensors, place)
        whole = self._gather(terms, batch)
        summary = task.summarise(whole)
        task.follow(summary)
        loss = task.weigh(whole, place.progress)
        self.stepper.zero_grad()
        self.stopwatch.lap("terms")
        self.fabric.backward(self._share(loss, whole, terms))
        self.stopwatch.lap("network, backward")
        if not self._finite(loss):
            for name, value in self._buffers():
                value.copy_(before[name])
            self._skip(place, batch, whole, loss)
            return
        if task.gradient_norm:
            self.fabric.clip_gradients(
                self.forward, self.stepper, max_norm=task.gradient_norm, error_if_nonfinite=False
            )
        self.stepper.step()
        self.stopwatch.lap(UPDATE)
        for name, value in {**summary, "loss": loss}.items():
            self._add(name, value.detach().double() * batch.size)

    def _buffers(self) -> Iterator[tuple[str, Tensor]]:
        """State that a step changes besides weights: batch-normalisation means, averages behind variable weights."""
        for name, module in self.modules.items():
            yield from module.named_buffers(name)

    def _add(self, name: str, value: Tensor) -> None:
        self.sums[name] = self.sums.get(name, torch.zeros_like(value)) + value

    def _batch(self, place: Place) -> _Batch:
        """This process's share of the batch of a step."""
        whole = self.task.batch(place)
        size, fabric = len(next(iter(whole.values()))), self.fabric
        # Every process draws the whole batch and takes every n-th row; a batch that does not divide evenly is padded
        # with rows from its start, since the network must be called in the same way in every process.
        count = -(-size // fabric.world_size) * fabric.world_size
        self.task.items_per_process = size / fabric.world_size
        mine = torch.arange(fabric.global_rank, count, fabric.world_size) % size
        return _Batch(mine, {name: value[mine].to(fabric.device) for name, value in whole.items()}, size)

    def _gather(self, terms: Mapping[str, Tensor], batch: _Batch) -> dict[str, Tensor]:
        """The terms of the whole batch, each ``(B,)`` in its order, from those of this process's share."""
        if self.fabric.world_size == 1:
            return dict(terms)
        shares = self.fabric.all_gather(torch.stack([value.detach() for value in terms.values()]))
        every = torch.as_tensor(shares).permute(1, 2, 0).flatten(1)[:, : batch.size]  # process i has rows i, i + n, ...
        return {name: value.requires_grad_() for name, value in zip(terms, every, strict=True)}

    def _share(self, loss: Tensor, whole: Mapping[str, Tensor], terms: Mapping[str, Tensor]) -> Tensor:
        """A scalar whose gradients, averaged over all processes, are those of the loss of a whole batch.

        The loss is any function of the terms of all items. So each process weights the terms of its own items by the
        derivative of the loss with respect to them, times the number of processes.
        """
        count, first = self.fabric.world_size, self.fabric.global_rank
        if count == 1:
            return loss
        found = torch.autograd.grad(loss, list(whole.values()), allow_unused=True)
        share = torch.zeros_like(loss)
        for (name, value), by_term in zip(whole.items(), found, strict=True):
            if by_term is not None:
                mine = by_term[first : len(value) : count]
                share = share + count * (mine * terms[name][: len(mine)]).sum() + 0.0 * terms[name][len(mine) :].sum()
        return share

    def _in_any(self, truth: bool) -> bool:
        """Whether `truth` holds in any process; all have to stop after the same step."""
        if self.fabric.world_size == 1:
            return truth
        mean = self.fabric.all_reduce(torch.tensor(float(truth), device=self.fabric.device))
        return bool(torch.as_tensor(mean) > 0.0)

    def _finite(self, loss: Tensor) -> bool:
        """Whether loss and gradients are finite, in every process."""
        gradients = [weight.grad for weight in self.network.parameters() if weight.grad is not None]
        if self.settings.precision == "16-mixed":  # its scaler skips steps until its scale is small enough
            gradients = []
        return not self._in_any(not all_finite([loss, *gradients]))

    def _skip(self, place: Place, batch: _Batch, terms: Mapping[str, Tensor], loss: Tensor) -> None:
        """Count a non-finite batch, or stop where the settings require it, with a checkpoint from before it."""
        task, position = self.task, self.position
        self.stepper.zero_grad()
        sound = bool(all_finite(self._state()))
        if self.settings.on_nonfinite == "stop" or not sound or SKIPPED not in self.sums:
            fault = self._fault(place, batch, terms, loss)
            if self.settings.on_nonfinite == "stop" and sound:
                self._save()
                raise UserError(self.out, self.out, f"{task.remedy}, or add `resume` and `on_nonfinite` skip", fault)
            if not sound:
                raise UserError(self.out, self.out, task.remedy, fault)
            _log.warning("%s: skipped, and so are others of this epoch", fault, extra={"event": "skipped"})
        position.skipped += 1
        self._add(SKIPPED, torch.ones((), dtype=torch.float64, device=self.fabric.device))
        self._add(SKIPPED_ITEMS, torch.full((), float(batch.size), dtype=torch.float64, device=self.fabric.device))

    def _fault(self, place: Place, batch: _Batch, terms: Mapping[str, Tensor], loss: Tensor) -> str:
        """Describe which term, or gradient of a term, is not finite in a step, and for which items."""
        task, kind = self.task, "term"
        names, rows = _named(nonfinite_terms(terms))
        if names or all_finite([loss]):
            kind = "term" if names else "gradient of the term"
            self.network.eval()
            with self.fabric.autocast(), torch.set_grad_enabled(not names):
                bad = nonfinite_items(
                    lambda part: task.terms(self.network, part, place), batch.tensors, self.network, not names
                )
            self.network.train()
            none = torch.zeros(len(batch.rows), device=self.fabric.device)
            table = self._gather({name: bad[name].float() if name in bad else none for name in terms}, batch)
            alone = _named({name: bad_rows > 0.0 for name, bad_rows in table.items() if (bad_rows > 0.0).any()})
            names, rows = (names or alone[0], alone[1] if alone[0] else rows)
        if names:
            what = f"the {kind}{'s' if len(names) > 1 else ''} {' and '.join(names)}"
        else:  # each term is finite by itself
            what, rows = "the loss" if kind == "term" else "the gradient of the loss", torch.arange(batch.size)
        verb = "are" if len(names) > 1 else "is"
        step = f"step {place.step + 1} of {self.steps}"
        return f"{what} {verb} not finite in epoch {place.epoch + 1}, {step}, {task.locate(rows, place)}"

    def _state(self) -> Iterator[Tensor]:
        """Tensors of a checkpoint that have to be finite; squares of gradients may be infinite and stop a weight."""
        for module in self.modules.values():
            yield from (value for value in module.state_dict().values() if value.is_floating_point())

    def measure_epoch(self) -> float:
        """Estimated duration of an epoch of the current phase, in seconds.

        Measured on one training step and some validation items after a warm-up step that loads what they need; the run
        is left unchanged.
        """
        seconds = 0.0
        kept = {name: value.clone() for name, value in self.network.state_dict().items()}
        for _ in range(2):
            begun = time.monotonic()
            place = self._place._replace(step=0)
            batch = self._batch(place)
            terms = self.task.terms(self.forward, batch.tensors, place)
            whole = self._gather(terms, batch)
            loss = self.task.weigh(whole, math.inf)
            self.fabric.backward(self._share(loss, whole, terms))
            float(loss.detach())  # synchronises with an accelerator
            seconds = (time.monotonic() - begun) * self.steps
            self.stepper.zero_grad()
        begun = time.monotonic()
        self._measure(TIMED)
        self.network.load_state_dict(kept)  # the running means of a batch normalisation
        return seconds + (time.monotonic() - begun) * max(1.0, self.task.validation_items / TIMED)

    @torch.no_grad()
    def _measure(self, limit: int | None = None) -> Validation:
        self.forward.eval()
        measured = self.task.validate(self.forward, limit)
        if bad := [name for name, value in measured.terms.items() if not value.isfinite()]:
            rows = torch.cat(
                [rows.nonzero()[:, 0] for rows in nonfinite_terms(measured.each).values()] or [torch.arange(0)]
            )
            where = f", {self.task.locate(rows.cpu().unique(), None)}" if len(rows) else ""
            fault = f"the validation {' and '.join(bad)} of epoch {self.position.epoch + 1} not finite{where}"
            raise UserError(self.out, self.out, self.task.remedy, fault)
        return measured

    @torch.no_grad()
    def _close_epoch(self) -> dict[str, float]:
        """Validation terms, the early-stopping decision, the row for the log."""
        position, task = self.position, self.task
        measured = self._measure()
        task.follow(measured.terms, validation=True)
        skipped, skipped_items = (float(self.sums.pop(name, torch.zeros(()))) for name in (SKIPPED, SKIPPED_ITEMS))
        if skipped == self.steps:
            fault = f"every batch of epoch {position.epoch + 1} was skipped: no loss or gradient was finite"
            raise UserError(self.out, self.out, task.remedy, fault)
        train = {name: value / (task.items - skipped_items) for name, value in self.sums.items()}
        row = {"epoch": float(position.epoch), "phase": float(position.phase)}
        row |= {"lr": self.phase.learning_rate(self._epoch, position.drops)} | task.row(train, measured, self._epoch)

        # Weights may change, so the best epoch so far is weighted again with the current ones: validation/total is
        # compared with validation/best.
        total = float(task.total(measured.terms))
        known = {
            name: torch.tensor(value, dtype=torch.float64, device=self.fabric.device)
            for name, value in position.best_terms.items()
        }
        if known and not measured.terms.keys() <= known.keys():
            raise UserError(
                f"{self.out / CHECKPOINT}: best_terms",
                sorted(known),
                "remove the checkpoint and train again, or copy it from where it is whole",
                why=f"where the terms are {sorted(measured.terms)}",
            )
        best = float(task.total(known)) if known else math.inf
        better = total < best
        row["validation/best"] = row["validation/total"] if better else best
        if self.settings.on_nonfinite == "skip":
            row["skipped"] = skipped
        if not all(math.isfinite(value) for value in (total, *row.values())):
            bad = ", ".join(name for name, value in row.items() if not math.isfinite(value)) or "validation/total"
            fault = f"{bad} of epoch {position.epoch + 1} not finite"
            raise UserError(self.out, self.out, task.remedy, fault)
        if better:
            position.best_epoch, position.waited, position.since_drop = position.epoch, 0, 0
            position.best_terms = {name: float(value) for name, value in measured.terms.items()}
            if self.fabric.is_global_zero:
                save_tensors(self.out / WEIGHTS, self.network.state_dict(), {"epoch": position.epoch})
        else:
            position.waited, position.since_drop = position.waited + 1, position.since_drop + 1
            if self.phase.lr_schedule == "plateau" and position.since_drop >= self.phase.lr_patience:
                position.drops, position.since_drop = position.drops + 1, 0
        position.epoch, position.step, self.sums = position.epoch + 1, 0, {}
        return row

    def _save(self) -> None:
        """Write a checkpoint from the first process: all hold the same weights and sums."""
        if not all_finite(self._state()):
            fault = f"the weights are not finite in epoch {self.position.epoch + 1} after step {self.position.step}"
            raise UserError(self.out, self.out, self.task.remedy, fault)
        now = time.monotonic()
        self.position.seconds += now - self.started_at
        self.saved_at = self.started_at = now
        if self.fabric.is_global_zero:
            save_checkpoint(self.out / CHECKPOINT, self.modules, self.optimiser, self.sums, self.position)
            self._describe()
            event(
                _log,
                "checkpoint",
                f"{self.out / CHECKPOINT}: written",
                epoch=self.position.epoch,
                step=self.position.step,
            )

    def _describe(self) -> None:
        if self.fabric.is_global_zero:
            write_description(self.out, self.task, asdict(self.position))


def _named(bad: Mapping[str, Tensor]) -> tuple[list[str], Tensor]:
    """Names of bad terms, and the rows of the batch in which one is bad, from `nonfinite_terms`."""
    rows = torch.stack(list(bad.values())).any(0).nonzero()[:, 0].cpu() if bad else torch.arange(0)
    return sorted(bad), rows
