"""What one original may cost."""

from proxy.settings.declare import Table, setting
from proxy.settings.units import Bytes, Number, Seconds, Whole


class Limits(Table):
    """What is refused from the header alone, before any pixel is decoded."""

    jpeg_megapixels: Number = setting(250, "Largest JPEG; it shrinks while it loads.", unit="megapixels", gt=0)
    jpeg_bytes: Bytes = setting("100MB", "Largest file of a JPEG.", unit="bytes", gt=0)
    picture_megapixels: Number = setting(60, "Largest picture of any other kind.", unit="megapixels", gt=0)
    picture_bytes: Bytes = setting("64MB", "Largest file of any other kind.", unit="bytes", gt=0)
    frames: Whole = setting(1000, "Most frames of an animation.", unit="frames", gt=0)
    frame_megapixels: Number = setting(
        100, "Most pixels of an animation, all frames together.", unit="megapixels", gt=0
    )
    pages: Whole = setting(1000, "Most pages of a document.", unit="pages", gt=0)
    scans: Whole = setting(100, "Most scans of a progressive JPEG.", unit="scans", gt=0)
    video_bytes: Bytes = setting("20GB", "Largest file of a film.", unit="bytes", gt=0)
    video_seconds: Seconds = setting("4h", "Longest film.", unit="seconds", gt=0)
    video_megapixels: Number = setting(9, "Largest frame of a film.", unit="megapixels", gt=0)
    video_rate: Number = setting(120, "Most frames a second of a film.", unit="frames", gt=0)
    sound_bytes: Bytes = setting("2GB", "Largest file of a sound.", unit="bytes", gt=0)
    sound_seconds: Seconds = setting("12h", "Longest sound.", unit="seconds", gt=0)
    streams: Whole = setting(32, "Most streams of pictures, sound and words in one file.", unit="streams", gt=0)
    result_side: Whole = setting(8192, "Longest side of a result.", unit="pixels", gt=0)
    result_megapixels: Number = setting(40, "Largest result.", unit="megapixels", gt=0)
