"""Report sections with sounds: reconstructions from the best to the worst, and prior samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from synthvae.analysis.results import Results, RunResults
from synthvae.naming import name_sounds
from synthvae.report.document import FigureItem, Section, SoundTable, sound_row

__all__ = ["answer", "example_indices", "listening", "one_sound"]

#: Quantiles of the log-mel error at which a run's example sounds are taken.
EXAMPLES = (0.05, 0.25, 0.5, 0.75, 0.95)
PRIOR_EXAMPLES = 4


def example_indices(run: RunResults) -> list[int]:
    """Test presets at the quantiles `EXAMPLES` of a run's log-mel error, from the best to the worst."""
    order = np.argsort(run.sounds.errors["logmel"].mse)
    return [int(order[round(quantile * (len(order) - 1))]) for quantile in EXAMPLES]


def answer(run: RunResults, index: int) -> Tensor:
    """The sound ``(T,)`` of a reconstruction."""
    return render(run, run.sounds.unit[index : index + 1])[0]


def render(run: RunResults, unit: Tensor) -> Tensor:
    """The sounds ``(B, T)`` of presets."""
    with torch.inference_mode():
        audio: Tensor = run.run.voice(unit)
    return audio


def listening(run: RunResults, results: Results, images: Mapping[str, bytes], seed: int) -> Section:
    """Reconstructions with their figures, and draws of the prior."""
    rate, tests = results.tests.sample_rate, results.tests
    rows, loud = [], run.distances["energy_weighted_logmel"].values
    for quantile, index in zip(EXAMPLES, example_indices(run), strict=True):
        number, error = tests.numbers[index], run.sounds.errors["logmel"].mse[index]
        figure = FigureItem(
            images[f"{run.name}_preset_{number}"],
            f"Waveforms and log-mel spectrograms of preset {number} and its reconstruction",
            "Waveforms overlaid, and log-mel spectrograms in dB on one colour scale.",
        )
        detail = (
            f"log-mel error {error:.0f} dB², better than {100 * (1 - quantile):.0f} % of the test presets; weighted by "
            f"energy {loud[index]:.0f} dB, better than {100 * (loud > loud[index]).mean():.0f} %"
        )
        pair = (tests.audio[index].numpy(), answer(run, index).numpy())
        rows.append(sound_row(results.title(index), ("original", "reconstruction"), pair, rate, detail, figure))
    sounds = render(run, run.run.sample(PRIOR_EXAMPLES, seed))
    prior = [
        sound_row(f"{named.name} (prior sample {number})", ["sound"], [audio.numpy()], rate)
        for number, (named, audio) in enumerate(zip(name_sounds(sounds, rate), sounds, strict=True))
    ]
    return Section(
        f"Listen: {run.name}",
        ["From the best reconstructions to the worst, then sounds that were never in the dataset."],
        [SoundTable("Test presets and their reconstructions", rows), SoundTable("Prior samples", prior)],
    )


def one_sound(results: Results, images: Mapping[str, bytes], example: int) -> Section:
    """One test preset and its reconstruction by every run."""
    tests = results.tests
    number = tests.numbers[example]
    figure = FigureItem(
        images["waveforms"],
        f"Waveforms of preset {number} and of its reconstructions, one row per run",
        "Waveforms overlaid: the whole sound, and the loudest excerpt of the original. Where the peaks of both "
        "lie on one another the phase is right too.",
    )
    labels, sounds = ["original"], [tests.audio[example].numpy()]
    for run in results.runs:
        labels.append(run.name)
        sounds.append(answer(run, example).numpy())
    row = sound_row(results.title(example), labels, sounds, tests.sample_rate, figure=figure)
    text = (
        f"Test preset {number}, fixed before any measurement (the first by default), and its reconstruction by "
        "every run."
    )
    caption = "The original and every reconstruction"
    return Section("One test sound, all runs", [text], [SoundTable(caption, [row])])
