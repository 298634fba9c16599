"""One part of a stream: everything that decides its bytes, and so its name."""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from proxy.sources.mounts import Mounted
from proxy.streaming.kept import WORDS, Kept
from proxy.streaming.leaf import Place
from proxy.tags import Numbers
from transforms.video.stream_plan import Rung

Work = Literal["remux", "encode", "sound", "words", "text"]
"""What it takes to make one."""

VTT = "text/vtt; charset=utf-8"
MEDIA_TYPES = {"picture": "video/mp4", "sound": "audio/mp4", "words": VTT, "text": VTT}


@dataclass(frozen=True)
class Part:
    """A segment of a rung of a plan, or the head that its segments share."""

    mounted: Mounted
    kept: Kept
    rung: Rung
    place: Place
    purges: Numbers = ()

    @cached_property
    def key(self) -> str:
        """The name under which it is kept: the same for every URL and every client."""
        facts = (self.mounted.name, self.mounted.key, self.kept.plan.id, self.rung.name, self.place, self.purges)
        return hashlib.sha256(f"darkroom.part.1\n{json.dumps(facts)}".encode()).hexdigest()[:40]

    @property
    def work(self) -> Work:
        """What is counted when it is made."""
        if self.rung.kind != "picture":
            return self.rung.kind
        return "remux" if self.rung.remux else "encode"

    @property
    def form(self) -> str:
        """Its kind of file."""
        if self.place == "init":
            return "init"
        return "vtt" if self.rung.kind in WORDS else "m4s"

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES[self.rung.kind]

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return 0.0 if self.place == "init" else self.kept.lengths(self.rung)[self.place]

    @property
    def next(self) -> "Part | None":
        """The one behind it on the same rung."""
        place = 0 if self.place == "init" else self.place + 1
        return replace(self, place=place) if self.kept.has(self.rung, place) else None
