from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

from synthvae.data.library import Library
from synthvae.experiments import sound_report
from synthvae.experiments.compare import Interval
from synthvae.experiments.recorded_sounds import SOUND_CASES, SoundJob
from synthvae.experiments.sound_measures import (
    SoundCaseMeasures,
    measure_sounds_job,
    read_sounds_case,
    unevenness_by_distance,
)
from synthvae.experiments.sound_report import (
    CLAIMS,
    PUBLISHED,
    Claim,
    finished_sounds,
    judge,
    published_rows,
    sound_table,
    write_sound_report,
)
from synthvae.training.run import load_run
from synthvae.training.sound_config import SoundConfig
from synthvae.training.sounds import SoundRun
from synthvae.training.trainer import train
from tests.errors import user_error
from tests.training.sounds import COUNTS, sound_task, write_small_library

MEASURED = SoundCaseMeasures(
    key="",
    steps=98,
    share=0.25,
    class_mean=0.5,
    nearest=0.125,
    kl=0.75,
    active=0.5,
    bins={"test": 2, "reconstructions": 4, "aggregate": 9, "normal": 31},
    frechet={"test": 1.5, "reconstructions": 12.5, "aggregate": 20.0, "normal": 99.0},
    accuracy={"both": 30.0, "magnitude": 60.0, "phase": 1.0},
    zero_phase={"both": 79.25, "magnitude": 100.0, "phase": 0.0},
    crest={"originals": 1.5, "griffin_lim": 1.4, "reconstructions": 6.0},
    error={"model": 0.002, "mean": 0.008},
    unevenness={"latent": 0.5, "blend": -0.25},
)
CLAIM = Claim("r", "More is better.", "r-overfit", "r-64dim", "squared error", "lower")


def shares(*values: float) -> dict[int, SoundCaseMeasures]:
    return {seed: dataclasses.replace(MEASURED, share=share) for seed, share in enumerate(values)}


@pytest.mark.parametrize(
    ("own", "other", "verdict"),
    [
        # The seeds of the two rows go up and down together, so that pairs tell what means do not.
        ((0.20, 0.30, 0.40), (0.25, 0.36, 0.45), "confirmed"),
        ((0.25, 0.36, 0.45), (0.20, 0.30, 0.40), "reversed"),
        ((0.20, 0.30, 0.40), (0.25, 0.28, 0.40), "cannot be told"),
        ((0.20,), (0.25,), "cannot be told"),
    ],
)
def test_a_claim_is_judged_over_seeds(own: tuple[float, ...], other: tuple[float, ...], verdict: str):
    found, interval = judge(CLAIM, {"r-overfit": shares(*own), "r-64dim": shares(*other, 9.0)})
    assert found == verdict
    assert interval is not None
    assert interval.seeds == len(own), "seeds that only one of them has do not count"
    assert interval.value == pytest.approx(sum(own) / len(own) - sum(other) / len(other))
    assert judge(CLAIM, {"r-overfit": shares(*own)}) == ("cannot be told", None)


def test_claims_are_about_rows_and_columns_of_the_tables():
    for claim in CLAIMS:
        assert {claim.case, claim.other} - {""} <= set(SOUND_CASES[claim.experiment])
        assert claim.column in sound_report.VALUES[claim.experiment]
        assert claim.side in ("lower", "higher")


@pytest.mark.parametrize("experiment", list(SOUND_CASES))
def test_our_results_are_beside_each_published_row_and_its_nulls(experiment: str):
    cases = SOUND_CASES[experiment]
    published, shown = published_rows(experiment), PUBLISHED[experiment][2]
    assert {row for case, row in cases.items() if not case.endswith("-mended")} <= set(published.index)
    first, second = list(cases)[:2]
    frame = sound_table(experiment, {first: shares(0.25, 0.35), second: shares(0.5)}).frame().set_index("row")
    for row in set(cases.values()) & set(published.index):
        for column, heading in shown.items():
            value = published.loc[row, column]
            assert frame.loc[row, heading] == value or pd.isna(value)
    one, other = frame.loc[cases[first]], frame.loc[cases[second]]
    assert (one["seeds"], other["seeds"]) == (2, 1)
    assert one["squared error"] == pytest.approx(0.3)
    assert one["squared error low"] < 0.25 < 0.35 < one["squared error high"]
    assert pd.isna(other["squared error low"]), "one seed has no interval"
    nulls = {
        "r": ("test sounds themselves", "Fréchet, reconstructions", 1.5),
        "g": ("originals", "click crest", 1.5),
        "g-ae": (cases[first], "accuracy of exact magnitude with zero phase, %", 79.25),
        "d": ("mean spectrogram", "mean squared error", 0.008),
    }
    row, column, value = nulls[experiment]
    assert frame.loc[row, column] == value
    note = sound_table(experiment, {}).note  # also of no run at all
    assert all(heading[-3:] in note for heading in shown.values() if heading.endswith("]"))


@pytest.mark.parametrize(
    ("correlations", "verdict"),
    [((0.2, 0.3, 0.25), "confirmed"), ((-0.2, -0.3, -0.25), "reversed"), ((0.3, -0.3, 0.1), "cannot be told")],
)
def test_a_claim_about_one_row_is_judged_against_0(correlations: tuple[float, ...], verdict: str):
    claim = next(claim for claim in CLAIMS if claim.case == "d-nonharmonic")
    own = {
        seed: dataclasses.replace(MEASURED, unevenness={"latent": value, "blend": 0.0})
        for seed, value in enumerate(correlations)
    }
    found, interval = judge(claim, {"d-nonharmonic": own})
    assert found == verdict
    assert interval is not None
    assert interval.value == pytest.approx(sum(correlations) / 3)
    collapsed = dataclasses.replace(MEASURED, unevenness={})
    assert judge(claim, {"d-nonharmonic": own | {3: collapsed}}) == (found, interval)
    assert judge(claim, {"d-nonharmonic": {0: collapsed}}) == ("cannot be told", None)
    (row,) = (row for row in sound_table("d", {"d-nonharmonic": {0: collapsed}}).rows if row[0] == "non-harmonic")
    assert row[-2:] == (None, None)


class Louder:
    """A model with one latent, the exponent of a level: in dB, a path is as even as `curve` is straight."""

    def __init__(self, library: Library, curve: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.config = SoundConfig(data=str(library.path))
        self._curve = curve
        self._noise = torch.randn(library.samples, generator=torch.Generator().manual_seed(0))

    def library_latents(self, library: Library, rows: list[int]) -> torch.Tensor:
        return torch.linspace(0.0, 2.0, len(rows))[:, None]

    def decode(self, latent: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        return self._noise * 10.0 ** -self._curve(latent)


def test_the_evenness_of_paths_is_compared_with_the_distance_of_their_ends(library: Library):
    tests = list(library.rows("test"))
    # From 0 to 1 the level is constant, from 1 to 2 it falls: the longer a path, the more of it has the bend.
    found = unevenness_by_distance(Louder(library, lambda z: (z - 1.0).clamp_min(0.0)), library, tests)  # type: ignore[arg-type]
    assert found["latent"] > 0.3
    other = unevenness_by_distance(Louder(library, lambda z: z), library, tests)  # type: ignore[arg-type]
    assert other["blend"] == found["blend"], "it does not depend on the model"
    assert other["latent"] < found["latent"]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return write_small_library(tmp_path_factory.mktemp("cases") / "lib")


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("r-64dim", {"network": "dense", "widths": "16", "representation": "mel-r", "loss": "cross-entropy"}),
        (
            "g-vae-06",
            {
                "network": "spectrogram-conv",
                "as_published": True,
                "representation": "stft-g",
                "representation_options": {"n_fft": 128, "hop": 64, "inverse": "published"},
            },
        ),
    ],
)
def test_runs_are_measured_and_reported(
    name: str, settings: dict[str, object], library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    task = sound_task(library, data=str(library.path), epochs=1, **settings)  # type: ignore[arg-type]
    train(task, tmp_path / "run")
    job = SoundJob(name, 0, 0.01, task.settings, tmp_path / "run")
    measure_sounds_job(job)
    found = read_sounds_case(job)
    model = SoundRun(load_run(job.directory))
    tests = torch.from_numpy(library.audio[-COUNTS["test"] :].copy())
    values = model.representation.analyse(tests).values.double()
    answers = model.spectrograms(model.encode(tests)).values.double()
    null = (values - values.mean(0)).square().sum()
    assert found.share == pytest.approx(float((answers - values).square().sum() / null), rel=1e-3)
    assert found.error["model"] == pytest.approx(float((answers - values).square().mean()), rel=1e-3)
    assert found.error["mean"] == pytest.approx(float((values - values.mean(0)).square().mean()), rel=1e-3)
    assert all(-1.0 <= value <= 1.0 for value in found.unevenness.values())
    assert bool(found.frechet) == (name == "r-64dim")
    assert bool(found.accuracy) == (name == "g-vae-06")
    if name == "g-vae-06":
        assert found.zero_phase["magnitude"] == pytest.approx(100.0)
        assert found.crest["griffin_lim"] > 0.0
    monkeypatch.setattr("synthvae.experiments.sound_measures._measure", None)
    measure_sounds_job(job)  # what was measured is not measured again
    monkeypatch.setattr("synthvae.experiments.sound_report.read_sounds_case", lambda _: MEASURED)
    page = write_sound_report([job], library, tmp_path / "out", "synthvae experiment report").read_text()
    assert "## Claims" in page
    assert "| not trained |" in page
    assert "synthvae experiment run" in page
    assert (tmp_path / "out/libraries/scale-0.01" / f"{name[0]}.csv").exists()


def test_what_was_not_trained_is_not_reported(library: Library, tmp_path: Path):
    with user_error(str(tmp_path / "scale-0.5"), tmp_path / "scale-0.5"):
        finished_sounds("r", 0.5, library.path, tmp_path)


def test_an_interval_over_seeds_is_a_mean():
    table = sound_table("r", {"r-8dim": shares(0.2, 0.4)})
    (cell,) = (value for value in table.rows[0] if isinstance(value, Interval) and value.value == pytest.approx(0.3))
    assert cell.seeds == 2
