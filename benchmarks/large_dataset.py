"""A dataset beyond what JSON is good for: time and memory of generating it, and of training on it to the first step."""

from __future__ import annotations

import filecmp
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.memory import PEAK_MEMORY
from synthvae.core.shards import ShardFolder, shards_of
from synthvae.data.presets import read_dataset

__all__ = ["FIRST", "LargeDataset", "large_dataset_table", "measure_large_dataset"]

#: Presets that are compared with a JSON dataset of the same seed, as many as the thesis has.
FIRST = 140_000
#: GiB that a process may take while generating and while training, and seconds until the first step.
GENERATING, TRAINING, STARTS = 1.0, 4.0, 20.0

#: Runs a command and prints its seconds, and those and the largest memory of its processes.
_MEASURED = """
import json, resource, subprocess, sys, time
begun = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
unit = 1 if sys.platform == "darwin" else 1024
print(json.dumps([code, time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss * unit / 2**30]))
"""

#: Trains until the first step, and prints the seconds since the start of Python, imports included.
_FIRST_STEP = (
    PEAK_MEMORY
    + """
import time
begun = time.perf_counter()
import json, os, resource, sys
from pathlib import Path
from synthvae.data.presets import read_dataset
from synthvae.synths.rendering import build_synth
from synthvae.training.config import resolve_config
from synthvae.training.tasks.presets import PresetTask
from synthvae.training.trainer import train

data = read_dataset(Path(sys.argv[1]))
config = resolve_config(None, {"data": sys.argv[1], "loss": "sclp", "synth_layer": True})

def stop(epoch, step, steps):
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps([time.perf_counter() - begun, used.ru_utime + used.ru_stime, peak_memory()]))
    sys.stdout.flush()
    os._exit(0)

train(PresetTask(config, data, build_synth(data.parameters, data.header.settings)), Path(sys.argv[2]), on_step=stop)
"""
)


@dataclass(frozen=True)
class LargeDataset:
    """What was measured.

    Attributes:
        presets: number of presets.
        seconds: wall-clock seconds of generating them, without an interruption.
        cpu: CPU seconds of that, over all processes.
        memory: largest memory of one of its processes, in GiB.
        size: size of the file in bytes.
        same_first: whether the first `FIRST` are those of a JSON dataset of the same seed.
        resumed: whether a call that was killed and repeated made the same file.
        kept: shards that the killed call had finished.
        first_step: wall-clock seconds from the start of Python to the first training step.
        first_step_cpu: CPU seconds of that.
        training_memory: memory of the training process at that step, in GiB.
    """

    presets: int
    seconds: float
    cpu: float
    memory: float
    size: int
    same_first: bool
    resumed: bool
    kept: int
    first_step: float
    first_step_cpu: float
    training_memory: float

    @property
    def passed(self) -> bool:
        """Whether everything is within its limit."""
        within = self.memory < GENERATING and self.training_memory < TRAINING and self.first_step < STARTS
        return within and self.same_first and self.resumed


def measure_large_dataset(presets: int, shards: int, seed: int, directory: Path) -> LargeDataset:
    """Generate a Parquet dataset in shards, again with a kill, and start training on it.

    Args:
        presets: number of presets.
        shards: number of shards.
        seed: seed of the presets.
        directory: an empty one, for three datasets and a run.
    """
    whole, again, small = (directory / name for name in ("whole.parquet", "again.parquet", "small.json"))
    options = ["--seed", str(seed), "--launcher", "local", "--shards", str(shards)]
    seconds, cpu, memory = _measured(_generate(whole, presets, *options))
    kept = _killed(_generate(again, presets, *options), again, shards // 2)
    _measured(_generate(again, presets, *options))
    first = min(FIRST, presets)
    _measured(_generate(small, first, "--seed", str(seed)))
    one, other = read_dataset(whole), read_dataset(small)
    same = torch.equal(one.units(range(first)), other.units(range(first)))
    resumed = filecmp.cmp(whole, again, shallow=False)
    again.unlink()
    _measured([sys.executable, "-P", "-m", "synthvae", "doctor", "--compile"])  # once for an installation
    words = [sys.executable, "-P", "-c", _FIRST_STEP, str(whole), str(directory / "run")]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    start, start_cpu, held = json.loads(done.stdout)
    size = whole.stat().st_size
    return LargeDataset(presets, seconds, cpu, memory, size, same, resumed, kept, start, start_cpu, held)


def _generate(out: Path, presets: int, *options: str) -> list[str]:
    command = [sys.executable, "-P", "-m", "synthvae", "generate-dataset"]
    return [*command, "--size", str(presets), "--out", str(out), *options]


def _measured(command: list[str]) -> tuple[float, float, float]:
    done = subprocess.run([sys.executable, "-P", "-c", _MEASURED, *command], check=True, stdout=subprocess.PIPE)
    code, *figures = json.loads(done.stdout)
    if code:
        raise RuntimeError(f"{' '.join(command)}: exit code {code}")
    seconds, cpu, memory = figures
    return seconds, cpu, memory


def _killed(command: list[str], out: Path, after: int) -> int:
    """Kill a command with all its processes when so many shards are done, and return how many are."""
    folder = shards_of(out)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        while process.poll() is None:
            if len(list(folder.glob("*.sha256"))) >= after:
                os.killpg(process.pid, signal.SIGKILL)
                break
            time.sleep(0.02)
    opened = ShardFolder.open(folder)
    return opened.count - len(opened.missing)


def large_dataset_table(found: LargeDataset) -> str:
    """The figures as a Markdown table, each next to its limit."""
    rate = found.presets / found.cpu
    rows = [
        ("generated, s (CPU)", f"{found.seconds:.0f} ({found.cpu:.0f}: {rate:,.0f} presets a second and core)", ""),
        ("largest process, GiB", f"{found.memory:.2f}", f"{GENERATING:g}"),
        ("file, bytes per preset", f"{found.size / found.presets:.0f}", ""),
        (f"killed after {found.kept} shards and repeated", "same bytes" if found.resumed else "OTHER BYTES", "same"),
        (f"first {FIRST:,} and JSON of that seed", "equal" if found.same_first else "DIFFERENT", "equal"),
        ("training, s (CPU) to its first step", f"{found.first_step:.1f} ({found.first_step_cpu:.1f})", f"{STARTS:g}"),
        ("training, GiB", f"{found.training_memory:.2f}", f"{TRAINING:g}"),
    ]
    lines = [f"| {found.presets:,} presets | measured | limit |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {value} | {limit} |" for name, value, limit in rows)])
