"""What a worker does with a job: render, describe or probe one original."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from transforms.describe import describe
from transforms.errors import DamagedOriginal
from transforms.formats import FORMATS
from transforms.headers import Header
from transforms.limits import Limits
from transforms.opening import guard
from transforms.plan import Plan
from transforms.probe import probe
from transforms.render import render

Made = tuple[dict[str, Any], bytes]


def perform(job: Mapping[str, Any], scratch: Path) -> Made:
    """Facts about what was made, and its bytes; `job["path"]` is where to read the original. Raises Refusals."""
    _guarded()
    try:
        return _KINDS[job["do"]](job)
    except UnicodeDecodeError as error:
        # pyvips decodes every text field of a file, and files hold what they like.
        raise DamagedOriginal("the original holds text that is no text") from error


@cache
def _guarded() -> None:
    guard()


def _render(job: Mapping[str, Any]) -> Made:
    focus = job.get("focus")
    made = render(
        Path(job["path"]),
        Header.from_dict(job["header"]),
        Plan.read(job["plan"]),
        FORMATS[job["format"]],
        job["grade"],
        Limits(**job["limits"]),
        (focus[0], focus[1]) if focus else None,
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


def _describe(job: Mapping[str, Any]) -> Made:
    header = Header.from_dict(job["header"])
    return {"facts": describe(Path(job["path"]), header, Limits(**job["limits"]), gps=job["gps"])}, b""


def _probe(job: Mapping[str, Any]) -> Made:
    return {"header": probe(Path(job["path"])).to_dict()}, b""


_KINDS: dict[str, Callable[[Mapping[str, Any]], Made]] = {"render": _render, "describe": _describe, "probe": _probe}
