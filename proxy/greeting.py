"""What `darkroom serve` says first: where it is, who may ask, and a few URLs to try."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path

from proxy.settings import Settings
from signing import Address, Signer
from transforms.formats import Medium, by_extension

TRIES: Mapping[Medium, Sequence[str]] = {
    "picture": ("w_600", "c_fill,g_auto,h_400,w_400/e_blur:200,f_webp,r_max", "f_json"),
    "motion": ("f_webp,so_auto,w_600", "f_hls"),
    "sound": ("f_mp3",),
}
"""What is tried of originals of each kind."""


def greeting(settings: Settings, port: int) -> str:
    """A few lines for a terminal; `port` is the one that is listened on."""
    base = f"http://{_reached(settings.host)}:{port}"
    page = " (/ui/ is a page to try it)" if settings.playground else ""
    lines = [f"Darkroom serves {_places(settings)} at {base}{page}"]
    if not settings.keys:
        who = "anybody" if settings.unsigned else "this machine"
        lines.append(f"There is no key: {who} may ask for anything. `darkroom key` makes one.")
    if tries := _tries(settings, base):
        lines += ["Try:", *(f"  {url}" for url in tries)]
    return "\n".join(lines)


def _reached(host: str) -> str:
    """The address by which somebody on this machine reaches the server."""
    bare = host.strip("[]")
    everywhere = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}
    return everywhere.get(bare, f"[{bare}]" if ":" in bare else bare)


def _places(settings: Settings) -> str:
    mounts = [f"{mount.url} under /{name}" if name else str(mount.url) for name, mount in settings.mounts.items()]
    return ", ".join([*mounts, *(settings.remote.hosts if settings.remote else ())])


def _tries(settings: Settings, base: str) -> list[str]:
    """Some renditions of what is found in the first folder that holds anything."""
    for name, mount in settings.mounts.items():
        found = _originals(mount.folder) if mount.folder else []
        if found:
            signer = Signer(settings.keys[0].secret.get_secret_value(), base) if settings.keys else None
            return [_url(signer, base, f"{name}/{key}" if name else key, steps) for key, steps in _asked(found)]
    return []


def _url(signer: Signer | None, base: str, source: str, steps: str) -> str:
    asked = steps.split("/")
    return signer.url(source, *asked) if signer else f"{base}/{Address(tuple(asked), source).write()}"


def _asked(found: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Originals, in turns, with the steps to try with each."""
    kinds: dict[Medium, list[str]] = {}
    for key in found:
        if row := by_extension(key.rpartition(".")[2]):
            kinds.setdefault(row.medium, []).append(key)
    for medium, steps in TRIES.items():
        yield from zip(cycle(kinds.get(medium, ())), steps, strict=False)


def _originals(folder: Path) -> list[str]:
    """Some originals of a folder by their names, without looking through all of a large one."""
    paths = (path for path in islice(folder.rglob("*"), 2000) if path.is_file() and by_extension(path.suffix))
    keys = sorted(path.relative_to(folder).as_posix() for path in islice(paths, 200))
    return [key for key in keys if not any(part.startswith(".") for part in key.split("/"))]
