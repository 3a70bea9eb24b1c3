"""Preset bank with text, descriptor and audio-similarity search."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthvae.audio.recordings import Recording
from synthvae.bank.analysis import EMBEDDED, LONGEST, Analysed, analyse, distances, embed
from synthvae.bank.database import Database
from synthvae.bank.entries import Entry, all_values, bank_name, checked_tags, content_hash
from synthvae.bank.queries import Added, Row, find_hash, find_number, insert, order, read_embedding, read_entries, where
from synthvae.bank.transfer import read_bank_json, write_bank_json
from synthvae.core.errors import UserError, printable
from synthvae.data.preset import Preset

__all__ = ["Bank"]

Array = NDArray[np.float64]

#: Presets that are rendered and written per transaction: at most these are lost if adding is stopped.
BATCH = 16
#: Limit of a query without one: more than any bank holds.
MOST_LISTED = 2**62
#: Maximum number of samples per transaction: it has fewer presets if their sounds are long.
SAMPLES = 2**25


class Bank:
    """A preset bank in an SQLite file, safe under several threads and several processes at once.

    Example:
        >>> import tempfile
        >>> from synthvae import VOICE_63
        >>> from synthvae.synths.settings import RenderSettings
        >>> bank = Bank(Path(tempfile.mkdtemp()) / "bank.sqlite")
        >>> preset = Preset(VOICE_63, VOICE_63.denormalise(np.full(63, 0.5)), RenderSettings(seconds=0.5))
        >>> bank.add(preset, name="middle of everything", tags=["keeper"])
        Added(id=1, name='middle of everything', new=True)
        >>> [entry.name for entry in bank.search("middle", ranges={"pitch": (200, 500)}, tags=["keeper"])]
        ['middle of everything']

    Args:
        path: the file.
        create: whether to make it where there is none.

    Raises:
        UserError: from here and from every method if the file is no bank, was made by a newer synthvae, cannot be read
            or written, or is held by another process for 30 seconds.
    """

    def __init__(self, path: Path, create: bool = True) -> None:
        self.path = path
        self._database = Database(path, create)

    # -- adding --------------------------------------------------------------------------------------

    def add(self, preset: Preset, name: str | None = None, tags: Iterable[str] = ()) -> Added:
        """Render a preset at its settings, analyse it, and store it.

        Args:
            preset: any preset of the Voice.
            name: one line; by default the preset's own, or else what is measured (`synthvae.naming`).
            tags: single words.

        Returns:
            The result: a preset whose values are already in the bank is not added again.

        Raises:
            UserError: for a name of more than one line, a tag of more than one word, a value outside its range, or
                settings of more than a minute of sound.
        """
        own = preset if name is None else replace(preset, name=bank_name(name))
        return self.add_all([own], [tuple(tags)])[0]

    def add_all(
        self,
        presets: Sequence[Preset],
        tags: Sequence[Iterable[str]],
        progress: Callable[[int], object] = lambda done: None,
        sources: Sequence[str] | None = None,
    ) -> list[Added]:
        """Add presets, at most 16 at a time: those that are done stay if the rest is stopped.

        `progress` is called with the number of presets done; `sources` are what to call each in a message.

        Raises:
            UserError: as `add`, for any of them, before anything is added.
        """
        rows = []
        for number, (preset, words) in enumerate(zip(presets, tags, strict=True)):
            rows.append(_row(preset, words, sources[number] if sources else f"presets[{number}]"))
        added: list[Added] = []
        for _, group in groupby(rows, key=lambda row: row.preset.settings):
            alike = list(group)
            settings = alike[0].preset.settings
            size = max(1, min(BATCH, int(SAMPLES / (settings.seconds * settings.sample_rate))))
            for first in range(0, len(alike), size):
                added += self._add_batch(alike[first : first + size])
                progress(len(added))
        return added

    def _add_batch(self, rows: list[Row]) -> list[Added]:
        """Render and measure new presets outside the transaction, which blocks other writers; then write them."""
        analysed: dict[str, Analysed] = {}
        while True:  # again if another process removed what was there
            with self._database.read() as connection:
                wanted = {row.hash: row.preset for row in rows if not find_hash(connection, row.hash)}
            wanted = {digest: preset for digest, preset in wanted.items() if digest not in analysed}
            analysed |= zip(wanted, analyse(list(wanted.values())), strict=True) if wanted else ()
            with self._database.write() as connection:
                if all(row.hash in analysed or find_hash(connection, row.hash) for row in rows):
                    return [
                        find_hash(connection, row.hash) or insert(connection, row, analysed[row.hash]) for row in rows
                    ]

    # -- finding -------------------------------------------------------------------------------------

    def get(self, which: int | str) -> Entry:
        """One preset, by its number or its name.

        Args:
            which: a number, the same in digits, or a name; the beginning of a name will do where only one begins so.
                Capitals do not matter.

        Raises:
            UnknownPresetError: if there is none.
            UserError: if a name fits several; says which.
        """
        with self._database.read() as connection:
            return read_entries(connection, [find_number(connection, which, self.path)], self.path)[0]

    def search(
        self,
        text: str | None = None,
        ranges: Mapping[str, tuple[float | None, float | None]] | None = None,
        like: Recording | Preset | Array | None = None,
        tags: Iterable[str] = (),
        limit: int | None = None,
        sort: str | None = None,
    ) -> tuple[Entry, ...]:
        """Presets that match all given conditions.

        Args:
            text: words that each occur in the name or in a tag, in any order and whatever their capitals.
            ranges: lowest and highest value by descriptor, both included, None for no bound; a preset whose sound
                has no such thing does not fit.
            like: a recording (`synthvae.audio.recordings`), a preset, or an embedding that the nearest come first of.
            tags: tags that an entry must have, all of them.
            limit: most presets.
            sort: ``name`` or a descriptor to order by; those without it come last. Not with `like`.

        Returns:
            Entries in the order of their distance, of what `sort` says, or of their numbers.

        Raises:
            UserError: for a descriptor that is not measured, a range that is backwards or not finite, a limit below 1,
                or `like` and `sort` at once.
        """
        if limit is not None and limit < 1:
            raise UserError("limit", limit, "give at least 1")
        if like is not None and sort is not None:
            raise UserError("sort", sort, "leave one of them out", why="but `like` puts the nearest first")
        order_by = order(sort)
        conditions, values = where(text, ranges or {}, checked_tags(tags))
        point = _point(like)
        with self._database.read() as connection:
            if point is None:
                query = f"SELECT id FROM presets{conditions} ORDER BY {order_by} LIMIT ?"
                most = MOST_LISTED if limit is None else min(limit, MOST_LISTED)
                numbers = [row[0] for row in connection.execute(query, [*values, most])]
                return tuple(read_entries(connection, numbers, self.path))
            found = connection.execute(f"SELECT id, embedding FROM presets{conditions} ORDER BY id", values).fetchall()
            if not found:
                return ()
            far = distances(point, np.stack([read_embedding(blob, one, self.path) for one, blob in found]))
            nearest = np.argsort(far, kind="stable")[:limit]
            entries = read_entries(connection, [found[place][0] for place in nearest], self.path)
        return tuple(replace(entry, distance=float(far[place])) for entry, place in zip(entries, nearest, strict=True))

    def thumbnail(self, which: int | str) -> bytes:
        """The PNG of a preset's log-mel spectrogram, 96 by 64 pixels.

        Raises:
            UserError: as `get`.
        """
        with self._database.read() as connection:
            number = find_number(connection, which, self.path)
            row = connection.execute("SELECT thumbnail FROM presets WHERE id = ?", (number,)).fetchone()
        if not isinstance(row[0], bytes):
            source = f"{self.path}: preset {number}: thumbnail"
            raise UserError(source, row[0], "restore the bank from a copy", why="not a picture")
        return row[0]

    def embedding(self, which: int | str) -> Array:
        """A preset's embedding, ``(64,)``; see `synthvae.bank.analysis.embed`.

        Raises:
            UserError: as `get`.
        """
        with self._database.read() as connection:
            number = find_number(connection, which, self.path)
            row = connection.execute("SELECT embedding FROM presets WHERE id = ?", (number,)).fetchone()
        return read_embedding(row[0], number, self.path)

    def tags(self) -> dict[str, int]:
        """Every tag, and how many presets have it."""
        with self._database.read() as connection:
            found = connection.execute("SELECT tag, count(*) FROM tags GROUP BY tag ORDER BY tag").fetchall()
        return {printable(str(tag)): count for tag, count in found}

    def __len__(self) -> int:
        with self._database.read() as connection:
            return int(connection.execute("SELECT count(*) FROM presets").fetchone()[0])

    # -- changing ------------------------------------------------------------------------------------

    def retag(self, which: int | str, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Entry:
        """Add and remove tags in one transaction, missing ones ignored, and return the preset as it is now.

        Raises:
            UserError: as `get`, or for a tag that is not a single word.
        """
        more, fewer = checked_tags(add), checked_tags(remove)
        with self._database.write() as connection:
            number = find_number(connection, which, self.path)
            connection.executemany(
                "INSERT OR IGNORE INTO tags (preset, tag) VALUES (?, ?)", [(number, tag) for tag in more]
            )
            connection.executemany("DELETE FROM tags WHERE preset = ? AND tag = ?", [(number, tag) for tag in fewer])
            return read_entries(connection, [number], self.path)[0]

    def rename(self, which: int | str, new: str) -> Entry:
        """Rename a preset, and return it as it is now.

        Raises:
            UserError: as `get`, or if the name is empty or not one line.
        """
        checked = bank_name(new, "new")
        with self._database.write() as connection:
            number = find_number(connection, which, self.path)
            connection.execute("UPDATE presets SET name = ? WHERE id = ?", (checked, number))
            return read_entries(connection, [number], self.path)[0]

    def remove(self, *which: int | str) -> tuple[Entry, ...]:
        """Remove presets, and return what they were; none is removed if one of them is missing.

        Raises:
            UserError: as `get`.
        """
        with self._database.write() as connection:
            numbers = list(dict.fromkeys(find_number(connection, one, self.path) for one in which))
            gone = read_entries(connection, numbers, self.path)
            connection.executemany("DELETE FROM presets WHERE id = ?", [(number,) for number in numbers])
        return tuple(gone)

    # -- exchange ------------------------------------------------------------------------------------

    def export_json(self, path: Path, which: Iterable[int | str] | None = None, overwrite: bool = True) -> int:
        """Write presets, all by default, with their names, tags and descriptors to a JSON file; returns how many.

        Raises:
            UserError: as `get`, or if `path` cannot be written, or exists and `overwrite` is False.
        """
        entries = self.list() if which is None else tuple(self.get(one) for one in which)
        write_bank_json(path, entries, overwrite)
        return len(entries)

    def import_json(self, path: Path, progress: Callable[[int, int], object] = lambda done, of: None) -> list[Added]:
        """Add the presets of a file that `export_json` wrote; doing it twice changes nothing.

        They are rendered and measured again; names and tags are the file's, of what is in the bank the bank's.

        Raises:
            UserError: if the file is not one, or a preset in it is not whole; then nothing is added.
        """
        found = read_bank_json(path)
        presets, tags = [one.preset for one in found], [one.tags for one in found]
        sources = [f"{path}: presets[{number}]" for number in range(len(found))]
        return self.add_all(presets, tags, lambda done: progress(done, len(found)), sources)

    def list(self, limit: int | None = None) -> tuple[Entry, ...]:
        """Presets in the order of their numbers, the first `limit` of them."""
        return self.search(limit=limit)


def _point(like: Recording | Preset | Array | None) -> Array | None:
    if like is None:
        return None
    if isinstance(like, Recording):
        return embed(like)
    if isinstance(like, Preset):
        return analyse([_row(like, (), "like").preset])[0].embedding
    if like.shape != (EMBEDDED,):
        raise ValueError(f"expected an embedding of shape ({EMBEDDED},), got {like.shape}; give a Recording otherwise")
    return like


def _row(preset: Preset, tags: Iterable[str], source: str) -> Row:
    """A validated preset, ready to be stored.

    Raises:
        UserError: see `Bank.add_all`.
    """
    values = all_values(preset, source)
    preset.settings.check(source)
    if preset.settings.seconds > LONGEST:
        raise UserError(f"{source}: seconds", preset.settings.seconds, f"a bank takes at most {LONGEST:g}")
    try:
        json.dumps(dict(preset.origin), allow_nan=False)
    except (TypeError, ValueError):
        raise UserError(source, preset.origin, "correct or remove it", "origin is not what JSON can hold") from None
    name = bank_name(preset.name, f"{source}: name") if preset.name else ""
    return Row(replace(preset, name=name), values, content_hash(values), checked_tags(tags, f"{source}: tag"))
