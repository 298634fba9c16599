"""What a worker does with a job: render, describe, probe; draw a sheet of a film, plan a stream, make a part of it."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from transforms.audio.encode import encode
from transforms.audio.waveform import told
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
from transforms.transcodes.transcode import Places, transcode
from transforms.video import jobs
from transforms.video.covers import as_picture
from transforms.video.describe import recording
from transforms.video.sheets import sheet
from transforms.worker import Aside

Made = tuple[dict[str, Any], bytes | Path]


def perform(job: Mapping[str, Any], scratch: Path, aside: Aside) -> Made:
    """Facts about what was made, and its bytes. Raises Refusals.

    `path_of` says where to read the original, or with `job["shared"]` the pixels that were left of it; with
    `job["reach"]` its pixels are left aside for results up to that size.
    """
    _guarded()
    try:
        return _KINDS[job["do"]]({**job, "scratch": scratch}, aside)
    except UnicodeDecodeError as error:
        # pyvips decodes every text field of a file, and files hold what they like.
        raise DamagedOriginal("the original holds text that is no text") from error


@cache
def _guarded() -> None:
    guard()


def _render(job: Mapping[str, Any], aside: Aside) -> Made:
    path, focus, reach = path_of(job), job.get("focus"), job.get("reach")
    plan, limits = Plan.read(job["plan"]), Limits(**job["limits"])
    with as_picture(path, Header.from_dict(job["header"]), plan.loading, limits) as (shown, header):
        made = render(
            shown,
            header,
            plan,
            FORMATS[job["format"]],
            job["grade"],
            limits,
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


def _encode(job: Mapping[str, Any], aside: Aside) -> Made:
    return _ENCODERS[FORMATS[job["format"]].medium](job, aside)


def _sound(job: Mapping[str, Any], aside: Aside) -> Made:
    header, plan, limits = Header.from_dict(job["header"]), Plan.read(job["plan"]), Limits(**job["limits"])
    made = encode(path_of(job), header, plan, job["format"], limits, job["scratch"])
    facts = {
        "seconds": made.seconds,
        "digest": made.digest,
        "sampling": made.rate,
        "bit_rate": made.bit_rate,
        "decode": made.measuring,
        "encode": made.encoding,
    }
    return facts, made.path


def _film(job: Mapping[str, Any], aside: Aside) -> Made:
    focus = job.get("focus")
    places = Places(
        finished=job["scratch"] / "film",
        growing=aside.path if job["grow"] else None,
        begun=lambda: aside.announce({}) if job["grow"] else None,
        told=aside.progress if job["grow"] else lambda _: None,
    )
    film = transcode(
        path_of(job),
        Header.from_dict(job["header"]),
        Plan.read(job["plan"]),
        job["format"],
        Limits(**job["limits"]),
        job["most"],
        places,
        focus=(focus[0], focus[1]) if focus else None,
        threads=job["threads"],
    )
    return vars(film), places.finished


_ENCODERS: dict[str, Callable[[Mapping[str, Any], Aside], Made]] = {
    "motion": _film,
    "sound": _sound,
}
"""By what the result is."""


def _wave(job: Mapping[str, Any], aside: Aside) -> Made:
    header, plan, limits = Header.from_dict(job["header"]), Plan.read(job["plan"]), Limits(**job["limits"])
    return told(path_of(job), header, plan, job["format"], limits)


def _describe(job: Mapping[str, Any], aside: Aside) -> Made:
    path, header, limits = path_of(job), Header.from_dict(job["header"]), Limits(**job["limits"])
    if header.medium == "picture":
        return {"facts": describe(path, header, limits, gps=job["gps"])}, b""
    return {"facts": recording(path, header, limits, Plan.read(job["plan"]).loading, gps=job["gps"])}, b""


def _probe(job: Mapping[str, Any], aside: Aside) -> Made:
    limits = Limits(**job["limits"]) if "limits" in job else None
    return {"header": probe(path_of(job), limits=limits).to_dict()}, b""


def _sheet(job: Mapping[str, Any], aside: Aside) -> Made:
    header, limits = Header.from_dict(job["header"]), Limits(**job["limits"])
    plan, row = Plan.read(job["plan"]), FORMATS[job["format"]]
    made = sheet(path_of(job), header, plan, job["sheet"], row, limits)
    return {"width": made.size.width, "height": made.size.height, "exact": made.exact}, made.data


def _plan(job: Mapping[str, Any], aside: Aside) -> Made:
    return jobs.plan(job)


def _part(job: Mapping[str, Any], aside: Aside) -> Made:
    return jobs.stream_part(job)


_KINDS: dict[str, Callable[[Mapping[str, Any], Aside], Made]] = {
    "render": _render,
    "encode": _encode,
    "wave": _wave,
    "describe": _describe,
    "probe": _probe,
    "sheet": _sheet,
    "plan": _plan,
    "part": _part,
}
