"""Training an audio encoder for a run, on presets rendered as they are needed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from synthvae.errors import UserError
from synthvae.features.log_mel_resolutions import MultiResolutionLogMel
from synthvae.files import ensure_directory
from synthvae.models.audio_encoder import ENCODER_FILE, AudioEncoder, write_encoder
from synthvae.training.checkpoint import Position, restore_checkpoint, save_checkpoint
from synthvae.training.run import Run

__all__ = ["EncoderReport", "Interrupted", "train_encoder"]

BATCH = 64
RATE, WARMUP = 1e-3, 100
#: Presets on which the encoder is measured, drawn with a seed that training never has.
VALIDATION, VALIDATION_SEED = 256, 2**40
SAVE_SECONDS = 30.0
PART_FILE = "audio-encoder.part.safetensors"


class Interrupted(Exception):  # noqa: N818 - no error: somebody pressed Ctrl-C
    """Training was stopped; its checkpoint is written."""


@dataclass(frozen=True)
class EncoderReport:
    """What an encoder is worth on presets it has not seen.

    Attributes:
        path: its file.
        presets: that it was trained on.
        explained: share of the variance of each latent dimension that its means explain, ``(D,)``.
        distance: median distance in dB of the decoded answers to the sounds.
        of_latents: the same where the true latents are decoded: the best that an encoder can do.
        of_mean_preset: of the mean preset, for every sound.
        of_random: of another preset.
    """

    path: Path
    presets: int
    explained: Tensor
    distance: float
    of_latents: float
    of_mean_preset: float
    of_random: float


def train_encoder(
    run: Run,
    presets: int = 100_000,
    seed: int = 0,
    resume: bool = False,
    progress: Callable[[int, str], object] = lambda done, what: None,
) -> EncoderReport:
    """Train an encoder and write it into the run's directory.

    Uniform presets are drawn and rendered batch by batch, each once; the loss is the negative log likelihood of the
    run's own latents (posterior means) under the encoder's Gaussian. Adam, warmed up and falling to 0 by a cosine.

    Args:
        run: whose latents it shall answer with.
        presets: how many to train on.
        seed: of the presets and the weights.
        resume: go on from a checkpoint that was left in the directory.
        progress: called with presets done and a few words.

    Returns:
        What it is worth.

    Raises:
        UserError: for fewer presets than a batch, an unwritable directory, or a checkpoint of other settings.
        Interrupted: after Ctrl-C, the checkpoint written.
    """
    if presets < BATCH:
        raise UserError(f"--presets is {presets}; give at least {BATCH}, one batch")
    ensure_directory(run.path)
    steps = presets // BATCH
    settings = run.settings
    torch.manual_seed(seed)
    encoder = AudioEncoder(run.latent_size, settings.sample_rate, run.voice.samples)
    optimiser = torch.optim.Adam(encoder.parameters(), lr=RATE)
    part, step = run.path / PART_FILE, 0
    modules: dict[str, torch.nn.Module] = {"encoder": encoder}
    if part.exists() and resume:
        position, sums = restore_checkpoint(part, modules, optimiser)
        step = position.step
        if [int(number) for number in sums.get("settings", ())] != [steps, seed]:
            raise UserError(f"{part}: is of other --presets or --seed; give those, or leave out --resume to start anew")

    def keep() -> None:
        save_checkpoint(part, modules, optimiser, {"settings": torch.tensor([steps, seed])}, Position(step=step))

    saved, average = time.monotonic(), math.nan
    encoder.train()
    try:
        while step < steps:
            unit = _draw(run, BATCH, (seed, step))
            latent = run.encode(unit)
            with torch.no_grad():
                heard = encoder.spectrogram(run.voice(unit))
            for group in optimiser.param_groups:
                group["lr"] = RATE * min(1.0, (step + 1) / WARMUP) * 0.5 * (1.0 + math.cos(math.pi * step / steps))
            mean, log_variance = encoder(heard)
            loss = 0.5 * ((latent - mean).square() * (-log_variance).exp() + log_variance).mean()
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
            optimiser.step()
            step += 1
            average = float(loss.detach()) if math.isnan(average) else 0.98 * average + 0.02 * float(loss.detach())
            progress(step * BATCH, f"negative log likelihood {average:.3f}")
            if time.monotonic() - saved > SAVE_SECONDS:
                keep()
                saved = time.monotonic()
    except KeyboardInterrupt:
        keep()
        raise Interrupted(f"stopped after {step * BATCH:,} of {steps * BATCH:,} presets") from None
    report = _measure(run, encoder, steps * BATCH)
    state = {
        "weights_hash": run.weights_hash,
        "presets": report.presets,
        "seed": seed,
        "explained": report.explained.tolist(),
        "distance": report.distance,
    }
    write_encoder(report.path, encoder, state)
    part.unlink(missing_ok=True)
    return report


def _draw(run: Run, count: int, seeds: tuple[int, int]) -> Tensor:
    """Uniform presets ``(count, P)`` that depend on the seeds alone."""
    state = np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0]
    generator = torch.Generator().manual_seed(int(state) % 2**63)
    return torch.rand(count, len(run.parameters), generator=generator)


def _measure(run: Run, encoder: AudioEncoder, presets: int) -> EncoderReport:
    unit = _draw(run, VALIDATION, (VALIDATION_SEED, 0))
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
