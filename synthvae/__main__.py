"""The command ``synthvae``, also as ``python -m synthvae``."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; Ctrl-C is one line even while modules are imported."""
    try:
        from synthvae.cli import main as run

        run()
    except KeyboardInterrupt:
        print("error: stopped", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
