"""A worker that plans streams and makes parts out of nothing, as slowly as it is told: for what happens around them."""

import hashlib
import sys
import time
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from transforms.video.stream_plan import Rung, StreamPlan
from transforms.work import perform as real
from transforms.worker import Aside, Perform, main

SECONDS = 2
"""Of each segment."""
SLOWLY = 0.5
"""Seconds that a part takes of an original whose first step of the ladder says so."""


def perform(job: Mapping[str, Any], scratch: Path, aside: Aside) -> tuple[dict[str, Any], bytes | Path]:
    if job["do"] == "plan":
        return {"plan": planned(job).to_dict()}, b""
    if job["do"] != "part":
        return real(job, scratch, aside)
    plan = StreamPlan.from_dict(job["plan"])
    if "slow" in plan.rungs[0].title:
        time.sleep(SLOWLY)
    text = f"{hashlib.sha256(Path(job['path']).read_bytes()).hexdigest()} {job['rung']} {job['part']}\n"
    body = text.encode() * (2_000 if isinstance(job["part"], int) else 1)
    return {"digest": hashlib.sha256(body).hexdigest(), "seconds": SECONDS}, body


def planned(job: Mapping[str, Any]) -> StreamPlan:
    seconds = Fraction(round(job["header"]["seconds"]))
    cuts = tuple(Fraction(cut) for cut in range(0, int(seconds), SECONDS))
    title = "slow" if job["ladder"]["most"] == 3 else ""
    common = {"bandwidth": 100_000, "average": 80_000, "end": seconds}
    rungs = (
        Rung("src", "picture", True, "avc1.42c01e", width=640, height=360, rate=Fraction(25), title=title, **common),
        Rung("180", "picture", False, "avc1.42c01e", width=320, height=180, rate=Fraction(25), **common),
        Rung("a0-aac", "sound", False, "mp4a.40.2", rate=Fraction(48_000), channels=2, **common),
        Rung("s0-en", "words", False, "wvtt", language="en", **common),
    )
    return StreamPlan(job["recipe"], job["version"], (*cuts, seconds), rungs)


def load() -> Perform:
    return perform


if __name__ == "__main__":
    main(sys.argv[1:], load)
