"""Datasets in Parquet, and large ones that are read as they are needed."""

from __future__ import annotations

import dataclasses
import pickle
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from synthvae.data import parquet, presets, streaming
from synthvae.data.generation import dataset_path, generate_dataset
from synthvae.data.presets import Dataset, dataset_hash, read_dataset, write_dataset
from synthvae.data.streaming import ShuffledPresets
from synthvae.synths.voice.parameters import VOICE_63
from tests.errors import user_error


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row groups of 16 presets, of which no file is read as a whole."""
    pytest.importorskip("pyarrow", reason="an extra")
    monkeypatch.setattr(parquet, "GROUP", 16)
    monkeypatch.setattr(presets, "IN_MEMORY", 10)
    monkeypatch.setattr(presets, "SMALL", 0)


@pytest.fixture
def both(small_groups: None, tmp_path: Path) -> tuple[Dataset, Dataset]:
    """50 presets in each format."""
    for name in ("data.json", "data.parquet"):
        generate_dataset(tmp_path / name, VOICE_63, 50, seed=5)
    return read_dataset(tmp_path / "data.json"), read_dataset(tmp_path / "data.parquet")


@pytest.mark.parametrize("name", ["data.json", "data.parquet"])
def test_one_preset_of_a_large_dataset_takes_the_memory_of_a_block(
    name: str, small_groups: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(parquet, "GROUP", 512)
    monkeypatch.setattr(presets, "CHUNK", 512)
    monkeypatch.setattr(presets, "BLOCK", 1 << 16)
    generate_dataset(tmp_path / name, VOICE_63, 20_000, seed=5)
    tracemalloc.start()
    dataset = read_dataset(tmp_path / name)
    values = dataset.values[5:6]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not dataset.in_memory
    assert values.shape == (1, 63)
    assert peak < 20_000 * 63 * 8 / 2, "that of all values is twice as much"


def test_both_formats_read_back_equal(both: tuple[Dataset, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for dataset in both:
        assert not dataset.in_memory
        assert dataset.hash == dataset_hash(dataset.path)
    monkeypatch.setattr(presets, "IN_MEMORY", 100)
    monkeypatch.setattr(presets, "SMALL", 1 << 24)
    whole = read_dataset(tmp_path / "data.json")
    assert whole.in_memory
    for lazy in both:
        assert lazy.header == whole.header
        np.testing.assert_array_equal(lazy.values[0:50], whole.values)
        np.testing.assert_array_equal(lazy.values[13:35], whole.values[13:35])
        np.testing.assert_array_equal(lazy.values[-1], whole.values[-1])
        assert lazy.values[7:7].shape == (0, 63)
        assert torch.equal(lazy.unit, whole.unit)
        assert torch.equal(lazy.split("test", 3), whole.split("test")[:3])
        with pytest.raises(IndexError):
            lazy.values[50]
    again = pickle.loads(pickle.dumps(both[1]))  # what a process that is started is handed
    np.testing.assert_array_equal(again.values[3], whole.values[3])
    # The name of a file does not say what it is.
    moved = (tmp_path / "data.parquet").rename(tmp_path / "data.dat")
    assert read_dataset(moved).hash == both[1].hash


def test_columns_have_the_names_of_parameters_and_presets_their_split(both: tuple[Dataset, Dataset]):
    import pyarrow.parquet as pq

    table = pq.read_table(both[1].path)
    assert table.column_names == [*VOICE_63.names, "split"]
    assert table["split"].to_pylist() == ["train"] * 36 + ["validation"] * 7 + ["test"] * 7
    np.testing.assert_array_equal(table["vco_1.tuning"], both[0].values[0:50][:, VOICE_63.index("vco_1.tuning")])
    assert b'"seed": 5' in table.schema.metadata[b"synthvae"]


def test_chunks_do_not_change_the_bytes_and_a_larger_dataset_begins_alike(
    both: tuple[Dataset, Dataset], tmp_path: Path
):
    stored = both[1]
    values = stored.values[0:50]
    write_dataset(tmp_path / "again.parquet", stored.header, [values[:1], values[1:40], values[40:]])
    assert (tmp_path / "again.parquet").read_bytes() == stored.path.read_bytes()
    generate_dataset(tmp_path / "larger.parquet", VOICE_63, 90, seed=5)
    np.testing.assert_array_equal(read_dataset(tmp_path / "larger.parquet").values[0:50], values)


def test_damaged_files_are_refused(both: tuple[Dataset, Dataset], tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = bytearray(both[1].path.read_bytes())
    (tmp_path / "cut.parquet").write_bytes(content[:-100])
    with user_error(tmp_path / "cut.parquet", match="cannot read.*generate the file again, it may have been cut short"):
        read_dataset(tmp_path / "cut.parquet")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with user_error(tmp_path / "other.parquet", match="a Parquet file, but no dataset"):
        read_dataset(tmp_path / "other.parquet")
    table = pq.read_table(both[1].path)
    with pq.ParquetFile(both[1].path) as file:
        digests = file.metadata.metadata[parquet.DIGESTS].decode()
    column = table.column_names.index("vco_1.tuning")
    changed = table.set_column(column, table.schema.field(column), pa.array(np.zeros(50)))
    with pq.ParquetWriter(tmp_path / "changed.parquet", table.schema) as writer:
        writer.write_table(changed, row_group_size=16)
        writer.add_key_value_metadata({parquet.DIGESTS.decode(): digests})
    with user_error(tmp_path / "changed.parquet", match="presets 32 and following are not those that were written"):
        _ = read_dataset(tmp_path / "changed.parquet").values[40]


def test_lines_of_json_are_checked_when_they_are_read(both: tuple[Dataset, Dataset], tmp_path: Path):
    lines = both[0].path.read_text().splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if line.startswith("["))
    wrong = "[true" + lines[first + 30][lines[first + 30].index(",") :]
    (tmp_path / "bad.json").write_text("".join([*lines[: first + 30], wrong, *lines[first + 31 :]]))
    dataset = read_dataset(tmp_path / "bad.json")
    assert len(dataset.values[0:30]) == 30
    with user_error(f"{tmp_path / 'bad.json'}: preset 30, keyboard.midi_f0", True, "not a number"):
        _ = dataset.values[30]
    (tmp_path / "short.json").write_text("".join([*lines[: first + 30], *lines[first + 31 :]]))
    with user_error(tmp_path / "short.json", 49, "values hold 49 presets, size says 50"):
        read_dataset(tmp_path / "short.json")


def test_too_many_for_json_and_no_pyarrow_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert dataset_path(None, 1_000_000) == Path("datasets/presets.json")
    assert dataset_path(None, 1_000_001) == Path("datasets/presets.parquet")
    assert dataset_path(tmp_path / "x", 2_000_000) == tmp_path / "x.parquet"
    assert dataset_path(tmp_path / "x.json", 2_000_000) == tmp_path / "x.json"
    with user_error("size", 2_000_000, r"too large for JSON \(x.json\); name a file that ends in .parquet with `out`"):
        generate_dataset(tmp_path / "x.json", VOICE_63, 2_000_000)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with user_error(tmp_path / "x.parquet", match=r"Parquet needs the package pyarrow; .*'synthvae\[scale\]'"):
        generate_dataset(tmp_path / "x.parquet", VOICE_63, 20)
    assert not list(tmp_path.iterdir())


def test_an_epoch_that_is_read_in_windows_has_every_preset_once(
    small_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(streaming, "WINDOW", 2)
    shuffled = ShuffledPresets(small_dataset, "train", block=6)
    train = small_dataset.split("train")
    orders = []
    for epoch in (0, 1):
        parts = [shuffled.read(3, epoch, first, min(first + 7, 46)) for first in range(0, 46, 7)]
        rows = torch.cat([part.rows for part in parts])
        assert sorted(rows.tolist()) == list(range(46))
        assert torch.equal(torch.cat([part.unit for part in parts]), train[rows])
        orders.append(rows)
    assert not torch.equal(*orders)
    late = ShuffledPresets(small_dataset, "train", block=6)  # as a run does that goes on
    assert torch.equal(late.read(3, 1, 30, 37).rows, orders[1][30:37])
    assert torch.equal(late.rows(3, 1, 30, 37), orders[1][30:37])
    other = ShuffledPresets(dataclasses.replace(small_dataset, hash="x"), "train", block=6)
    assert not torch.equal(other.rows(4, 1, 0, 46), orders[1])
