"""What the latent space looks like, and what it carries."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthvae.analysis.descriptors import DESCRIPTORS
from synthvae.analysis.figures import point_density
from synthvae.analysis.neighbourhoods import ClusterExample, cluster_examples, mean_spectrum
from synthvae.analysis.report import (
    Cell,
    Column,
    FigureItem,
    Item,
    MapItem,
    Measured,
    Section,
    SoundTable,
    Table,
    Verdict,
    sound_row,
)
from synthvae.analysis.results import Results, RunResults
from synthvae.analysis.sections.listening import render
from synthvae.analysis.survey import MAP, MARGIN, Range
from synthvae.training.config import PNP, TrainConfig
from synthvae.training.loop import ACTIVE_NATS

__all__ = ["COLOUR", "cluster_spectra", "latent_space", "shown_clusters"]

#: Members of a cluster whose spectra are averaged, at most.
SPECTRUM_SOUNDS = 64

#: Descriptor by which the maps in the folder are coloured; the page has them all.
COLOUR = "centroid"


def shown_clusters(run: RunResults) -> tuple[ClusterExample, ...]:
    """Mid-sized clusters of DBSCAN on the first map, as the thesis shows them."""
    survey = run.survey.latents
    return cluster_examples(survey.maps[survey.seeds[0]], survey.of(MAP, "DBSCAN")[0].labels)


def cluster_spectra(run: RunResults, sample_rate: int) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """Mean spectrum in dB of each cluster shown, over `SPECTRUM_SOUNDS` members at most, and frequencies in Hz."""
    labels = run.survey.latents.of(MAP, "DBSCAN")[0].labels
    spectra, hertz = {}, np.zeros(0)
    for example in shown_clusters(run):
        members = np.flatnonzero(labels == example.label)[:SPECTRUM_SOUNDS]
        hertz, level = mean_spectrum(_decoded(run, members).numpy(), sample_rate)
        spectra[f"cluster {example.label}, {example.size} latents"] = level
    return spectra, hertz


def latent_space(run: RunResults, results: Results, images: Mapping[str, bytes]) -> Section:
    """Clusters beside noise, maps, sounds of clusters, and the divergence of each dimension."""
    kl_rows: list[list[Cell]] = [
        [str(number), Measured(float(value), "nats"), "active" if value > ACTIVE_NATS else "unused"]
        for number, value in enumerate(run.sounds.kl)
    ]
    items: list[Item] = [
        _clusters(run),
        _near(run),
        FigureItem(
            images[f"{run.name}_map"],
            "Density-coloured UMAP of latents beside that of noise",
            f"UMAP of {len(run.latents.mapped):,} training latents, coloured by density, beside noise of that shape.",
        ),
        FigureItem(images[f"{run.name}_clusters"], "UMAP of latents with DBSCAN's clusters", "DBSCAN's clusters."),
        *_views(run, results),
        *_examples(run, images, results.tests.sample_rate),
        Table(
            "What each latent dimension carries",
            [Column("dimension"), Column("KL divergence"), Column("state")],
            kl_rows,
            "Mean over the test presets.",
        ),
    ]
    if f"{run.name}_training" in images:
        items.append(
            FigureItem(images[f"{run.name}_training"], "Training curves", "Every term of the loss, epoch by epoch.")
        )
    phases = ", then ".join(_training(phase) for phase in run.run.config.phases)
    trained = f"Trained for {run.run.state.get('epoch')} epochs: {phases}."
    return Section(f"Latent space: {run.name}", [trained], items)


def _views(run: RunResults, results: Results) -> list[Item]:
    """The test presets on every map, to be coloured by anything; nothing where they are too few for a map."""
    if not run.views.maps:
        return []
    table = results.descriptors.values
    parameters = run.run.parameters
    human = parameters.denormalise(results.tests.unit.double().numpy())
    values = {
        "what was measured": {
            "log-mel error (dB²)": run.sounds.errors["logmel"].mse,
            "parameter error (unit cube²)": run.sounds.parameter_error,
        },
        "descriptors of the sound": {
            f"{name} ({descriptor.unit})" if descriptor.unit else name: table[:, number]
            for number, (name, descriptor) in enumerate(DESCRIPTORS.items())
        },
        "parameters": {
            f"{p.name} ({p.unit})" if p.unit else p.name: human[:, number] for number, p in enumerate(parameters)
        },
    }
    caption = "The latents of the test presets, on any map and coloured by anything"
    if run.views.explained is not None and run.views.explained_noise is not None:
        caption += (
            f"; PCA shows {100 * run.views.explained:.0f} % of their variance, and of that of noise "
            f"{100 * run.views.explained_noise:.0f} %"
        )
    density = {name: point_density(points) for name, points in run.views.maps.items()}
    return [MapItem(caption, [f"preset {number}" for number in results.tests.numbers], run.views.maps, values, density)]


def _examples(run: RunResults, images: Mapping[str, bytes], sample_rate: int) -> list[Item]:
    """Three sounds and the mean spectrum of some clusters; nothing where there are none."""
    rows = [
        sound_row(
            f"cluster {example.label}",
            [f"latent {index}" for index in example.members],
            list(_decoded(run, np.array(example.members)).numpy()),
            sample_rate,
            f"{example.size} latents",
        )
        for example in shown_clusters(run)
    ]
    if not rows:
        return []
    figure = FigureItem(
        images[f"{run.name}_spectra"],
        "Mean spectra of the clusters shown",
        "Mean spectra of the clusters shown, in bands of a twelfth of an octave.",
    )
    return [SoundTable("Mid-sized clusters of DBSCAN on the first map, and what lies in their middle", rows), figure]


def _decoded(run: RunResults, members: NDArray[np.intp]) -> Tensor:
    """Sounds ``(B, T)`` of mapped latents."""
    return render(run, run.run.decode(torch.from_numpy(run.latents.mapped[members])))


def _clusters(run: RunResults) -> Table:
    columns = [
        Column("clustered"),
        Column("method"),
        Column("clusters", note="lowest to highest over the seeds"),
        Column("noise", "share"),
        Column("DBCV"),
        Column("null: clusters", note="the same on standard normal noise of the same shape"),
        Column("null: noise", "share"),
        Column("null: DBCV"),
        Column("verdict"),
    ]
    rows: list[list[Cell]] = []
    for row in run.survey.rows:
        own: list[Cell] = [_range(row.clusters, "clusters"), row.noise_share.median, _range(row.dbcv, "index")]
        null: list[Cell] = [
            _range(row.null_clusters, "clusters"),
            row.null_noise_share.median,
            _range(row.null_dbcv, "index"),
        ]
        verdict = Verdict("good", "above noise") if row.beats_noise else Verdict("bad", "no better than noise")
        rows.append([row.space, row.method, *own, *null, verdict])
    survey = run.survey.latents
    return Table(
        f"Clusters of {survey.points:,} latents, beside the same methods on noise ({len(survey.seeds)} maps each)",
        columns,
        rows,
        "Medians, with the lowest and the highest over maps. A clustering counts as above noise where every map's DBCV "
        f"leads 0 and that of every map of noise by {MARGIN:g}.",
    )


def _near(run: RunResults) -> Table:
    """Neighbourhoods, each beside what chance gives."""
    near = run.neighbourhoods
    trust, of_map, cosine = near.trust, near.map_trust, near.cosine
    rows: list[list[Cell]] = []
    if trust is not None:
        correlation = Measured(trust.spearman, "correlation", trust.low, trust.high)
        rows.append(["rank correlation of latent and sound distances", correlation, Measured(0.0, "correlation")])
        for name, found, chance in (
            (f"of the {trust.neighbours} nearest latents, among the {trust.neighbours} nearest sounds",
             trust.precision, trust.chance),
            (f"of the {trust.neighbours} nearest latents, among the nearest 10 % of sounds",
             trust.near, trust.near_chance),
        ):  # fmt: skip
            rows.append([name, Measured(found.mean, "share", found.low, found.high), Measured(chance, "share")])
    if of_map is not None:
        rows.append(
            ["trustworthiness of the map", Measured(of_map.trustworthiness, "index"), Measured(of_map.chance, "index")]
        )
        rows.append(["continuity of the map", Measured(of_map.continuity, "index"), Measured(of_map.chance, "index")])
    for name, value, random in (
        ("cosine similarity within HDBSCAN's clusters", cosine.within, cosine.random_within),
        ("cosine similarity across them", cosine.across, cosine.random_across),
    ):
        by_chance = Measured(None, "cosine") if random is None else Measured(sum(random) / 2, "cosine", *random)
        rows.append([name, Measured(value, "cosine"), by_chance])
    columns = [Column("measure"), Column("latents"), Column("chance", note="what random neighbours or labels give")]
    return Table("Does near in the latent space sound near?", columns, rows, near.reason)


def _range(values: Range | None, unit: str) -> Measured:
    return Measured(None, unit) if values is None else Measured(values.median, unit, values.low, values.high)


def _training(phase: TrainConfig) -> str:
    """What a phase minimised, in words."""
    if phase.loss == "none":
        return "on parameters alone"
    if phase.loss == PNP:
        return f"the loss pnp, by the metric {phase.metric}, nothing rendered"
    through = "its gradient sent through the Voice" if phase.synth_layer else "measured but without gradient"
    held = ", phases held" if phase.hold_phases else ""
    return f"the loss {phase.loss} on {phase.feature}, {through}{held}"
