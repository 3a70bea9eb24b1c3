"""``explore``: serve the map of sounds as a web page."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from synthvae.cli.common import RunArgument
from synthvae.cli.extras import require_extra
from synthvae.cli.loading import uncollected
from synthvae.core.counts import counted
from synthvae.core.errors import UserError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("explore")(explore)


def explore(
    run: RunArgument = None,
    data: Annotated[Path | None, typer.Option(help="The dataset or library on the map.  [default: the run's]")] = None,
    bank: Annotated[
        Path | None,
        typer.Option(
            help="The bank to save sounds to.  [default: $SYNTHVAE_BANK, else ~/.local/share/synthvae/bank.sqlite]"
        ),
    ] = None,
    of_bank: Annotated[bool, typer.Option("--of-bank", help="Map the bank's presets instead of a dataset's.")] = False,
    names_from: Annotated[
        Path | None,
        typer.Option(
            help="A labelled library whose labels name regions of a map of recorded sounds.  [default: the one on the "
            "map, else the run's]"
        ),
    ] = None,
    points: Annotated[int, typer.Option(help="Maximum number of sounds on the map.")] = 10_000,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any free port.")] = 8321,
    host: Annotated[
        str, typer.Option(help="Address to listen on; addresses other than localhost require a token.")
    ] = "127.0.0.1",
    token: Annotated[
        str | None, typer.Option(help="Token that requests must carry.  [default: none on localhost, else generated]")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Cache folder of the map.  [default: RUN/.cache]")] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Explore sounds on a map in the browser: click to play, save to a bank.

    If no run is given and experiments/runs has none, opens the map of voice-16, which comes with synthvae.

    For a run on recorded sounds, the map shows its library, or the one of --data.

    Example: `synthvae explore --open`

    Example: `synthvae explore experiments/runs/drums --data datasets/drums`
    """
    with uncollected():
        require_extra("explore", "studio")
        import torch

        from synthvae.studio.serve import open_session, serve

    if of_bank and data is not None:
        raise UserError("data", data, "leave one of them out", why="and `of_bank` is given")
    if token is not None and not (token.isascii() and token.isprintable() and 8 <= len(token) <= 200):
        raise UserError("token", token, "leave it out to have one generated", "not 8 to 200 plain characters")
    if run is None:
        from synthvae.exploration import find_run  # a third of a second that a named run need not wait for

        run, choice = find_run(None)
        print(choice, flush=True)
    session = open_session(run, data, bank, of_bank, names_from, points, cache)

    def ready(address: str) -> None:
        sounds = counted(len(session.collection), "sound")
        print(f"{session.run.name}: {sounds} on the map at {address} (stop with Ctrl-C)", flush=True)
        if open_browser:
            import webbrowser

            webbrowser.open(address)

    torch.set_num_threads(1)  # one sound is too little work to share, and other requests want the other cores
    # Uvicorn raises the signal that ended it again: by default SIGTERM would end the process with its temporary files.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):  # the way to stop it
            serve(session, host, port, token, ready)
    finally:
        signal.signal(signal.SIGTERM, before)
    print("stopped")
