"""Optional parts of the installation, and the line that says how to install one."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

from synthvae.core.errors import UserError

__all__ = ["EXTRAS", "require_extra"]


class Extra(NamedTuple):
    """Packages of an extra of pyproject.toml, and the commands and options that need them."""

    packages: tuple[str, ...]
    purpose: str


EXTRAS = {
    "studio": Extra(("fastapi", "uvicorn"), "explore, pack"),
    "match": Extra(("cma",), "match --search cma"),
    "scale": Extra(("pyarrow", "ray", "submitit"), "datasets in Parquet, --launcher ray and slurm"),
    "visqol": Extra(("visqol",), "scores by ViSQOL"),
    "play": Extra(("sounddevice",), "play"),
    "frechet-audio-distance": Extra(
        ("frechet_audio_distance", "laion_clap", "encodec"), "--embedding clap and encodec"
    ),
}


def require_extra(command: str, extra: str) -> None:
    """Refuse a command in one line where a package of an extra cannot be imported.

    Raises:
        UserError: names the package and the extra.
    """
    for package in EXTRAS[extra].packages:
        try:
            import_module(package)
        except ImportError:
            raise UserError(
                command, package, f"install it with pip install 'synthvae[{extra}]'", f"needs the package {package}"
            ) from None
