"""What workers do for streams: plan one, or make one part of one."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transforms.headers import Header
from transforms.limits import Limits
from transforms.video.beside import Beside
from transforms.video.ladders import Ladder
from transforms.video.parts import Source
from transforms.video.planning import part, planned
from transforms.video.recipes import CURRENT
from transforms.video.stream_plan import StreamPlan

Made = tuple[dict[str, Any], bytes]


def plan(job: Mapping[str, Any]) -> Made:
    """`ladder`, `version`, `beside` and `recipe` in; `plan` out, and `why` its pictures are not sent as they are.

    `beside` are files of subtitles: what follows the film's name, and the bytes in base64. Raises Refusals.
    """
    made, index = planned(
        _source(job), Ladder.from_dict(job["ladder"]), job["version"], recipe=job.get("recipe", CURRENT)
    )
    return {"plan": made.to_dict(), "why": index.picture.why if index.picture else ""}, b""


def stream_part(job: Mapping[str, Any]) -> Made:
    """`plan`, `rung` and `part` (a number, or "init") in; the bytes out, with how many seconds they last.

    Raises Refusals.
    """
    made = part(_source(job), StreamPlan.from_dict(job["plan"]), job["rung"], job["part"])
    return {"digest": hashlib.sha256(made.data).hexdigest(), "seconds": float(made.seconds)}, made.data


def _source(job: Mapping[str, Any]) -> Source:
    header, limits = Header.from_dict(job["header"]), Limits(**job["limits"])
    limits.check_original(header)
    beside = tuple(Beside(suffix, base64.b64decode(data)) for suffix, data in job.get("beside", ()))
    path = job["path"]  # one of a kind of its own, where the original comes from elsewhere in parts
    path = path if isinstance(path, Path) else Path(path)
    return Source(path, header.kind, limits, job.get("threads", 1), beside)
