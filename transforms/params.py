"""The kinds of value an option can hold: each reads and writes, and says what it expects."""

import base64
import binascii
import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Generic, Protocol, TypeVar

from transforms.colours import COLOURS

T = TypeVar("T")


class Kind(Protocol[T]):
    """One kind of value. `write(read(text))` is the canonical spelling of `text`."""

    @property
    def expected(self) -> str:
        """What belongs here, as the end of the sentence «… was expected»."""

    def read(self, text: str) -> T:
        """The value that `text` spells; ValueError where it spells none."""

    def write(self, value: T) -> str:
        """The canonical spelling of `value`."""

    def schema(self) -> dict[str, Any]:
        """The kind as JSON schema, for forms and clients."""


class Misspelt(ValueError):
    """A value that cannot be read, with the nearest right spelling."""

    def __init__(self, suggestion: str) -> None:
        super().__init__(suggestion)
        self.suggestion = suggestion


class Pointed(ValueError):
    """A value that cannot be read, with a sentence on what to do instead."""


AUTO = "`auto` is not taken from client hints; write the sizes into the page with signing's srcset()"


def plain(number: float) -> str:
    """A number as people write it: no exponent, no trailing zeros."""
    return f"{number:.6f}".rstrip("0").rstrip(".") if not float(number).is_integer() else str(int(number))


_NUMBER = re.compile(r"-?\d{1,7}(\.\d{1,6})?|-?\.\d{1,6}", re.ASCII)


@dataclass(frozen=True)
class Whole:
    """A whole number within bounds."""

    least: int
    most: int

    @property
    def expected(self) -> str:
        return f"a whole number from {self.least} to {self.most}"

    def read(self, text: str) -> int:
        if not re.fullmatch(r"-?\d{1,9}", text, re.ASCII) or not self.least <= (value := int(text)) <= self.most:
            raise ValueError(text)
        return value

    def write(self, value: int) -> str:
        return str(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Number:
    """A number within bounds, with up to six decimals."""

    least: float
    most: float

    @property
    def expected(self) -> str:
        return f"a number from {plain(self.least)} to {plain(self.most)}"

    def read(self, text: str) -> float:
        if text == "auto":
            raise Pointed(AUTO)
        if not _NUMBER.fullmatch(text) or not self.least <= (value := float(text)) <= self.most:
            raise ValueError(text)
        return value + 0.0  # -0.0 and 0.0 are one value

    def write(self, value: float) -> str:
        return plain(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Length:
    """A distance: whole pixels, or a share of the input's side."""

    pixels: int = 0
    share: Fraction | None = None

    def of(self, side: int) -> float:
        """The distance in pixels along a side of `side` pixels."""
        return self.pixels if self.share is None else float(self.share) * side

    def scaled(self, factor: float) -> "Length":
        """The same distance for a screen of another density; shares stay."""
        return self if self.share is not None else Length(_rounded(self.pixels * factor))


def _rounded(value: float) -> int:
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


_SHARE = re.compile(r"(-?\d{1,5}(?:\.\d{1,4})?)p", re.ASCII)
_DECIMAL = re.compile(r"-?\d{0,3}\.\d{1,6}", re.ASCII)


@dataclass(frozen=True)
class Distance:
    """Reads `600` as pixels, `0.5` and `50p` as half of the input."""

    least: int = 1
    most: int = 65_535

    @property
    def expected(self) -> str:
        return f"a whole number from {self.least} to {self.most}, or a share of the input such as 0.5 or 50p,"

    def read(self, text: str) -> Length:
        if text == "auto":
            raise Pointed(
                "`auto` is not taken from client hints; write the widths into the page with signing's srcset()"
            )
        if match := _SHARE.fullmatch(text):
            share = Fraction(match[1]) / 100
        elif _DECIMAL.fullmatch(text):
            share = Fraction(text)
        else:
            return Length(Whole(self.least, self.most).read(text))
        # Shares are kept to a thousandth of a percent, so that every spelling has one canonical text.
        share = Fraction(round(share * 100_000), 100_000)
        if not (0 < share <= 100 or (self.least < 0 and -100 <= share <= 100)):
            raise ValueError(text)
        return Length(share=share)

    def write(self, value: Length) -> str:
        return str(value.pixels) if value.share is None else f"{plain(float(value.share * 100))}p"

    def schema(self) -> dict[str, Any]:
        return {
            "type": "string",
            "pattern": r"^-?\d+$|^-?\d*\.\d+$|^-?\d+(\.\d+)?p$",
            "examples": ["600", "0.5", "50p"],
        }


@dataclass(frozen=True)
class Choice:
    """One word of a closed list; `aliases` are other spellings of its words."""

    words: tuple[str, ...]
    aliases: Mapping[str, str] | None = None

    @property
    def expected(self) -> str:
        return f"one of {', '.join(self.words)}"

    def read(self, text: str) -> str:
        word = (self.aliases or {}).get(text, text)
        if word not in self.words:
            near = difflib.get_close_matches(text, self.words, n=1, cutoff=0.6)
            raise Misspelt(near[0]) if near else ValueError(text)
        return word

    def write(self, value: str) -> str:
        return value

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}


@dataclass(frozen=True)
class AspectRatio:
    """`16:9` or `1.78`; reduced to its lowest terms."""

    expected = "a ratio such as 16:9 or 1.5"

    def read(self, text: str) -> Fraction:
        match = re.fullmatch(r"(\d{1,5}(?:\.\d{1,4})?)(?::(\d{1,5}(?:\.\d{1,4})?))?", text, re.ASCII)
        if not match or not (below := Fraction(match[2] or 1)) or not (ratio := Fraction(match[1]) / below):
            raise ValueError(text)
        if not Fraction(1, 100) <= ratio <= 100:
            raise ValueError(text)
        return ratio

    def write(self, value: Fraction) -> str:
        return f"{value.numerator}:{value.denominator}"

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^\d+(\.\d+)?(:\d+(\.\d+)?)?$", "examples": ["16:9", "1.5"]}


@dataclass(frozen=True)
class Colour:
    """A colour in sRGB; channels from 0 to 255."""

    red: int
    green: int
    blue: int
    alpha: int = 255

    @property
    def rgb(self) -> list[float]:
        return [float(self.red), float(self.green), float(self.blue)]


@dataclass(frozen=True)
class ColourName:
    """A CSS name, or hexadecimal digits with or without `rgb:`: `red`, `f00`, `ff0000`, `rgb:ff000080`."""

    expected = "a colour: a CSS name or hexadecimal digits such as ff8800 or ff880080"

    def read(self, text: str) -> Colour:
        word = text.lower().removeprefix("rgb:")
        digits = COLOURS.get(word, word)
        if not re.fullmatch(r"[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8}", digits, re.ASCII):
            near = difflib.get_close_matches(word, COLOURS, n=1, cutoff=0.75)
            raise Misspelt(near[0]) if near else ValueError(text)
        if len(digits) < 6:
            digits = "".join(digit * 2 for digit in digits)
        return Colour(*bytes.fromhex(digits))

    def write(self, value: Colour) -> str:
        digits = bytes((value.red, value.green, value.blue)).hex()
        return digits if value.alpha == 255 else f"{digits}{value.alpha:02x}"

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "color", "examples": ["white", "ff8800"]}


@dataclass(frozen=True)
class Text:
    """Any text; `b64:` and base64url where it holds a comma, a slash or a colon."""

    what: str = "a text"
    longest: int = 1000
    pattern: str = ""

    @property
    def expected(self) -> str:
        return f"{self.what} of at most {self.longest} characters"

    def read(self, text: str) -> str:
        value = decode_b64(text.removeprefix("b64:")) if text.startswith("b64:") else text
        if not 0 < len(value) <= self.longest or any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
            raise ValueError(text)
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise ValueError(text)
        return value

    def write(self, value: str) -> str:
        # What the grammar would take apart, or read as an encoding, is written in base64.
        return f"b64:{encode_b64(value)}" if re.search(r"[,/:]|^~", value) else value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": self.longest}


def encode_b64(text: str) -> str:
    """Text as base64url without padding."""
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode_b64(text: str) -> str:
    """The text that base64url spells; ValueError for any other spelling of it."""
    try:
        value = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(text) from error
    if encode_b64(value) != text:
        raise ValueError(text)
    return value


@dataclass(frozen=True)
class Words(Generic[T]):
    """Several values joined by a separator."""

    each: Kind[T]
    separator: str
    most: int

    @property
    def expected(self) -> str:
        return f"{self.each.expected}; several are joined by `{self.separator}`"

    def read(self, text: str) -> tuple[T, ...]:
        parts = text.split(self.separator)
        if len(parts) > self.most:
            raise ValueError(text)
        return tuple(self.each.read(part) for part in parts)

    def write(self, value: tuple[T, ...]) -> str:
        return self.separator.join(self.each.write(part) for part in value)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "description": self.expected}
