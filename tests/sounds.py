"""Sounds made by code, whose samples are known: tones, steps and silence, in any container."""

import io
import wave
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.packet import Packet
from av.stream import Disposition

from tests import pictures
from transforms.audio.excerpt import Excerpt
from transforms.audio.samples import blocks, sound_of
from transforms.containers import opened
from transforms.limits import Limits
from transforms.sniff import sniff

TAGS = {
    "title": "Nocturne",
    "artist": "An Artist",
    "album": "At Night",
    "album_artist": "Several Artists",
    "genre": "Piano",
    "date": "1832",
    "track": "3/7",
    "copyright": "© An Artist",
}
SECRETS = {
    "comment": "recorded at home",
    "location": "+48.8577+002.295/",
    "com.apple.quicktime.location.ISO6709": "+48.8577+002.295/",
    "encoder": "A Workstation",
}


def tone(seconds: float, rate: int = 48_000, channels: int = 2, level: float = 0.25, pitch: float = 997) -> Any:
    """A sine with this peak on every channel, each a little higher than the one before: channels x samples."""
    at = np.arange(round(seconds * rate)) / rate
    return np.stack([level * np.sin(2 * np.pi * (pitch + 10 * number) * at) for number in range(channels)])


def wav(samples: Any, rate: int = 48_000, width: int = 2) -> bytes:
    """A WAV file of samples from -1 to 1, of two or three bytes each."""
    whole = np.clip(np.round(samples.T * 2 ** (8 * width - 1)), -(2 ** (8 * width - 1)), 2 ** (8 * width - 1) - 1)
    data = np.ascontiguousarray(whole.astype("<i4")).view(np.uint8).reshape(*whole.shape, 4)[..., :width].tobytes()
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(samples.shape[0])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data)
    return made.getvalue()


CODECS = {
    "mp3": ("mp3", "libmp3lame"),
    "m4a": ("mp4", "aac"),
    "aac": ("adts", "aac"),
    "opus": ("opus", "libopus"),
    "ogg": ("ogg", "flac"),
    "flac": ("flac", "flac"),
    "wav": ("wav", "pcm_s16le"),
    "mkv": ("matroska", "ac3"),
}


def encoded(
    kind: str,
    samples: Any,
    rate: int = 48_000,
    layout: str = "stereo",
    tags: Mapping[str, str] | None = None,
    cover: bytes = b"",
    chapters: list[Any] | None = None,
) -> bytes:
    """A file of this kind; `cover` is a JPEG."""
    muxer, codec = CODECS[kind]
    made = io.BytesIO()
    # All tags of an MP4 by their names, in the place of which there are no covers.
    options = {"movflags": "use_metadata_tags"} if kind == "m4a" and tags else {}
    with av.open(made, "w", format=muxer, options=options) as file:
        stream: Any = file.add_stream(codec, rate=rate, layout=layout)
        stream.codec_context.bit_rate = 256_000
        file.metadata.update(tags or {})
        if chapters:
            file.set_chapters(chapters)
        attached: Any = None
        if cover:
            attached = file.add_stream("mjpeg")
            attached.width, attached.height, attached.pix_fmt = 120, 90, "yuvj420p"
            attached.disposition = Disposition.attached_pic
        file.start_encoding()
        if attached:
            packet: Any = Packet(cover)
            packet.stream, packet.pts, packet.dts = attached, 0, 0
            file.mux(packet)
        for frame in frames(samples, rate, layout):
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return made.getvalue()


def frames(samples: Any, rate: int, layout: str) -> Iterator[AudioFrame]:
    for place in range(0, samples.shape[1], 1024):
        part = np.ascontiguousarray(samples[:, place : place + 1024], np.float32)
        frame = AudioFrame.from_ndarray(part, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, place, Fraction(1, rate)
        yield frame


def film(seconds: float = 2.0, sound: bool = True) -> bytes:
    """A small MP4, with or without a tone."""
    made = io.BytesIO()
    with av.open(made, "w", format="mp4") as file:
        picture: Any = file.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        audio: Any = file.add_stream("aac", rate=48_000, layout="stereo") if sound else None
        for number in range(round(seconds * 10)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * number % 256, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            file.mux(picture.encode(frame))
        file.mux(picture.encode(None))
        if sound:
            for heard in frames(tone(seconds), 48_000, "stereo"):
                file.mux(audio.encode(heard))
            file.mux(audio.encode(None))
    return made.getvalue()


def cover() -> bytes:
    """A JPEG that tells where it was taken, beside its picture."""
    return pictures.canary_jpeg()


def heard(path: Path, start: float = 0.0, end: float | None = None) -> Any:
    """The samples of a file, two rows at its own rate."""
    kind = sniff(path.read_bytes()[:4096])
    with opened(path, kind, Limits()) as container:
        found = list(blocks(container, sound_of(container), Excerpt(start, end), None, 1e6))
    return np.concatenate(found, axis=1)


def level(samples: Any) -> float:
    """The root of the mean square, in dB of full scale."""
    return float(10 * np.log10(max(1e-12, np.mean(np.square(samples, dtype=np.float64)))))
