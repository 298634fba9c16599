"""Where a bucket is and how it is spoken to: one URL, and options beside it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, unquote, urlsplit

_SECRET = ("access_key", "secret_key", "session_token")


@dataclass(frozen=True)
class S3Place:
    """A bucket, or what is below a prefix in it. Without credentials they are found as boto3 finds them."""

    bucket: str
    prefix: str = ""
    """Ends in a slash, unless it is empty; what is behind it is a key."""
    endpoint: str | None = None
    """`https://host:port` of a server that is not Amazon's."""
    region: str | None = None
    """Found as boto3 finds it where it is not given, else us-east-1."""
    path_style: bool | None = None
    """Whether the bucket stands in the path, not in the name of the host; where there is an endpoint it does."""
    etags: Literal["md5", "opaque"] = "md5"
    """`opaque` where an ETag is not the MD5 of an object that was put in one piece, though it looks like one."""
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    connect_seconds: float = 1.0
    first_byte_seconds: float = 3.0
    """Also the longest silence after the first byte."""
    total_seconds: float = 10.0
    """For a whole answer with all its tries; what is written has a second more for each megabyte."""
    retries: int = 2
    connections: int = 8
    """Requests on their way at a time; the others wait."""

    def __post_init__(self) -> None:
        if not self.bucket or "/" in self.bucket:
            raise ValueError("a bucket is named, as s3://bucket/prefix")
        if bool(self.access_key) != bool(self.secret_key) or (self.session_token and not self.access_key):
            raise ValueError("access_key and secret_key belong together, and a session_token to them")
        if self.endpoint is not None:
            _check_endpoint(self.endpoint)
        for name in ("connect_seconds", "first_byte_seconds", "total_seconds"):
            seconds = getattr(self, name)
            if not (math.isfinite(seconds) and seconds > 0):
                raise ValueError(f"{name} is a time above 0, not {seconds}")
        if self.retries < 0 or self.connections < 1:
            raise ValueError("retries are 0 or more, and connections 1 or more")
        if self.etags not in ("md5", "opaque"):
            raise ValueError(f"etags are md5 or opaque, not {self.etags!r}")

    @property
    def in_path(self) -> bool:
        """Whether the bucket stands in the path."""
        return self.endpoint is not None if self.path_style is None else self.path_style

    @classmethod
    def read(cls, url: str, usual: Mapping[str, object] = MappingProxyType({}), **options: object) -> Self:
        """The place that `s3://bucket/prefix?endpoint=…&region=…` names, with further options by name; these win.

        The prefix may hold percent escapes. Options that are None are not given; where neither they nor the URL say
        anything, `usual` does. Raises ValueError, in words that repeat no secret.
        """
        parts = urlsplit(url)
        if parts.scheme.lower() != "s3":
            raise ValueError("an address such as s3://bucket/prefix was expected")
        if "@" in parts.netloc:
            raise ValueError("credentials do not belong into a URL; give access_key and secret_key beside it")
        if parts.fragment:
            raise ValueError("a prefix that holds # or ? is written with %23 or %3F")
        values: dict[str, Any] = {}
        for name, text in parse_qsl(parts.query, keep_blank_values=True):
            if name in _SECRET:
                raise ValueError(f"{name} does not belong into a URL; give it beside the URL")
            if name in values:
                raise ValueError(f"{name} is there twice")
            values[name] = text
        values = {**usual, **values} | {name: value for name, value in options.items() if value is not None}
        if unknown := sorted(values.keys() - _READERS.keys()):
            raise ValueError(f"{unknown[0]} is no option of an S3 place; there are {', '.join(_READERS)}")
        # Not `netloc.lower()`, nor `hostname`: old buckets have capital letters.
        prefix = unquote(parts.path.removeprefix("/"), errors="strict")
        return cls(
            parts.netloc,
            f"{prefix}/" if prefix and not prefix.endswith("/") else prefix,
            **{name: _READERS[name](name, value) for name, value in values.items()},
        )


def _check_endpoint(endpoint: str) -> None:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query:
        raise ValueError("an endpoint is https://host or https://host:port, without anything secret")
    if parts.path.strip("/") or parts.fragment:
        raise ValueError("an endpoint has no path: the bucket and the prefix stand in the s3:// address")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("the port of an endpoint is a number up to 65535") from None


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is a text that is not empty")
    return value


def _truth(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value not in ("true", "false"):
        raise ValueError(f"{name} is true or false")
    return value == "true"


def _seconds(name: str, value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        raise ValueError(f"{name} is a number of seconds, such as 2.5") from None


def _whole(name: str, value: object) -> int:
    if not str(value).isdecimal():
        raise ValueError(f"{name} is a whole number")
    return int(str(value))


_KINDS: dict[object, Callable[[str, object], object]] = {float: _seconds, int: _whole, bool | None: _truth}
_READERS: dict[str, Callable[[str, object], Any]] = {
    option.name: _KINDS.get(option.type, _text) for option in fields(S3Place) if option.name not in ("bucket", "prefix")
}
