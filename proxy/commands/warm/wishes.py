"""What is to be made ready, read off what the command was told."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from proxy.commands.warm.logs import Asked
from proxy.console import failed

if TYPE_CHECKING:
    from proxy.settings import Settings

Steps = tuple[str, ...]
Sign = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Wishes:
    """Renditions of originals, those of `mount` and all that are named, each by every plan; and paths as they are."""

    plans: list[Steps]
    names: list[str]
    mount: str | None
    """All originals of this one; None: of none."""
    paths: list[bytes] = field(default_factory=list)
    left_out: int = 0
    """URLs that belong to others, and lines of a log that ask for nothing."""
    unsigned: list[bytes] = field(default_factory=list)
    """Paths that are signed where they must be: streams whose parts are wanted, and those of our own log."""
    segments: int | None = None
    """How many segments of each rung of a stream; None: all."""

    def total(self, listed: int = 0) -> int:
        """How many paths there are, with `listed` originals of the mount."""
        return (len(self.names) + listed) * len(self.plans) + len(self.unsigned) + len(self.paths)

    async def each(self, listed: list[str], sign: Sign) -> AsyncIterator[bytes]:
        """All paths; those of originals signed."""
        from signing import Address

        for original in self.names + listed:
            for plan in self.plans:
                yield sign(f"/{Address(plan, original).write()}".encode())
        for path in self.unsigned:
            yield sign(path)
        for path in self.paths:
            yield path


def signed_by(settings: "Settings") -> Sign:
    """What gives a path a signature of today, in place of the one that it may have; without a key it stays as it is."""
    from signing import Address, Signer
    from signing.request import Request

    if not settings.keys:
        return lambda path: path
    signer = Signer(settings.keys[0].secret.get_secret_value())

    def sign(path: bytes) -> bytes:
        request = Request.read(path)
        return signer.sign("/" + Address.read(request.rest, request.offset).write()).encode()

    return sign


def read_plans(steps: list[str], widths: str, settings: "Settings") -> Iterator[Steps]:
    """The steps of every rendition that is wanted of each original."""
    from transforms.errors import BadPlan
    from transforms.plan import Plan

    numbers = [width.strip() for width in widths.split(",") if width.strip()]
    for text in steps or ([""] if numbers else []):
        before, _, last = text.rpartition("/")
        for option in [f"w_{number}" for number in numbers] or [""]:
            plan = tuple(part for part in (*before.split("/"), ",".join(filter(None, (last, option)))) if part)
            try:
                Plan.read(plan, settings.presets)
            except BadPlan as error:
                raise failed(f"{'/'.join(plan)}: {error}") from None
            yield plan


def lines(file: Path) -> list[str]:
    """The lines of a file that are not empty, or the command's end."""
    try:
        return [line.strip() for line in file.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise failed(f"{file}: {error}") from None


def sitemap(place: str) -> list[str]:
    """The pictures that a sitemap names, or the command's end."""
    import httpx

    from proxy.warming.sitemap import BadSitemap, sitemap_urls

    try:
        return list(sitemap_urls(place))
    except (BadSitemap, OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        raise failed(f"{place}: {error}") from None


def sorted_out(wished: list[Asked | None], base: str) -> tuple[list[bytes], list[bytes], int]:
    """Paths as they are, paths whose signature was verified and is to be made anew, and how many are not ours."""
    below = urlsplit(base).path  # a log has paths alone
    paths = [(wish.verified, path_of(wish.url, below if wish.logged else base)) for wish in wished if wish]
    kept = dict.fromkeys((verified, path) for verified, path in paths if path is not None)
    left_out = len(wished) - sum(path is not None for _, path in paths)
    return [path for signed, path in kept if not signed], [path for signed, path in kept if signed], left_out


def path_of(url: str, base: str) -> bytes | None:
    """The path of a URL, without host and query; None for one that does not begin with `base`."""
    text = url.partition("?")[0].partition("#")[0]
    if base:
        rest = text.removeprefix(base)
        return rest.encode() if rest != text and rest.startswith("/") else None
    scheme, found, rest = text.partition("://")
    return (f"/{rest.partition('/')[2]}" if found and scheme in ("http", "https") else text).encode()
