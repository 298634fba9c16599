"""Which part of a film or a sound, and at how many frames a second."""

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

from transforms.operation import Operation, conflict, param
from transforms.params import Number, Whole, plain
from transforms.wishes import Loading, Moment, Saving

LONGEST = 86_400
"""Seconds; a day."""

ANY = Moment()
"""No moment in particular: what the word beside seconds and shares stands for."""

IN_TIME = ("picture", "motion", "sound", "stream", "facts")
RECORDED = ("motion", "sound")


@dataclass(frozen=True)
class MomentKind:
    """Seconds such as `12.5`, or a share such as `50p`; with `auto` that word too."""

    word: str = ""

    @property
    def expected(self) -> str:
        choice = f", or {self.word}" if self.word else ""
        return f"seconds from 0 to {LONGEST}, or a share such as 50p{choice}"

    def read(self, text: str) -> Moment:
        if self.word and text == self.word:
            return ANY
        if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?p?", text):
            raise ValueError(text)
        number = float(text.removesuffix("p"))
        if number > (100 if text.endswith("p") else LONGEST):
            raise ValueError(text)
        return Moment(share=number / 100) if text.endswith("p") else Moment(seconds=number)

    def write(self, value: Moment) -> str:
        if value == ANY:
            return self.word
        return plain(value.seconds) if value.seconds is not None else f"{plain((value.share or 0) * 100)}p"

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": rf"^(\d+(\.\d+)?p?{'|' + self.word if self.word else ''})$"}


class Start(Operation, name="so", step_local=False):
    """Begin at a moment of a film or a sound: the frame that a poster shows, or where an excerpt begins.

    `so_auto` is the first frame that is not black and not all of one colour. Without it a poster shows the first frame.
    """

    media = IN_TIME
    originals = RECORDED
    example = "so_12.5"
    moment: Moment = param(MomentKind("auto"), "seconds, a share of the whole, or `auto`")

    def loading(self, loading: Loading) -> Loading:
        if self.moment == ANY:
            return dataclasses.replace(loading, interesting=True)
        return dataclasses.replace(loading, start=self.moment)


class End(Operation, name="eo", step_local=False):
    """End at a moment of a film or a sound."""

    media = IN_TIME
    originals = RECORDED
    example = "so_2,eo_8"
    moment: Moment = param(MomentKind(), "seconds, or a share of the whole")

    def loading(self, loading: Loading) -> Loading:
        return dataclasses.replace(loading, end=self.moment)


class Duration(Operation, name="du", step_local=False):
    """Take so much of a film or a sound; where the result is a WebP or a GIF, a film becomes an animation by it."""

    media = IN_TIME
    originals = RECORDED
    example = "so_2,du_6"
    length: Moment = param(MomentKind(), "seconds, or a share of the whole")

    def loading(self, loading: Loading) -> Loading:
        if loading.end is not None:
            raise conflict("du_: eo_ says already where it ends", self.name)
        return dataclasses.replace(loading, duration=self.length)


class Preview(Operation, name="e_preview", step_local=False):
    """Make a short excerpt of a film from several places of it."""

    media = ("picture", "motion")
    originals = ("motion",)
    example = "e_preview:6:3"
    seconds: float = param(Number(1, 60), "seconds in all", default=5.0)
    parts: int = param(Whole(1, 20), "from how many places", default=4)

    def loading(self, loading: Loading) -> Loading:
        if loading.duration is not None or loading.end is not None:
            raise conflict("e_preview: it takes its parts from the whole film, so du_ and eo_ mean nothing", self.name)
        return dataclasses.replace(loading, preview=(self.seconds, self.parts))


class Keyframe(Operation, name="fl_keyframe", step_local=False):
    """Take the nearest keyframe at or before the moment, which is several times as fast as the very frame."""

    media = ("picture", "sheets")
    originals = ("motion",)
    example = "so_12.5,fl_keyframe"

    def loading(self, loading: Loading) -> Loading:
        return dataclasses.replace(loading, nearest=True)


class FrameRate(Operation, name="fps", step_local=False):
    """Show so many frames a second; without it a film keeps its own rate, and an animation made of one has ten."""

    media = ("picture", "motion")
    originals = ("motion",)
    example = "du_2,fps_12"
    rate: float = param(Number(1, 120), "frames a second")

    def saving(self, saving: Saving) -> Saving:
        return dataclasses.replace(saving, rate=self.rate)


class KeyInterval(Operation, name="ki", step_local=False):
    """Set a keyframe at least every so many seconds, so that a player can seek there."""

    media = ("motion",)
    originals = ("motion",)
    example = "f_mp4,ki_1"
    seconds: float = param(Number(0.1, 60), "seconds")

    def saving(self, saving: Saving) -> Saving:
        return dataclasses.replace(saving, key_interval=self.seconds)
