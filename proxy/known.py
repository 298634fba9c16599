"""What is known of originals, written down among the results: found after a restart, and by who shares the store."""

import hashlib
from contextlib import suppress

from proxy.record import Record
from proxy.records import source_tag
from proxy.sources.mounts import Mounted
from proxy.stores.result import JSON, Result, Store
from transforms.headers import Header


class StoredRecords:
    """Records of originals in a store of results, one by one, under the tag of their original."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def recall(self, mounted: Mounted) -> Record | None:
        kept = await self._store.get(_key(mounted))
        if kept is None:
            return None
        with suppress(KeyError, TypeError, ValueError):  # of a version with other ideas of a record
            return _read(dict(kept.meta))
        return None

    async def keep(self, mounted: Mounted, record: Record) -> None:
        if record.header:
            await self._store.put(_key(mounted), Result(_written(record, record.header), b""), [source_tag(mounted)])

    async def drop(self, mounted: Mounted) -> None:
        with suppress(Exception):  # what could not be dropped is held against the source's answer
            await self._store.delete(_key(mounted))


def _written(record: Record, header: Header) -> dict[str, JSON]:
    return {
        "version": record.version,
        "size": record.size,
        "modified": record.modified,
        "checked": record.checked,
        "fresh": record.fresh,
        "header": header.to_dict(),
    }


def _read(written: dict[str, JSON]) -> Record:
    modified, checked = written["modified"], float(str(written["checked"]))
    header = written["header"]
    if not isinstance(header, dict):
        raise TypeError("a header is a table")
    return Record(
        version=str(written["version"]),
        size=int(str(written["size"])),
        modified=None if modified is None else float(str(modified)),
        checked=checked,
        asked=checked,
        fresh=float(str(written["fresh"])),
        kept=checked,
        header=Header.from_dict(header),
    )


def _key(mounted: Mounted) -> str:
    return hashlib.sha256(f"darkroom.record.1\n{mounted.name}\n{mounted.key}".encode()).hexdigest()[:40]
