"""What a run on recorded sounds is worth, as Markdown tables."""

from __future__ import annotations

from pathlib import Path

from synthvae.analysis import recorded_sounds
from synthvae.analysis.recorded_sounds import ONE_GAUSSIAN, RunMeasurement
from synthvae.training.run import load_run
from synthvae.training.sounds import SoundRun

__all__ = ["measure_run", "run_table"]


def measure_run(path: Path, seed: int = 0) -> RunMeasurement:
    """Measure a run on the library that it was trained on.

    Args:
        path: its directory.
        seed: of draws and halves.

    Raises:
        UserError: if it is no run on recorded sounds, or its library is gone.
    """
    model = SoundRun(load_run(path, needs="sounds"))
    return recorded_sounds.measure_run(model, recorded_sounds.find_library(model), seed)


def run_table(results: list[RunMeasurement]) -> str:
    """The figures as Markdown tables."""
    lines = [
        "squared error of spectrograms of test sounds, as a share of that of their mean spectrogram:",
        "",
        "| run | steps | minutes | model | mean of the label | nearest training sound |",
        "|---|---|---|---|---|---|",
    ]
    for one in results:
        quality = one.quality
        shares = " | ".join(
            f"{ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"
            for ratio in (quality.model, quality.class_mean, quality.nearest)
        )
        lines.append(f"| {one.name} | {one.steps:,} | {one.seconds / 60:.1f} | {shares} |")
    lines += [
        "",
        "Fréchet distance of draws to training sounds (log-mel embedding, dB²), and as a multiple of the floor, two "
        "halves of the training sounds:",
        "",
        "| run | floor | mixture of Gaussians | one Gaussian | standard normal |",
        "|---|---|---|---|---|",
    ]
    for one in results:
        if one.draws is None:
            lines.append(f"| {one.name} | too few sounds | | | |")
            continue
        floor, priors = one.draws.floor, one.draws.priors
        cells = [f"{priors[name]:.1f} ({priors[name] / floor:.1f})" for name in ("aggregate", ONE_GAUSSIAN, "normal")]
        lines.append(f"| {one.name} | {floor:.2f} | {' | '.join(cells)} |")
    lines += ["", "click crest, medians:", "", "| run | originals | Griffin-Lim of the originals | reconstructions |"]
    lines += ["|---|---|---|---|"]
    for one in results:
        crest = one.crest
        medians = ("", "", "") if crest is None else (crest.originals, crest.griffin_lim, crest.reconstructions)
        cells = [value if isinstance(value, str) else f"{value:.2f}" for value in medians]
        lines.append(f"| {one.name} | {' | '.join(cells)} |")
    return "\n".join(lines)
