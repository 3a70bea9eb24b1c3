"""What a host program finds as it left it after synthvae was imported and called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from synthvae.data.presets import Dataset

CODE = """
import gc, importlib, locale, os, pkgutil, random, signal, sys
from pathlib import Path
import numpy as np
import torch

torch.set_num_threads(2)
os.umask(0o027)

def state():
    return {
        "threads": torch.get_num_threads(),
        "gc": gc.isenabled(),
        "dtype": torch.get_default_dtype(),
        "pi": torch.pi,
        "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "torch": torch.get_rng_state().tolist(),
        "numpy": str(np.random.get_state()),
        "random": random.getstate(),
        "interrupt": signal.getsignal(signal.SIGINT),
        "environment": dict(os.environ),
        "path": list(sys.path),
        "folder": os.getcwd(),
        "locale": locale.setlocale(locale.LC_ALL),
    }

def touched(*arguments):
    raise AssertionError("other threads would meet this, however soon it is undone")

before = state()
disable, umask, gc.disable, os.umask = gc.disable, os.umask, touched, touched

import synthvae
modules = [module.name for module in pkgutil.walk_packages(synthvae.__path__, "synthvae.")]
for name in modules:
    if not name.startswith("synthvae.studio"):  # an extra, whose libraries may be missing
        importlib.import_module(name)

from synthvae.core.files import atomic_write
from synthvae.data.presets import read_dataset
from synthvae.synths.voice.voice import Voice

dataset = read_dataset(Path(sys.argv[1]))
audio = Voice(dataset.parameters, **dataset.header.settings.to_dict())(dataset.unit[:2])
assert audio.abs().max() > 0
out = Path(sys.argv[2])
atomic_write(out, "x")
assert out.stat().st_mode & 0o777 == 0o640

after = state()
for what, value in before.items():
    assert after[what] == value, what
assert umask(0) == 0o027
gc.disable = disable  # Python calls it at its end
"""


def test_importing_and_calling_the_library_changes_nothing_of_the_process(small_dataset: Dataset, tmp_path: Path):
    command = [sys.executable, "-c", CODE, str(small_dataset.path), str(tmp_path / "x.txt")]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
