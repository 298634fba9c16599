"""One step, written from keyword letters: `w=600, q=85` is `q_85,w_600`."""

from collections.abc import Mapping
from typing import TypeAlias

from signing.address import holds_auth, looks_like_step
from signing.errors import BadAddress
from signing.escapes import b64

Value: TypeAlias = int | float | str
Option: TypeAlias = Value | tuple[Value, ...]


def write_step(options: Mapping[str, Option]) -> str:
    """Write options as one step, sorted by their letters.

    A tuple's members are joined by `:`. A text in which `,` or `/` (or, in a tuple, `:`) would end the value is
    written `b64:`.

    >>> write_step({"w": 600, "f": "webp", "e": ("blur", 0.5), "d": "missing/cat.jpg"})
    'd_b64:bWlzc2luZy9jYXQuanBn,e_blur:0.5,f_webp,w_600'
    """
    return ",".join(f"{_checked(name)}_{_value(name, option)}" for name, option in sorted(options.items()))


def _checked(name: str) -> str:
    if not looks_like_step(f"{name}_") or holds_auth(f"{name}_"):
        raise BadAddress(
            f"This is no option's name: {name}", part=name, expected="one or two letters, such as `w` or `so`"
        )
    return name


def _value(name: str, option: Option) -> str:
    if isinstance(option, tuple):
        return ":".join(_text(name, value, ",/:") for value in option)
    if isinstance(option, str) and ":" in option and not option.startswith("b64:") and {",", "/"} & set(option):
        expected = "a tuple of its parts, each of which is then encoded where it must be"
        raise BadAddress(f"This value of {name}_ would end early", part=f"{name}_{option}", expected=expected)
    return _text(name, option, ",/")


def _text(name: str, value: Value, special: str) -> str:
    if isinstance(value, str) and value:
        plain = value.startswith("b64:") or (value.isprintable() and not set(special) & set(value))
        return value if plain else b64(value)
    if isinstance(value, float):
        # Never an exponent; and 1.0 keeps its point, which makes it a fraction where 1 would be a pixel.
        return text if "e" not in (text := repr(value)) else f"{value:.12f}".rstrip("0")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise BadAddress(
        f"This is no value of {name}_", part=f"{name}_{value}", expected="a number, a text or a tuple of them"
    )
