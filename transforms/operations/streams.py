"""What a film and its sound are encoded with, how loud it is, and what of it hangs under one address."""

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

from transforms.operation import Operation, param
from transforms.operations.timing import RECORDED
from transforms.params import Choice, Colour, ColourName, Number, Text, Whole, plain
from transforms.wishes import Loading, Saving, Waveform

VIDEO_CODECS = ("h264", "h265", "vp9", "av1", "copy")
AUDIO_CODECS = ("aac", "opus", "mp3", "flac", "copy", "none")


class VideoCodec(Operation, name="vc", step_local=False):
    """Choose the codec of a film's picture; `copy` keeps it as it is, which takes next to no time.

    Without it MP4 has H.264 and WebM VP9.
    """

    media = ("motion",)
    originals = ("motion",)
    example = "f_mp4,vc_h265"
    codec: str = param(Choice(VIDEO_CODECS, {"hevc": "h265", "avc": "h264"}), "the codec")

    def saving(self, saving: Saving) -> Saving:
        return dataclasses.replace(saving, video_codec=self.codec)


class AudioCodec(Operation, name="ac", step_local=False):
    """Choose the codec of a film's sound; `none` leaves the sound out, `copy` keeps it as it is.

    A result that is sound alone has the one codec of its format.
    """

    media = ("motion", "sound", "stream")
    originals = RECORDED
    example = "f_mp4,ac_none"
    codec: str = param(Choice(AUDIO_CODECS), "the codec, or `none`")

    def saving(self, saving: Saving) -> Saving:
        return dataclasses.replace(saving, audio_codec=self.codec)


@dataclass(frozen=True)
class BitRateKind:
    """Bits a second: `800k`, `2m`, `128000`."""

    expected = "bits a second from 8k to 100m, such as 128000, 800k or 2.5m"

    def read(self, text: str) -> int:
        found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([km]?)", text)
        if not found:
            raise ValueError(text)
        rate = round(float(found[1]) * {"": 1, "k": 1000, "m": 1_000_000}[found[2]])
        if not 8000 <= rate <= 100_000_000:
            raise ValueError(text)
        return rate

    def write(self, value: int) -> str:
        if value % 1000:
            return str(value)
        return f"{plain(value / 1_000_000)}m" if value >= 1_000_000 else f"{value // 1000}k"

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^\d+(\.\d+)?[km]?$", "examples": ["800k", "2m"]}


class BitRate(Operation, name="br", step_local=False):
    """Spend so many bits a second on a film's picture, or on a sound; without it a film has the quality of `q_`."""

    media = ("motion", "sound")
    originals = RECORDED
    example = "f_mp4,br_2m"
    rate: int = param(BitRateKind(), "bits a second")

    def saving(self, saving: Saving) -> Saving:
        return dataclasses.replace(saving, bit_rate=self.rate)


class Sampling(Operation, name="af", step_local=False):
    """Take so many samples of sound a second; 48000 where nothing is said."""

    media = ("motion", "sound")
    originals = RECORDED
    example = "f_mp3,af_44100"
    rate: int = param(Whole(8000, 96000), "samples a second")

    def saving(self, saving: Saving) -> Saving:
        return dataclasses.replace(saving, sampling=self.rate)


class Loudness(Operation, name="e_loudness", step_local=False):
    """Bring the sound to a loudness by EBU R 128: -23 is that of European television, -14 that of most web sites."""

    media = ("motion", "sound")
    originals = RECORDED
    example = "f_mp3,e_loudness:-16"
    level: float = param(Number(-70, -5), "LUFS", default=-16.0)

    def saving(self, saving: Saving) -> Saving:
        return dataclasses.replace(saving, loudness=self.level)


class Volume(Operation, name="e_volume", step_local=False):
    """Make the sound louder or softer by a factor; 0 is silence."""

    media = ("motion", "sound")
    originals = RECORDED
    example = "f_mp3,e_volume:0.5"
    factor: float = param(Number(0, 10), "by what it is multiplied")

    def saving(self, saving: Saving) -> Saving:
        return dataclasses.replace(saving, volume=self.factor)


class Fade(Operation, name="e_fade", step_local=False):
    """Let the sound come up at the beginning and go down at the end."""

    media = ("motion", "sound")
    originals = RECORDED
    example = "f_mp3,e_fade:2:3"
    up: float = param(Number(0, 60), "seconds at the beginning", default=1.0)
    down: float = param(Number(0, 60), "seconds at the end", default=0.0)

    def saving(self, saving: Saving) -> Saving:
        return dataclasses.replace(saving, fade_in=self.up, fade_out=self.down)


class DrawnWave(Operation, name="e_waveform", step_local=False):
    """Draw the sound as a wave, in a box of `w_` and `h_`, 1200x300 where nothing is said.

    As JSON (`f_json`) it is the peaks themselves: `w_` of them, or 1000.
    """

    media = ("picture", "facts")
    originals = RECORDED
    example = "f_png,e_waveform:3366cc"
    colour: Colour = param(ColourName(), "colour of the wave", default=Colour(51, 102, 204))

    def loading(self, loading: Loading) -> Loading:
        drawn = Waveform((self.colour.red, self.colour.green, self.colour.blue, self.colour.alpha))
        return dataclasses.replace(loading, waveform=drawn)


class Ladder(Operation, name="sp", step_local=False):
    """Choose the rungs of a stream: `auto`, or a ladder of the settings by its name."""

    media = ("stream",)
    originals = RECORDED
    example = "f_hls,sp_mobile"
    ladder: str = param(Text("the name of a ladder", 32, r"[a-z0-9_-]+"), "`auto`, or the name of a ladder")

    def idle(self) -> bool:
        return self.ladder == "auto"

    def saving(self, saving: Saving) -> Saving:
        return dataclasses.replace(saving, ladder=self.ladder)


@dataclass(frozen=True)
class GridKind:
    """`10x10`: columns and rows."""

    expected = "columns and rows of 1 to 20 each, such as 10x10"

    def read(self, text: str) -> tuple[int, int]:
        found = re.fullmatch(r"([1-9]\d?)x([1-9]\d?)", text)
        if not found or max(int(found[1]), int(found[2])) > 20:
            raise ValueError(text)
        return int(found[1]), int(found[2])

    def write(self, value: tuple[int, int]) -> str:
        return f"{value[0]}x{value[1]}"

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^\d+x\d+$", "examples": ["10x10"]}


class Tile(Operation, name="tile", step_local=False):
    """Set out the sheets of a storyboard in columns and rows of small pictures."""

    media = ("sheets",)
    originals = ("motion",)
    example = "f_vtt,tile_5x5"
    grid: tuple[int, int] = param(GridKind(), "columns and rows")

    def saving(self, saving: Saving) -> Saving:
        return dataclasses.replace(saving, grid=self.grid)
