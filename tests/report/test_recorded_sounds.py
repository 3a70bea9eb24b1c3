from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from synthvae.analysis.recorded_sounds import (
    ChannelAccuracies,
    ChannelAccuracy,
    ClickCrests,
    DrawDistances,
    DrawnSounds,
    ProgramScore,
    ProgramScores,
    RunMeasurement,
    SoundWork,
    measure_run,
)
from synthvae.analysis.sound_sets import Classes, LikeTraining, RoundTrip, RoundTrips, SoundSets
from synthvae.core.errors import UserError
from synthvae.data.library import Library
from synthvae.metrics.bins import DifferentBins
from synthvae.report.recorded_sounds import analyze_sounds, plan_sounds
from synthvae.training.run import load_run
from synthvae.training.sounds import SoundRun
from synthvae.training.trainer import train
from tests.report.documented import documented, used
from tests.training.sounds import sound_task, write_small_library

#: Of a large library of long sounds: a small one has neither.
DRAWS = DrawDistances(400, 2.0, 50.0, {"aggregate": 5.0, "one gaussian": 7.0, "normal": 20.0})
SETS = SoundSets(
    800,
    0.25,
    {
        "test": LikeTraining(400, 2.0, 0.1, -0.2, 0.4, 0.1, DifferentBins(3, 50, 0.05, 2.5, 5, 1, 400, 800), 0.5),
        "map": LikeTraining(40, None, None, None, None, 7.5, None, 0.25),
    },
    Classes(0.9, 0.75, 0.5, {"noise": 1.0, "tone": 0.0}, {"noise": 0.5, "tone": 0.5}),
)
TRIPS = RoundTrips(60, RoundTrip(0.25, 4.0), RoundTrip(0.8125, 2.0), 9.0)
ACCURACIES = ChannelAccuracies(*(ChannelAccuracy(share, share + 1, share + 2) for share in (31.5, 82.5, 11.5)))
PROGRAMS = ProgramScores({"odg": ProgramScore(20, 12, 0.25, -3.75, -1.5)})
CREST = ClickCrests(60, 1.25, 1.5, 4.0)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return write_small_library(tmp_path_factory.mktemp("reported") / "lib")


@pytest.fixture(scope="module")
def model(library: Library, tmp_path_factory: pytest.TempPathFactory) -> SoundRun:
    out = tmp_path_factory.mktemp("reported") / "run"
    settings = {"data": str(library.path), "network": "dense", "widths": "16", "latent": 3, "condition": "label"}
    train(sound_task(library, **settings), out)  # type: ignore[arg-type]
    return SoundRun(load_run(out))


@pytest.fixture(scope="module")
def measured(model: SoundRun, library: Library) -> RunMeasurement:
    found = dataclasses.replace(measure_run(model, library), drawn=DrawnSounds(DRAWS, SETS, TRIPS), programs=PROGRAMS)
    return with_crest(
        dataclasses.replace(found, compared=dataclasses.replace(found.compared, accuracy=ACCURACIES)),
        CREST,
    )


def with_crest(measured: RunMeasurement, crest: ClickCrests | None) -> RunMeasurement:
    return dataclasses.replace(measured, compared=dataclasses.replace(measured.compared, crest=crest))


def written(measured: RunMeasurement, model: SoundRun, library: Library, out: Path, patch: pytest.MonkeyPatch) -> str:
    patch.setattr(SoundWork, "measure", lambda _: [measured])
    return analyze_sounds(SoundWork([model], library), out, "synthvae analyze run").read_text().replace("\u00a0", " ")


def test_every_number_is_on_the_page_and_documented(
    measured: RunMeasurement, model: SoundRun, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    page = written(measured, model, library, tmp_path, monkeypatch)
    for text in (
        "by distribution of the latents",
        "unlike the training sounds, but less so than the mean sound repeated",
        "a Fréchet distance of 2.5 times the floor, the mean sound 25.0 times",
        "more clicks at the hop of the transform than originals",
        "a click crest of 4.00, originals 1.25, with Griffin-Lim 1.50",
        "--random 8 --label noise --out sounds",
        "draw 0 (",
        "positions of the map",
        "By chance 2.5 of 50 bins differ, up to 5. Halves of the training sounds have a kernel distance of up to 0.25.",
        "exact magnitude, zero phase",
        "most frequent label for all",
        "grade, 0 to about -4, sounds joined to themselves",
        "Log-mel spectrograms of an original, its reconstruction and a new sound",
    ):
        assert text in page, text
    known = documented("SoundMetricsDocument")
    assert used(json.loads((tmp_path / "metrics.json").read_text()), known) == known


@pytest.mark.parametrize(
    ("scale", "words"),
    [
        (0.01, "Reconstructions are very close to the originals: they explain 99 % of the variance"),
        (0.5, "Reconstructions are roughly like the originals: they explain 50 % of the variance"),
        (1.0, "Reconstructions may be no closer to the originals than the mean of all sounds."),
        (2.0, "Reconstructions are not closer to the originals than the mean of all sounds."),
    ],
)
def test_closeness_in_words(
    scale: float, words: str, measured: RunMeasurement, model: SoundRun, library: Library, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    errors = dataclasses.replace(measured.errors, model=scale * measured.errors.mean)
    page = written(dataclasses.replace(measured, errors=errors), model, library, tmp_path, monkeypatch)
    assert words in page
    assert ("Train longer" in page) == (scale > 0.1)  # as an answer without a model is closer then


@pytest.mark.parametrize(
    ("distance", "words"),
    [(1.5, "new sounds are like the training sounds"), (60.0, "no more like the training sounds than the mean sound")],
)
def test_draws_in_words(
    distance: float, words: str, measured: RunMeasurement, model: SoundRun, library: Library, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    draws = dataclasses.replace(DRAWS, priors={**DRAWS.priors, "aggregate": distance})
    changed = with_crest(dataclasses.replace(measured, drawn=DrawnSounds(draws, None, None)), None)
    assert words in written(changed, model, library, tmp_path, monkeypatch)


def test_runs_of_one_name_are_refused(model: SoundRun, tmp_path: Path):
    with pytest.raises(UserError, match="two runs are called 'run'"):
        plan_sounds([model, model], tmp_path / "out")
