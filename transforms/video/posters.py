"""A film opened as pictures are: one frame of it, or as many as an animation shows."""

import math
from fractions import Fraction
from pathlib import Path

from av.video.frame import VideoFrame
from pyvips import GValue, Image

from transforms.headers import Header
from transforms.limits import Limits
from transforms.operation import Size
from transforms.turbo import MARGIN
from transforms.video.excerpt import check_animation, count, delays, frames_a_second, moves, start_of, steps
from transforms.video.frames import Film, film
from transforms.video.stills import still
from transforms.wishes import Loading


def frames(
    path: Path,
    header: Header,
    loading: Loading,
    limits: Limits,
    target: Size | None,
    animated: bool,
    rate: float | None,
) -> list[Image]:
    """Frames in square pixels, lying as stored; an animation's have their delays with the first one.

    A single one is `MARGIN` times as large as `target` or more, where that is smaller than the film; those of an
    animation, which are all held, are of its very size.
    Raises DamagedOriginal, NoSuchMoment, NoSuchStream, ConflictingOptions and ResultTooLarge.
    """
    if not (animated and moves(loading)):
        size = _reduced(header, target, MARGIN)
        with film(path, header.kind, limits, alone=loading.nearest) as pictures:
            return [still(_shown(pictures, header, loading), size)]
    size = _reduced(header, target, 1.0)
    check_animation(limits, count(loading, header, rate), size)
    moments = steps(loading, header, rate)
    with film(path, header.kind, limits, alone=loading.nearest) as pictures:
        if loading.interesting:
            begun = pictures.begins(pictures.interesting(Fraction(header.seconds)))
            moments = [begun + moment for moment in moments]
        found = map(pictures.keyframe_at, moments) if loading.nearest else pictures.frames_at(moments)
        images = [still(frame, size) for frame in found]
    images[0] = images[0].copy()
    images[0].set_type(GValue.array_int_type, "delay", delays(len(images), frames_a_second(header, rate)))
    images[0].set_type(GValue.gint_type, "loop", 0)
    return images


def _shown(pictures: Film, header: Header, loading: Loading) -> VideoFrame:
    if loading.interesting:
        return pictures.interesting(Fraction(header.seconds))
    moment = start_of(loading, header.seconds)
    return pictures.keyframe_at(moment) if loading.nearest else pictures.frame_at(moment)


def _reduced(header: Header, target: Size | None, margin: float) -> Size:
    """The size to which a frame is brought when its colours are converted."""
    if target is None:
        return Size(header.width, header.height)
    share = min(1.0, margin * max(target.width / header.width, target.height / header.height))
    if margin == 1.0 and share < 1:
        return target
    return Size(math.ceil(header.width * share), math.ceil(header.height * share))
