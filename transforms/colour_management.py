"""From whatever colours a file holds to the eight bits a channel that operations work on."""

import pyvips
from pyvips import GValue, Image

SPACES = {"srgb": "srgb", "p3": "p3"}
"""Colour spaces of results, and libvips' built-in profiles for them."""

_WIDE = ("rgb16", "grey16", "lab", "labs", "labq", "xyz", "scrgb", "hsv", "lch", "cmc", "yxy", "oklab", "oklch")


def managed(image: Image, space: str) -> Image:
    """The picture as 8-bit RGB, with alpha if it has any, in `srgb`, `p3` or, for `copy`, in its own profile's RGB."""
    profile = image.get_typeof("icc-profile-data") != 0
    cmyk = image.interpretation == "cmyk"
    keeps_own = space == "copy" and profile and not cmyk and _channels(image) == 3
    target = SPACES.get(space, "srgb")
    if (profile and not keeps_own and not (target == "srgb" and _is_srgb(image))) or cmyk or (target == "p3"):
        image = _transformed(image, target, cmyk)
    if image.interpretation != "srgb" or image.format != "uchar":
        image = image.colourspace("srgb")
    if image.format != "uchar":
        image = image.cast("uchar")
    if image.bands > 4:
        image = image[:3].bandjoin(image[image.bands - 1]) if image.hasalpha() else image[:3]
    elif image.bands < 3:
        image = image[0].bandjoin([image[0], image[0], *(image[band] for band in range(1, image.bands))])
    return image.copy(interpretation="srgb")


def _channels(image: Image) -> int:
    return int(image.bands) - int(image.hasalpha())


def _transformed(image: Image, target: str, cmyk: bool) -> Image:
    """Converted through its profile; a profile that is broken or of another kind of picture counts as none."""
    options = {"intent": "relative", "black_point_compensation": True, "depth": 8}
    assumed = "cmyk" if cmyk else "srgb"
    if image.get_typeof("icc-profile-data") and not _works(image, target):
        if not cmyk and target == "srgb":
            return image
        image = image.copy()
        image.remove("icc-profile-data")
    return image.icc_transform(target, embedded=True, input_profile=assumed, **options)


def _works(image: Image, target: str) -> bool:
    """Whether the profile can be used, tried on a pixel of the same kind: the real ones are read once."""
    pixel = Image.black(1, 1, bands=image.bands).cast(image.format).copy(interpretation=image.interpretation)
    pixel.set_type(GValue.blob_type, "icc-profile-data", image.get("icc-profile-data"))
    try:
        pixel.icc_transform(target, embedded=True).avg()
    except pyvips.Error:
        return False
    return True


def _is_srgb(image: Image) -> bool:
    """Whether the profile says sRGB, so that a conversion would change nothing."""
    head = bytes(image.get("icc-profile-data"))[:4096]
    return b"sRGB" in head or b"s\0R\0G\0B" in head
