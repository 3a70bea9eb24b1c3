"""The bank's SQLite file: format check, tables, and concurrent reads and writes.

SQLite in WAL mode: readers never wait, and writers wait for each other. A write begins with ``BEGIN IMMEDIATE``, so
that it waits before it has read anything; one that began as a reader could not wait, its picture being out of date.
Every read and write has a connection of its own, so that threads share none.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from synthvae.core.errors import UserError, shown

__all__ = ["VERSION", "Database", "default_path"]

#: The bank's own mark in the header of an SQLite file: "svbk".
APPLICATION = 0x7376626B
#: Of the tables, in ``PRAGMA user_version``.
VERSION = 1
#: Seconds that a read or a write waits for others.
PATIENCE = 30.0
PAUSE = 0.05

#: Descriptors are JSON, as are values: their set may grow, and any tool can read them.
TABLES = (
    """
    CREATE TABLE presets (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        hash TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        "values" TEXT NOT NULL,
        descriptors TEXT NOT NULL,
        sample_rate INTEGER NOT NULL,
        seconds REAL NOT NULL,
        control_rate INTEGER NOT NULL,
        origin TEXT NOT NULL,
        added TEXT NOT NULL,
        thumbnail BLOB NOT NULL,
        embedding BLOB NOT NULL
    )
    """,
    """
    CREATE TABLE tags (
        preset INTEGER NOT NULL REFERENCES presets (id) ON DELETE CASCADE,
        tag TEXT NOT NULL,
        PRIMARY KEY (tag, preset)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX tags_of_presets ON tags (preset)",
)


def default_path() -> Path:
    """Default path of the bank.

    ``$SYNTHVAE_BANK``, else ``synthvae/bank.sqlite`` in ``$XDG_DATA_HOME`` or ``~/.local/share``.
    """
    if chosen := os.environ.get("SYNTHVAE_BANK"):
        return Path(chosen)
    data = os.environ.get("XDG_DATA_HOME", "")
    return (Path(data) if os.path.isabs(data) else Path.home() / ".local" / "share") / "synthvae" / "bank.sqlite"


class Database:
    """A bank's file, checked to be one.

    Args:
        path: the file.
        create: whether to make it where there is none.

    Raises:
        UserError: if there is none, it is something else, a newer synthvae made it, or it cannot be written.
    """

    def __init__(self, path: Path, create: bool = True) -> None:
        self.path = path
        if not create and not path.exists():
            raise UserError(path, path, "add presets to make one, or choose another `bank`", "no preset bank there")
        with self._told():
            if create:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._create()
            with self.read():
                pass

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A read connection with a consistent snapshot of the bank."""
        with self._told(), closing(self._connect("rw")) as connection:
            connection.execute("BEGIN")
            self._check(connection)
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A write connection; changes are committed when the block ends, and rolled back if it fails."""
        with self._told(), closing(self._connect("rw")) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                self._check(connection)
                yield connection
            except BaseException:
                if connection.in_transaction:  # SQLite ends it itself where the disk is full
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _connect(self, mode: str) -> sqlite3.Connection:
        address = f"{self.path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(address, timeout=PATIENCE, isolation_level=None, uri=True)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.create_function("folded", 1, str.casefold, deterministic=True)
        return connection

    def _create(self) -> None:
        """Make the tables where there is nothing yet, even if several processes find that at once."""
        with closing(self._connect("rwc")) as connection:
            if not _is_blank(connection):
                return
            connection.execute("PRAGMA busy_timeout = 0")
            end = time.monotonic() + PATIENCE
            while True:  # changing the mode takes the file alone, and does not wait for it
                try:
                    connection.execute("PRAGMA journal_mode = WAL")
                    break
                except sqlite3.OperationalError as error:
                    if "locked" not in str(error) or time.monotonic() > end:
                        raise
                    time.sleep(PAUSE)
            connection.execute(f"PRAGMA busy_timeout = {round(1000 * PATIENCE)}")
            connection.execute("BEGIN IMMEDIATE")
            if _is_blank(connection):
                for statement in TABLES:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")

    def _check(self, connection: sqlite3.Connection) -> None:
        application, version = _marks(connection)
        if application != APPLICATION:
            raise UserError(self.path, self.path, "choose another `bank`", "an SQLite file, but no preset bank")
        if version != VERSION:
            raise UserError(
                f"{self.path}: version",
                version,
                "install the synthvae that made it, or choose another `bank`",
                why=f"this synthvae reads version {VERSION}",
            )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of SQLite and of the file system as one line."""
        try:
            yield
        except sqlite3.Error as error:
            if "locked" in str(error) or "busy" in str(error):
                problem, remedy = f"in use by another process for {PATIENCE:g} s", "try again"
            elif "not a database" in str(error):
                problem, remedy = "not an SQLite file", "choose another `bank`"
            else:
                problem, remedy = str(error), "repair the file or its rights, or choose another `bank`"
            raise UserError(self.path, self.path, remedy, problem) from None
        except UnicodeEncodeError as error:
            raise UserError(
                self.path, self.path, "write it again", f"{shown(error.object)} is not text in UTF-8"
            ) from None
        except OSError as error:
            raise UserError(self.path, self.path, "choose another `bank`", f"cannot open ({error.strerror})") from None


def _marks(connection: sqlite3.Connection) -> tuple[int, int]:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    return int(application), int(connection.execute("PRAGMA user_version").fetchone()[0])


def _is_blank(connection: sqlite3.Connection) -> bool:
    """Whether the file is empty."""
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    return tables == 0 and _marks(connection) == (0, 0)
