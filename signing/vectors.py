"""Test vectors for signers in other languages: `python -m signing.vectors` writes `vectors.json` beside this file.

`signed`: steps, source, name and members of auth, the message that is signed, and the path that comes out.
`scoped`: a prefix and its auth segment, with paths that it covers and paths that it does not.
`refused`: paths that do not verify with any of the keys at the moment `now`, and the code of the refusal.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from signing.address import Address
from signing.errors import SigningError
from signing.escapes import b64, unescape
from signing.keys import Key, KeyRing
from signing.request import Request
from signing.signature import sign, sign_scope, signed_message, verify

FILE = Path(__file__).with_name("vectors.json")
NOW = 1_767_225_600
LATER = NOW + 86_400
KEYS = {
    "new": "the newest key of the test vectors",
    "old": "an älter key of the test vectors, still valid",
}
RING = KeyRing.read(KEYS.values())


@dataclass(frozen=True)
class Signed:
    """A rendition to be signed, and what its path shows."""

    shows: str
    source: str
    steps: tuple[str, ...] = ("w_600",)
    name: str | None = None
    key: str = "new"
    expires: int | None = None
    kid: bool = False


@dataclass(frozen=True)
class Scoped:
    """A prefix to be signed, with texts behind the auth segment that it covers and that it does not."""

    shows: str
    prefix: str
    covers: tuple[str, ...]
    refuses: tuple[str, ...]
    key: str = "new"
    expires: int | None = None


SIGNED = (
    Signed("one step", "cats/1.jpg", ("w_600,q_85,f_webp",)),
    Signed("no step", "cats/1.jpg", ()),
    Signed("several steps", "cats/1.jpg", ("c_fill,g_auto,h_300,w_300", "e_blur:5")),
    Signed("an expiry", "cats/1.jpg", expires=LATER),
    Signed("a key id", "cats/1.jpg", kid=True),
    Signed("expiry and key id, sorted", "cats/1.jpg", expires=LATER, kid=True),
    Signed("an older key, whose text is not ASCII", "cats/1.jpg", key="old", kid=True),
    Signed("a source that is not ASCII", "кошки/ねこ 🐈.jpg"),
    Signed("a source of signs", "a b+c%d&e=f'g\"(h)!*;@,[i]<j>\\k^l`m{n|o}$~p.jpg,"),
    Signed("a source that is escaped itself", "100%25/a%2Fb.jpg"),
    Signed("a step of signs", "cats/1.jpg", ("l_text:Arial_40:café (1+1)?", "$x_1")),
    Signed("a folder like a step", "ab_2024/a.jpg"),
    Signed("a folder unlike a step", "img_2024/a.jpg"),
    Signed("a file like a step", "w_600.jpg", ()),
    Signed("a file like a signature", "sig_1.jpg", ()),
    Signed("a folder `-`", "-/a.jpg", ()),
    Signed("a file `-`", "-"),
    Signed("a reserved word", "api/a.jpg", ()),
    Signed("a reserved word behind a step", "api/a.jpg"),
    Signed("a remote source", "https://example.com/a%20b.jpg?size=full#top"),
    Signed("an empty folder", "cats//1.jpg"),
    Signed("a folder `..`", "cats/../1.jpg"),
    Signed("a folder like a name", "cats/~a/1.jpg"),
    Signed("a source like a name", "~1.jpg"),
    Signed("a control character", "cats/1\n.jpg"),
    Signed("a source that begins with `b64:`", "b64:cats"),
    Signed("a source like half an address", "https:/cats"),
    Signed("a name, which is signed", "cats/1.jpg", ("w_600,f_webp",), "hello, world.webp"),
    Signed("a leaf, which is not", "films/a.mp4", ("sp_auto,f_hls",), "master.m3u8"),
    Signed("a leaf in folders", "films/a.mp4", ("sp_auto,f_hls",), "hls/5f0c2a91/720/12.m4s", expires=LATER),
)

SCOPED = (
    Scoped(
        "two folders",
        "cats/2026",
        ("w_600/cats/2026/1.jpg", "w_320,f_webp/cats/2026/5/1.jpg/~cat.webp", "-/cats/2026/1.jpg", "cats/2026"),
        ("w_600/cats/2025/1.jpg", "w_600/cats/20261/1.jpg", "w_600/cats", "w_600/https://cats/2026/1.jpg"),
    ),
    Scoped(
        "a folder that is not ASCII, and an expiry",
        "käfer",
        ("w_600/k%C3%A4fer/1.jpg", f"w_600/{b64('käfer/#1.jpg')}"),
        ("w_600/ka%CC%88fer/1.jpg", f"w_600/{b64('käfer/../cats/1.jpg')}"),
        key="old",
        expires=LATER,
    ),
)


def _key(name: str) -> Key:
    return Key(KEYS[name].encode())


def _refused() -> Iterator[tuple[str, str]]:
    """Give what is wrong and a path that is."""
    auth = sign("w_600/cats/1.jpg", RING.newest)
    signature = auth.removeprefix("sig_")
    past = sign("w_600/cats/1.jpg", RING.newest, expires=NOW)
    rest = "w_600/cats/1.jpg"
    named = sign(f"{rest}/~a.webp", RING.newest)
    yield "no signature", f"/{rest}"
    yield "an expiry alone", f"/exp_{LATER}/{rest}"
    yield "another width", f"/{auth}/w_601/cats/1.jpg"
    yield "another source", f"/{auth}/w_600/cats/2.jpg"
    yield "a name that was not signed", f"/{auth}/{rest}/~a.webp"
    yield "a name taken away", f"/{named}/{rest}"
    yield "an expiry taken away", f"/{past.partition(',')[0]}/{rest}"
    yield "an expiry put off", f"/{past.replace(str(NOW), str(LATER))}/{rest}"
    yield "expired", f"/{past}/{rest}"
    yield "a key id added", f"/{auth},kid_{RING.newest.kid}/{rest}"
    yield "an unknown key id", f"/{auth},kid_00000000/{rest}"
    yield "a key that is not in the ring", f"/{sign(rest, Key(b'a key that is in no ring of anybody'))}/{rest}"
    yield "padding", f"/{auth}=/{rest}"
    yield "another spelling of the same bytes", f"/sig_{signature[:-1]}{chr(ord(signature[-1]) + 1)}/{rest}"
    yield "a part of the signature", f"/{auth[:-1]}/{rest}"
    yield "an empty signature", f"/sig_/{rest}"
    yield "a full signature as a scoped one", f"/{auth},kid_{RING.newest.kid},sc_1/{rest}"
    yield "a scoped signature as a full one", f"/{sign_scope('w_600', RING.newest).partition(',')[0]}/w_600"
    yield "a scope without a key id", f"/{auth},sc_1/{rest}"
    yield "auth behind a step", f"/w_600/{auth}/cats/1.jpg"
    yield "auth twice", f"/{auth}/{auth}/{rest}"
    yield "auth and options in one segment", f"/{auth},{rest}"
    yield "a member twice", f"/{auth},{auth}/{rest}"
    yield "an expiry that is no number", f"/{auth},exp_0x7/{rest}"
    yield "a key id that is none", f"/{auth},kid_1/{rest}"
    yield "bytes that are not UTF-8", f"/{auth}/w_600/cats/%FF.jpg"
    yield "a broken escape", f"/{auth}/w_600/cats/%4.jpg"
    yield "a control character", f"/{auth}/w_600/cats/%0A.jpg"


def _signed_vector(case: Signed) -> dict[str, Any]:
    path = Address(case.steps, case.source, case.name).write()
    auth = sign(unescape(path), _key(case.key), expires=case.expires, kid=case.kid)
    message, _ = signed_message(Request.read(f"/{auth}/{path}"))
    return {**asdict(case), "message": message.decode(), "path": f"/{auth}/{path}"}


def _scoped_vector(case: Scoped) -> dict[str, Any]:
    auth = sign_scope(case.prefix, _key(case.key), expires=case.expires)
    message, _ = signed_message(Request.read(f"/{auth}/{case.covers[0]}"))
    paths = {which: [f"/{auth}/{rest}" for rest in getattr(case, which)] for which in ("covers", "refuses")}
    return {**asdict(case), "message": message.decode(), "auth": auth, **paths}


def _refused_vector(shows: str, path: str) -> dict[str, str]:
    try:
        verify(Request.read(path), RING, NOW)
    except SigningError as refusal:
        return {"shows": shows, "path": path, "code": refusal.code}
    raise AssertionError(f"{shows}: {path} is taken")


def vectors() -> dict[str, Any]:
    """Make all vectors, always the same."""
    return {
        "about": "Test vectors for signed addresses; `python -m signing.vectors` writes them.",
        "now": NOW,
        "keys": {name: {"secret": secret, "kid": _key(name).kid} for name, secret in KEYS.items()},
        "signed": [_signed_vector(case) for case in SIGNED],
        "scoped": [_scoped_vector(case) for case in SCOPED],
        "refused": [_refused_vector(shows, path) for shows, path in _refused()],
    }


def text() -> str:
    """Give the file's content."""
    return json.dumps(vectors(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
