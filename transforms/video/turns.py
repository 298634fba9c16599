"""What shows a frame upright, as FFmpeg's filters."""

from typing import Final

UPRIGHT: Final[dict[int, tuple[str, ...]]] = {
    1: (),
    2: ("hflip",),
    3: ("hflip", "vflip"),
    4: ("vflip",),
    5: ("transpose=cclock_flip",),
    6: ("transpose=clock",),
    7: ("transpose=clock_flip",),
    8: ("transpose=cclock",),
}
"""By the EXIF orientation of the frame."""
