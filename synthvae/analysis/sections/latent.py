"""What the latent space looks like, and what it carries."""

from __future__ import annotations

from collections.abc import Mapping

from synthvae.analysis.report import Cell, Column, FigureItem, Item, Measured, Section, Table, Verdict
from synthvae.analysis.results import RunResults
from synthvae.analysis.survey import Range
from synthvae.training.config import PNP, TrainConfig
from synthvae.training.loop import ACTIVE_NATS

__all__ = ["COLOURS", "latent_space"]

#: Descriptors by which the map is coloured, and what they are.
COLOURS = {"centroid": "the spectral centroid", "rms": "the level"}


def latent_space(run: RunResults, images: Mapping[str, bytes]) -> Section:
    """Clusters beside noise, maps, and the divergence of each dimension."""
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
        *(
            FigureItem(
                images[f"{run.name}_by_{name}"],
                f"Map of the test presets coloured by {name}",
                f"The first two principal components of the test presets' latents, coloured by {words} of each sound.",
            )
            for name, words in COLOURS.items()
        ),
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
        "is above 0 and above that of every map of noise.",
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
