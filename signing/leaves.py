"""The files of a streaming product that hang under its base: a closed list.

A leaf stands outside the signature, because players build its URL from playlists that know no key. So a leaf may
choose nothing: what it can be follows from the plan of the base. Everything with a slash is a leaf or nothing, so a
pattern added under a folder can never have been somebody's pretty name.
"""

import re

LEAVES = {
    "master.m3u8": "the HLS playlist of playlists",
    "manifest.mpd": "the DASH manifest, over the same segments",
    "hls/<plan>/<rung>/index.m3u8": "the playlist of one rung, sound track or subtitle",
    "hls/<plan>/<rung>/init.mp4": "the head that its segments share",
    "hls/<plan>/<rung>/<n>.m4s": "one segment",
    "hls/<plan>/<rung>/<n>.vtt": "one segment of subtitles",
    "storyboard.vtt": "the cues of a storyboard",
    "storyboard/<n>.webp": "one of its sheets",
    "storyboard/<n>.jpg": "one of its sheets",
}

_PARTS = {
    "<plan>": "[A-Za-z0-9_-]{1,64}",
    "<rung>": "[a-z0-9][a-z0-9-]{0,31}",
    "<n>": "(?:0|[1-9][0-9]{0,6})",
}


def _pattern(leaf: str) -> str:
    return "".join(_PARTS.get(part) or re.escape(part) for part in re.split("(<[a-z]+>)", leaf))


_leaf = re.compile("|".join(map(_pattern, LEAVES)))
_part = re.compile("|".join(_pattern(leaf) for leaf in LEAVES if leaf.startswith("hls/<plan>/")))


def is_leaf(name: str) -> bool:
    """Say whether what follows `~` is a file of a streaming product.

    >>> is_leaf("hls/5f0c2a91/720/12.m4s"), is_leaf("hello.webp"), is_leaf("hls/5f0c2a91/720/012.m4s")
    (True, False, False)
    """
    return _leaf.fullmatch(name) is not None


def is_part(name: str) -> bool:
    """Say whether what follows `~` is a file of one plan of a stream: its name holds the plan's.

    >>> is_part("hls/5f0c2a91/720/12.m4s"), is_part("master.m3u8")
    (True, False)
    """
    return _part.fullmatch(name) is not None
