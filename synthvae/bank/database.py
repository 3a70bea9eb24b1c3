"""The bank's SQLite file: format check, tables, and concurrent reads and writes.

SQLite in WAL mode, if the storage supports it: readers never block, and writers wait for each other. A write begins
with ``BEGIN IMMEDIATE``, so that it waits before reading; a transaction that began as a read could not wait, since its
snapshot would be outdated. Every read and write has its own connection, so that threads share none.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from synthvae.core.errors import UserError, reason, shown
from synthvae.core.files import user_home, why_no_locks

__all__ = ["VERSION", "Database", "default_path"]

#: The bank's own mark in the header of an SQLite file: "svbk".
APPLICATION = 0x7376626B
#: Of the tables, in ``PRAGMA user_version``.
VERSION = 1
#: Seconds that a read or a write waits for others.
PATIENCE = 30.0
PAUSE = 0.05
_STORAGE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL)

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

    Raises:
        UserError: if the user has no home and neither variable is set.
    """
    if chosen := os.environ.get("SYNTHVAE_BANK"):
        return Path(os.path.expanduser(chosen))
    data = os.environ.get("XDG_DATA_HOME", "")
    if os.path.isabs(data):
        return Path(data) / "synthvae" / "bank.sqlite"
    home = user_home()
    if home is None:
        raise UserError("bank", None, "set SYNTHVAE_BANK or HOME, or give a `bank`", "this user has no home")
    return home / ".local" / "share" / "synthvae" / "bank.sqlite"


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
        with self._told(), closing(self._open(write=False)) as connection:
            connection.execute("BEGIN")
            self._check(connection)
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A write connection; changes are committed when the block ends, and rolled back if it fails."""
        with self._told(), closing(self._open(write=True)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                self._check(connection)
                yield connection
            except BaseException:
                if connection.in_transaction:  # SQLite ends it itself where the disk is full
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _open(self, write: bool) -> sqlite3.Connection:
        """A connection, with fallbacks where the storage does not support WAL.

        WAL takes memory that is shared through a file beside the bank. Where storage cannot share it, as some of FUSE,
        the file is held by one connection, and a writer changes the mode to a rollback journal. Where nothing may be
        written, a reader takes the file for one that does not change.
        """
        try:
            return self._tried("rw")
        except sqlite3.OperationalError as error:
            if not _is_of_storage(error):
                raise
            first = error
        try:
            connection = self._tried("rw", alone=True)
            if write:
                connection.execute("PRAGMA journal_mode = DELETE")
            return connection
        except sqlite3.OperationalError as error:
            if not _is_of_storage(error) or write:
                raise first from None
        journal = Path(f"{self.path}-wal")
        if journal.exists() and journal.stat().st_size:
            raise UserError(
                self.path,
                self.path,
                f"copy it and {journal.name} to a folder that can be written",
                "its last changes lie in a journal that cannot be read in place",
            )
        try:
            return self._tried("ro&immutable=1")
        except sqlite3.OperationalError:
            raise first from None

    def _tried(self, mode: str, alone: bool = False) -> sqlite3.Connection:
        """A connection that has read from the file."""
        connection = self._connect(mode)
        try:
            if alone:
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA schema_version").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self, mode: str) -> sqlite3.Connection:
        address = f"{self.path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(address, timeout=PATIENCE, isolation_level=None, uri=True)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.create_function("folded", 1, str.casefold, deterministic=True)
        return connection

    def _create(self) -> None:
        """Make the tables where there is nothing yet, even if several processes find that at once."""
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(closing(self._connect("rwc")))
                if not _is_blank(connection):
                    return
            except sqlite3.OperationalError as error:
                if _is_of_storage(error) and self.path.is_file() and self.path.stat().st_size:
                    return  # it is there, and `_open` knows other means
                raise
            connection.execute("PRAGMA busy_timeout = 0")
            end = time.monotonic() + PATIENCE
            while True:  # changing the mode takes the file alone, and does not wait for it
                try:
                    connection.execute("PRAGMA journal_mode = WAL")
                    break
                except sqlite3.OperationalError as error:
                    if _is_of_storage(error):
                        break  # a rollback journal, then
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
                missing = why_no_locks(self.path.parent)
                problem, remedy = f"in use by another process for {PATIENCE:g} s", "try again"
                if missing:
                    problem = f"its storage has no locks ({missing})"
                    remedy = "choose another `bank`, on storage that has them"
            elif "not a database" in str(error):
                problem, remedy = "not an SQLite file", "choose another `bank`"
            elif "readonly" in str(error):
                problem, remedy = "cannot be written", "change the rights of file and folder, or choose another `bank`"
            elif "full" in str(error):
                problem, remedy = str(error), "make room or choose another `bank`"
            else:
                problem, remedy = str(error), "repair the file or its rights, or choose another `bank`"
            raise UserError(self.path, self.path, remedy, problem) from None
        except UnicodeDecodeError:  # of names of tables, which SQLite does not check
            raise UserError(self.path, self.path, "choose another `bank`", "its text is not UTF-8") from None
        except UnicodeEncodeError as error:
            raise UserError(
                self.path, self.path, "write it again", f"{shown(error.object)} is not text in UTF-8"
            ) from None
        except OSError as error:
            raise UserError(self.path, self.path, "choose another `bank`", f"cannot open ({reason(error)})") from None


def _is_of_storage(error: sqlite3.Error) -> bool:
    """Whether an error is of the storage of the file, and neither of its content nor of its other users."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _STORAGE


def _marks(connection: sqlite3.Connection) -> tuple[int, int]:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    return int(application), int(connection.execute("PRAGMA user_version").fetchone()[0])


def _is_blank(connection: sqlite3.Connection) -> bool:
    """Whether the file is empty."""
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    return tables == 0 and _marks(connection) == (0, 0)
