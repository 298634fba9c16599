"""What streams offer: which sizes, at how many bits."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from proxy.settings.declare import Table, setting
from proxy.settings.origins import said
from proxy.settings.units import Whole

_BITS = re.compile(r"(\d+(?:\.\d+)?) ?([km]?)")
_TIMES = {"": 1, "k": 1000, "m": 1_000_000}


def read_bits(value: object) -> object:
    """Bits a second: a number, or one with k or m behind it."""
    if isinstance(value, str) and (found := _BITS.fullmatch(value.strip().lower())):
        return round(float(found[1]) * _TIMES[found[2]])
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("bits a second such as 800000, 800k or 3m")


def check_name(name: str) -> str:
    """The name again, where `sp_` can be written before it."""
    if not re.fullmatch(r"[a-z0-9_-]{1,32}", name):
        raise said(f"{name!r} cannot name a ladder: up to 32 of a-z, 0-9, '-' and '_' are allowed")
    return name


Bits = Annotated[int, BeforeValidator(read_bits)]


class Step(Table):
    """A size that a film is made in."""

    side: Whole = setting(..., "Its shorter side, which names the rung.", unit="pixels", ge=64, le=4320)
    bits: Bits = setting(..., "Bits a second at most.", unit="bits a second", ge=50_000, le=100_000_000)


class Ladder(Table):
    """The sizes that a stream offers."""

    steps: Annotated[
        tuple[Step, ...], AfterValidator(lambda steps: tuple(sorted(steps, key=lambda step: -step.side)))
    ] = setting(
        ...,
        "Sizes that films are made in.",
        example='[{side = 720, bits = "3m"}, {side = 360, bits = "800k"}]',
        min_length=1,
        max_length=8,
    )
    most: Whole = setting(2, "How many of them one film gets.", ge=1, le=8)
    remux: bool = setting(True, "Whether the original's own pictures are offered where players can play them.")


Ladders = dict[Annotated[str, AfterValidator(check_name)], Ladder]
