"""Where finished results are kept: a store by URL each, the nearest first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, TypeAdapter, ValidationError

from proxy.addresses import RedisAddress
from proxy.s3.place import S3Place
from proxy.settings.origins import said
from proxy.settings.units import Bytes, Seconds, read_list

LOCAL: Final = ("memory", "disk")
"""Stores of this machine, which are asked at once."""
LARGEST_BODY: Final = 256 << 10
"""Bytes of a body in Redis, which holds others up while it handles a large one."""

_TYPES: Final[dict[str, TypeAdapter[Any]]] = {"bodies": TypeAdapter(Bytes), "ttl": TypeAdapter(Seconds)}
OPTIONS: Final[dict[str, Mapping[str, Any]]] = {
    "memory": {},
    "disk": {},
    "redis": {"bodies": LARGEST_BODY, "ttl": 86_400.0},
    "s3": {},
}
"""The stores that there are, and what can be said of each behind a `?`, with its default; a bucket knows for itself."""


@dataclass(frozen=True)
class Tier:
    """One store: its kind, its address where it has one, and what else is said of it."""

    kind: str
    address: RedisAddress | None = None
    bucket: str = ""
    """The URL of a bucket, in which there is nothing secret."""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shared(self) -> bool:
        """Whether other machines have it too."""
        return self.kind not in LOCAL

    def __str__(self) -> str:
        return self.bucket or (str(self.address) if self.address else f"{self.kind}:")


def read_tier(text: object) -> Tier:
    """A store from its URL: `memory:`, `disk:`, `redis:` for the one of `redis`, `redis://host`, `s3://bucket/prefix`."""
    kinds = ", ".join(f"{kind}:" for kind in OPTIONS)
    if isinstance(text, Tier):
        return text
    try:
        parts = urlsplit(text if isinstance(text, str) else "")
    except ValueError:
        parts = urlsplit("")
    kind = "redis" if parts.scheme == "rediss" else parts.scheme
    # The URL itself is never repeated: it may carry a password.
    if kind not in OPTIONS:
        raise said(f"expected a list of stores, each by its URL: {kinds}")
    if kind == "s3":
        try:
            S3Place.read(str(text))
        except ValueError as error:
            raise said(f"s3: {error}") from None
        return Tier(kind, bucket=str(text))
    options = dict(OPTIONS[kind])
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in options:
            raise said(f"{kind}: there is no {name}" + (f"; there are {', '.join(options)}" if options else ""))
        try:
            options[name] = _TYPES[name].validate_python(value)
        except ValidationError as error:
            reason = error.errors()[0].get("ctx", {}).get("error", "something else")
            raise said(f"{kind}: {name}: expected {reason}, got {value!r}") from None
    if options.get("bodies", 0) > LARGEST_BODY:
        raise said(f"{kind}: bodies: expected 256KiB or less")
    place = f"{parts.scheme}://{parts.netloc}{parts.path}"
    if not (parts.netloc or parts.path):
        return Tier(kind, options=options)
    if kind in LOCAL:
        raise said(f"{kind}: has no address; the folder of results is `cache`")
    try:
        return Tier(kind, RedisAddress.read(place), options=options)
    except ValueError as error:
        raise said(f"{kind}: expected {error}") from None


def check_tiers(tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
    """The stores again, if each is there once and those of this machine are asked first."""
    kinds = [tier.kind for tier in tiers]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise said(f"{kind}: is there twice")
    if sorted(tiers, key=lambda tier: tier.shared) != list(tiers):
        raise said("memory: and disk: come first, since nothing is to wait for another machine that is here")
    return tiers


Tiers = Annotated[
    tuple[Annotated[Tier, BeforeValidator(read_tier)], ...], BeforeValidator(read_list), AfterValidator(check_tiers)
]
RedisURL = Annotated[RedisAddress, BeforeValidator(lambda url: RedisAddress.read(url) if isinstance(url, str) else url)]
