from __future__ import annotations

import io
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.image import imread

from synthvae.core.errors import UserError
from synthvae.metrics.paths import DescriptorChange, PathComparison
from synthvae.report.figures import (
    BLUE,
    VERMILLION,
    both_bytes,
    cluster_map,
    cluster_spectra,
    density_map,
    effect_heatmap,
    error_distributions,
    interpolation_chart,
    latent_use_chart,
    loss_curves,
    path_grid,
    png_bytes,
    sensitivity_chart,
    sound_comparison,
    spectrogram_column,
    svg_bytes,
    value_map,
    waveform_overlays,
)
from tests.errors import user_error


def texts(figure: Figure) -> str:
    """Everything a reader can read once the figure is drawn."""
    figure.canvas.draw()
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))  # type: ignore[attr-defined]


def sound(n: int = 4410, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, n)


def compared(
    target: np.ndarray,
    reconstruction: np.ndarray,
    loud: np.ndarray | None = None,
    quiet: np.ndarray | None = None,
    frequencies: np.ndarray | None = None,
) -> Figure:
    silence = np.full((8, 5), -80.0)
    bands = np.geomspace(50, 5000, 8) if frequencies is None else frequencies
    images = (silence if image is None else image for image in (loud, quiet))
    return sound_comparison(target, reconstruction, *images, bands, 44100)


def test_waveform_overlay_shows_the_loudest_moment() -> None:
    quiet = np.zeros(44100)
    quiet[22050:22100] = 1.0
    figure = compared(quiet, 0.5 * quiet)
    whole, moment = figure.axes[:2]
    for line, height in zip(moment.lines, (1.0, 0.5), strict=True):
        assert np.asarray(line.get_ydata()).max() == height
        assert np.asarray(line.get_xdata())[0] == pytest.approx(500.0)  # milliseconds
    assert whole.get_xlabel().startswith("time (s)")
    assert {"original", "reconstruction"} <= set(texts(figure).split("\n"))
    lower, upper = whole.lines
    assert np.asarray(upper.get_ydata()).max() == 0.5
    assert np.asarray(lower.get_ydata()).min() == 0.0


@pytest.mark.parametrize("n", [1, 7, 4410])
def test_waveforms_of_any_length_draw(n: int) -> None:
    assert len(png_bytes(compared(sound(n), sound(n, 1)), dpi=40)) > 1000


def test_spectrograms_share_one_scale_and_name_frequencies() -> None:
    frequencies = np.geomspace(30, 21000, 64)
    loud = np.random.default_rng(0).uniform(-100, 0, (64, 20))
    figure = compared(sound(44100), sound(44100), loud, loud - 30, frequencies)
    images = [axes.images[0] for axes in figure.axes[2:4]]
    assert images[0].get_clim() == images[1].get_clim()
    low, high = images[0].get_clim()
    assert high == loud.max()
    assert high - low == 80.0
    words = texts(figure)
    assert "frequency (Hz)" in words
    assert "level (dB)" in words
    ticks = dict(
        zip([label.get_text() for label in figure.axes[2].get_yticklabels()], figure.axes[2].get_yticks(), strict=True)
    )
    nearest = int(np.abs(frequencies - 1000).argmin())
    assert abs(ticks["1k"] - (nearest + 0.5)) <= 0.5
    assert images[0].get_extent() == [0.0, 1.0, 0.0, 64.0]


def test_comparison_holds_both_kinds_of_view() -> None:
    frequencies = np.geomspace(30, 21000, 16)
    loud = np.random.default_rng(0).uniform(-100, 0, (16, 20))
    figure = sound_comparison(sound(), sound(seed=1), loud, loud - 10, frequencies, 44100)
    words = texts(figure)
    for word in ("amplitude (full scale)", "reconstruction", "frequency (Hz)", "level (dB)", "Original"):
        assert word in words
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert images[0].get_extent() == [0.0, 0.1, 0.0, 16.0]


def test_silence_draws() -> None:
    assert png_bytes(compared(np.zeros(100), np.zeros(100)), dpi=40)


def test_density_is_highest_where_points_crowd() -> None:
    generator = np.random.default_rng(0)
    points = np.concatenate([generator.normal(0, 0.05, (200, 2)), generator.uniform(-3, 3, (50, 2))])
    figure = density_map(points, generator.standard_normal((40, 2)))
    scatter = figure.axes[0].collections[0]
    drawn, density = np.asarray(scatter.get_offsets()), np.asarray(scatter.get_array())
    middle = np.linalg.norm(drawn, axis=1) < 0.2
    assert density.max() == 1.0
    assert density[middle].mean() > 3 * density[~middle].mean()
    assert "Normal noise, same recipe (40 points)" in texts(figure)


@pytest.mark.parametrize("points", [np.zeros((1, 2)), np.zeros((20, 2)), np.arange(8.0).reshape(4, 2)])
def test_degenerate_maps_draw(points: np.ndarray) -> None:
    assert png_bytes(density_map(points), dpi=40)
    assert png_bytes(cluster_map(points, np.full(len(points), -1)), dpi=40)


def test_cluster_map_names_the_largest_and_counts_the_rest() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(9), np.arange(9, 0, -1))
    labels = np.concatenate([labels, [-1, -1]])
    words = texts(cluster_map(generator.standard_normal((len(labels), 2)), labels))
    assert "cluster 0, 9 points" in words
    assert "cluster 5, 4 points" in words
    assert "cluster 6" not in words
    assert "3 smaller clusters" in words
    assert "noise, 2 points" in words
    assert "9 clusters, 2 of 47 points are noise" in words


def test_marked_clusters_have_a_ring_in_their_middle_and_their_number() -> None:
    points = np.array([[0.0, 0], [2, 0], [1, 3], [10, 10], [12, 10], [11, 13], [5, 5]])
    figure = cluster_map(points, np.array([4, 4, 4, 7, 7, 7, -1]), marked=[7, 4])
    rings = [tuple(float(v[0]) for v in line.get_data()) for line in figure.axes[0].lines]
    assert rings == [(11, 10), (11, 10), (1, 0), (1, 0)]  # white under the ink
    assert [text.get_text() for text in figure.axes[0].texts] == ["7", "4"]


def test_error_distributions_show_every_run_and_null() -> None:
    generator = np.random.default_rng(0)
    groups = {"sclp": generator.gamma(2, 50, 300), "equal": np.full(10, 80.0), "single": np.array([90.0])}
    figure = error_distributions(groups, "log-mel MSE (dB²)", {"mean preset": 330.0})
    words = texts(figure)
    for word in ("sclp", "equal", "single", "mean preset: 330", "log-mel MSE (dB²)"):
        assert word in words
    axes = figure.axes[0]
    assert axes.get_xscale() == "log"
    assert any(np.allclose(line.get_xdata(), 330.0) for line in axes.lines)
    linear = error_distributions({"a": np.linspace(1.0, 2.0, 9)}, "L1 (dB)")
    assert linear.axes[0].get_xscale() == "linear"
    assert png_bytes(error_distributions({"silence": np.zeros(5)}, "L1 (dB)"), dpi=40)


def metrics() -> pd.DataFrame:
    rows = [(i, 100 / (i + 1), np.nan if i % 2 else 120 / (i + 1), i) for i in range(20)]
    return pd.DataFrame(rows, columns=["epoch", "train/total", "validation/total", "train/kl"])


def test_loss_curves_join_the_splits_of_a_term() -> None:
    figure = loss_curves(metrics(), {"total": ["train/total", "validation/total"], "kl": ["train/kl"], "z": ["epoch"]})
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_ylabel() for axes in shown] == ["total", "kl", "z"]
    train, valid = shown[0].lines
    assert (train.get_label(), valid.get_label()) == ("train", "validation")
    assert len(np.asarray(train.get_xdata())) == 20
    assert list(np.asarray(valid.get_xdata())) == list(range(0, 20, 2))  # empty cells are no points
    assert shown[0].get_yscale() == "log"
    assert shown[1].get_yscale() == "linear"


def test_loss_curves_of_chosen_columns() -> None:
    figure = loss_curves(metrics(), {"KL (nats)": ["train/kl"]})
    assert [axes.get_ylabel() for axes in figure.axes] == ["KL (nats)"]
    with pytest.raises(UserError, match=r"no column 'train/mse'; it has epoch, train/total"):
        loss_curves(metrics(), {"MSE": ["train/mse"]})
    with pytest.raises(UserError, match="no column 'epoch'"):
        loss_curves(pd.DataFrame({"loss": [1.0]}), {"loss": ["loss"]})
    for rows, panels in ((metrics()[:0], {"KL": ["train/kl"]}), (metrics(), {})):
        with pytest.raises(UserError, match="nothing to draw"):
            loss_curves(rows, panels)


def test_png_has_the_asked_resolution_and_is_reproducible() -> None:
    figure = compared(sound(), sound(seed=1))
    content = png_bytes(figure)
    image = imread(io.BytesIO(content))
    width, height = figure.get_size_inches()
    assert image.shape[:2] == (round(height * 150), round(width * 150))
    assert content == png_bytes(compared(sound(), sound(seed=1)))


def test_drawing_leaves_matplotlib_as_it_was() -> None:
    before = dict(matplotlib.rcParams)
    png_bytes(error_distributions({"a": np.arange(5.0)}, "L1 (dB)"), dpi=40)
    assert dict(matplotlib.rcParams) == before


def test_the_machine_s_settings_do_not_change_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = png_bytes(error_distributions({"a": np.arange(5.0)}, "L1 (dB)"), dpi=40)
    for name, value in {"text.usetex": True, "lines.linewidth": 30.0, "figure.facecolor": "red"}.items():
        monkeypatch.setitem(matplotlib.rcParams, name, value)
    assert png_bytes(error_distributions({"a": np.arange(5.0)}, "L1 (dB)"), dpi=40) == plain


def test_bad_arrays_are_named() -> None:
    bad = sound()
    bad[5] = np.nan
    with pytest.raises(UserError, match="reconstructed audio: sample 5 holds nan"):
        compared(sound(), bad)
    with pytest.raises(ValueError, match="target has 4410 samples"):
        compared(sound(), sound(5))
    with pytest.raises(ValueError, match="shapes differ"):
        compared(sound(), sound(), np.zeros((3, 2)), np.zeros((3, 2)), np.ones(4))
    with pytest.raises(ValueError, match=r"shape \(N, 2\)"):
        density_map(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="expected 3 labels"):
        cluster_map(np.zeros((3, 2)), np.zeros(2, int))
    with pytest.raises(UserError, match="0 runs"):
        error_distributions({}, "L1 (dB)")
    with pytest.raises(UserError, match=r"L1 \(dB\) of a: preset 0 holds inf"):
        error_distributions({"a": [np.inf]}, "L1 (dB)")


def test_more_lines_than_colours_are_all_drawn_without_a_legend():
    names = [f"kl/{i:02d}" for i in range(16)]
    (axes,) = loss_curves(pd.DataFrame([range(17)], columns=["epoch", *names]), {"KL (nats)": names}).axes
    assert len(axes.lines) == 16
    assert axes.get_legend() is None


def test_sensitivities_are_bars_from_the_loudest_down():
    chart = sensitivity_chart(["a.x", "b.y", "a_adsr.z"], [1.0, 3.0, 2.0], "logmel")
    (axes,) = chart.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a.x", "a_adsr.z", "b.y"]
    assert [bar.get_width() for bar in axes.patches] == [1.0, 2.0, 3.0]
    assert axes.patches[0].get_facecolor() == axes.patches[1].get_facecolor() != axes.patches[2].get_facecolor()
    with pytest.raises(ValueError, match="2 names for 3 values"):
        sensitivity_chart(["a.x", "b.y"], [1.0, 3.0, 2.0], "logmel")
    with pytest.raises(UserError, match="sensitivity"):
        sensitivity_chart(["a.x"], [np.nan], "logmel")


def test_axes_are_at_rounded_positions():
    # Their last bits differ between processes, and with them the names of clip paths in an SVG.
    figure = error_distributions({"a": np.random.default_rng(0).gamma(2.0, 1.0, 200)}, "error (dB²)", {"mean": 3.0})
    before = [axes.get_position() for axes in figure.axes]
    svg_bytes(figure)
    for axes, place in zip(figure.axes, before, strict=True):
        bounds = axes.get_position(original=True).bounds
        assert bounds != place.bounds
        assert tuple(np.round(bounds, 6)) == pytest.approx(bounds, rel=0, abs=1e-15)


def test_both_formats_at_once_are_those_of_each():
    errors = {"a": np.random.default_rng(0).gamma(2.0, 1.0, 200)}
    one, other = (error_distributions(errors, "error (dB²)", {"mean preset": 3.0}) for _ in range(2))
    png, svg = both_bytes(one)
    assert png == png_bytes(other)
    places = [
        np.array([float(use.attrib["x"]) for use in ElementTree.fromstring(drawn).iter() if "x" in use.attrib])
        for drawn in (svg, svg_bytes(other))
    ]
    assert len(places[0]) > 3
    np.testing.assert_allclose(places[0], places[1], atol=0.5)


def test_an_svg_is_small_repeatable_and_well_formed():
    points = np.random.default_rng(0).standard_normal((5000, 2))
    labels = np.arange(5000) % 9
    first, second = (svg_bytes(cluster_map(points, labels)) for _ in range(2))
    assert first == second
    assert len(first) < 500_000
    root = ElementTree.fromstring(first)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert b"<image" in first


def test_overlays_of_several_models_have_a_row_each_and_one_scale() -> None:
    target = sound()
    answers = {"first": 0.5 * target, "second": -target}
    figure = waveform_overlays(target, answers, 44100)
    assert len(figure.axes) == 4
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    for (_, moment), answer in zip((figure.axes[:2], figure.axes[2:]), answers.values(), strict=True):
        original, reconstruction = (np.asarray(line.get_ydata()) for line in moment.lines)
        start = int(np.abs(target).argmax())
        start = min(start, len(target) - len(original))
        np.testing.assert_allclose(original, target[start : start + 882])
        np.testing.assert_allclose(reconstruction, answer[start : start + 882])
    assert {"first", "second", "original", "reconstruction"} <= set(texts(figure).split("\n"))
    with pytest.raises(UserError, match="0 reconstructions"):
        waveform_overlays(target, {}, 44100)
    with pytest.raises(ValueError, match="reconstruction 3"):
        waveform_overlays(target, {"short": target[:3]}, 44100)


def test_a_path_has_waveforms_above_spectrograms_on_common_scales() -> None:
    sounds = [scale * sound() for scale in (1.0, 0.5, 0.1)]
    spectrograms = [np.full((4, 9), level) for level in (0.0, -30.0, -200.0)]
    figure = path_grid(sounds, spectrograms, ["1 of 3", "2 of 3", "3 of 3"], [100.0, 1e3, 5e3, 1e4], 44100)
    waves, images = figure.axes[:3], figure.axes[3:6]
    assert len({axes.get_ylim() for axes in waves}) == 1
    assert [axes.get_title(loc="left") for axes in waves] == ["1 of 3", "2 of 3", "3 of 3"]
    assert [axes.images[0].get_clim() for axes in images] == [(-80.0, 0.0)] * 3
    assert [float(np.asarray(axes.images[0].get_array()).max()) for axes in images] == [0.0, -30.0, -200.0]
    assert "frequency (Hz)" in texts(figure)
    with pytest.raises(UserError, match="0 sounds"):
        path_grid([], [], [], [100.0], 44100)
    with pytest.raises(ValueError, match="shapes differ"):
        path_grid(sounds, [*spectrograms[:2], np.zeros((4, 8))], ["1", "2", "3"], [1.0, 2.0, 3.0, 4.0], 44100)


def test_value_map_colours_each_point_by_its_value() -> None:
    points = np.random.default_rng(0).standard_normal((200, 2))
    values = points[:, 0] * 10
    values[7] = 1e6  # one outlier does not take the colours of all
    figure = value_map(points, values, "centroid (Hz)", "PCA")
    scatter = figure.axes[0].collections[0]
    drawn, colours = np.asarray(scatter.get_offsets()), np.asarray(scatter.get_array())
    back = {tuple(point): value for point, value in zip(points, values, strict=True)}
    assert [back[tuple(point)] for point in drawn] == colours.tolist()
    low, high = scatter.get_clim()
    assert -40 < low < high < 40
    words = texts(figure)
    for word in ("centroid (Hz)", "PCA 1", "PCA 2", "200 points"):
        assert word in words


@pytest.mark.parametrize("values", [np.full(100, 4.0), np.r_[np.zeros(99), 1.0], np.r_[np.ones(99), 0.0]])
def test_values_that_hardly_vary_draw(values: np.ndarray) -> None:
    figure = value_map(np.zeros((100, 2)), values, "level (dB)")
    low, high = figure.axes[0].collections[0].get_clim()
    assert low <= values.min() <= values.max() <= high
    assert low < high
    assert png_bytes(figure, dpi=40)


def test_heatmap_has_the_strongest_at_the_top_left() -> None:
    values = np.array([[0.1, 0.2, 0.0], [0.0, 3.0, 1.0], [0.5, 1.0, 0.0]])
    figure = effect_heatmap(values, ["vco.tuning", "adsr.attack", "mixer.noise"], "movement")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["adsr.attack", "mixer.noise", "vco.tuning"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["z1", "z2", "z0"]
    np.testing.assert_array_equal(axes.images[0].get_array(), values[np.ix_([1, 2, 0], [1, 2, 0])])
    assert axes.images[0].get_clim() == (0.0, 3.0)
    assert "movement" in texts(figure)


def test_what_does_not_move_is_left_blank() -> None:
    image = effect_heatmap([[0.1, np.nan], [2.0, 1.0]], ["a", "b"], "movement").axes[0].images[0]
    assert image.get_clim() == (0.0, 2.0)
    shown = np.ma.asarray(image.get_array())
    np.testing.assert_array_equal(shown.filled(9.0), [[2.0, 1.0], [0.1, 9.0]])
    assert png_bytes(effect_heatmap(np.zeros((2, 2)), ["a", "b"], "movement"), dpi=40)


def test_heatmaps_of_one_strength_have_one_order() -> None:
    movement = np.array([[0.1, 0.2], [2.0, 3.0]])
    figure = effect_heatmap(np.array([[1.0, 0.9], [0.3, 0.5]]), ["a", "b"], "linearity", strength=movement)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["b", "a"]
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), [[0.5, 0.3], [0.9, 1.0]])
    with pytest.raises(ValueError, match="sorted by"):
        effect_heatmap(movement, ["a", "b"], "movement", strength=np.ones((2, 3)))


def comparison(score: str, means: list[float | None], verdicts: list[str]) -> PathComparison:
    changes = tuple(
        DescriptorChange(name, mean, mean, 0.01, verdict)
        for name, mean, verdict in zip("abcd", means, verdicts, strict=False)
    )
    counts = (verdicts.count("improved"), verdicts.count("worsened"))
    return PathComparison(score, changes, *counts, -0.1, -0.1, 20, "")


def test_interpolation_bars_are_changes_coloured_by_verdict() -> None:
    smooth = comparison("smoothness", [0.2, -0.3, 4.8, None], ["same", "improved", "worsened", "same"])
    straight = comparison("nonlinearity", [0.1, 0.0, -0.2, 0.3], ["same"] * 4)
    figure = interpolation_chart({"smoothness": smooth, "nonlinearity": straight})
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["b", "d", "a", "c"]
    bars = sorted(left.patches, key=lambda bar: bar.get_y())  # type: ignore[attr-defined]
    assert [bar.get_width() for bar in bars] == [-0.3, 0.2, 1.0]  # type: ignore[attr-defined]
    assert bars[0].get_facecolor() == to_rgba(BLUE)
    assert bars[2].get_facecolor() == to_rgba(VERMILLION)
    assert bars[1].get_alpha() == 0.35
    words = texts(figure)
    for word in ("Smoothness: 1 better, 1 worse", "Nonlinearity: 0 better, 0 worse", "+480%", "none in the reference"):
        assert word in words
    assert [bar.get_width() for bar in right.patches] == [0.0, 0.3, 0.1, -0.2]  # type: ignore[attr-defined]
    assert any(np.allclose(line.get_xdata(), -0.1) for line in left.lines)


def test_bad_comparisons() -> None:
    with pytest.raises(UserError, match="0 scores to draw"):
        interpolation_chart({})
    with pytest.raises(ValueError, match="nonlinearity is of other descriptors"):
        interpolation_chart(
            {
                "smoothness": comparison("smoothness", [0.1], ["same"]),
                "nonlinearity": comparison("nonlinearity", [0.1, 0.2], ["same"] * 2),
            }
        )


def test_spectra_are_mean_power_in_bands_of_frequency() -> None:
    frequencies = np.arange(22051.0)
    flat = np.full(22051, -30.0)
    peak = np.full(22051, -120.0)
    peak[1000] = 0.0
    figure = cluster_spectra({"noise": flat, "tone": peak}, frequencies)
    axes = figure.axes[0]
    noise, tone = axes.lines
    np.testing.assert_allclose(np.asarray(noise.get_ydata()), -30.0)
    hertz, level = np.asarray(tone.get_xdata()), np.asarray(tone.get_ydata())
    place = int(level.argmax())
    assert abs(np.log2(hertz[place] / 1000.0)) < 1 / 12
    width = hertz[place] * (2 ** (1 / 24) - 2 ** (-1 / 24))  # bins of 1 Hz in the band
    assert level[place] == pytest.approx(-10 * np.log10(width), abs=0.2)
    assert axes.get_xscale() == "log"
    assert {"noise", "tone", "frequency (Hz)"} <= set(texts(figure).split("\n"))
    assert axes.get_ylim()[0] >= level.max() - 83.0


@pytest.mark.parametrize(("rate", "n"), [(44100, 256), (16000, 4000), (300, 64)])
def test_short_and_low_sounds_draw(rate: int, n: int) -> None:
    frequencies = np.arange(n // 2 + 1) * rate / n
    figure = cluster_spectra({"a": np.full(len(frequencies), -120.0)}, frequencies)
    assert png_bytes(figure, dpi=40)


def test_bad_figures_are_named() -> None:
    with pytest.raises(ValueError, match=r"map: expected shape \(3, 2\)"):
        value_map(np.zeros((3, 3)), np.zeros(3), "level")
    with pytest.raises(UserError, match="level: point 1 holds nan"):
        value_map(np.zeros((2, 2)), [0.0, np.nan], "level")
    with pytest.raises(ValueError, match="1 names for shape"):
        effect_heatmap(np.zeros((2, 2)), ["a"], "movement")
    with pytest.raises(UserError, match="nothing to draw"):
        effect_heatmap(np.full((1, 2), np.nan), ["a"], "linearity")
    with pytest.raises(UserError, match="movement: parameter 0 holds inf"):
        effect_heatmap([[np.inf]], ["a"], "movement")
    with pytest.raises(UserError, match="0 clusters to draw"):
        cluster_spectra({}, [1.0])
    with pytest.raises(ValueError, match="spectrum of a: 2 levels for 3"):
        cluster_spectra({"a": [0.0, 0.0]}, [0.0, 50.0, 100.0])
    with user_error("hertz", 10.0, "give bins above 20"):
        cluster_spectra({"a": [0.0, 0.0]}, [0.0, 10.0])


def test_drawing_leaves_matplotlib_as_it_was_and_repeats_to_the_byte() -> None:
    before = dict(matplotlib.rcParams)
    points = np.random.default_rng(0).standard_normal((50, 2))
    first, second = (png_bytes(value_map(points, points[:, 1], "level (dB)"), dpi=40) for _ in range(2))
    assert first == second
    png_bytes(cluster_spectra({"a": np.zeros(100)}, np.arange(100.0)), dpi=40)
    assert dict(matplotlib.rcParams) == before


def test_spectrograms_below_each_other_share_one_scale() -> None:
    images = {"one": np.full((8, 5), -20.0), "another": np.full((8, 5), -60.0)}
    figure = spectrogram_column(images, np.geomspace(50, 5000, 8), 0.5)
    drawn = [axes.images[0] for axes in figure.axes if axes.images]
    assert {image.get_clim() for image in drawn} == {(-60.0, -20.0)}
    assert {"one", "another", "time (s)", "frequency (Hz)", "level (dB)"} <= set(texts(figure).split("\n"))
    with pytest.raises(ValueError, match="shapes differ"):
        spectrogram_column({**images, "third": np.zeros((8, 6))}, np.geomspace(50, 5000, 8), 0.5)


def test_latents_are_drawn_from_the_most_to_the_least_used() -> None:
    figure = latent_use_chart([0.5, 0.0, 1.0], [1.0, 0.1, 2.0], 0.01)
    heights = [[bar.get_height() for bar in axes.patches] for axes in figure.axes]
    assert heights == [[2.0, 1.0, 0.1], [1.0, 0.5, 1e-6]]
    assert "active above" in texts(figure)
    assert len(latent_use_chart([0.5, 0.0], None, 0.01).axes) == 1
    with pytest.raises(ValueError, match="3 variances, 2 divergences"):
        latent_use_chart([0.5, 0.0, 1.0], [1.0, 0.1], 0.01)
