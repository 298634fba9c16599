"""How sounds are encoded: one row for each format, and what of a URL's wishes it can meet."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, TypeAlias

from transforms.errors import InvalidOption
from transforms.formats import FORMATS
from transforms.wishes import Saving

RATE: Final = 48_000
"""Samples a second where nothing is said: what films have, and what every device plays without converting."""
BIT_RATE: Final = 192_000
"""Bits a second where nothing is said."""

Steps: TypeAlias = tuple[int, ...]
Options: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Encoder:
    """The row of a format. The result is always stereo."""

    codec: str
    """Its name in `ac_`; empty where it has none."""
    name: str
    """FFmpeg's name of the encoder."""
    form: str
    """FFmpeg's name of the samples that it takes."""
    deep: str
    """The same for originals that hold more than 16 bits without loss."""
    rates: Steps = ()
    """Samples a second that the codec knows; empty: any."""
    bit_rates: tuple[int, int] | None = None
    """The least and the most bits a second; None where they follow from the sound."""
    steps: tuple[tuple[int, Steps], ...] = ()
    """The only bit rates that there are, in kbit/s, for so many samples a second and more."""
    bits: float = 0
    """The most bits for one sample of both channels; 0: without such a limit."""
    options: Options = ()
    """Of the encoder."""
    muxing: Options = ()
    """Of the muxer."""

    def most(self, rate: int) -> int:
        """The most bits a second at so many samples a second."""
        if steps := self._steps(rate):
            return steps[-1]
        most = self.bit_rates[1] if self.bit_rates else 0
        return min(most, int(self.bits * rate)) if self.bits else most

    def _steps(self, rate: int) -> Steps:
        return next((tuple(1000 * step for step in steps) for least, steps in self.steps if rate >= least), ())

    def allows(self, bit_rate: int, rate: int) -> bool:
        if steps := self._steps(rate):
            return bit_rate in steps
        return self.bit_rates is not None and self.bit_rates[0] <= bit_rate <= self.most(rate)

    def allowed(self, rate: int) -> str:
        """Which bit rates there are, in words."""
        if steps := self._steps(rate):
            return f"one of {', '.join(f'{step // 1000}k' for step in steps)}"
        least = self.bit_rates[0] if self.bit_rates else 0
        return f"{least // 1000}k to {self.most(rate) // 1000}k"


_MPEG = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
# ISO 11172-3 and 13818-3, layer III; the last row is MPEG 2.5, which those who made the format added to it.
_LAYER_3 = (
    (32_000, (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)),
    (16_000, (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)),
    (8_000, (8, 16, 24, 32, 40, 48, 56, 64)),
)
# ISO 14496-3: 6144 bits for each channel in a frame of 1024 samples.
_AAC = Encoder("aac", "aac", "fltp", "fltp", (96_000, 88_200, 64_000, *_MPEG), (16_000, 512_000), bits=12)
# RFC 6716: these five rates; RFC 7845 has any of them played at 48 kHz.
_OPUS = Encoder("opus", "libopus", "flt", "flt", (48_000, 24_000, 16_000, 12_000, 8_000), (12_000, 510_000))


ENCODERS: Final[Mapping[str, Encoder]] = MappingProxyType(
    {
        "mp3": Encoder(
            "mp3",
            "libmp3lame",
            "fltp",
            "fltp",
            _MPEG,
            (8_000, 320_000),
            _LAYER_3,
            # The head says how long it is and what to skip. Version 3 of ID3 is what everything reads.
            muxing=(("write_xing", "1"), ("id3v2_version", "3")),
        ),
        # The index stands in front, so that a player can begin and seek with the first bytes.
        "m4a": replace(_AAC, muxing=(("movflags", "+faststart"), ("brand", "M4A "), ("movie_timescale", "48000"))),
        # The frames alone: nothing says how much of the first and the last one is no part of the sound.
        "aac": _AAC,
        "opus": _OPUS,
        "ogg": _OPUS,
        "flac": Encoder("flac", "flac", "s16", "s32", options=(("compression_level", "5"),)),
        "wav": Encoder("", "pcm_s16le", "s16", "s32"),
    }
)
"""By the format's name."""

DEEP: Final = MappingProxyType({"pcm_s16le": "pcm_s24le"})
"""The encoder for samples of more than 16 bits, where that is another one."""


@dataclass(frozen=True)
class Settled:
    """What a sound is encoded with."""

    rate: int
    """Samples a second."""
    bit_rate: int | None
    """Bits a second; None where they follow from the sound."""


def settled(saving: Saving, form: str) -> Settled:
    """What `af_`, `br_` and `ac_` come to in a format. Raises InvalidOption, naming what there is."""
    encoder, title = ENCODERS[form], FORMATS[form].title
    if saving.audio_codec and saving.audio_codec != encoder.codec:
        has = f"{title} holds {encoder.codec or 'samples as they are'}"
        raise InvalidOption(
            f"ac_: {has}, but “{saving.audio_codec}” came", part=f"ac_{saving.audio_codec}", expected=encoder.codec
        )
    rate = saving.sampling or RATE
    if encoder.rates and rate not in encoder.rates:
        known = f"one of {', '.join(str(known) for known in sorted(encoder.rates))}"
        raise InvalidOption(f"af_: {title} has {known}, but “{rate}” came", part=f"af_{rate}", expected=known)
    if saving.bit_rate is None:
        return Settled(rate, min(BIT_RATE, encoder.most(rate)) if encoder.bit_rates else None)
    part = f"br_{saving.bit_rate}"
    if encoder.bit_rates is None:
        raise InvalidOption(f"br_: {title} keeps every sample, so its bit rate follows from the sound", part=part)
    if not encoder.allows(saving.bit_rate, rate):
        allowed = encoder.allowed(rate)
        raise InvalidOption(
            f"br_: {title} at {rate} samples a second has {allowed}, but “{saving.bit_rate}” came",
            part=part,
            expected=allowed,
        )
    return Settled(rate, saving.bit_rate)
