"""What an AAC track says of itself: the AudioSpecificConfig of ISO/IEC 14496-3, 1.6.2.1."""

from dataclasses import dataclass
from typing import Final, Self

_RATES: Final = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350)
_LAYOUTS: Final = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1"}  # by channel configuration

FRAME: Final = 1024
"""Samples of an AAC frame."""

LOW_COMPLEXITY: Final = 2
"""The object type of AAC LC, which every player knows."""


@dataclass(frozen=True)
class AudioConfig:
    """The object type, samples a second, FFmpeg's name of the channels, and samples of a frame."""

    type: int
    rate: int
    layout: str
    frame: int

    @classmethod
    def read(cls, data: bytes) -> Self | None:
        """The configuration of a track; None where it is another than the plain ones: escapes, own tables."""
        bits = int.from_bytes(data[:2]) if len(data) >= 2 else 0
        kind, rate, channels, short = bits >> 11, bits >> 7 & 15, bits >> 3 & 15, bits >> 2 & 1
        if rate >= len(_RATES) or channels not in _LAYOUTS:
            return None
        return cls(kind, _RATES[rate], _LAYOUTS[channels], 960 if short else 1024)
