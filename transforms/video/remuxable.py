"""Whether a film's packets can be cut and sent as they are, or why not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final

from transforms.formats import FORMATS

FARTHEST: Final = 12
"""Seconds from one keyframe to the next, at most: a segment is as long as that."""

HEAVIEST: Final = 64_000_000
"""Bytes from one keyframe to the next, at most."""

FASTEST: Final = 61
"""Frames a second at most, a few more than 60 for the sake of averages."""

_INDEXED: Final = ("mp4", "mov", "m4a", "3gp", "webm", "mkv")
_PLAYED: Final = {
    "h264": ("yuv420p", "yuvj420p"),
    "hevc": ("yuv420p", "yuvj420p", "yuv420p10le"),
    "vp9": ("yuv420p", "yuv420p10le"),
    "av1": ("yuv420p", "yuv420p10le"),
}
"""Codecs that players play from MP4, and their pixels."""

_TITLES: Final = {
    "h264": "H.264",
    "hevc": "H.265",
    "vp8": "VP8",
    "mpeg4": "MPEG-4 Part 2",
    "mpeg2video": "MPEG-2",
    "h263": "H.263",
    "vvc": "H.266",
    "mjpeg": "Motion JPEG",
    "prores": "ProRes",
}


@dataclass(frozen=True)
class Facts:
    """What a film is judged by."""

    kind: str
    codec: str
    pixels: str
    """FFmpeg's name of the pixel format."""
    rate: Fraction
    seconds: Fraction
    keys: Sequence[Fraction]
    """When each keyframe is shown, in seconds from the start."""
    weights: Sequence[int]
    """Bytes from each keyframe to the next."""
    turned: bool
    interlaced: bool
    configured: bool
    """Its container says what a decoder has to know first."""
    late: bool
    """The presentation starts between two keyframes."""
    open: bool
    """Frames behind a keyframe lean on frames before it."""
    vague: bool
    """Its frames are not shown when its index says."""


def obstacle(facts: Facts) -> str:
    """Why a film's packets cannot be sent as they are, for people; "" where they can."""
    return next((why(facts) for holds, why in _OBSTACLES if holds(facts)), "")


def farthest(facts: Facts) -> Fraction:
    """Seconds from one keyframe to the next, at most."""
    return max((later - key for key, later in pairwise((*facts.keys, facts.seconds))), default=facts.seconds)


def _title(facts: Facts) -> str:
    return _TITLES.get(facts.codec, facts.codec.upper())


_OBSTACLES: Final[tuple[tuple[Callable[[Facts], bool], Callable[[Facts], str]], ...]] = (
    (
        lambda facts: facts.kind not in _INDEXED,
        lambda facts: f"{FORMATS[facts.kind].title} does not say exactly when its frames are shown",
    ),
    (lambda facts: facts.codec not in _PLAYED, lambda facts: f"players do not play {_title(facts)} in streams"),
    (
        lambda facts: facts.pixels not in _PLAYED[facts.codec],
        lambda facts: f"few players play {_title(facts)} with pixels of the kind {facts.pixels}",
    ),
    (lambda facts: facts.turned, lambda _: "it is turned to be shown, which players do not agree on"),
    (lambda facts: facts.interlaced, lambda _: "it is interlaced"),
    (lambda facts: facts.rate > FASTEST, lambda facts: f"it has {float(facts.rate):.4g} frames a second"),
    (lambda facts: not facts.configured, lambda _: "its container does not say what its decoder needs"),
    (lambda facts: not facts.keys, lambda _: "its container does not list its keyframes"),
    (
        lambda facts: farthest(facts) > FARTHEST,
        lambda facts: f"its keyframes are up to {float(farthest(facts)):.3g} seconds apart",
    ),
    (lambda facts: max(facts.weights, default=0) > HEAVIEST, lambda _: "its packets are too large for a stream"),
    (lambda facts: facts.late, lambda _: "it starts between two keyframes"),
    (lambda facts: facts.open, lambda _: "frames behind its keyframes lean on frames before them"),
    (lambda facts: facts.vague, lambda _: "its frames are not shown when its index says"),
)
