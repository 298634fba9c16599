"""One result as one file: the body first, so that a file made elsewhere becomes an entry by growing a tail.

    body | JSON of meta and tags | trailer of 64 bytes: magic, version, lengths, digest of the body, seal

The seal is a digest over the key, the JSON and the rest of the trailer. It is checked on every read, so that an entry
under another's name is not that entry. The digest of the body is checked once for each state of a file.
"""

import json
import os
import shutil
import stat
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from proxy.stores.result import JSON, LARGE, FileBody, Result

MAGIC = b"darkroom"
VERSION = 1
MAX_META = 1 << 16

_FRAME = struct.Struct(">8sIIQ20s")
_SEAL = 20
TRAILER = _FRAME.size + _SEAL
_BLOCK = 1 << 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)


class Damaged(Exception):
    """What stands in an entry's place is not that entry, whole and unchanged."""


class Stamp(NamedTuple):
    """One state of a file; the change time, since the time of modification can be set back."""

    inode: int
    changed: int


@dataclass(frozen=True)
class Tail:
    """What follows the body."""

    meta: Mapping[str, JSON]
    tags: tuple[str, ...]
    length: int
    digest: bytes


def place(root: Path, key: str) -> Path:
    """Where the entry of a key is: in one of 256 folders, since to make a folder takes longer than to make a file."""
    return root / key[:2] / key


def digest(body: bytes | FileBody) -> bytes:
    state = blake2b(digest_size=20)
    for block in _blocks(body):
        state.update(block)
    return state.digest()


def _blocks(body: bytes | FileBody) -> Iterator[bytes]:
    if isinstance(body, bytes):
        yield body
    else:
        for start in range(0, body.length, _BLOCK):
            yield body.read(start, _BLOCK)


def _seal(key: str, meta: bytes, frame: bytes) -> bytes:
    return blake2b(b"\n".join((key.encode(), frame, meta)), digest_size=_SEAL).digest()


def write_tail(key: str, tail: Tail) -> bytes:
    """The bytes to write after the body; raises ValueError when meta is not JSON or too long."""
    kept = {"meta": tail.meta, "tags": tail.tags}
    meta = json.dumps(kept, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    if len(meta) > MAX_META:
        raise ValueError(f"the meta of a result may take {MAX_META} bytes, this takes {len(meta)}")
    frame = _FRAME.pack(MAGIC, VERSION, len(meta), tail.length, tail.digest)
    return meta + frame + _seal(key, meta, frame)


def read_tail(key: str, size: int, end: bytes) -> Tail:
    """Read the tail from the last bytes of a file of `size` bytes; raises Damaged."""
    if len(end) < TRAILER:
        raise Damaged("too short for an entry")
    frame, seal = end[-TRAILER:-_SEAL], end[-_SEAL:]
    magic, version, meta_length, length, body_digest = _FRAME.unpack(frame)
    if magic != MAGIC or version != VERSION:
        raise Damaged("not an entry of this version")
    if meta_length > MAX_META or length + meta_length + TRAILER != size or meta_length + TRAILER > len(end):
        raise Damaged("the lengths do not add up")
    meta = end[-TRAILER - meta_length : -TRAILER]
    if _seal(key, meta, frame) != seal:
        raise Damaged("the seal is broken")
    try:
        kept = json.loads(meta)
        if not isinstance(kept["meta"], dict) or not all(isinstance(tag, str) for tag in kept["tags"]):
            raise TypeError("meta is a table, and tags are texts")
        return Tail(kept["meta"], tuple(kept["tags"]), length, body_digest)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Damaged("the meta cannot be read") from error


def _open(path: Path) -> tuple[int, os.stat_result]:
    """Open an entry without ever waiting for what may stand in its place; raises Damaged for all but plain files."""
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:
        raise
    except OSError as error:
        # What lstat sees and open refuses, such as a link or a socket, is nothing of ours. No permission is no damage.
        if stat.S_ISREG(os.lstat(path).st_mode):
            raise
        raise Damaged("not a plain file") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise Damaged("not a plain file")
    return descriptor, status


def _read_from(descriptor: int, offset: int, size: int, wait: bool) -> bytes:
    if wait:
        return os.pread(descriptor, size, offset)
    if _NOWAIT is None:
        raise BlockingIOError
    data = bytearray(size)
    try:
        if os.preadv(descriptor, [data], offset, _NOWAIT) < size:
            raise BlockingIOError
    except OSError as error:
        # Some file systems cannot promise not to wait.
        raise BlockingIOError from error
    return bytes(data)


def read(path: Path, key: str, known: Stamp | None, tier: str, wait: bool = True) -> tuple[Result, Stamp]:
    """Read an entry; the body is checked against its digest unless the file is still in the state that is `known`.

    Raises FileNotFoundError, Damaged, OSError; with `wait` off also BlockingIOError as soon as the disk is needed.
    """
    descriptor, status = _open(path)
    held: FileBody | None = None
    try:
        size = status.st_size
        stamp = Stamp(status.st_ino, status.st_ctime_ns)
        fresh = stamp != known
        if fresh and not wait:
            raise BlockingIOError
        if size <= LARGE + MAX_META + TRAILER:
            end = _read_from(descriptor, 0, size, wait)
        else:
            end = _read_from(descriptor, size - MAX_META - TRAILER, MAX_META + TRAILER, wait)
        tail = read_tail(key, size, end)
        if tail.length > LARGE:
            held = FileBody(path, 0, tail.length, descriptor)
        body = held or end[: tail.length]
        if fresh and digest(body) != tail.digest:
            raise Damaged("the body has changed")
        return Result(tail.meta, body, tail.tags, tier), stamp
    finally:
        if held is None:
            os.close(descriptor)


def peek(path: Path, key: str) -> tuple[Tail, os.stat_result]:
    """The tail alone, for those who count entries; raises like `read`."""
    descriptor, status = _open(path)
    try:
        length = min(status.st_size, MAX_META + TRAILER)
        return read_tail(key, status.st_size, os.pread(descriptor, length, status.st_size - length)), status
    finally:
        os.close(descriptor)


def write(path: Path, body: bytes | FileBody, tail: bytes) -> None:
    """Write a new file, whole or not at all; nothing is synchronised, since the digest tells what a power cut left."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        for block in _blocks(body):
            _write_all(descriptor, block)
        _write_all(descriptor, tail)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def grow(path: Path, length: int, tail: bytes) -> None:
    """Append the tail to a file that holds the body; the file is as it was when that fails."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _write_all(descriptor, tail)
    except BaseException:
        os.ftruncate(descriptor, length)
        raise
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def remove(path: Path) -> bool:
    """Take away whatever stands in an entry's place, a folder too; whether something was there. Raises OSError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise
        shutil.rmtree(path)
    return True


def sweep_scratch(folder: Path, before: float) -> None:
    """Remove what dead processes have left half written: files not modified since the moment `before`.

    Folders are left alone, since an idle one looks old to whoever still works in it.
    """
    with suppress(OSError):
        for found in folder.iterdir():
            with suppress(OSError):
                status = found.lstat()
                if status.st_mtime < before and not stat.S_ISDIR(status.st_mode):
                    found.unlink()
