"""Opening a studio: read the run, the presets and the bank, and listen."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from synthvae.bank import Bank, default_path
from synthvae.core.counts import counted
from synthvae.core.errors import UserError, reason
from synthvae.core.files import ensure_directory, temporary_folder
from synthvae.data.library import Library, is_library, read_library
from synthvae.studio.collection import Collection, from_bank, from_dataset, from_library
from synthvae.studio.maps import LayoutWorker, missing
from synthvae.studio.packing import MAP, unpack_map
from synthvae.studio.security import Access, is_loopback
from synthvae.studio.session import Session
from synthvae.training.run import Run, load_run
from synthvae.training.tasks.base import PARAMETERS, SOUNDS

__all__ = ["MOST", "open_session", "serve"]

#: Default number of presets on a map, which are laid out within a minute.
MOST = 10_000
#: Requests that wait for a connection.
BACKLOG = 64


def open_session(
    run_path: Path,
    data: Path | None = None,
    bank: Path | None = None,
    of_bank: bool = False,
    names_from: Path | None = None,
    most: int = MOST,
    cache: Path | None = None,
    say: Callable[[str], object] = print,
) -> Session:
    """Open a run with its map and its bank; the caller has to close the session.

    Args:
        run_path: the run's directory.
        data: the dataset or library on the map; the run's own by default.
        bank: the bank's file; the user's by default.
        of_bank: whether the map shows the bank in place of a dataset.
        names_from: a labelled library whose labels name regions of a map of recorded sounds; by default the one on the
            map or the run's own, where they have several labels.
        most: sounds on the map.
        cache: the folder for what is made of the map; beside the run by default.
        say: called with messages for the user.

    Raises:
        UserError: if something cannot be read, or does not fit together.
    """
    if most < 1:
        raise UserError("points", most, "give at least 1")
    run = load_run(run_path, needs=(PARAMETERS, SOUNDS))
    sounds = SOUNDS in run.task.abilities
    if names_from is not None and not sounds:
        raise UserError("names_from", names_from, "leave it out", why=f"but {run_path} is a run on presets")
    if sounds and of_bank:
        raise UserError("of_bank", of_bank, "leave it out", why=f"but {run_path} is a run on recorded sounds")
    kept = Bank(bank or default_path())
    folder = _cache(cache, run.cache, say)
    if (run.path / MAP).is_file():
        unpack_map(run.path / MAP, folder)
    ahead = LayoutWorker(run.path, folder) if missing(folder) else None  # it loads its libraries meanwhile
    try:
        if sounds:
            collection = _recordings(run, data, names_from, most, folder)
        elif of_bank:
            collection, skipped = from_bank(run, kept, most, folder)
            if skipped:
                left_out = counted(skipped, "preset")
                say(f"{kept.path}: {left_out} skipped: the run fixes a parameter at another value than theirs")
        else:
            collection = from_dataset(run, data or run.dataset_path, data is None, most, folder)
        return Session(run, collection, kept, folder, ahead)
    except BaseException:
        if ahead:
            ahead.end()
        raise


def _recordings(run: Run, data: Path | None, names_from: Path | None, most: int, cache: Path) -> Collection:
    from synthvae.exploration.recorded_sounds import fitting_library
    from synthvae.studio.libraries import LibrarySource, encode_library

    source = LibrarySource(run)
    library = fitting_library(source.model, data)
    reference: Library | None = None
    if names_from is not None:
        reference = read_library(names_from)
        if len(reference.labels) < 2:
            raise UserError(
                "names_from", names_from, "give a library with several labels", "all its sounds have one label"
            )
    elif len(library.labels) > 1:
        reference = library
    elif data is not None and is_library(Path(run.config.data)):
        own = read_library(Path(run.config.data))
        reference = own if len(own.labels) > 1 else None
    return from_library(run, library, most, cache, lambda numbers: encode_library(source, library, numbers), reference)


def serve(
    session: Session,
    host: str = "127.0.0.1",
    port: int = 8321,
    token: str | None = None,
    ready: Callable[[str], object] = lambda address: None,
) -> None:
    """Listen until stopped.

    Args:
        session: what to serve; closed at the end.
        host: address to listen on. Anything but this machine alone takes a token, which is made where none is given.
        port: port to listen on; 0 for any that is free.
        token: token that requests must contain.
        ready: called with the page's address once it answers.

    Raises:
        UserError: if the port is taken, or the host is none of this machine's.
    """
    import uvicorn

    from synthvae.studio.app import create_app
    from synthvae.studio.connections import LimitedProtocol, RepetitionFilter

    local = is_loopback(host)
    if token is None and not local:
        token = secrets.token_urlsafe(16)
    try:
        listening = _listen(host, port)
        shown = socket.gethostname() if host in ("0.0.0.0", "::", "") else f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listening.getsockname()[1]}/" + (f"?token={token}" if token else "")
        session.start()
        app = create_app(session, Access(token, local))

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                # Beside the first requests, which are for the page and its map: a sound is asked for by a click.
                threading.Thread(target=session.warm, daemon=True).start()
                ready(address)

        config = uvicorn.Config(
            app,
            loop="asyncio",
            http=LimitedProtocol,
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            backlog=BACKLOG,
        )
        for name in ("asyncio", "uvicorn.error"):
            logging.getLogger(name).addFilter(RepetitionFilter())
        Server(config).run(sockets=[listening])
    finally:
        session.close()


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise UserError("port", port, "give a number from 0 (any free port) to 65535")
    try:
        kind, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.socket(kind, socket.SOCK_STREAM)
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
        listening.listen(BACKLOG)
    except OSError as error:
        raise UserError(
            "port", port, "choose others", why=f"and `host` {host}: cannot listen there ({reason(error)})"
        ) from None
    listening.setblocking(False)
    return listening


def _cache(chosen: Path | None, usual: Path, say: Callable[[str], object]) -> Path:
    folder = chosen or usual
    try:
        ensure_directory(folder, "cache")
        if not os.access(folder, os.W_OK):
            raise UserError(folder, folder, "choose another `cache`", "cannot write there")
    except UserError as error:
        if chosen:
            raise
        folder = Path(tempfile.mkdtemp(prefix="cache-", dir=temporary_folder()))
        say(f"{error}: the map is stored in {folder} and recomputed next time")
    return folder
