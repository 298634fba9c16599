"""The codecs of transcodes: which container takes which, what encodes them, and with what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Final

from transforms.errors import ConflictingOptions, NotSupported
from transforms.formats import DEFAULT_QUALITY
from transforms.operation import Size
from transforms.wishes import Saving

Curve = tuple[tuple[int, int], ...]

KEY_SECONDS: Final = 5.0
"""From one keyframe to the next, where the URL says nothing: a player that seeks decodes half of it on average."""
LEVELS: Final[Mapping[str, int]] = {"best": 90, "good": DEFAULT_QUALITY, "eco": 70, "low": 60}
"""What `q_auto` and its levels are here: a film's quality is the encoder's own measure of what is seen."""


@dataclass(frozen=True)
class VideoCodec:
    """An encoder of pictures; `crf` joins `q_` to its constant rate factor."""

    encoder: str
    title: str
    crf: Curve
    options: Mapping[str, str]
    tag: str = ""
    """The word in an MP4 by which players know it, where FFmpeg's is another."""
    least: int = 2
    """Pixels that each side has at least."""


@dataclass(frozen=True)
class AudioCodec:
    """An encoder of sound: bits a second of a stereo channel pair, and the samples a second that it takes."""

    encoder: str
    title: str
    bit_rate: int
    rates: tuple[int, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Container:
    """What a container may hold: what is made for it, the first by itself; and what is copied, by FFmpeg's names."""

    video: tuple[str, ...]
    audio: tuple[str, ...]
    copied_video: tuple[str, ...]
    copied_audio: tuple[str, ...]


# The curves join what looks alike: 23, 26, 33 and 35 are what each encoder's makers call a good picture.
VIDEO: Final[Mapping[str, VideoCodec]] = {
    # Superfast is the knee: veryfast takes half as long again for a third fewer bits.
    "h264": VideoCodec(
        "libx264", "H.264", ((1, 48), (50, 31), (80, 23), (100, 14)), {"preset": "superfast", "profile": "high"}
    ),
    "h265": VideoCodec(
        "libx265",
        "H.265",
        ((1, 48), (50, 34), (80, 26), (100, 16)),
        {"preset": "ultrafast", "x265-params": "log-level=none"},
        tag="hvc1",
        least=16,
    ),
    "vp9": VideoCodec(
        "libvpx-vp9",
        "VP9",
        ((1, 62), (50, 44), (80, 33), (100, 15)),
        {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "lag-in-frames": "0"},
    ),
    "av1": VideoCodec("libsvtav1", "AV1", ((1, 62), (50, 46), (80, 35), (100, 18)), {"preset": "12"}, least=64),
}
AUDIO: Final[Mapping[str, AudioCodec]] = {
    "aac": AudioCodec(
        "aac",
        "AAC",
        160_000,
        (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000),
        {"aac_coder": "fast"},
    ),
    "opus": AudioCodec("libopus", "Opus", 128_000, (8000, 12000, 16000, 24000, 48000)),
    "mp3": AudioCodec("libmp3lame", "MP3", 192_000, (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)),
    "flac": AudioCodec("flac", "FLAC", 0),
}
CONTAINERS: Final[Mapping[str, Container]] = {
    "mp4": Container(
        ("h264", "h265", "vp9", "av1"),
        ("aac", "opus", "mp3", "flac"),
        ("h264", "hevc", "vp9", "av1", "mpeg4"),
        ("aac", "opus", "mp3", "flac", "ac3", "eac3", "alac"),
    ),
    "webm": Container(("vp9", "av1"), ("opus",), ("vp8", "vp9", "av1"), ("opus", "vorbis")),
}


@dataclass(frozen=True)
class Coding:
    """What a film's picture and sound become: names of the tables above, or `copy`; and `none` of a sound."""

    video: str
    audio: str
    sampling: int = 48_000


def coding(saving: Saving, form: str) -> Coding:
    """The codecs that a plan asks for in a container. Raises ConflictingOptions and NotSupported."""
    container = CONTAINERS[form]
    video, audio = saving.video_codec or container.video[0], saving.audio_codec or container.audio[0]
    if video not in (*container.video, "copy"):
        raise ConflictingOptions(f"vc_{video}: a {form} holds {', '.join(container.video)}", part=f"vc_{video}")
    if audio not in (*container.audio, "copy", "none"):
        raise ConflictingOptions(f"ac_{audio}: a {form} holds {', '.join(container.audio)}", part=f"ac_{audio}")
    wanted = saving.sampling or 48_000
    if audio in AUDIO and AUDIO[audio].rates and wanted not in AUDIO[audio].rates:
        rates = ", ".join(map(str, AUDIO[audio].rates))
        raise NotSupported(
            f"af_{wanted}: {AUDIO[audio].title} has one of {rates} samples a second", part=f"af_{wanted}"
        )
    if saving.lossless:
        raise NotSupported("fl_lossless: films are not made without loss", part="fl_lossless")
    return Coding(video, audio, wanted)


def check_size(codec: str, size: Size) -> None:
    """Refuse pictures that are too small for their codec. Raises NotSupported."""
    row = VIDEO[codec]
    if min(size) < row.least:
        raise NotSupported(
            f"vc_{codec}: {row.title} has {row.least} pixels a side at least, and this {size.width}x{size.height}",
            part=f"vc_{codec}",
        )


def options(codec: str, saving: Saving, rate: Fraction, threads: int) -> dict[str, str]:
    """The options of a codec's encoder for a plan, at a frame rate."""
    row, gap = VIDEO[codec], max(1, round((saving.key_interval or KEY_SECONDS) * rate))
    made = {**row.options, "g": str(gap)}
    if codec == "h265":
        made["x265-params"] += f":pools={threads}:frame-threads={min(threads, 4)}:keyint={gap}"
    if codec == "av1":
        made["svtav1-params"] = f"lp={threads}"
    if saving.bit_rate is None:
        return made | {"crf": str(_crf(row.crf, saving))} | ({"b": "0"} if codec == "vp9" else {})
    # Half as much again for a second where much moves.
    most, buffer = saving.bit_rate * 3 // 2, saving.bit_rate * 2
    return (
        made | {"b": str(saving.bit_rate)} | ({} if codec == "av1" else {"maxrate": str(most), "bufsize": str(buffer)})
    )


def _crf(curve: Curve, saving: Saving) -> int:
    quality = LEVELS[saving.level] if saving.level else saving.quality or DEFAULT_QUALITY
    for (low, start), (high, end) in pairwise(curve):
        if low <= quality <= high:
            return round(start + (end - start) * (quality - low) / (high - low))
    raise ValueError(f"a quality is 1 to 100, not {quality}")
