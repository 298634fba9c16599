"""A transcode, decided before anything is decoded: what the front checks and a worker does."""

from dataclasses import dataclass
from fractions import Fraction

from transforms.errors import ConflictingOptions
from transforms.headers.header import Header
from transforms.operation import Size
from transforms.operations.geometry import Resize
from transforms.operations.streams import BitRate, Fade, Loudness, Sampling, Volume
from transforms.operations.timing import FrameRate, KeyInterval
from transforms.plan import Plan
from transforms.transcodes.canvas import Canvas, Focus, canvas
from transforms.transcodes.codecs import Coding, check_size, coding
from transforms.transcodes.excerpts import Excerpt, excerpts, steady

_NOT_COPIED = (FrameRate, KeyInterval, BitRate)
_NOT_COPIED_SOUND = (Sampling, Loudness, Volume, Fade)


@dataclass(frozen=True)
class Recipe:
    """Parts of a film, what is done to its frames, and what both of its streams are encoded as."""

    form: str
    parts: tuple[Excerpt, ...]
    canvas: Canvas
    coding: Coding
    rate: Fraction
    """Frames a second, as far as the header tells."""
    seconds: Fraction
    """That the result lasts, about."""

    @property
    def size(self) -> Size:
        return self.canvas.size

    @property
    def frames(self) -> int:
        """Frames of the result, about."""
        return max(1, round(self.seconds * self.rate))


def recipe(header: Header, plan: Plan, form: str, focus: Focus | None = None) -> Recipe:
    """What a plan makes of a film in a container.

    Raises ConflictingOptions, NotSupported and NoSuchMoment for what cannot be made.
    """
    codes, parts = coding(plan.saving, form), excerpts(plan.loading, header.seconds)
    frame = canvas(plan, header, focus)
    if codes.video == "copy":
        _check_copy(plan, parts)
    else:
        check_size(codes.video, frame.size)
    for kind in _NOT_COPIED_SOUND if codes.audio in ("copy", "none") else ():
        if plan.find(kind):
            raise ConflictingOptions(f"ac_{codes.audio}: {kind.name} changes the sound", part=kind.name)
    whole = Fraction(header.seconds).limit_denominator(1_000_000)
    own = Fraction(header.rate).limit_denominator(1001) if header.rate else None
    seconds = sum((part.lasts(whole) for part in parts), Fraction(0))
    return Recipe(form, parts, frame, codes, steady(own, None, plan.saving.rate), seconds)


def _check_copy(plan: Plan, parts: tuple[Excerpt, ...]) -> None:
    """A copied picture stays as it is."""
    steps = [operation for step in plan.steps for operation in step]
    changed = next((one for one in (*steps, *(plan.find(kind) for kind in _NOT_COPIED)) if one is not None), None)
    if changed:
        name = changed.name if not isinstance(changed, Resize) else "w_, h_"
        raise ConflictingOptions(f"vc_copy: {name} changes the picture", part="vc_copy")
    if not plan.loading.upright:
        raise ConflictingOptions("vc_copy: a_ignore changes the picture", part="vc_copy")
    if plan.loading.preview:
        raise ConflictingOptions("vc_copy: e_preview joins parts that begin at no keyframe", part="vc_copy")
