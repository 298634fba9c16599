"""What an edge is asked for: a picture that there is, at URLs that are signed as the settings want it."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from proxy.doctor.check import Check
from proxy.doctor.edge import Signing, asking, check_edge
from proxy.settings import Settings
from signing import Address, Signer

PICTURES = (".jpg", ".jpeg", ".png")
MANY_FOLDERS = 1000
"""Folders that are looked into for a picture."""


def check_outside(settings: Settings, url: str, picture: str | None = None) -> Iterator[Check]:
    """Look at the server behind a URL from outside.

    `picture` is an original of it, or the whole path of a URL with `f_auto` in it; None takes the first original of the
    settings' folders. Raises ValueError for a URL that is none, BadKey and BadAddress.
    """
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise ValueError(f"{url!r} is no URL such as https://media.example.com")
    picture = picture or _first(settings)
    if picture is None:
        remedy = "name an original of the server, or a path with f_auto in it: --picture"
        yield Check("picture", "bad", "the settings have no folder with a picture in it", remedy)
    elif picture.startswith("/"):
        yield from check_edge(asking(url), picture, formats=_formats(settings))
    else:
        signed = bool(settings.keys) and not settings.unsigned
        yield from check_edge(asking(url), picture, _signing(settings), _formats(settings), signed)


def _signing(settings: Settings) -> Signing:
    if not settings.keys:
        return lambda source, step, expires=None: "/" + Address((step,), source).write()
    signer = Signer(settings.keys[0].secret.get_secret_value())
    return lambda source, step, expires=None: signer.url(source, step, expires=expires, round_expiry=1)


def _formats(settings: Settings) -> list[str] | None:
    """The formats that every mount and the first key allow; None: all."""
    rules = [mount.formats for mount in settings.mounts.values()]
    rules += [key.policy.formats for key in settings.keys[:1]]
    named = [set(rule) for rule in rules if rule is not None]
    return sorted(set.intersection(*named)) if named else None


def _first(settings: Settings) -> str | None:
    """The key of some original in a folder."""
    for name, mount in settings.mounts.items():
        folders = os.walk(mount.url) if isinstance(mount.url, Path) else ()
        for parent, _, names in islice(folders, MANY_FOLDERS):
            if found := sorted(file for file in names if file.lower().endswith(PICTURES) and not file.startswith(".")):
                inside = Path(parent, found[0]).relative_to(mount.url).as_posix()
                if not any(part.startswith(".") for part in inside.split("/")):
                    return f"{name}/{inside}" if name else inside
    return None
