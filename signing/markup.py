"""The HTML of a `<picture>`."""

from collections.abc import Mapping
from html import escape

TYPES = {
    "avif": "image/avif",
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "jxl": "image/jxl",
    "png": "image/png",
    "webp": "image/webp",
}


def write_picture(srcsets: Mapping[str, str], image: Mapping[str, object], sizes: str) -> str:
    """Write a `<picture>`: a `<source>` per format and srcset, then an `<img>` of the attributes that are not None.

    >>> print(write_picture({"webp": "/a 320w"}, {"src": "/b", "alt": 'A "cat"', "width": None}, "100vw"))
    <picture>
    <source type="image/webp" srcset="/a 320w" sizes="100vw">
    <img src="/b" alt="A &quot;cat&quot;">
    </picture>
    """
    sources = [_tag("source", {"type": TYPES[f], "srcset": srcset, "sizes": sizes}) for f, srcset in srcsets.items()]
    return "\n".join(["<picture>", *sources, _tag("img", image), "</picture>"])


def _tag(name: str, attributes: Mapping[str, object]) -> str:
    written = [f'{key}="{escape(str(value))}"' for key, value in attributes.items() if value is not None]
    return f"<{' '.join([name, *written])}>"
