from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from synthvae.analysis.figures import BLUE, VERMILLION, png_bytes
from synthvae.analysis.latent_figures import cluster_spectra, effect_heatmap, interpolation_chart, value_map
from synthvae.core.errors import UserError
from synthvae.metrics.paths import DescriptorChange, PathComparison


def texts(figure: Figure) -> str:
    """Everything a reader can read once the figure is drawn."""
    figure.canvas.draw()
    return "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))  # type: ignore[attr-defined]


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


def test_signs_have_a_middle_and_what_does_not_move_is_left_blank() -> None:
    slope = np.array([[0.1, np.nan], [-2.0, 1.0]])
    image = effect_heatmap(slope, ["a", "b"], "slope", signed=True).axes[0].images[0]
    assert image.get_clim() == (-2.0, 2.0)
    shown = np.ma.asarray(image.get_array())
    np.testing.assert_array_equal(shown.filled(9.0), [[-2.0, 1.0], [0.1, 9.0]])
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
    with pytest.raises(UserError, match="bins above 20 are needed"):
        cluster_spectra({"a": [0.0, 0.0]}, [0.0, 10.0])


def test_drawing_leaves_matplotlib_as_it_was_and_repeats_to_the_byte() -> None:
    before = dict(matplotlib.rcParams)
    points = np.random.default_rng(0).standard_normal((50, 2))
    first, second = (png_bytes(value_map(points, points[:, 1], "level (dB)"), dpi=40) for _ in range(2))
    assert first == second
    png_bytes(cluster_spectra({"a": np.zeros(100)}, np.arange(100.0)), dpi=40)
    assert dict(matplotlib.rcParams) == before
