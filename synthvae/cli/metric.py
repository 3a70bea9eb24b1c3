"""``metric``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthvae.cli.progress import progress_bar
from synthvae.errors import UserError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("metric")(metric)


def metric(
    dataset: Annotated[Path, typer.Argument(help="A dataset made with generate-dataset.")],
    feature: Annotated[str, typer.Option(help="What is heard: logmel, stft, mfcc or cqt.")] = "logmel",
    limit: Annotated[int, typer.Option(help="Presets of the training split that are averaged, at most.")] = 2000,
    keep: Annotated[int, typer.Option(help="Keep the matrices of so many single presets.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Compute it again where it is there.")] = False,
) -> None:
    """Measure what each parameter does to the sound.

    Two measures: the perceptual metric, local slopes from the Voice's Jacobian, and the effect of each parameter over
    its whole range. Writes the metric beside the dataset, with a table (CSV) and a figure (PNG) of both. Stopped and
    called again, it goes on.

    Example: `synthvae metric datasets/presets.json --limit 2000`
    """
    if limit < 2 or keep < 0:
        raise UserError(f"--limit {limit}, --keep {keep}: give at least 2 presets, and 0 or more to keep")
    import pandas as pd

    from synthvae import perception
    from synthvae.analysis.figures import save_figure, sensitivity_chart
    from synthvae.analysis.report import write_csv
    from synthvae.features import build_feature
    from synthvae.presets.dataset import read_dataset
    from synthvae.synth.voice import Voice

    data = read_dataset(dataset)
    path = perception.metric_path(dataset, feature)
    measured = build_feature(feature, data.header.settings.sample_rate)
    if path.exists() and not overwrite:
        raise UserError(f"{path}: is there already; add --overwrite to compute it again")
    voice = Voice(data.parameters, **data.header.settings.to_dict())
    count = min(limit, len(data.split("train")))
    names = data.parameters.names
    with progress_bar("exchanging values", len(names)) as update:
        effect = perception.effect_on_dataset(voice, measured, data, lambda done: update(done, ""))
    with progress_bar("differentiating", count) as update:
        result = perception.compute_metric(
            voice, measured, data, effect, limit, keep, path.with_suffix(".part"), lambda done: update(done, "")
        )
    perception.write_metric(path, result)
    changes = effect.sqrt().numpy()
    order = changes.argsort()[::-1]
    table = pd.DataFrame(
        {
            "parameter": [names[i] for i in order],
            "rms_change_over_range": changes[order],
            "rms_slope_per_unit": result.slope.numpy()[order],
        }
    )
    write_csv(table, path.with_suffix(".csv"))
    save_figure(sensitivity_chart(names, changes, feature), path.with_suffix(".png"))
    print(f"{path}: the metric of {result.count:,} presets; beside it a table and a figure")
    pairs = min(perception.EFFECT_PRESETS, len(data.split("train")))
    print(f"most heard when exchanged alone ({pairs} presets, root mean square change):")
    for i in order[:5]:
        print(f"  {names[i]:32} {changes[i]:6.3g} {'dB' if feature == 'logmel' else feature}")
