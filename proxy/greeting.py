"""What `darkroom serve` says first: where it is, who may ask, and three URLs to try."""

from itertools import islice
from pathlib import Path

from proxy.settings import Settings
from signing import Address, Signer
from transforms.formats import by_extension

TRIES = ("w_600", "c_fill,g_auto,h_400,w_400/e_blur:200,f_webp,r_max", "f_json")


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
    """Three renditions of the first picture that is found."""
    for name, mount in settings.mounts.items():
        found = _pictures(mount.folder) if mount.folder else []
        if found:
            keys = [found[number % len(found)] for number in range(len(TRIES))]
            sources = [f"{name}/{key}" if name else key for key in keys]
            if settings.keys:
                signer = Signer(settings.keys[0].secret.get_secret_value(), base)
                return [signer.url(source, *steps.split("/")) for source, steps in zip(sources, TRIES, strict=True)]
            return [
                f"{base}/{Address(tuple(steps.split('/')), source).write()}"
                for source, steps in zip(sources, TRIES, strict=True)
            ]
    return []


def _pictures(folder: Path) -> list[str]:
    """A few pictures of a folder, without looking through all of a large one."""
    paths = (path for path in islice(folder.rglob("*"), 2000) if path.is_file() and by_extension(path.suffix))
    keys = sorted(path.relative_to(folder).as_posix() for path in islice(paths, 200))
    return [key for key in keys if not any(part.startswith(".") for part in key.split("/"))][:3]
