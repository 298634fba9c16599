"""What a worker does with a job: render, describe or probe a picture; what it does with films and sounds is beside."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from transforms.describe import describe
from transforms.elsewhere import path_of
from transforms.errors import DamagedOriginal
from transforms.formats import FORMATS
from transforms.headers import Header
from transforms.limits import Limits
from transforms.opening import guard
from transforms.operation import Size
from transforms.pixels import Sharing
from transforms.plan import Plan
from transforms.probe import probe
from transforms.render import render
from transforms.shrunk import Shrunk
from transforms.worker import Aside

Made = tuple[dict[str, Any], bytes | Path]
Kind = Callable[[Mapping[str, Any], Aside], Made]


def perform(job: Mapping[str, Any], scratch: Path, aside: Aside) -> Made:
    """Facts about what was made, and its bytes. Raises Refusals.

    `path_of` says where to read the original, or with `job["shared"]` the pixels that were left of it; with
    `job["reach"]` its pixels are left aside for results up to that size.
    """
    _guarded()
    try:
        return _kind(job)({**job, "scratch": scratch}, aside)
    except UnicodeDecodeError as error:
        # pyvips decodes every text field of a file, and files hold what they like.
        raise DamagedOriginal("the original holds text that is no text") from error


def _kind(job: Mapping[str, Any]) -> Kind:
    """What does a job. FFmpeg is loaded for the first film or sound alone: most workers are never given one."""
    if "header" not in job or FORMATS[job["header"]["kind"]].medium == "picture":
        return _KINDS[job["do"]]
    from transforms.recordings import KINDS

    return KINDS[job["do"]]


@cache
def _guarded() -> None:
    guard()


def _render(job: Mapping[str, Any], aside: Aside) -> Made:
    return rendered(job, aside, path_of(job), Header.from_dict(job["header"]))


def rendered(job: Mapping[str, Any], aside: Aside, path: Path, header: Header) -> Made:
    """A picture of an original, which lies where `path` says."""
    focus, reach = job.get("focus"), job.get("reach")
    made = render(
        path,
        header,
        Plan.read(job["plan"]),
        FORMATS[job["format"]],
        job["grade"],
        Limits(**job["limits"]),
        (focus[0], focus[1]) if focus else None,
        Shrunk.from_dict(job["shared"], path.stat().st_size) if "shared" in job else None,
        Sharing(aside.path, Size(*reach), aside.announce) if reach else None,
    )
    facts = {
        "width": made.size.width,
        "height": made.size.height,
        "frames": made.frames,
        "decode": made.decode,
        "transform": made.transform,
        "encode": made.encode,
        "quality": made.quality,
    }
    return facts, made.data


def _describe(job: Mapping[str, Any], aside: Aside) -> Made:
    header, limits = Header.from_dict(job["header"]), Limits(**job["limits"])
    return {"facts": describe(path_of(job), header, limits, gps=job["gps"])}, b""


def _probe(job: Mapping[str, Any], aside: Aside) -> Made:
    limits = Limits(**job["limits"]) if "limits" in job else None
    return {"header": probe(path_of(job), limits=limits).to_dict()}, b""


_KINDS: dict[str, Callable[[Mapping[str, Any], Aside], Made]] = {
    "render": _render,
    "describe": _describe,
    "probe": _probe,
}
