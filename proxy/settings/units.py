"""The kinds of value that settings are written in: sizes, times, lists of names, points.

A reader that cannot make sense of a value raises `ValueError` with *what it expected*; `loading` adds what came.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, ByteSize, Field

SECONDS_IN = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
TIME = re.compile(r"(\d+(?:\.\d+)?|\.\d+) ?(ms|s|m|h|d|)")
SIZE = re.compile(r"(?:\d+(?:\.\d+)?|\.\d+) ?(?:[kmgt]i?b?|b|)", re.IGNORECASE)
RATE = re.compile(r"(\d+) ?(?:/|per) ?(second|minute|hour|day)(?:,? burst (\d+))?")
PERIODS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
WHOLE_UNITS = ("GiB", "GB", "MiB", "MB", "KiB", "kB")


class Point(NamedTuple):
    """A place in a picture, as fractions of its width and height from the top left corner."""

    x: float
    y: float

    def __str__(self) -> str:
        return f"{self.x:g}:{self.y:g}"


class Rate(NamedTuple):
    """So many in so many seconds, of which `burst` may come at once."""

    number: int
    seconds: int
    burst: int

    def __str__(self) -> str:
        period = next(name for name, seconds in PERIODS.items() if seconds == self.seconds)
        return f"{self.number}/{period}" + (f" burst {self.burst}" if self.burst != self.number else "")


def read_seconds(value: object) -> object:
    """A number of seconds, or a number with ms, s, m, h or d behind it."""
    if isinstance(value, str) and (match := TIME.fullmatch(value.strip().lower())):
        return float(match[1]) * SECONDS_IN[match[2]]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise ValueError("a time such as 10, 10s, 5m, 1h or 1d")


def read_bytes(value: object) -> object:
    """A number of bytes, or a number with a unit that pydantic's `ByteSize` knows."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and SIZE.fullmatch(value.strip()):
        return value.strip()
    raise ValueError("a size such as 512MiB or 10MB")


def read_number(value: object) -> object:
    """Any number but true and false, which Python counts as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("a number")
    return value


def read_list(value: object) -> object:
    """A list, or a text of members between commas, as environment variables have it."""
    if isinstance(value, str):
        return [member.strip() for member in value.split(",") if member.strip()]
    return value


def read_point(value: object) -> object:
    """Two fractions from the top left corner: `0.3:0.5`, or `30p:50p` as in URLs."""
    if isinstance(value, Point):
        return value
    if isinstance(value, str):
        parts = re.fullmatch(r"(\d*\.?\d+)(p?):(\d*\.?\d+)(p?)", value.strip())
        if parts:
            x, y = (
                float(number) / (100 if percent else 1) for number, percent in (parts.group(1, 2), parts.group(3, 4))
            )
            if x <= 1 and y <= 1:
                return Point(x, y)
    raise ValueError("a point as x:y in fractions of width and height, such as 0.3:0.5")


def read_rate(value: object) -> object:
    """A number per second, minute, hour or day, and how many of them may come at once: as many, if nothing is said."""
    if isinstance(value, Rate):
        return value
    if isinstance(value, str) and (match := RATE.fullmatch(value.strip().lower())):
        rate = Rate(int(match[1]), PERIODS[match[2]], int(match[3] or match[1]))
        if rate.number and rate.burst:
            return rate
    raise ValueError("a rate such as 100/second, 600/minute or 100/second burst 300")


def read_network(value: object) -> object:
    """A network as `10.0.0.0/8` or `fd00::/8`, or one address; bits beyond the mask are refused."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        return ip_network(str(value).strip())
    except ValueError:
        raise ValueError("a network such as 10.0.0.0/8 or fd00::/8, or an address") from None


def write_bytes(size: int) -> str:
    """The size in binary units, to one decimal: `512 MiB`, `1.4 GiB`."""
    for unit, amount in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= amount:
            return f"{size / amount:.1f}".removesuffix(".0") + f" {unit}"
    return f"{size} bytes"


def write(value: object) -> str:
    """A value of a setting as a person would write it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, ByteSize):
        whole = next((unit for unit in WHOLE_UNITS if value and not value % ByteSize.byte_sizes[unit.lower()]), "")
        return f"{value // ByteSize.byte_sizes[whole.lower()]}{whole}" if whole else str(int(value))
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Sequence) and not isinstance(value, str | Point | Rate):
        return ", ".join(write(member) for member in value)
    return "" if value is None else str(value)


Seconds = Annotated[float, BeforeValidator(read_seconds), Field(ge=0, allow_inf_nan=False)]
Bytes = Annotated[ByteSize, BeforeValidator(read_bytes)]
Whole = Annotated[int, BeforeValidator(read_number)]
Number = Annotated[float, BeforeValidator(read_number), Field(allow_inf_nan=False)]
Names = Annotated[tuple[str, ...], BeforeValidator(read_list)]
PointText = Annotated[Point, BeforeValidator(read_point)]
RateText = Annotated[Rate, BeforeValidator(read_rate)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(read_network)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(read_list)]
