"""The SQLite table of what a folder of entries holds: sizes, last uses, tags. Never read to serve a result."""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

VERSION = 1

_SCHEMA = (
    "CREATE TABLE entries (key TEXT PRIMARY KEY, size INTEGER NOT NULL, used REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX entries_used ON entries (used)",
    "CREATE TABLE tags (tag TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (tag, key)) WITHOUT ROWID",
    "CREATE INDEX tags_key ON tags (key)",
    "CREATE TABLE total (bytes INTEGER NOT NULL, entries INTEGER NOT NULL)",
    "INSERT INTO total VALUES (0, 0)",
    # Triggers, so that the total is right whichever process writes.
    """CREATE TRIGGER entered AFTER INSERT ON entries BEGIN
        UPDATE total SET bytes = bytes + new.size, entries = entries + 1; END""",
    """CREATE TRIGGER resized AFTER UPDATE OF size ON entries BEGIN
        UPDATE total SET bytes = bytes + new.size - old.size; END""",
    """CREATE TRIGGER gone AFTER DELETE ON entries BEGIN
        UPDATE total SET bytes = bytes - old.size, entries = entries - 1; DELETE FROM tags WHERE key = old.key; END""",
    f"PRAGMA user_version = {VERSION}",
)
_DAMAGE = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_BATCH = 200


@dataclass(frozen=True)
class Row:
    """What is known of one entry."""

    size: int
    used: float
    tags: tuple[str, ...] = ()


class ForeignIndex(sqlite3.DatabaseError):
    """The file is a database, but none of this version."""


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the index must be made anew; anything else, such as a full disk, may pass."""
    return isinstance(error, ForeignIndex) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def discard(path: Path) -> None:
    """Remove an index that cannot be used."""
    for suffix in ("-wal", "-shm", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


class DiskIndex:
    """One connection to the index; used by one thread at a time, beside other processes. Raises sqlite3.Error."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.new = False
        self._db = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            with self._writing() as db:
                (version,) = db.execute("PRAGMA user_version").fetchone()
                if version not in (0, VERSION):
                    raise ForeignIndex(f"version {version}")
                if version == 0:
                    self.new = True
                    for statement in _SCHEMA:
                        db.execute(statement)
            self._inode = path.stat().st_ino
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        self._db.close()

    def in_place(self) -> bool:
        """Whether the file is still the one that was opened; another process may have made it anew."""
        try:
            return self.path.stat().st_ino == self._inode
        except OSError:
            return False

    def total(self) -> tuple[int, int]:
        """Bytes and entries."""
        bytes_kept, entries = self._db.execute("SELECT bytes, entries FROM total").fetchone()
        return bytes_kept, entries

    def write(self, rows: Mapping[str, Row | None], touched: Mapping[str, float]) -> None:
        """Enter rows, take out those that are None, and move last uses forward."""
        with self._writing() as db:
            for key, row in rows.items():
                if row is None:
                    db.execute("DELETE FROM entries WHERE key = ?", (key,))
                    continue
                db.execute(
                    "INSERT INTO entries VALUES (?, ?, ?)"
                    " ON CONFLICT (key) DO UPDATE SET size = excluded.size, used = excluded.used",
                    (key, row.size, row.used),
                )
                db.execute("DELETE FROM tags WHERE key = ?", (key,))
                db.executemany("INSERT INTO tags VALUES (?, ?)", [(tag, key) for tag in row.tags])
            db.executemany(
                "UPDATE entries SET used = ? WHERE key = ? AND used < ?",
                [(used, key, used) for key, used in touched.items()],
            )

    def make_room(self, high: int, low: int, remove: Callable[[str], object]) -> int:
        """Take out the least recently used down to `low` bytes when there are more than `high`; how many went.

        Files are removed inside the transaction, so that two processes do not both evict. Raises OSError when none of
        a whole batch can be removed.
        """
        evicted = 0
        if self.total()[0] <= high:
            return 0
        while True:
            with self._writing() as db:
                excess = self.total()[0] - low
                victims = db.execute("SELECT key, size FROM entries ORDER BY used LIMIT ?", (_BATCH,)).fetchall()
                if excess <= 0 or not victims:
                    return evicted
                gone: list[str] = []
                stuck: OSError | None = None
                for key, size in victims:
                    try:
                        remove(key)
                    except OSError as error:
                        # To the end of the row with it, or it would stand in the way for ever.
                        db.execute("UPDATE entries SET used = ? WHERE key = ?", (time.time(), key))
                        stuck = error
                        continue
                    gone.append(key)
                    excess -= size
                    if excess <= 0:
                        break
                if stuck and not gone:
                    raise stuck
                db.executemany("DELETE FROM entries WHERE key = ?", [(key,) for key in gone])
                evicted += len(gone)

    def tagged(self, tag: str) -> list[str]:
        return [key for (key,) in self._db.execute("SELECT key FROM tags WHERE tag = ?", (tag,))]

    def under(self, prefix: str) -> dict[str, float]:
        """The keys that begin so, with their last uses; `g` follows every hexadecimal digit."""
        rows = self._db.execute("SELECT key, used FROM entries WHERE key BETWEEN ? AND ?", (prefix, prefix + "g"))
        return dict(rows.fetchall())

    def reconcile(self, found: Mapping[str, Row], gone: Iterable[str]) -> None:
        """Enter what a look at the folder has found, unless somebody was faster, and take out what is not there."""
        with self._writing() as db:
            for key, row in found.items():
                if db.execute("INSERT OR IGNORE INTO entries VALUES (?, ?, ?)", (key, row.size, row.used)).rowcount:
                    db.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?)", [(tag, key) for tag in row.tags])
            db.executemany("DELETE FROM entries WHERE key = ?", [(key,) for key in gone])

    def recount(self) -> None:
        with self._writing() as db:
            db.execute(
                "UPDATE total SET bytes = (SELECT coalesce(sum(size), 0) FROM entries),"
                " entries = (SELECT count(*) FROM entries)"
            )

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise
