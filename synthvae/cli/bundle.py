"""A ZIP file for a bug report: the installation and a run, without names of files, of the user and of the machine."""

from __future__ import annotations

import contextlib
import csv
import getpass
import io
import json
import os
import platform
import re
import zipfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from synthvae.core.events import EVENTS

__all__ = ["write_bundle"]

#: Variables that change what the packages do, by the beginnings of their names.
VARIABLES: tuple[str, ...] = ("CUDA_", "KMP_", "LC_", "LANG", "MALLOC_", "MKL_", "NUMBA_", "OMP_", "PYTHON", "PYTORCH_")
VARIABLES += ("TORCH_", "SLURM_NTASKS", "SYNTHVAE_", "WORLD_SIZE", "RANK", "LOCAL_RANK")
#: Lines of a file at most, from its end.
LINES = 2000
_PATH = re.compile(r"[^\s\"'=:,;()]*[/\\][^\s\"',;()]*")


def write_bundle(path: Path, found: Mapping[str, Any], run: Path | None) -> list[str]:
    """Write the file.

    Args:
        path: path of the ZIP file; replaced if it is there.
        found: what ``doctor`` found.
        run: directory of a run, if one is concerned.

    Returns:
        The names of the files in it.

    Raises:
        UserError: if it cannot be written, or the run cannot be read.
    """
    from synthvae.core.files import atomic_open, user_home
    from synthvae.training.run import read_description

    hidden = _Hidden(run, user_home())
    variables = {name: value for name, value in sorted(os.environ.items()) if name.startswith(VARIABLES)}
    installed = {f"{package.metadata['Name']}=={package.version}" for package in metadata.distributions()}
    files = {
        "doctor.json": hidden.document(found),
        "packages.txt": "\n".join(sorted(installed, key=str.lower)) + "\n",
        "variables.json": hidden.document(variables),
    }
    if run is not None:
        files["run.json"] = hidden.document(read_description(run))
        for name, read in ((EVENTS, hidden.lines), ("metrics.csv", hidden.table)):
            if (run / name).is_file():
                files[name] = read((run / name).read_text(encoding="utf-8", errors="replace"))
    with atomic_open(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return list(files)


class _Hidden:
    """Text without names of files, of the user and of the machine."""

    def __init__(self, run: Path | None, home: Path | None) -> None:
        known = [run, run and run.resolve(), Path.cwd(), home]
        paths = {str(path) for path in known if path is not None and len(str(path)) > 1}
        self._known = sorted(paths, key=len, reverse=True)
        names = [platform.node()]
        with contextlib.suppress(KeyError, OSError):  # a user without an entry in the list of users
            names.append(getpass.getuser())
        self._names = [re.compile(rf"\b{re.escape(name)}\b") for name in names if len(name) > 2]

    def _without_known(self, text: str) -> str:
        for path in self._known:
            text = text.replace(path, "PATH")
        return text

    def text(self, text: str) -> str:
        text = _PATH.sub("PATH", self._without_known(text))
        for name in self._names:
            text = name.sub("NAME", text)
        return text

    def value(self, value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, Mapping):
            return {str(name): self.value(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        if isinstance(value, str):
            known = self._without_known(value)
            # A path may have spaces, so what begins as one is one as a whole, but for a message that begins with it.
            whole = re.match(r"(/|~|PATH/|\.{1,2}/|[A-Za-z]:\\)", known) and ": " not in known
            return "PATH" if whole else self.text(known)
        return value

    def document(self, value: Any) -> str:  # noqa: ANN401
        return json.dumps(self.value(value), indent=2, default=str) + "\n"

    def lines(self, text: str) -> str:
        """Lines of JSON; one that is cut short, as a killed process leaves it, is left out."""
        kept = []
        for line in text.splitlines()[-LINES:]:
            try:
                kept.append(json.dumps(self.value(json.loads(line))))
            except ValueError:
                continue
        return "\n".join(kept) + "\n"

    def table(self, text: str) -> str:
        """A table of numbers; cells that are none, but for the heads, are hidden."""
        rows = list(csv.reader(text.splitlines()))
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(
            rows[:1] + [[self.text(cell) for cell in row] for row in rows[1:][-LINES:]]
        )
        return out.getvalue()
