"""Training of an audio encoder for a run, on presets that are drawn and rendered on demand."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from synthvae.core.errors import UserError
from synthvae.core.files import load_tensors, remove_directory
from synthvae.features.log_mel_resolutions import MultiResolutionLogMel
from synthvae.models.audio_encoder import ENCODER_FILE, HIDDEN, AudioEncoder, write_encoder
from synthvae.synths.rendering import build_synth
from synthvae.training.finite import listed
from synthvae.training.lock import alone_in
from synthvae.training.run import WEIGHTS, Run, has_ability
from synthvae.training.settings import DATA, NETWORK, Settings, setting
from synthvae.training.spaces import is_space
from synthvae.training.tasks.base import AUDIO, Place, Task, Validation
from synthvae.training.trainer import train

__all__ = ["AudioEncoderSettings", "AudioEncoderTask", "EncoderReport", "encoder_run", "measure_encoder"]
__all__ += ["train_encoder"]

BATCH = 64
#: Maximum number of epochs, and so of measurements of the encoder during training.
EPOCHS = 20
#: Number of presets on which the encoder is measured, and their seed, which training never uses.
VALIDATION, VALIDATION_SEED = 256, 2**40
TERM = "negative_log_likelihood"


@dataclass(frozen=True)
class AudioEncoderSettings(Settings):
    """Settings of a training on uniform presets, each rendered once."""

    batch_size: int = BATCH
    lr: float = 1e-3
    lr_schedule: str = "cosine"
    lr_warmup: int = 100
    patience: int = 0
    presets: int = setting(100_000, "To render and learn from.", DATA, least=BATCH)
    hidden: int = setting(HIDDEN, "Width of the layers after the convolutions.", NETWORK, least=1)

    @classmethod
    def of(cls, presets: int, seed: int, on_nonfinite: str = "stop") -> AudioEncoderSettings:
        """Settings for a number of presets: whole batches, divided over as many equal epochs as `EPOCHS` allows."""
        batches = presets // BATCH
        epochs = max(count for count in range(1, EPOCHS + 1) if batches % count == 0)
        return cls(presets=presets, seed=seed, epochs=epochs, on_nonfinite=on_nonfinite)


class AudioEncoderTask(Task[AudioEncoderSettings]):
    """An `AudioEncoder` trained to predict the posterior mean of a run's own encoder from the preset's sound."""

    name = "audio-encoder"
    settings_type = AudioEncoderSettings
    abilities = frozenset({AUDIO})
    otherwise = "replace `resume` by `overwrite` to start anew"
    gradient_norm = 1.0

    def __init__(self, settings: AudioEncoderSettings, run: Run) -> None:
        """Set up the training of an encoder that predicts the latents of `run`."""
        super().__init__(settings)
        run.require("parameters")
        self.run = run

    def describe(self) -> dict[str, Any]:
        """Weights hash of the run, and the shape of the encoder's input and output."""
        run = self.run
        return {
            "weights_hash": run.weights_hash,
            "latent_size": run.latent_size,
            "sample_rate": run.settings.sample_rate,
            "samples": run.voice.samples,
        }

    @classmethod
    def build(cls, settings: AudioEncoderSettings, description: Mapping[str, Any]) -> AudioEncoder:
        """Build an encoder of the described shape."""
        latent_size, sample_rate, samples = (int(description[n]) for n in ("latent_size", "sample_rate", "samples"))
        return AudioEncoder(latent_size, sample_rate, samples, settings.hidden)

    def adopt(self, model: nn.Module) -> None:
        """Store the encoder, which computes the spectrograms on the network's device."""
        assert isinstance(model, AudioEncoder)
        self.encoder = model

    def begin(self, phase: AudioEncoderSettings) -> None:
        """Divide the presets over the epochs, and draw the validation presets."""
        super().begin(phase)
        steps = phase.presets // phase.batch_size // phase.epochs
        self.items, self.validation_items = steps * phase.batch_size, VALIDATION
        self.validation_unit = _draw(self.run, VALIDATION, VALIDATION_SEED, 0)
        # A copy, so that the run stays on its device.
        self.model = copy.deepcopy(self.run.model).to(self.device)
        self.voice = build_synth(self.run.parameters, self.run.settings).to(self.device)

    def batch(self, place: Place) -> dict[str, Tensor]:
        """Uniform presets, different in every step of the run."""
        return {"unit": _draw(self.run, self.phase.batch_size, place.seed, self._step(place))}

    def _step(self, place: Place) -> int:
        """Number of steps of the run before this one."""
        return place.epoch * (self.items // self.phase.batch_size) + place.step

    def locate(self, rows: Tensor, place: Place | None) -> str:
        """Numbers of presets in the order in which they are drawn."""
        first = self._step(place) * self.phase.batch_size if place else 0
        seed = place.seed if place else VALIDATION_SEED
        return f"presets {listed((rows + first).tolist())} of those drawn with seed {seed}"

    def terms(self, model: nn.Module, batch: Mapping[str, Tensor], place: Place) -> dict[str, Tensor]:
        """Negative log likelihood of the run's latents in nats, up to a constant, averaged over dimensions."""
        return self._terms(model, batch["unit"])

    def _terms(self, model: nn.Module, unit: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            latent, spectrogram = self.model.encode(unit)[0], self.encoder.spectrogram(self.voice(unit))
        mean, log_variance = model(spectrogram)
        return {TERM: 0.5 * ((latent - mean).square() * (-log_variance).exp() + log_variance).mean(1)}

    def weigh(self, terms: Mapping[str, Tensor], progress: float) -> Tensor:
        """Return the single term."""
        return terms[TERM].mean()

    def validate(self, model: nn.Module, limit: int | None = None) -> Validation:
        """The same term on the validation presets."""
        parts = [self._terms(model, unit.to(self.device)) for unit in self.validation_unit[:limit].split(BATCH)]
        each = torch.cat([part[TERM] for part in parts]).double()
        return Validation({TERM: each.mean()}, each={TERM: each})


@dataclass(frozen=True)
class EncoderReport:
    """Quality of an encoder on unseen presets.

    Attributes:
        path: path of the encoder's file.
        presets: number of presets that it was trained on.
        explained: share of the variance of each latent dimension that its means explain, ``(D,)``.
        distance: median distance in dB between the sounds and those decoded from the encoder's means.
        of_latents: the same for the true latents: the best that an encoder can achieve.
        of_mean_preset: the same for the mean preset in place of every preset.
        of_random: the same for another preset.
        skipped: number of batches skipped in training because they were not finite.
    """

    path: Path
    presets: int
    explained: Tensor
    distance: float
    of_latents: float
    of_mean_preset: float
    of_random: float
    skipped: int = field(default=0, kw_only=True)


def encoder_run(run: Run) -> Path:
    """Run directory of the training of a run's audio encoder."""
    return run.path / "audio-encoder"


def train_encoder(
    run: Run,
    presets: int = 100_000,
    seed: int = 0,
    resume: bool = False,
    progress: Callable[[int, str], object] = lambda done, what: None,
    on_nonfinite: str = "stop",
    overwrite: bool = False,
) -> EncoderReport:
    """Train an encoder and write it into the run's directory.

    Uniform presets are drawn and rendered batch by batch, each once. The network with the best validation likelihood is
    written to `ENCODER_FILE`; log and checkpoint are in `encoder_run`, a run directory like any other.

    Args:
        run: the run whose latents are predicted.
        presets: number of presets to train on.
        seed: seed of the presets and the weights.
        resume: continue a stopped training.
        progress: called with the number of presets done and a short message.
        on_nonfinite: what to do with a batch whose loss or gradient is not finite, ``stop`` or ``skip``.
        overwrite: replace an existing training and its encoder.

    Raises:
        UserError: for fewer presets than a batch, an unwritable directory, an existing training that is neither
            continued nor replaced, or one with other settings.
        Interrupted: on SIGINT, after the checkpoint has been written.
    """
    if presets < BATCH:
        raise UserError("presets", presets, f"give at least {BATCH}, one batch")
    if is_space(run.path):
        raise UserError("run", run.path.name, "name the run that it was packed from", "a space is not changed")
    task, out = AudioEncoderTask(AudioEncoderSettings.of(presets, seed, on_nonfinite), run), encoder_run(run)
    if not resume and (out / "run.json").is_file() and has_ability(out, AUDIO):
        if not overwrite:
            remedy = "add `resume` to go on with it, or `overwrite` to replace it"
            raise UserError(out, out, remedy, "an encoder of this run is there already")
        with alone_in(out):
            remove_directory(out)
    remark = ""

    def on_epoch(row: Mapping[str, float]) -> None:
        nonlocal remark
        remark = f"validation: negative log likelihood {row['validation/total']:.3f}"

    def on_step(epoch: int, step: int, steps: int) -> None:
        progress((epoch * steps + step) * BATCH, remark)

    position = train(task, out, resume, on_step, on_epoch)
    encoder = task.encoder
    encoder.load_state_dict(load_tensors(out / WEIGHTS)[0])
    report = measure_encoder(run, encoder.cpu().eval(), task.items * task.settings.epochs)
    report = replace(report, skipped=position.skipped)
    state = {
        "weights_hash": run.weights_hash,
        "presets": report.presets,
        "seed": seed,
        "explained": report.explained.tolist(),
        "distance": report.distance,
    }
    write_encoder(report.path, encoder, state)
    return report


def _draw(run: Run, count: int, seed: int, step: int) -> Tensor:
    """Uniform presets ``(count, P)`` that depend on seed and step alone."""
    # Not `synthvae.core.randomness`, which would draw other presets for a seed than earlier versions.
    state = int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0])
    return torch.rand(count, len(run.parameters), generator=torch.Generator().manual_seed(state % 2**63))


def measure_encoder(run: Run, encoder: AudioEncoder, presets: int) -> EncoderReport:
    """Measure an encoder on presets that no training draws.

    Args:
        run: the run whose latents it predicts.
        encoder: encoder in evaluation mode, on the CPU.
        presets: number of presets that it was trained on, for the report.
    """
    unit = _draw(run, VALIDATION, VALIDATION_SEED, 0)
    latent = run.encode(unit)
    spectra = MultiResolutionLogMel(run.settings.sample_rate, run.voice.samples)
    answers: list[tuple[Tensor, ...]] = []
    with torch.inference_mode():
        neutral = run.voice(torch.full_like(unit[:1], 0.5))
        for part in range(0, VALIDATION, BATCH):
            rows = slice(part, part + BATCH)
            audio = run.voice(unit[rows])
            target = spectra.spectrograms(audio)
            mean, _ = encoder.encode(audio)
            others = (
                run.voice(run.decode(mean)),
                run.voice(run.decode(latent[rows])),
                neutral.expand(len(audio), -1),
                audio.roll(1, 0),
            )
            answers.append((mean, *(spectra.distance(target, other) for other in others)))
    found, *distances = (torch.cat(parts) for parts in zip(*answers, strict=True))
    explained = 1.0 - (found - latent).square().mean(0) / latent.var(0).clamp_min(1e-12)
    medians = (float(distance.median()) for distance in distances)
    return EncoderReport(run.path / ENCODER_FILE, presets, explained, *medians)
