"""What a line of a log says was asked for."""

import json
import re
from typing import Final, NamedTuple

_combined: Final = re.compile(r'"(?P<method>[A-Z]+) (?P<target>\S+) HTTP/[\d.]+" (?P<status>\d{3})\b')
"""The request and the status of a line in the common or the combined format."""
_masked: Final = re.compile(r"^/[^/]*\bsig_\*\*\*[^/]*(?=/)")
"""A first segment whose signature our own log does not show."""


class Asked(NamedTuple):
    """A URL as it was asked for, or its path."""

    url: str
    logged: bool = False
    """Whether it came with a log's line around it, which has no host."""
    verified: bool = False
    """Whether our server took a signature that its log does not show."""


def asked(line: str) -> Asked | None:
    """The URL of a line, which is a URL, a path or a log's; None where there is none, or the answer was a refusal.

    >>> asked('127.0.0.1 - - [27/Nov/2026:06:00:00 +0000] "GET /w_41/cats/1.jpg HTTP/1.1" 200 812 "-" "curl"')
    Asked(url='/w_41/cats/1.jpg', logged=True, verified=False)
    >>> asked('{"event": "request", "method": "GET", "path": "/sig_***/w_41/cats/1.jpg", "status": 200}')
    Asked(url='/w_41/cats/1.jpg', logged=True, verified=True)
    """
    if line.startswith("{"):
        return _of_ours(line)
    if found := _combined.search(line):
        return Asked(found["target"], logged=True) if _answered(found["method"], int(found["status"])) else None
    return Asked(line) if " " not in line or line.startswith(("/", "http://", "https://")) else None


def _of_ours(line: str) -> Asked | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    match event:
        case {"event": "request", "method": str(method), "path": str(path), "status": int(status)}:
            plain = _masked.sub("", path)
            shown = "sig_***" not in plain  # a name that looks like a signature is hidden as well
            return Asked(plain, logged=True, verified=plain != path) if shown and _answered(method, status) else None
    return None


def _answered(method: str, status: int) -> bool:
    """Whether it was answered, or would have been in time: then a signature has been verified, where there is one."""
    return method in ("GET", "HEAD") and (status < 400 or status == 410)
