"""Whether places elsewhere can be reached, and whether they let us have originals."""

import asyncio
from collections.abc import Awaitable, Iterator
from pathlib import Path

from proxy.doctor.check import Check
from proxy.failures import NoSuchOriginal
from proxy.origins import opened, places
from proxy.s3.place import S3Place
from proxy.settings import REMOTE, Settings
from proxy.sources.http.place import HttpPlace
from proxy.sources.source import Closed, Listed
from transforms.errors import Refusal

PROBE = "darkroom-doctor/there-is-no-such-original"
"""What is asked for: that it is missing is a good answer."""

_HINTS = {
    "RequestTimeTooSkewed": "set this machine's clock, or that of the S3 server: they differ by more than 15 minutes",
    "NoCredentialsError": "set access_key and secret_key, or give credentials as boto3 finds them",
    "InvalidAccessKeyId": "the server does not know the access_key",
    "SignatureDoesNotMatch": "the secret_key is not that of the access_key; behind a proxy, the field Host must arrive",
    "NoSuchBucket": "name a bucket that is there, and its region",
    "403": "allow the credentials s3:GetObject and, so that what is missing is a 404, s3:ListBucket",
}
"""What to do, by a word of what the place said."""
_USUAL = "see whether the address and the network are right"


def check_origins(settings: Settings) -> Iterator[Check]:
    """Ask each place elsewhere for something that it does not have."""
    try:
        found = places(settings)
    except ValueError as error:
        where, _, fault = str(error).partition(": ")
        yield Check(where, "bad", fault, "the settings page of the manual says what can be set")
        return
    for name, place in found.items():
        if name == REMOTE:
            hosts = settings.remote.hosts if settings.remote else ()
            yield Check(REMOTE, "ok", f"originals may come from {', '.join(hosts)}; they are asked when somebody asks")
        elif not isinstance(place, Path):
            yield asyncio.run(_asked(f"mounts.{name or '/'}", str(settings.mounts[name].url), place))


async def _asked(name: str, url: str, place: S3Place | HttpPlace) -> Check:
    if isinstance(place, S3Place) and place.access_key is None:
        url += " with boto3's own credentials"
    remote = opened(place)
    try:
        refused, unlisted = await _refusal(remote.stat(PROBE)), None
        if isinstance(remote, Listed):
            unlisted = await _refusal(remote.listing("", 1, lambda _: True), missing_is_well=False)
    finally:
        if isinstance(remote, Closed):
            await remote.close()
    # An answer to HEAD has no body, and says no more than a status: of a bucket that is missing, that a key is.
    if (refused or isinstance(unlisted, NoSuchOriginal)) and (fault := unlisted or refused):
        return _fault(name, url, fault)
    if unlisted:
        said = f"{url} answers, and lets nobody list it: {_why(unlisted)}"
        return Check(name, "warn", said, "allow s3:ListBucket, for the playground and `darkroom warm --all`")
    return Check(name, "ok", f"{url} answers{', and can be listed' if isinstance(remote, Listed) else ''}")


async def _refusal(answer: Awaitable[object], missing_is_well: bool = True) -> Refusal | None:
    """What a place refuses."""
    try:
        await answer
    except Refusal as refusal:
        return None if missing_is_well and isinstance(refusal, NoSuchOriginal) else refusal
    return None


def _fault(name: str, url: str, refusal: Refusal) -> Check:
    why = _why(refusal)
    return Check(name, "bad", f"{url}: {why}", remedy(why))


def remedy(why: str) -> str:
    """What to do about what a place elsewhere said."""
    return next((hint for word, hint in _HINTS.items() if word in why), _USUAL)


def _why(refusal: Refusal) -> str:
    """What a client is told, and what the place said, which is for who runs the server."""
    cause = refusal.__cause__
    return f"{refusal.detail} ({cause})" if cause and str(cause) else refusal.detail
