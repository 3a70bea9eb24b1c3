from __future__ import annotations

import csv
import json
import math
import re
import shutil
from pathlib import Path

import pytest
import torch

from synthvae import load_analysis
from synthvae.core.files import load_tensors, save_tensors
from synthvae.data.presets import Dataset
from synthvae.synths.voice.voice import Voice
from tests.cli.refusal import refused
from tests.report.documented import documented, used

#: Maps that take no time: few presets, and one of each null.
MAPS = ("--map-presets", 10, "--map-nulls", 1)
#: Two of each null, a radius at which so few points have clusters, and the grid around it.
GRID = ("--map-presets", 60, "--map-nulls", 2, "--eps", 0.5, "--neighbours", 15, "--map-grid")


def change_weights(run: Path, factor: float) -> None:
    weights = run / "weights.safetensors"
    tensors, state = load_tensors(weights)
    save_tensors(weights, {name: factor * tensor for name, tensor in tensors.items()}, state)


def test_analyze_measures_once_and_compares(run, small_run: Path, tmp_path: Path):
    code, out, err = run("analyze", small_run, *GRID, "--out", "analysis/a", "--plan")
    assert code == 0, err
    assert not (tmp_path / "analysis").exists()
    steps = [(line[:7].strip(), line[9:]) for line in out.splitlines()[:-1]]
    assert all(time != "cached" for time, _ in steps)
    assert "about" in out.splitlines()[-1]

    assert run("analyze", small_run, *GRID, "--out", "analysis/a")[0] == 0
    kept = sorted((tmp_path / "analysis/.cache").iterdir())
    before = [path.stat().st_mtime_ns for path in kept]
    shutil.copytree(small_run, tmp_path / "constant")
    change_weights(tmp_path / "constant", 0.0)
    _, out, _ = run("analyze", small_run, "constant", *GRID, "--out", "analysis/b", "--plan")
    steps = [(line[:7].strip(), line[9:]) for line in out.splitlines()[:-1]]
    assert {label.split(":")[0] for time, label in steps if time != "cached"} == {"constant"}

    refused(run("analyze", small_run, "--example", 3), "--example is 3", "a test preset that is measured, 55 to 63")
    code, out, err = run("analyze", small_run, "constant", *GRID, "--out", "analysis/b", "--example", 57)
    assert code == 0, err
    check_text(tmp_path / "analysis/b", err)
    assert "report.html" in out
    assert [path.stat().st_mtime_ns for path in kept] == before
    first, both = (json.loads((tmp_path / f"analysis/{name}/metrics.json").read_text()) for name in "ab")
    assert first["runs"]["small"] == both["runs"]["small"]
    assert both["runs"]["constant"]["test"] != both["runs"]["small"]["test"]
    assert first["across_runs"] is None
    pages = [(tmp_path / f"analysis/{name}/report.html").read_text() for name in "ab"]
    assert ["The same test sounds, reconstructed by every model" in page for page in pages] == [False, True]
    assert both["across_runs"]["unit"] == "preset"
    assert both["across_runs"]["errors"]["L1 error on logmel"]["kruskal_wallis"]["degrees"] == 1
    assert both["across_runs"]["chi_squared"]["active latent dimensions"]["n"] == 32
    logmel = both["runs"]["small"]["test"]["features"]["logmel"]
    null = both["nulls"]["test"]["logmel"]["mean_preset"]["mse"]
    assert logmel["mse_relative_to_mean_preset"]["value"] == pytest.approx(logmel["mse"]["mean"] / null)
    folder = tmp_path / "analysis/b"
    with (folder / "reconstruction_small.csv").open() as file:
        rows = list(csv.DictReader(file))
    read = load_analysis(folder)
    assert list(read.reconstruction.query("run == 'small'")["logmel_mse"]) == [float(r["logmel_mse"]) for r in rows]
    assert read.metrics == both
    assert len(read.effects) == len(read.runs) * 63 * 16
    assert len(rows) == 9
    assert sum(float(r["logmel_mse"]) for r in rows) / 9 == pytest.approx(logmel["mse"]["mean"])
    check_waveforms(both, rows)
    with (folder / "training_small.csv").open() as file:
        trained = list(csv.DictReader(file))
    of_trained = both["runs"]["small"]["training"]["features"]["logmel"]["mse"]
    assert (trained[0]["preset"], len(trained), of_trained["n"]) == ("0", 9, 9)
    assert sum(float(r["logmel_mse"]) for r in trained) / 9 == pytest.approx(of_trained["mean"])
    with (folder / "effects_small.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 63 * 16
    names = {ending: {p.stem for p in (folder / "figures").glob(f"*.{ending}")} for ending in ("png", "svg")}
    assert names["png"] == names["svg"] != set()
    shown = {"waveforms", "l1_logmel", "l1_waveform", "small_path_1", "small_path_2", "constant_path_1"}
    assert shown <= names["png"]
    page = (folder / "report.html").read_text()
    assert "data:audio/wav;base64" in page
    assert "mean preset" in page
    assert "Test preset 57, fixed before any measurement" in page
    assert "Phase-sensitive waveform errors on test presets" in page
    assert page.count("Bounds of the waveforms, and log-mel spectrograms") == 4  # two paths of each run
    refused(run("analyze", small_run, "--workers", 0), "--workers is 0")
    check_clusters(both["runs"]["small"], both["runs"]["constant"], page)
    check_constant(both["runs"]["constant"], page)
    check_keys(both)


def check_keys(found: dict):
    """Every key is documented, and every documented key is here but those of FAD, which 9 sounds do not have."""
    known = documented()
    undefined = {path for path in known if any(part.startswith("frechet_audio_distance") for part in path[:-1])}
    assert used(found, known) == known - undefined


def check_clusters(small: dict, other: dict, page: str):
    """Latents and both nulls, at the settings asked for and over the grid; members' sounds, and how alike they are."""
    assert small["map"] == {"presets": 60, "eps": 0.5, "min_samples": 4, "n_neighbors": 15, "min_dist": 0.0}
    of_map = [c for c in small["clusters"] if (c["space"], c["method"]) == ("UMAP map", "DBSCAN")]
    assert [(c["data"], c["seed"], c["eps"], c["points"]) for c in of_map] == [
        *(("latents", seed, 0.5, 60) for seed in range(3)),
        *((null, seed, 0.5, 60) for null in ("normal noise", "collapsed encoder") for seed in range(2)),
    ]
    row = small["clusters_against_nulls"][0]
    for null, found in row["nulls"].items():
        counts = [c["clusters"] for c in of_map if c["data"] == null]
        assert found["clusters"]["mean"] == pytest.approx(sum(counts) / 2)
        assert found["clusters"]["maps"] == 2
        assert null in row["sentence"]
    assert len(small["collapsed_encoder_kl_divergence"]) == 2
    grid = small["clusters_by_settings"]
    assert {name: len(cells) for name, cells in grid.items()} == {
        "latents": 3 * 3 * 7, "normal noise": 2 * 3 * 7, "collapsed encoder": 2 * 3 * 7,
    }  # fmt: skip
    for name, cells in grid.items():
        here = [c["clusters"] for c in cells if (c["eps"], c["n_neighbors"]) == (0.5, 15)]
        assert here == [c["clusters"] for c in of_map if c["data"] == name]  # the maps of the survey are in the grid
    for null in ("normal noise", "collapsed encoder"):
        assert grid[null] == other["clusters_by_settings"][null]
    assert small["neighbourhoods"]["cosine_similarity_of_sounds"]["within"] is not None
    players = re.findall(r'class="label">[^<(]*\(preset (\d+) of the map\)<', page)
    counts = [int(count) for count in re.findall(r'class="caption">[^<]* (\d+) sounds in all', page)]
    assert len(counts) == 2
    assert 0 < len(players) == sum(counts) <= 30
    assert all(int(number) < 60 for number in players)
    assert "cosine similarity of sounds (log-mel embedding) within DBSCAN" in page.replace("&#39;", "'")


def check_constant(found: dict, page: str):
    """A model that answers everything alike."""
    assert found["test"]["features"]["logmel"]["mse_relative_to_mean_preset"]["high"] > 1.0
    assert found["kl_divergence"] == [0.0] * 16
    latents = [c for c in found["clusters"] if c["data"] == "latents"]
    assert {c["dbcv"] for c in latents} == {None}
    assert all("one cluster" in c["reason"] for c in latents)
    assert found["parameter_effects"]["r_squared"] is None
    for sentence in (
        "constant is not distinguishable from the mean preset",
        "uses 0 of its 16 latent dimensions",
        "No parameter moves the latent: ",
    ):
        assert sentence in page


def test_settings_of_the_map_are_refused_in_one_line(run, small_run: Path, tmp_path: Path):
    for option, value in (
        ("--eps", 0), ("--eps", "nan"), ("--min-samples", 0), ("--neighbours", 1), ("--min-dist", 1.5),
        ("--map-presets", 3), ("--map-nulls", 0),
    ):  # fmt: skip
        refused(run("analyze", small_run, option, value), f"{option} is {value}")
    assert not (tmp_path / "analysis").exists()


def check_waveforms(found: dict, rows: list[dict[str, str]]) -> None:
    """Phase-sensitive measures have values for each null, and the mean is that over the presets."""
    measured, nulls = found["runs"]["small"]["waveforms"], found["nulls"]["waveforms"]
    assert set(nulls) == {"mean_preset", "random_preset", "silence"}
    for name in ("complex_stft", "waveform", "decorrelation", "lag", "level_slope"):
        assert sum(float(row[name]) for row in rows) / 9 == pytest.approx(measured[name]["summary"]["mean"])
    errors = measured["complex_stft"]
    for null, values in nulls.items():
        ratio = errors["summary"]["mean"] / values["complex_stft"]["summary"]["mean"]
        assert errors["relative_to"][null]["value"] == pytest.approx(ratio)
    # One of the nine is silent itself, which silence answers exactly.
    assert nulls["silence"]["decorrelation"]["summary"]["mean"] == pytest.approx(8 / 9)
    assert nulls["random_preset"]["level_slope"]["summary"]["mean"] == pytest.approx(0.0, abs=1e-9)


def test_embeddings_are_asked_for_by_name(run, small_run: Path, tmp_path: Path):
    refused(run("analyze", small_run, "--embedding", "mfcc"), "'mfcc'", "logmel", "vggish")
    refused(run("analyze", small_run, "--embedding", "logmel,panns", "--weights-dir", "w"), "panns")
    assert not (tmp_path / "analysis").exists()


@pytest.mark.usefixtures("sketched_figures")
def test_targets_that_are_all_alike(run, small_run: Path, small_dataset: Dataset, tmp_path: Path):
    document = json.loads(small_dataset.path.read_text())
    document["values"] = [document["values"][0]] * 64
    document["seed"] = 99  # another one than the run's, or its presets would count as seen
    (tmp_path / "alike.json").write_text(json.dumps(document))
    shutil.copytree(small_run, tmp_path / "constant")
    change_weights(tmp_path / "constant", 0.0)
    found = analysed(run, tmp_path, small_run, "constant", "--data", "alike.json")
    for name in ("small", "constant"):
        of_run = found["runs"][name]
        assert of_run["test"]["features"]["logmel"]["mse_relative_to_mean_spectrogram"]["value"] is None
        assert all(c["clusters"] <= 1 for c in of_run["clusters"] if c["data"] == "latents")
        assert all(c["reason"] for c in of_run["clusters"] if c["dbcv"] is None)
        assert of_run["neighbourhoods"]["latents_and_sounds"]["spearman"] is None
    assert found["across_runs"]["errors"]["L1 error on logmel"]["kruskal_wallis"]["epsilon_squared"] <= 1.0
    assert "all targets are equal" in (tmp_path / "a/report.html").read_text()


@pytest.mark.usefixtures("sketched_figures")
def test_silent_targets(run, small_run: Path, small_dataset: Dataset, tmp_path: Path):
    document = json.loads(small_dataset.path.read_text())
    levels = [n for n, p in enumerate(small_dataset.parameters) if p.name.startswith("mixer.")]
    for row in document["values"]:
        for level in levels:
            row[level] = 0.0
    document["seed"] = 99
    (tmp_path / "silent.json").write_text(json.dumps(document))
    found = analysed(run, tmp_path, small_run, "--data", "silent.json")["runs"]["small"]
    assert found["test"]["distances"]["f0_error"] == {"unit": "cents", "defined": 0, "summary": None}
    assert found["test"]["distances"]["spectral_convergence"]["defined"] == 9


@pytest.mark.usefixtures("sketched_figures")
def test_five_latents_and_two_test_presets_have_every_result_or_a_reason(run, tmp_path: Path):
    make = ("--seconds", 0.25, "--sample-rate", 16000, "--control-rate", 160, "--size", 8, "--splits", "5,1,2")
    assert run("generate-dataset", *make, "--out", "d.json")[0] == 0
    for name, seed in (("r", 0), ("other", 1)):
        once = ("--loss", "none", "--epochs", 1, "--batch-size", 5, "--seed", seed, "--out", name)
        code, _, err = run("train", "--data", "d.json", *once)
        assert code == 0, err
    found = analysed(run, tmp_path, "r", "other", "--map-presets", 5)
    prior = found["runs"]["r"]["audio_distances"]["logmel"]["prior"]
    assert prior["frechet_audio_distance"] is None
    assert "2 sounds" in prior["reason"]
    assert "3 or more" in found["runs"]["r"]["neighbourhoods"]["reason"]
    assert {c["dbcv"] for c in found["runs"]["r"]["clusters"] if c["data"] == "latents"} == {None}
    assert all(c["reason"] for c in found["runs"]["r"]["clusters"] if c["data"] == "latents")
    page = (tmp_path / "a/report.html").read_text()
    assert "no difference, however large, could reach p = 0.05" in page
    assert "differ in nothing but their seed" in page


def test_sounds_that_are_not_finite_are_one_line(run, small_run: Path, tmp_path: Path):
    shutil.copytree(small_run, tmp_path / "broken")
    change_weights(tmp_path / "broken", math.nan)
    refused(run("analyze", "broken", "--out", "a"), "broken", "not finite")


def test_audio_that_is_not_finite_is_one_line_and_leaves_nothing(run, small_run: Path, tmp_path: Path, monkeypatch):
    whole = Voice.forward

    def broken(self: Voice, unit: torch.Tensor) -> torch.Tensor:
        audio = whole(self, unit).clone()
        audio[-1, 5] = math.nan
        return audio

    monkeypatch.setattr(Voice, "forward", broken)
    refused(run("analyze", small_run, "--out", "a"), "logmel of the targets", "preset 8 holds nan")
    assert list(tmp_path.rglob("*.*")) == []


def analysed(run, folder: Path, *arguments: object) -> dict:
    """Metrics of a successful analysis whose files contain no NaN or infinity."""
    code, _, err = run("analyze", *MAPS, *arguments, "--out", "a")
    assert code == 0, err
    return check_text(folder / "a", err)


def check_text(directory: Path, err: str) -> dict:
    """Metrics; checks that no file of the analysis contains NaN or infinity."""
    assert "Warning" not in err
    found = json.loads((directory / "metrics.json").read_text())
    assert all(math.isfinite(number) for number in numbers(found))
    page = (directory / "report.html").read_text()
    said = re.sub(r"data:[a-z/]+;base64,[^\"]+|<script.*?</script>", "", page, flags=re.S)
    assert re.findall(r"(?i)\b(?:nan|inf)\b", said) == []
    tables = list(directory.glob("*.csv"))
    assert len(tables) == 3 * len(found["runs"])
    for table in tables:
        assert re.findall(r"(?i)\b(?:nan|inf)\b", table.read_text()) == []
    return found


def numbers(document: object) -> list[float]:
    if isinstance(document, dict):
        document = list(document.values())
    if isinstance(document, list):
        return [number for part in document for number in numbers(part)]
    return [float(document)] if isinstance(document, float) else []


def test_analyze_refuses_changed_and_overlapping_datasets(run, tmp_path: Path):
    make = ("generate-dataset", "--seconds", 0.25, "--sample-rate", 16000, "--control-rate", 160, "--out")
    assert run(*make, "d.json", "--size", 64)[0] == 0
    assert run("train", "--data", "d.json", "--loss", "none", "--epochs", 1, "--out", "r")[0] == 0
    assert run(*make, "part.json", "--size", 64, "--splits", "40,4,20")[0] == 0
    refused(run("analyze", "r", "--data", "part.json"), "part.json", "44 to 63", "0 to 45", "another seed")
    assert run(*make, "d.json", "--size", 64, "--seed", 7, "--overwrite")[0] == 0
    refused(run("analyze", "r"), "d.json", "no longer the dataset", "--data")
    refused(run("interpolate", "r", "--from", 1, "--to", 2), "d.json", "no longer the dataset")
    assert run(*make, "three.json", "--size", 3, "--seed", 9)[0] == 0
    refused(run("analyze", "r", "--data", "three.json"), "three.json", "1 test and 1 training")
    refused(run("analyze", "r", "--seed", -1), "--seed is -1")
    assert not (tmp_path / "analysis").exists()


def test_help_says_that_the_limit_is_not_that_of_maps(run):
    for command in (("analyze",), ("experiment", "report")):
        code, out, _ = run(*command, "--help")
        assert code == 0
        words = " ".join(out.replace("│", " ").split())
        assert re.search(r"--limit \S+ Maximum number of test presets.{1,160}--map-presets", words), words
