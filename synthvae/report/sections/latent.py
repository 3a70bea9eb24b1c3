"""Report section on the latent space: maps, clusters, KL divergence and neighbourhoods."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from synthvae.analysis.plan import LATENTS
from synthvae.analysis.results import Results, RunResults
from synthvae.analysis.thesis import thesis_clusters
from synthvae.audio.descriptors import DESCRIPTORS
from synthvae.losses import LOSSES
from synthvae.maps.clusters import MapSettings
from synthvae.maps.nulls import expected_clusters
from synthvae.maps.stability import MAP, MARGIN, Range, SurveyRow, leads
from synthvae.metrics.neighbourhoods import ClusterExample, cluster_examples, mean_spectrum
from synthvae.naming import name_sounds
from synthvae.report.document import (
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
from synthvae.report.figures import point_density
from synthvae.report.judgement import of_clusters
from synthvae.report.sections.listening import render
from synthvae.report.sections.nulls import expected_cells, expected_columns
from synthvae.report.sections.overview import marked_sounds
from synthvae.training.config import TrainConfig
from synthvae.training.tasks.presets import ACTIVE_NATS

__all__ = ["COLOUR", "cluster_spectra", "latent_space", "shown_clusters"]

#: Players of each cluster: three clusters have fifteen.
PLAYERS = 5

#: Descriptor by which the maps in the folder are coloured; the page has them all.
COLOUR = "centroid"


def shown_clusters(run: RunResults) -> tuple[ClusterExample, ...]:
    """Medium-sized clusters of DBSCAN on the first map, drawn at random as in the thesis."""
    return cluster_examples(run.survey.latents.of(MAP, "DBSCAN")[0].labels)


def cluster_spectra(run: RunResults, results: Results) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """Mean spectrum in dB of the original sounds of each cluster shown, and frequencies in Hz."""
    spectra, hertz = {}, np.zeros(0)
    for example in shown_clusters(run):
        audio = render(run, results.mapped[list(example.members)])
        hertz, level = mean_spectrum(audio.numpy(), results.tests.sample_rate)
        spectra[f"cluster {example.label}, {len(example.members)} of {example.size} members"] = level
    return spectra, hertz


def latent_space(run: RunResults, results: Results, images: Mapping[str, bytes]) -> Section:
    """Clusters and null models, maps, sounds of clusters, and the KL divergence of each dimension."""
    kl_rows: list[list[Cell]] = [
        [str(number), Measured(float(value), "nats"), "active" if value > ACTIVE_NATS else "unused"]
        for number, value in enumerate(run.sounds.kl)
    ]
    items: list[Item] = [
        _clusters(run),
        *_grid(run),
        _near(run),
        FigureItem(
            images[f"{run.name}_map"],
            "Density-coloured UMAP of latents and of noise",
            f"UMAP of {len(run.latents.mapped):,} latents, coloured by density, and of noise of the same shape.",
        ),
        FigureItem(
            images[f"{run.name}_clusters"],
            "UMAP of latents with DBSCAN's clusters",
            "DBSCAN's clusters; rings mark those whose sounds and mean spectra are below.",
        ),
        *_views(run, results),
        *_examples(run, results, images),
        Table(
            "KL divergence of each latent dimension",
            [Column("dimension"), Column("KL divergence"), Column("state")],
            kl_rows,
            "Mean over the test presets.",
        ),
    ]
    if f"{run.name}_training" in images:
        items.append(FigureItem(images[f"{run.name}_training"], "Training curves", "Every term of the loss per epoch."))
    phases = ", then ".join(_training(phase) for phase in run.run.config.phases)
    trained = f"Trained for {run.run.state.get('epoch')} epochs: {phases}."
    return Section(f"Latent space: {run.name}", [trained], items)


def _views(run: RunResults, results: Results) -> list[Item]:
    """The test presets on every map, with values to colour by; empty if they are too few for a map."""
    if not run.views.maps:
        return []
    table = results.descriptors
    parameters = run.run.parameters
    human = parameters.denormalise(results.tests.unit.double().numpy())
    values = {
        "errors": {
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
    caption = "Latents of the test presets; choose map and colour"
    if run.views.explained.latents is not None and run.views.explained.normal_noise is not None:
        caption += (
            f"; PCA explains {100 * run.views.explained.latents:.0f} % of their variance, and of that of noise "
            f"{100 * run.views.explained.normal_noise:.0f} %"
        )
    density = {name: point_density(points) for name, points in run.views.maps.items()}
    names = [results.title(index) for index in range(len(results.names))]
    return [MapItem(caption, names, run.views.maps, values, density, marked_sounds(results))]


def _examples(run: RunResults, results: Results, images: Mapping[str, bytes]) -> list[Item]:
    """Members' sounds and their mean spectrum for some clusters; empty if there are no clusters."""
    rows = []
    for example in shown_clusters(run):
        played = list(example.members[:PLAYERS])
        audio, rate = render(run, results.mapped[played]), results.tests.sample_rate
        names = [named.name for named in name_sounds(audio, rate)]
        labels = [f"{name} (preset {number} of the map)" for name, number in zip(names, played, strict=True)]
        rows.append(sound_row(f"cluster {example.label}", labels, list(audio.numpy()), rate, f"{example.size} members"))
    if not rows:
        return []
    figure = FigureItem(
        images[f"{run.name}_spectra"],
        "Mean spectra of the clusters' members",
        "Mean spectra of the members' original sounds (up to 15 per cluster), in twelfth-octave bands.",
    )
    caption = (
        "Three medium-sized clusters of DBSCAN on the first map, drawn at random, with the original sounds of random "
        f"members, {sum(len(row.sounds) for row in rows)} sounds in all; rings on the map of clusters mark them. "
        "The thesis's clusters of section 5.5.3 have 15 members each: clusters are drawn from the tenth of all "
        "clusters whose size is nearest to that"
    )
    return [SoundTable(caption, rows), figure]


def _clusters(run: RunResults) -> Table:
    survey = run.survey.latents
    columns = [
        Column("clustered"),
        Column("method"),
        Column("clusters", note="median, lowest and highest over the maps"),
        Column("noise", "share"),
        Column("DBCV"),
    ]
    rows: list[list[Cell]] = []
    for row in run.survey.rows:
        cells: list[Cell] = [_range(row.clusters, "clusters"), row.noise_share.median, _range(row.dbcv, "index")]
        rows.append([row.space, row.method, *cells, _verdict(row)])
    notes = [
        f"Medians, with the lowest and the highest over {len(survey.seeds)} maps. A clustering leads a null (see the "
        "section on null models) if every map's DBCV is above 0 and above the null's prediction interval; if fewer "
        f"than two maps of the null have a DBCV, it has to lead their mean, or 0, by {MARGIN:g}.",
        f"A collapsed encoder is a network of this run's widths trained with the KL weight 1 that the thesis gives; "
        f"its remaining KL divergence is at most {max(run.collapsed_kl.values()):.1g} nats.",
    ]
    dbcv = {name: null.dbcv for name, null in run.survey.rows[0].nulls.items()}
    notes.append(thesis_clusters(survey.settings, survey.points, survey.dimension, dbcv))
    return Table(
        f"Clusters of {survey.points:,} latents ({_settings(survey.settings)})",
        [*columns, Column("verdict")],
        rows,
        " ".join(note for note in notes if note),
    )


def _verdict(row: SurveyRow) -> Verdict:
    led = [name for name, null in row.nulls.items() if null.led]
    judgement = of_clusters(row.dbcv, [null.led for null in row.nulls.values()])
    if row.dbcv is None:
        return Verdict(judgement, "no DBCV")
    if len(led) == len(row.nulls):
        return Verdict(judgement, "leads " + " and ".join(led))
    return Verdict(judgement, f"leads {led[0]} alone" if led else "leads no null")


def _settings(settings: MapSettings) -> str:
    return (
        f"UMAP with {settings.neighbours} neighbours and min_dist {settings.min_distance:g}, DBSCAN with eps "
        f"{settings.eps:g} and {settings.min_samples} samples"
    )


def _grid(run: RunResults) -> list[Item]:
    """Clusters over the grid of settings, of the latents and of the nulls; nothing where there is no grid."""
    if not run.grids:
        return []
    columns = [Column("neighbours"), Column("eps"), *expected_columns(run.grids)]
    rows: list[list[Cell]] = []
    for cells in zip(*run.grids.values(), strict=True):
        row: list[Cell] = [str(cells[0].settings.neighbours), f"{cells[0].settings.eps:g}"]
        found = {name: expected_clusters(cell.qualities) for name, cell in zip(run.grids, cells, strict=True)}
        for values in found.values():
            row += expected_cells(values)
        own = [q.dbcv for q in cells[0].qualities]
        led = {name: all(leads(dbcv, null[2]) for dbcv in own) for name, null in list(found.items())[1:]}
        judgement = of_clusters(found[LATENTS][2], list(led.values()))
        words = " and ".join(name for name, leading in led.items() if leading) or "no null"
        rows.append([*row, Verdict(judgement, f"leads {words}")])
    return [
        Table(
            "Sensitivity of the clusters to settings: DBSCAN on UMAP over a grid, latents and null models",
            [*columns, Column("verdict")],
            rows,
            "Means over maps, with the 95 % prediction interval of one more map.",
        )
    ]


def _near(run: RunResults) -> Table:
    """Neighbourhood statistics with their values by chance."""
    near = run.neighbourhoods
    trust, of_map = near.latents_and_sounds, near.umap
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
    for what, cosines in (
        ("latents", near.cosine_similarity),
        ("sounds (log-mel embedding)", near.cosine_similarity_of_sounds),
    ):
        for where, value, random in (
            ("within", cosines.within, cosines.random_within),
            ("across", cosines.across, cosines.random_across),
        ):  # fmt: skip
            by_chance = Measured(None, "cosine") if random is None else Measured(sum(random) / 2, "cosine", *random)
            rows.append(
                [f"cosine similarity of {what} {where} DBSCAN's clusters", Measured(value, "cosine"), by_chance]
            )
    columns = [
        Column("measure"),
        Column("value"),
        Column("chance", note="by chance: random neighbours, or pairs under random labels"),
    ]
    return Table("Agreement of distances in the latent space and between sounds", columns, rows, near.reason)


def _range(values: Range | None, unit: str) -> Measured:
    return Measured(None, unit) if values is None else Measured(values.median, unit, values.low, values.high)


def _training(phase: TrainConfig) -> str:
    """The loss of a training phase, in words."""
    compares = LOSSES[phase.loss].compares
    if compares == "nothing":
        return "on parameters alone"
    if compares == "parameters":
        return f"the loss {phase.loss}, by the metric {phase.metric}, nothing rendered"
    through = "back-propagated through the Voice" if phase.synth_layer else "measured but without gradient"
    held = ", phases held" if phase.hold_phases else ""
    return f"the loss {phase.loss} on {phase.feature}, {through}{held}"
