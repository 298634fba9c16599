"""From whatever colours a file holds to the eight bits a channel that operations work on."""

from functools import lru_cache
from typing import Any, Final

from pyvips import GValue, Image

PROFILE: Final = "icc-profile-data"

# Where a profile is broken, or one of another kind of picture, libvips takes its own profile for the kind.
_INTENT: Final[dict[str, Any]] = {"embedded": True, "intent": "relative", "black_point_compensation": True, "depth": 8}
_CHANNELS: Final = {"b-w": 1, "grey16": 1, "srgb": 3, "rgb16": 3, "cmyk": 4}
_LARGEST: Final = 4 * 2**20  # bytes of a profile; those of presses have up to 3 MB
_UNSEEN: Final = 2  # steps of 255 that a conversion must change to be worth its time


def result_profile(image: Image, space: str) -> bytes | str | None:
    """The profile that a result in `srgb`, `p3` or `copy` carries: its bytes, libvips' name for it, None for sRGB."""
    if space == "p3":
        return "p3"
    if space == "copy" and _CHANNELS.get(image.interpretation) == 3 and profile_changes(image):
        return bytes(image.get(PROFILE))
    return None


def managed(image: Image, profile: bytes | str | None) -> Image:
    """The picture as RGB of 8 bits, with alpha if it has any, in the colours of a result's profile."""
    if not isinstance(profile, bytes):
        image = _converted(image, profile or "srgb")
    if image.interpretation != "srgb" or image.format != "uchar":
        image = image.colourspace("srgb").cast("uchar")
    return image[:3].bandjoin(image[3]) if image.bands > 4 else image


def _converted(image: Image, target: str) -> Image:
    if image.interpretation not in _CHANNELS or image.format not in ("uchar", "ushort"):
        image = image.colourspace("srgb").cast("uchar")
    cmyk = image.interpretation == "cmyk"
    if cmyk or target != "srgb" or profile_changes(image):
        return image.icc_transform(target, input_profile="cmyk" if cmyk else "srgb", **_INTENT)
    return image


def profile_changes(image: Image) -> bool:
    """Whether something is seen of the picture's profile: one of sRGB changes nothing, nor does a broken one."""
    if not image.get_typeof(PROFILE):
        return False
    profile = bytes(image.get(PROFILE))
    return len(profile) <= _LARGEST and _changes(profile, _CHANNELS.get(image.interpretation, 3))


@lru_cache(maxsize=8)
def _changes(profile: bytes, channels: int) -> bool:
    """What a profile does is tried on 64 colours spread over its space, for its name may lie."""
    steps = (0, 85, 170, 255)
    spread = bytes(steps[place >> 2 * (channel % 3) & 3] for place in range(64) for channel in range(channels))
    interpretation = {1: "b-w", 3: "srgb", 4: "cmyk"}[channels]
    sample = Image.new_from_memory(spread, 64, 1, channels, "uchar").copy(interpretation=interpretation)
    before = sample.colourspace("srgb")
    sample.set_type(GValue.blob_type, PROFILE, profile)
    difference: float = (sample.icc_transform("srgb", **_INTENT) - before).abs().max()
    return difference > _UNSEEN
