"""What it costs to make a film anew, from its header and the recipe alone."""

from fractions import Fraction
from typing import Final

from transforms.headers.header import Header
from transforms.limits import Cost
from transforms.transcodes.recipe import Recipe

_MILLION: Final = 1_000_000

# Milliseconds of one core of a 2 vCPU EPYC, from six seconds of film in 360p to 1080p; ratios travel.
_DECODED: Final = 2.5  # for a megapixel of the original
_SCALED: Final = 0.9  # for a megapixel of the original
_FRAME: Final = 2.0  # for a frame that is encoded, and for each of its megapixels, by H.264
_ENCODED: Final = 9.0
_TIMES: Final = {"h264": 1.0, "vp9": 1.2, "av1": 1.1, "h265": 2.0}
_SOUND: Final = {"aac": 40.0, "opus": 20.0, "mp3": 40.0, "flac": 8.0, "copy": 1.0, "none": 0.0}  # for a second
_MEASURED: Final = 25.0  # for a second whose loudness is measured first
_COPIED: Final = 4.0  # for a megabyte of the original
_OVERHEAD: Final = 100.0

# Bytes for a pixel: frames that a decoder and an encoder hold, of one and a half bytes each.
_HELD: Final = {"decoder": 24, "encoder": 60}
_LEAST: Final = 40 * _MILLION


def cost(header: Header, made: Recipe, *, loudness: bool = False) -> Cost:
    """Milliseconds of one core, and bytes beyond those of an idle worker; for `loudness` the sound is heard twice."""
    sound = (_SOUND[made.coding.audio] + _MEASURED * loudness) * float(made.seconds) if header.sound else 0.0
    if made.coding.video == "copy":
        share = float(made.seconds) / header.seconds if header.seconds else 1.0
        return Cost(_OVERHEAD + sound + _COPIED * header.bytes * share / _MILLION, _LEAST)
    source, result = header.pixels / _MILLION, made.size.width * made.size.height / _MILLION
    own = float(header.rate or made.rate) * float(made.seconds)
    read = own * source * _DECODED * (2 if header.bits > 8 else 1) + made.frames * source * _SCALED
    written = made.frames * (_FRAME + _ENCODED * result) * _TIMES[made.coding.video]
    held = header.pixels * _HELD["decoder"] * (2 if header.bits > 8 else 1)
    held += made.size.width * made.size.height * _HELD["encoder"]
    return Cost(_OVERHEAD + sound + read + written, _LEAST + held)


def deadline(milliseconds: float, least: float) -> float:
    """Seconds after which work of this cost is given up: a slow machine that is busy takes some times as long."""
    return float(least + Fraction(6, 1000) * Fraction(milliseconds))
