"""Files that nginx sends itself, on a word of ours (`X-Accel-Redirect`)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from proxy.passing import PassingBody
from proxy.stores.result import LARGE, FileBody
from proxy.wire import Headers

OURS = (b"content-length", b"cache-control")
"""Fields that nginx takes from the file, and from its own configuration."""


@dataclass(frozen=True)
class Accel:
    """Says under which internal path nginx finds a file: the prefix, the name of a mount, the way below its folder."""

    prefix: str
    folders: Mapping[str, Path]
    """The folder of each mount that has one."""

    def place(self, body: bytes | FileBody) -> str | None:
        """Where nginx finds a body that is large and a file of its own; None for every other."""
        if not isinstance(body, FileBody) or isinstance(body, PassingBody) or body.length <= LARGE:
            return None
        # Results in a store have a tail behind them, which nobody is to see.
        if body.offset or body.length != os.fstat(body.descriptor).st_size:
            return None
        for name, folder in self.folders.items():
            if body.path.is_relative_to(folder):
                return self.prefix + quote("/".join((*([name] if name else []), *body.path.relative_to(folder).parts)))
        return None

    def headers(self, headers: Headers, place: str) -> Headers:
        """The fields of an answer that leaves its body to nginx."""
        kept = [pair for pair in headers if pair[0] not in OURS]
        told = [(b"x-darkroom-cache-control", value) for name, value in headers if name == b"cache-control"]
        return [*kept, *told, (b"x-accel-redirect", place.encode()), (b"content-length", b"0")]
