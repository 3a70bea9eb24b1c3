"""What the commands make of hand-made and broken files, numbers and targets."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from synthvae.core.json import check_target
from synthvae.data.presets import Dataset
from synthvae.training.run import load_run
from tests.errors import user_error

Command = Callable[..., tuple[int, str, str]]
SIZE = 16


@pytest.fixture
def refused(run: Command, tmp_path: Path) -> Callable[..., None]:
    """A command that ends in one line with the given parts, exit code 2, and no file written or changed."""

    def check(arguments: tuple[object, ...], *parts: str) -> None:
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            code, out, err = run(*arguments)
        assert code == 2, err
        assert out == ""
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        for part in parts:
            assert part in err, err
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before

    return check


def one(folder: Path, pattern: str) -> Path:
    """The one file that is meant."""
    (path,) = folder.glob(pattern)
    return path


@pytest.fixture
def latents(run: Command, small_run: Path, tmp_path: Path) -> dict[str, object]:
    """What ``encode`` wrote of two decoded presets in the folder ``a``."""
    assert run("decode", small_run, "--random", 2, "--seed", 1, "--out", "a")[0] == 0
    assert run("encode", small_run, "a", "--out", "z.json")[0] == 0
    return json.loads((tmp_path / "z.json").read_text())


def test_latents_keep_their_names(run: Command, small_run: Path, latents: dict[str, object], tmp_path: Path):
    assert run("decode", small_run, "--z", "z.json", "--out", "b")[0] == 0
    for i in range(2):
        origin = json.loads(one(tmp_path, f"b/latent_000{i}_*.json").read_text())["origin"]
        assert (origin["file"], origin["name"]) == ("z.json", one(tmp_path, f"a/random_1_000{i}_*.json").stem)
        assert origin["latent"] == pytest.approx(latents["latents"][i])


def test_latents_of_another_run_or_version_are_refused(
    run: Command, refused: Callable[..., None], small_run: Path, latents: dict[str, object], tmp_path: Path
):
    own = load_run(small_run).parameters.hash
    changes: list[tuple[dict[str, object], tuple[str, ...]]] = [
        ({"parameter_hash": "0" * 16}, ("parameter_hash", "'0000000000000000'", f"'{own}'")),
        ({"weights_hash": "0" * 16}, ("weights_hash", "'0000000000000000'")),
        ({"parameter_hash": None}, ("parameter_hash is null", own)),
        ({"format": "synthvae-preset"}, ("format is 'synthvae-preset'", "'synthvae-latents'")),
        ({"version": 2}, ("version is 2",)),
        ({"version": True}, ("version is true",)),
        ({"latents": None}, ("no latents",)),
        ({"names": ["one"]}, ("names must be 2 texts",)),
        ({"names": [1, 2]}, ("names must be 2 texts",)),
    ]
    for change, parts in changes:
        (tmp_path / "x.json").write_text(json.dumps(latents | change))
        refused(("decode", small_run, "--z", "x.json", "--out", "b"), "x.json", *parts)
    assert not (tmp_path / "b").exists()
    earlier = {key: value for key, value in latents.items() if key != "weights_hash"}  # of the first versions
    (tmp_path / "x.json").write_text(json.dumps(earlier))
    assert run("decode", small_run, "--z", "x.json", "--out", "b")[0] == 0


@pytest.mark.parametrize(
    ("name", "text", "parts"),
    [
        ("z.csv", "1,2,3\n", ("row 0 is 3 values", "16 numbers")),
        ("z.csv", ",".join("1" * 16) + "\n1,2\n", ("row 1 is 2 values",)),
        ("z.csv", ",".join(["1"] * 15 + ["loud"]), ("row 0", "'loud'", "not a number")),
        ("z.csv", ",".join(["1"] * 15 + ["nan"]), ("row 0", "nan", "not finite")),
        ("z.csv", ",".join(["1"] * 15 + ["-1e39"]), ("row 0", "-1e+39", "beyond 1e+06")),
        ("z.csv", "", ("no latents", "16 numbers")),
        ("z.CSV", "[[1]]", ("row 0 is 1 value,",)),
        ("z.json", json.dumps([[0.0] * 16, ["1"] * 16]), ("row 1", "'1'", "not a number")),
        ("z.json", json.dumps([[True] * 16]), ("row 0", "true", "not a number")),
        ("z.json", json.dumps([[None] * 16]), ("row 0", "null", "not a number")),
        ("z.json", json.dumps([[0.0] * 15 + [float("nan")]]), ("row 0", "nan", "not finite")),
        ("z.json", json.dumps([[0.0] * 16, [float("-inf")] * 16]), ("row 1", "-inf", "not finite")),
        ("z.json", json.dumps([[1e300] * 16]), ("row 0", "1e+300", "beyond 1e+06")),
        ("z.json", json.dumps([[10**400] * 16]), ("row 0", "not finite")),
        ("z.json", json.dumps([[0.0] * 16, 3]), ("row 1 is 3",)),
        ("z.json", "[]", ("no latents",)),
        ("z.json", "3", ("no latents",)),
        ("z.json", "[[1, 2", ("not a whole JSON document", "16 numbers")),
    ],
)
def test_wrong_latents_are_named_by_row(
    name: str, text: str, parts: tuple[str, ...], refused: Callable[..., None], small_run: Path, tmp_path: Path
):
    (tmp_path / name).write_text(text)
    refused(("decode", small_run, "--z", name, "--out", "b"), name, *parts)
    assert not (tmp_path / "b").exists()


def test_latents_that_are_not_text(refused: Callable[..., None], small_run: Path, tmp_path: Path):
    (tmp_path / "z.csv").write_bytes(b"\xff\xfe1")
    refused(("decode", small_run, "--z", "z.csv"), "z.csv", "UTF-8")


def test_spreadsheets_csv_is_read(run: Command, small_run: Path, tmp_path: Path):
    row = [i / 8 - 1 for i in range(SIZE)]
    (tmp_path / "z.json").write_text("\ufeff" + json.dumps(row), encoding="utf-8")
    (tmp_path / "Z.CSV").write_bytes(b"\xef\xbb\xbf" + ",".join(map(str, row)).encode() + b"\r\n")
    for name in ("z.json", "Z.CSV"):
        code, _, err = run("decode", small_run, "--z", name, "--out", name[0])
        assert code == 0, err
    sounds = [one(tmp_path, f"{folder}/latent_0000_*.wav") for folder in "zZ"]
    assert sounds[0].read_bytes() == sounds[1].read_bytes()
    assert json.loads(sounds[1].with_suffix(".json").read_text())["origin"]["latent"] == row


def test_encode_replaces_nothing_unasked(
    run: Command, refused: Callable[..., None], small_run: Path, latents: dict[str, object], tmp_path: Path
):
    (tmp_path / "z.json").write_text("precious")
    refused(("encode", small_run, "a", "--out", "z.json"), "z.json", "exists already", "--overwrite")
    refused(("encode", small_run, "a", "--out", "a", "--overwrite"), "not a plain file")
    refused(("encode", small_run, "a", "--out", "/dev/null", "--overwrite"), "/dev/null", "not a plain file")
    refused(("generate-dataset", "--size", 9, "--out", "/dev/null", "--overwrite"), "/dev/null", "not a plain file")
    assert run("encode", small_run, "a", "--out", "z.json", "--overwrite")[0] == 0
    assert json.loads((tmp_path / "z.json").read_text()) == latents


def test_a_target_whose_name_is_too_long(tmp_path: Path):
    with user_error(tmp_path / ("x" * 300), match="choose another `out`"):
        check_target(tmp_path / ("x" * 300), overwrite=False)


def test_of_two_encodes_to_one_file_the_second_is_refused(
    run: Command, small_run: Path, latents: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "new.json"
    monkeypatch.setattr("synthvae.core.json.check_target", lambda *_: out.write_text("of the first"))
    code, _, err = run("encode", small_run, "a", "--out", out)
    assert code == 2
    assert err.startswith(f"error: {out}: exists already, from another process")
    assert out.read_text() == "of the first"


def test_encode_passes_over_what_it_wrote_beside_the_presets(
    run: Command, small_run: Path, latents: dict[str, object], tmp_path: Path
):
    for extra in ((), ("--overwrite",)):
        code, _, err = run("encode", small_run, "a", "--out", "a/latents.json", *extra)
        assert code == 0, err
        assert json.loads((tmp_path / "a/latents.json").read_text()) == latents


def test_seeds(run: Command, refused: Callable[..., None], small_run: Path, tmp_path: Path):
    for seed in (-1, 2**63, 10**60):
        for command in (("decode", small_run, "--random", 1), ("generate-dataset", "--size", 9)):
            refused((*command, "--seed", seed, "--out", "x"), "--seed", "0 to 9223372036854775807", str(seed)[:50])
    assert run("decode", small_run, "--random", 1, "--seed", 2**63 - 1, "--out", "x")[0] == 0
    assert run("generate-dataset", "--size", 9, "--seed", 2**63 - 1, "--out", "d.json")[0] == 0
    assert run("render", "d.json", "--index", 8, "--out", "s")[0] == 0


def test_presets_that_are_no_numbers(refused: Callable[..., None], small_run: Path, small_dataset: Dataset):
    for text in ("-1", "²", "٣", "1.5", "", "7" * 5000, "none.json"):
        for first, second in (("--from", "--to"), ("--to", "--from")):
            arguments = ("interpolate", small_run, first, text, second, 2, "--out", "w")
            refused(arguments, first, text[:50], "whole number from 0 up", "JSON file")
    for text in ("²", "3-", "7" * 5000):
        refused(("render", small_dataset.path, "--index", text, "--out", "s"), "--index", text[:50], "neither a number")
    refused(("render", small_dataset.path, "--index", "5-3", "--out", "s"), "5-3 is backwards", "3-5")


def test_settings_that_cannot_be_rendered(refused: Callable[..., None]):
    make = ("generate-dataset", "--size", 9, "--out", "x.json")
    refused((*make, "--seconds", 0.001), "--seconds is 0.001", "at least")
    refused((*make, "--seconds", "nan"), "--seconds is nan")
    refused((*make, "--sample-rate", 999), "--sample-rate is 999", "1000 to 384000 Hz")
    refused((*make, "--sample-rate", 10**40), "--sample-rate is 1000", "1000 to 384000 Hz")
    refused((*make, "--control-rate", 44101), "--control-rate is 44101", "1 to 44100 Hz")


def test_a_preset_with_a_wrong_name_is_refused_with_its_file(
    refused: Callable[..., None], small_run: Path, latents: dict[str, object], tmp_path: Path
):
    path = one(tmp_path, "a/random_1_0001_*.json")
    preset = json.loads(path.read_text())
    path.write_text(json.dumps(preset | {"values": preset["values"] | {"adsr_1.atack": 1.0}}))
    refused(("encode", small_run, "a", "--out", "y.json"), path.name, "adsr_1.atack", "did you mean")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("generate-dataset", "--size", -5), "--size is -5; give at least 3"),
        (
            ("experiment", "run", "exp1", "--scale", "big"),
            "--scale is 'big', not a number; give one such as 1 (see synthvae experiment run --help)",
        ),
        (("decode", "--run", "first"), "No such option: --run; give the run as the first argument: decode RUN"),
        (("decode", "--random", "few"), "--random is 'few', not a whole number; give one such as 8 (see"),
        (("train", "--lr", "fast"), "--lr is 'fast', not a number; give one such as "),
        (("generate-dataset", "--size", "10k"), "--size is '10k', not a whole number; give one such as 10000 (see"),
        (("generate-dataset", "--size=1.5M"), "--size is '1.5M', not a whole number; give one such as 1500000 (see"),
        (("generate-dataset", "--size", "2,000"), "--size is '2,000', not a whole number; give one such as 2000 (see"),
        (("generate-dataset", "--size", "1.5"), "--size is '1.5', not a whole number; give one such as 140000 (see"),
        (("generate-dataset", "--seconds", "2s"), "--seconds is '2s', not a number; give one such as 1 (see"),
        (("generate-dataset", "--seconds", "0,5"), "--seconds is '0,5', not a number; give one such as 0.5 (see"),
        (("generate-dataset", "--format", "x"), "No such option: --format"),
        (("blend",), "--plus: no preset; give at least one preset, added by --plus or subtracted by --minus"),
    ],
)
def test_a_wrong_option_is_answered_in_plain_words(
    arguments: tuple[str, ...], message: str, refused: Callable[..., None]
):
    refused(arguments, message)
