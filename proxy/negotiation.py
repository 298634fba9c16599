"""What a client takes, and what `f_auto` therefore means."""

import re
from collections.abc import Container
from functools import lru_cache
from typing import Final, NamedTuple

VARY: Final = "Accept"


class Bucket(NamedTuple):
    """The formats beyond JPEG, PNG and GIF that a client says it takes; a cache keeps one answer for each bucket."""

    avif: bool = False
    webp: bool = False


_LONGEST_KEPT: Final = 512  # bytes of an Accept worth remembering; those of browsers are under 200

# Quoted strings go first, as they may hold commas. An unfinished one takes all that follows: each byte is read once.
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*+("|\\?\Z)', re.DOTALL)
_MEMBER = re.compile(rb"(?:\A|,)[ \t]*image/(avif|webp)[ \t]*((?:;[^,]*)?)(?=,|\Z)")
_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9a-z-]+"
_PARAMETER = re.compile(
    # Possessive, here and below: what spaces could be split in two ways would take quadratic time.
    rb'[ \t]*+(?:(?!q=)%b=(?:%b|"")|q=(?P<q>0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?[ \t]*+' % (_TOKEN, _TOKEN)
)


def bucket(accept: bytes) -> Bucket:
    """Read an Accept field: a format is taken when it is named, and with no q of 0.

    `image/*` and `*/*` promise nothing, since browsers that cannot show AVIF or WebP send them too. A malformed member
    is ignored, and one refusal of a format outweighs every other mention of it.
    """
    return _kept_bucket(accept) if len(accept) <= _LONGEST_KEPT else _bucket(accept)


def _bucket(accept: bytes) -> Bucket:
    named: dict[bytes, bool] = {}
    for name, parameters in _MEMBER.findall(_QUOTED.sub(rb'"\1', accept).lower()):
        read = [_PARAMETER.fullmatch(parameter) for parameter in parameters.split(b";")]
        if None not in read:
            refused = any(found["q"] and not found["q"].strip(b"0.") for found in read if found)
            named[name] = named.get(name, True) and not refused
    return Bucket(avif=named.get(b"avif", False), webp=named.get(b"webp", False))


_kept_bucket = lru_cache(maxsize=2048)(_bucket)


class Choice(NamedTuple):
    """The format that `f_auto` stands for, and why."""

    format: str
    why: str


# What each format of web pages can carry. GIF is there for what moves: a still picture has more colours than its 256.
_CARRIES: Final = {
    "avif": frozenset({"transparency"}),
    "webp": frozenset({"transparency", "animation", "exact pixels"}),
    "jpg": frozenset[str](),
    "png": frozenset({"transparency", "exact pixels"}),
    "gif": frozenset({"transparency", "animation", "exact pixels"}),
}

# What an original's own kind is on a web page that takes neither AVIF nor WebP; every other kind becomes JPEG or PNG.
_OWN: Final = {"jpg": "jpg", "png": "png", "gif": "png"}


def choose(
    bucket: Bucket,
    *,
    kind: str,
    alpha: bool = False,
    frames: int = 1,
    lossless: bool = False,
    allowed: Container[str] | None = None,
) -> Choice:
    """Decide the format of `f_auto`: the best of AVIF, WebP and the original's own kind that can carry the result.

    `kind` is the format of the original, `alpha` and `frames` are those of the result, `lossless` says that no loss was
    asked for. `allowed` holds the formats that may be made (None: all): those of mount and key, or under pressure the
    quick ones. Where none carries everything, the one that loses least is taken.
    """
    wanted = {"transparency": alpha, "animation": frames > 1, "exact pixels": lossless}
    needs = frozenset(name for name, needed in wanted.items() if needed)
    taken = [name for name, named in zip(bucket._fields, bucket, strict=True) if named]
    ranked = [*taken, _OWN.get(kind, "jpg"), "jpg", "png", "gif"]
    # With nothing allowed, the best is named all the same, and the policy refuses it by name.
    possible = [name for name in ranked if allowed is None or name in allowed] or ranked
    best = min(possible, key=lambda name: len(needs - _CARRIES[name]))
    return Choice(best, "; ".join(_why(best, needs, taken, possible, kind)))


def _why(best: str, needs: frozenset[str], taken: list[str], possible: list[str], kind: str) -> list[str]:
    why = [f"the client takes {' and '.join(taken) or 'neither avif nor webp'}"]
    for name in taken[: taken.index(best)] if best in taken else taken:
        missing = " or ".join(sorted(needs - _CARRIES[name]))
        why.append(f"{name} cannot carry {missing}" if name in possible else f"{name} is not allowed here")
    if best not in taken and best == kind:
        why.append(f"the original is {kind}")
    lost = " and ".join(sorted(needs - _CARRIES[best]))
    why.append(f"{best} loses {lost} but nothing else may be made" if lost else f"{best} carries what is needed")
    return why
