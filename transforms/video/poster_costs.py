"""What a poster, an animation or a description of a film will cost, from its header alone."""

import dataclasses
from typing import Final

from transforms.formats import FORMATS
from transforms.headers import Header
from transforms.limits import Cost, estimate
from transforms.operation import Size
from transforms.plan import Plan
from transforms.video.excerpt import count, moves, spans

# Measured on one core of a 2 vCPU EPYC, of H.264 and HEVC films of 0.2 to 2 MP; ratios travel, milliseconds do not.
_OPENING: Final = 8.0  # milliseconds to read an index and to start a decoder
_FRAME: Final = 2.0  # milliseconds for a megapixel of each frame that is decoded on the way
_KEY: Final = 9.0  # for a megapixel of a keyframe by itself, its decoder started for it
_BRIGHT: Final = 1.7  # times as much for more than eight bits
_STILL: Final = 1.5  # for a megapixel of film that is brought to the size and the colours of a picture
_GROUP: Final = 1.0  # seconds from a keyframe to a moment, on average: one every two seconds is usual
_LOOKED: Final = 0.5  # seconds that are looked through for a frame that shows something, where that is not the first

_HELD: Final = 20  # bytes for a pixel of the frames that a decoder holds
_HELD_KEY: Final = 9
_HELD_BRIGHT: Final = 2.3  # times as many for more than eight bits
_STILL_BYTES: Final = 20  # for a pixel of a picture, before it is scaled to its very size
_STILL_BRIGHT: Final = 35  # the same with what makes HDR into it
_MOVING_BYTES: Final = 3  # for a pixel of each frame of an animation, which are all held
_MARGIN: Final = 1.3  # of size that is left when a single frame is converted
_LOOK: Final = Size(256, 256)
_USUAL_RATE: Final = 30.0


def poster_cost(header: Header, plan: Plan, form: str, size: Size | None, grade: str = "first") -> Cost:
    """Milliseconds of one core, and bytes, to make a picture or a description of a film or of a sound's cover."""
    made = size if size and form in FORMATS else _LOOK
    row = "jpg" if form not in FORMATS else form
    saving = {"measured": plan.saving.level is not None, "lossless": plan.saving.lossless}
    if header.medium == "sound":
        cover = Header("png", *(header.cover or made), bytes=0)
        cost = estimate(cover, row, made.width * made.height, grade=grade, **saving)
        return Cost(_OPENING + cost.milliseconds, cost.memory)
    megapixels = header.pixels / 1_000_000 * (_BRIGHT if header.bits > 8 else 1)
    frames = count(plan.loading, header, plan.saving.rate) if FORMATS[row].animation and moves(plan.loading) else 1
    # An animation of so many frames is written like any other.
    told = dataclasses.replace(header, kind="webp", frames=frames)
    pixels = min(header.pixels, round(made.width * made.height * (_MARGIN**2 if frames == 1 else 1)))
    written = estimate(told, row, made.width * made.height, grade=grade, pixels=pixels, **saving)
    each = _STILL_BRIGHT if header.bits > 8 else _STILL_BYTES
    held = header.pixels * (_HELD_KEY if plan.loading.nearest else _HELD) * (_HELD_BRIGHT if header.bits > 8 else 1)
    return Cost(
        _OPENING + _decoding(header, plan, frames) * megapixels + written.milliseconds,
        round(written.memory + held + pixels * (each + (frames * _MOVING_BYTES if frames > 1 else 0))),
    )


def _decoding(header: Header, plan: Plan, frames: int) -> float:
    """Milliseconds for a megapixel of the film to decode what is shown, and to bring it to a picture's colours."""
    loading, rate = plan.loading, header.rate or _USUAL_RATE
    stills = frames * _STILL
    if loading.nearest:
        return _KEY * frames + stills
    begins = 0.0 if loading.start is None else min(_GROUP, loading.start.of(header.seconds))
    number = begins + (_LOOKED if loading.interesting else 0)
    if frames > 1:
        parts = spans(loading, header.seconds)
        number += sum(float(part.end - part.start) for part in parts) + _GROUP * (len(parts) - 1)
    return _KEY + _FRAME * rate * number + stills
