"""Training an audio encoder for a run, on presets that are drawn and rendered as they are needed."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from synthvae.core.errors import UserError
from synthvae.core.files import load_tensors
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
#: Epochs at most: how often the encoder is measured on the way.
EPOCHS = 20
#: Presets on which the encoder is measured, drawn with a seed that training never has.
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
        """Settings for a number of presets: whole batches, shared out over as many equal epochs as `EPOCHS` allows."""
        batches = presets // BATCH
        epochs = max(count for count in range(1, EPOCHS + 1) if batches % count == 0)
        return cls(presets=presets, seed=seed, epochs=epochs, on_nonfinite=on_nonfinite)


class AudioEncoderTask(Task[AudioEncoderSettings]):
    """An `AudioEncoder` trained to predict the posterior mean of a run's own encoder from the preset's sound."""

    name = "audio-encoder"
    settings_type = AudioEncoderSettings
    abilities = frozenset({AUDIO})
    otherwise = "leave out `resume` to start anew"
    gradient_norm = 1.0

    def __init__(self, settings: AudioEncoderSettings, run: Run) -> None:
        """Set up the training of an encoder that predicts the latents of `run`."""
        super().__init__(settings)
        run.require("parameters")
        self.run = run

    def describe(self) -> dict[str, Any]:
        """The run by its weights, and the shape of what is encoded."""
        run = self.run
        return {
            "weights_hash": run.weights_hash,
            "latent_size": run.latent_size,
            "sample_rate": run.settings.sample_rate,
            "samples": run.voice.samples,
        }

    @classmethod
    def build(cls, settings: AudioEncoderSettings, description: Mapping[str, Any]) -> AudioEncoder:
        """An encoder of that shape."""
        latent_size, sample_rate, samples = (int(description[n]) for n in ("latent_size", "sample_rate", "samples"))
        return AudioEncoder(latent_size, sample_rate, samples, settings.hidden)

    def adopt(self, model: nn.Module) -> None:
        """Store the encoder, which computes the spectrograms on the network's device."""
        assert isinstance(model, AudioEncoder)
        self.encoder = model

    def begin(self, phase: AudioEncoderSettings) -> None:
        """Share the presets out over the epochs, and draw those of the validation."""
        super().begin(phase)
        steps = phase.presets // phase.batch_size // phase.epochs
        self.items, self.validation_items = steps * phase.batch_size, VALIDATION
        self.validation_unit = _draw(self.run, VALIDATION, VALIDATION_SEED, 0)
        # Of its own, so that the run stays on its device.
        self.model = copy.deepcopy(self.run.model).to(self.device)
        self.voice = build_synth(self.run.parameters, self.run.settings).to(self.device)

    def batch(self, place: Place) -> dict[str, Tensor]:
        """Uniform presets, other ones in every step of the run."""
        return {"unit": _draw(self.run, self.phase.batch_size, place.seed, self._step(place))}

    def _step(self, place: Place) -> int:
        """Steps of the run before this one."""
        return place.epoch * (self.items // self.phase.batch_size) + place.step

    def locate(self, rows: Tensor, place: Place | None) -> str:
        """Their numbers in the order in which they are drawn."""
        first = self._step(place) * self.phase.batch_size if place else 0
        seed = place.seed if place else VALIDATION_SEED
        return f"presets {listed((rows + first).tolist())} of those drawn with seed {seed}"

    def terms(self, model: nn.Module, batch: Mapping[str, Tensor], place: Place) -> dict[str, Tensor]:
        """The negative log likelihood of the run's latents in nats, but for a constant: a mean over dimensions."""
        return self._terms(model, batch["unit"])

    def _terms(self, model: nn.Module, unit: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            latent, spectrogram = self.model.encode(unit)[0], self.encoder.spectrogram(self.voice(unit))
        mean, log_variance = model(spectrogram)
        return {TERM: 0.5 * ((latent - mean).square() * (-log_variance).exp() + log_variance).mean(1)}

    def weigh(self, terms: Mapping[str, Tensor], progress: float) -> Tensor:
        """The one term."""
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
        path: its file.
        presets: that it was trained on.
        explained: share of the variance of each latent dimension that its means explain, ``(D,)``.
        distance: median distance in dB of the decoded answers to the sounds.
        of_latents: the same where the true latents are decoded: the best that an encoder can do.
        of_mean_preset: of the mean preset, for every sound.
        of_random: of another preset.
        skipped: batches that were left out of the training because they were not finite.
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
) -> EncoderReport:
    """Train an encoder and write it into the run's directory.

    Uniform presets are drawn and rendered batch by batch, each once. The network with the best validation likelihood is
    written to `ENCODER_FILE`; log and checkpoint are in `encoder_run`, a run directory like any other.

    Args:
        run: the run whose latents are predicted.
        presets: how many to train on.
        seed: of the presets and the weights.
        resume: go on with a training that was stopped; without, one that is there is replaced.
        progress: called with presets done and a few words.
        on_nonfinite: what to do with a batch whose loss or gradient is not finite, ``stop`` or ``skip``.

    Raises:
        UserError: for fewer presets than a batch, an unwritable directory, or a training with other settings.
        Interrupted: after Ctrl-C, the checkpoint written.
    """
    if presets < BATCH:
        raise UserError("presets", presets, f"give at least {BATCH}, one batch")
    if is_space(run.path):
        raise UserError("run", run.path.name, "name the run that it was packed from", "a space is not changed")
    task, out = AudioEncoderTask(AudioEncoderSettings.of(presets, seed, on_nonfinite), run), encoder_run(run)
    if not resume and (out / "run.json").is_file() and has_ability(out, AUDIO):
        with alone_in(out):
            shutil.rmtree(out)
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
    # Not `synthvae.core.randomness`, which would draw other presets for a seed than earlier versions did.
    state = int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0])
    return torch.rand(count, len(run.parameters), generator=torch.Generator().manual_seed(state % 2**63))


def measure_encoder(run: Run, encoder: AudioEncoder, presets: int) -> EncoderReport:
    """Measure an encoder on presets that no training draws.

    Args:
        run: the run whose latents it predicts.
        encoder: in evaluation mode, on the CPU.
        presets: that it was trained on, for the report.
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
