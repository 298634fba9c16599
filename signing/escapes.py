"""Percent escapes and `b64:` texts, each read strictly and written in one way."""

import base64
import binascii
import re
from urllib.parse import quote, unquote_to_bytes

from signing.errors import BadAddress

CONTROL = "\x00-\x1f\x7f-\x9f"

_control = re.compile(f"[{CONTROL}]")
_broken_escape = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_raw_character = re.compile(rb"%..|.", re.DOTALL)
_base64url = re.compile(r"[A-Za-z0-9_-]+")


def unescape(raw: bytes | str) -> str:
    """Decode the escapes of a raw path once, strictly as UTF-8.

    Servers decode leniently: every bad byte becomes the same replacement character, so that many URLs would be one
    text. Raises `BadAddress` with the offset in the raw path, for control characters too.
    """
    data = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
    if broken := _broken_escape.search(data):
        at = broken.start()
        raise _refusal(data, at, "`%` is not followed by two hexadecimal digits", "`%25` for the sign itself")
    plain = unquote_to_bytes(data)
    try:
        text = plain.decode("utf-8")
    except UnicodeDecodeError as error:
        at = _raw_offset(data, error.start)
        raise _refusal(data, at, "The path is not UTF-8", "escaped UTF-8") from None
    if control := _control.search(text):
        at = _raw_offset(data, len(text[: control.start()].encode()))
        raise _refusal(data, at, "The path holds a control character", "a key that needs it is written `b64:`")
    return text


def escape(text: str, keep: str) -> str:
    """Percent-encode everything but letters, digits, `-._~` and what is kept.

    What stays can stand in an HTML attribute, in CSS and in a shell as it is. `+` does not stay: some read it as a
    space.
    """
    try:
        return quote(text, safe=keep)
    except UnicodeEncodeError as error:
        raise BadAddress("A part of the address is not text", part=ascii(text), offset=error.start) from None


def b64(text: str) -> str:
    """Write a text as `b64:` and base64url of its UTF-8, without padding."""
    try:
        return "b64:" + base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
    except UnicodeEncodeError as error:
        raise BadAddress("A part of the address is not text", part=ascii(text), offset=error.start) from None


def unb64(written: str, offset: int = 0) -> str:
    """Read what `b64` writes, and no other spelling of it: one text, one address."""
    encoded = written.removeprefix("b64:")
    try:
        if not _base64url.fullmatch(encoded):
            raise ValueError
        text = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode("utf-8")
    except (ValueError, binascii.Error):
        text = ""
    if not text or b64(text) != written:
        expected = "base64url (RFC 4648, section 5) of UTF-8, without padding"
        raise BadAddress("What follows `b64:` cannot be read", part=written, offset=offset, expected=expected)
    return text


def _raw_offset(data: bytes, index: int) -> int:
    """Say where the byte that is number `index` after decoding begins in the raw path."""
    return next(found.start() for number, found in enumerate(_raw_character.finditer(data)) if number == index)


def _refusal(data: bytes, at: int, detail: str, expected: str) -> BadAddress:
    part = data[at : at + 3] if data[at : at + 1] == b"%" else data[at : at + 1]
    return BadAddress(detail, part=ascii(part.decode("latin-1"))[1:-1], offset=at, expected=expected)
