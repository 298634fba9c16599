"""What a worker does with films and sounds: show, describe, encode and draw them, and plan and make streams of them."""

from collections.abc import Callable, Mapping
from typing import Any

from transforms.audio.encode import encode
from transforms.audio.waveform import told
from transforms.elsewhere import path_of
from transforms.formats import FORMATS
from transforms.headers import Header
from transforms.limits import Limits
from transforms.plan import Plan
from transforms.transcodes.transcode import Places, transcode
from transforms.video import jobs
from transforms.video.covers import as_picture
from transforms.video.describe import recording
from transforms.video.sheets import sheet
from transforms.work import Kind, Made, rendered
from transforms.worker import Aside


def _render(job: Mapping[str, Any], aside: Aside) -> Made:
    header, plan, limits = Header.from_dict(job["header"]), Plan.read(job["plan"]), Limits(**job["limits"])
    with as_picture(path_of(job), header, plan.loading, limits) as (shown, its):
        return rendered(job, aside, shown, its)


def _describe(job: Mapping[str, Any], aside: Aside) -> Made:
    header, plan, limits = Header.from_dict(job["header"]), Plan.read(job["plan"]), Limits(**job["limits"])
    return {"facts": recording(path_of(job), header, limits, plan.loading, gps=job["gps"])}, b""


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


def _sheet(job: Mapping[str, Any], aside: Aside) -> Made:
    header, limits = Header.from_dict(job["header"]), Limits(**job["limits"])
    plan, row = Plan.read(job["plan"]), FORMATS[job["format"]]
    made = sheet(path_of(job), header, plan, job["sheet"], row, limits)
    return {"width": made.size.width, "height": made.size.height, "exact": made.exact}, made.data


def _plan(job: Mapping[str, Any], aside: Aside) -> Made:
    return jobs.plan(job)


def _part(job: Mapping[str, Any], aside: Aside) -> Made:
    return jobs.stream_part(job)


KINDS: dict[str, Kind] = {
    "render": _render,
    "describe": _describe,
    "encode": _encode,
    "wave": _wave,
    "sheet": _sheet,
    "plan": _plan,
    "part": _part,
}
