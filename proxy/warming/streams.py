"""Streams taken apart into the paths of all their parts, by the playlists that players read."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from urllib.parse import quote

from signing import Address, Request, SigningError
from transforms.errors import Refusal
from transforms.plan import Plan

_URI = re.compile(r'^(?!#)(\S+)|URI="([^"]+)"', re.MULTILINE)
"""What a playlist of HLS names: a line of its own, or an attribute (RFC 8216, 4.1 and 4.2)."""

Read = Callable[[bytes], Awaitable[str]]
"""The text of a playlist; raises Refusals, SigningError or Unread."""


class Unread(Exception):
    """A playlist that did not come, and why."""


def is_stream(path: bytes, presets: Mapping[str, str]) -> bool:
    """Whether a path, signed or not, asks for a stream of HLS, or for a file of one."""
    try:
        request = Request.read(path)
        steps = Address.read(request.rest, request.offset).steps
        return Plan.read(steps, presets).saving.format == "hls"
    except (SigningError, Refusal):
        return False  # whoever reads it says what is wrong with it


@dataclass
class Unfolding:
    """Puts the parts of streams in place of the streams among paths."""

    presets: Mapping[str, str]
    read: Read
    most: int | None
    """Segments of each rung; None: all."""
    more: Callable[[int], None]
    """Told how many paths there are more than one."""
    failed: Callable[[bytes, str], None]
    """Told of a stream of which nobody can say what its parts are, and why."""

    async def each(self, paths: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """All paths, and those of parts."""
        async for path in paths:
            if not is_stream(path, self.presets):
                yield path
                continue
            try:
                parts = await parts_of(base_of(path), self.read, self.most)
            except (SigningError, Refusal, Unread) as error:
                self.failed(path, str(error))
                continue
            self.more(len(parts) - 1)
            for part in parts:
                yield part


def base_of(path: bytes) -> bytes:
    """The address that a stream hangs under, of the path of any of its files."""
    return path.partition(b"/~")[0]


async def parts_of(base: bytes, read: Read, most: int | None) -> list[bytes]:
    """The paths of all parts of the stream at an address, of each rung the first `most` segments.

    The beginnings of all rungs come first, so that a film can be begun however soon this ends.
    """
    rungs = []
    for uri in dict.fromkeys(_named(await read(base + b"/~master.m3u8"))):
        folder = f"{uri.rpartition('/')[0]}/"
        rungs.append([f"{folder}{name}" for name in _named(await read(base + b"/" + _escaped(uri)))])
    heads = [[uri for uri in rung if uri.endswith(".mp4")] for rung in rungs]
    segments = [[uri for uri in rung if not uri.endswith(".mp4")][:most] for rung in rungs]
    uris = dict.fromkeys((*(uri for head in heads for uri in head), *_across(segments)))
    return [base + b"/" + _escaped(uri) for uri in uris]


def _named(playlist: str) -> list[str]:
    return [line or attribute for line, attribute in _URI.findall(playlist)]


def _across(rungs: list[list[str]]) -> list[str]:
    return [uri for row in zip_longest(*rungs) for uri in row if uri is not None]


def _escaped(uri: str) -> bytes:
    return quote(uri, safe="/%").encode()
