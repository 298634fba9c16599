"""Films and sounds made to harm: whatever they say of themselves, work on them stays within its bounds."""

import shutil
import struct
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from tests import clips, tones
from tests.test_hostile_pictures import Made, Worker
from transforms.errors import DamagedOriginal, TooLong, TooManyPixels
from transforms.limits import Limits
from transforms.video.ladders import LADDERS

MIB = 1 << 20
LITTLE = 300 * MIB
"""What a worker may hold at most for films of no more than a few hundred pixels."""
SCRIPT = """[Script Info]

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,16

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    folder = Path(tempfile.mkdtemp())
    made = Worker(folder)
    yield made
    made.end()
    shutil.rmtree(folder)


def planned(worker: Worker, path: Path) -> dict[str, Any]:
    """The plan of a stream of a film, as JSON values."""
    ladder = LADDERS["source"].to_dict()
    return dict(asked(worker, path, {"do": "plan", "ladder": ladder, "version": "1"})[0]["plan"])


def asked(worker: Worker, path: Path, job: dict[str, Any]) -> Made:
    """What a worker says to a job with an original, whose header it has read before."""
    limits, common = asdict(Limits()), {"path": str(path)}
    header = worker.perform({"do": "probe", "limits": limits, **common})[0]["header"]
    more = {"gps": False, "focus": None, "grade": "final", "grow": False, "most": 10 * MIB, "threads": 1}
    return worker.perform({**more, **common, "header": header, "limits": limits, **job})


def matroska(path: Path, moments: Iterable[int], script: bytes = b"") -> Path:
    """Keyframes at moments, in milliseconds, and one line of a script in the beginning."""
    with av.open(str(path), "w", format="matroska", options={"fflags": "+bitexact"}) as out:
        film: Any = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "1"})
        film.width, film.height, film.pix_fmt = 160, 90, "yuv420p"
        film.time_base = film.codec_context.time_base = Fraction(1, 1000)
        words: Any = out.add_stream("ass") if script else None
        if words:
            words.codec_context.extradata = SCRIPT.encode()
            out.start_encoding()
            line: Any = av.Packet(b"0,0,Default,,0,0,0,," + script)
            line.stream, line.pts, line.dts, line.duration, line.time_base = words, 0, 0, 1000, Fraction(1, 1000)
            out.mux(line)
        for moment in moments:
            frame = av.VideoFrame(160, 90, "yuv420p")
            frame.pts, frame.time_base = moment, Fraction(1, 1000)
            out.mux(film.encode(frame))
        out.mux(film.encode(None))
    return path


def lying(path: Path, milliseconds: float) -> Path:
    """Let a Matroska file say of itself that it lasts so long."""
    data = bytearray(path.read_bytes())
    struct.pack_into(">d", data, data.index(b"\x44\x89\x88") + 3, milliseconds)
    path.write_bytes(data)
    return path


def h264(width: int, height: int, count: int) -> list[Any]:
    """Packets that each begin with what they are to be decoded by."""
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.options = Fraction(1, 25), {"preset": "ultrafast", "g": "10"}
    packets = []
    for number in range(count):
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.pts, frame.time_base = number, Fraction(1, 25)
        packets += encoder.encode(frame)
    return [*packets, *encoder.encode(None)]


def test_a_film_that_is_longer_than_it_says_is_planned_no_further_than_films_may_last(
    worker: Worker, tmp_path: Path
) -> None:
    path = lying(matroska(tmp_path / "long.mkv", [*range(0, 4000, 40), 2_000_000_000]), 4000)
    with pytest.raises(TooLong, match="lasts 2000000 seconds; films of up to 14400 are read"):
        planned(worker, path)


@pytest.mark.parametrize("script", [b"{" + b"\\p1" * 100_000, b"{{" * 100_000, b"<" * 200_000, b"{\\" * 100_000])
def test_a_line_of_words_that_is_hard_to_read_is_read_at_once(worker: Worker, tmp_path: Path, script: bytes) -> None:
    path = matroska(tmp_path / "words.mkv", range(0, 2000, 40), script)
    plan = planned(worker, path)
    rung = next(rung["name"] for rung in plan["rungs"] if rung["kind"] == "words")
    facts, body = asked(worker, path, {"do": "part", "plan": plan, "rung": rung, "part": 0})
    assert body.startswith(b"WEBVTT")
    assert len(body) < 20_000
    assert facts["peak"] < LITTLE


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of 160x90 pixels, of which a frame in its midst has 16384x8192."""
    path = tmp_path_factory.mktemp("growing") / "growing.ts"
    with av.open(str(path), "w", format="mpegts") as out:
        film: Any = out.add_stream("libx264", rate=25)
        film.width, film.height, film.time_base = 160, 90, Fraction(1, 25)
        for number, packet in enumerate([*h264(160, 90, 50), *h264(16384, 8192, 1), *h264(160, 90, 25)]):
            packet.stream, packet.pts, packet.dts, packet.time_base = film, number, number, Fraction(1, 25)
            out.mux(packet)
    return path


@pytest.mark.parametrize(
    "job",
    [
        {"do": "render", "plan": "so_2.04,w_100", "format": "jpg"},
        {"do": "render", "plan": "so_1,du_2,w_100", "format": "webp"},
        {"do": "encode", "plan": "so_1,du_2,w_100,f_mp4", "format": "mp4"},
        {"do": "sheet", "plan": "w_64,f_vtt", "format": "webp", "sheet": 0},
        {"do": "describe", "plan": "so_2.04,f_json", "format": "json"},
    ],
    ids=["poster", "animation", "film", "sheet", "description"],
)
def test_a_film_that_grows_in_its_midst_takes_no_more_memory(
    worker: Worker, growing: Path, job: dict[str, Any]
) -> None:
    try:
        facts, _ = asked(worker, growing, job)
    except DamagedOriginal:
        return
    assert facts["peak"] < LITTLE


def test_parts_of_a_film_that_grows_in_its_midst_take_no_more_memory(worker: Worker, growing: Path) -> None:
    plan = planned(worker, growing)
    for number in range(2):
        made = asked(worker, growing, {"do": "part", "plan": plan, "rung": plan["rungs"][-1]["name"], "part": number})
        assert made[0]["peak"] < LITTLE


def test_a_film_that_is_larger_than_its_container_says_is_as_large_as_it_is(worker: Worker, tmp_path: Path) -> None:
    path = clips.film(tmp_path / "large.mp4", size=(4096, 4096), seconds=0.04)
    data = bytearray(path.read_bytes())
    struct.pack_into(">HH", data, data.index(b"avc1", data.index(b"stsd")) + 28, 160, 90)
    struct.pack_into(">II", data, data.index(b"tkhd") + 80, 160 << 16, 90 << 16)
    path.write_bytes(data)
    facts = worker.perform({"do": "probe", "path": str(path), "limits": asdict(Limits())})[0]
    assert facts["peak"] < LITTLE
    with pytest.raises(TooManyPixels):
        planned(worker, path)


def test_frames_go_as_soon_as_they_are_encoded(worker: Worker, tmp_path: Path) -> None:
    path = clips.film(tmp_path / "large.mp4", size=(1920, 1080), rate=30, seconds=2, key=10)
    plan = planned(worker, path)
    rung = next(rung["name"] for rung in plan["rungs"] if not rung["remux"])
    facts, _ = asked(worker, path, {"do": "part", "plan": plan, "rung": rung, "part": 0})
    assert facts["peak"] < LITTLE  # sixty of them would be more


def chapters(count: int) -> list[Any]:
    return [
        {"id": n, "start": n, "end": n + 1, "time_base": Fraction(1, 1000), "metadata": {"title": "a" * 200}}
        for n in range(count)
    ]


def test_what_a_sound_says_of_itself_is_told_up_to_a_bound(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "told.mkv"
    with av.open(str(path), "w", format="matroska") as out:
        out.metadata.update({"title": "t" * 5_000_000, "comment": "c" * 1_000_000})
        out.metadata.update({f"tag{number}": "x" * 100 for number in range(1000)})
        out.set_chapters(chapters(1000))
        for number in range(20):
            sound: Any = out.add_stream("pcm_s16le", rate=8000, layout="mono")
            sound.metadata.update({"title": "n" * 1_000_000, "language": '\n"#EXT' * 1000, f"k{number}": "v" * 10_000})
        frame = av.AudioFrame(format="s16", layout="mono", samples=8000)
        frame.sample_rate, frame.pts, frame.time_base = 8000, 0, Fraction(1, 8000)
        for stream in out.streams.audio:
            out.mux(stream.encode(frame))
    facts, _ = asked(worker, path, {"do": "describe", "plan": "f_json", "format": "json"})
    assert len(facts["facts"]["chapters"]) == 500
    assert len(str(facts["facts"])) < 200_000
    plan = planned(worker, path)
    assert all(len(rung["title"]) <= 70 and rung["language"] == "" for rung in plan["rungs"])
    assert len(str(plan)) < 50_000


def test_a_cover_that_is_too_large_is_told_of_and_takes_nothing_from_the_sound(worker: Worker, tmp_path: Path) -> None:
    large = bytearray(tones.cover())
    place = large.rindex(b"\xff\xc0")
    struct.pack_into(">HH", large, place + 5, 60_000, 60_000)
    path = tmp_path / "covered.mp3"
    path.write_bytes(tones.encoded("mp3", tones.tone(0.5), cover=bytes(large)))
    facts, _ = asked(worker, path, {"do": "describe", "plan": "f_json", "format": "json"})
    assert facts["facts"]["cover"]["width"] == 60_000
    assert "placeholder" not in facts["facts"]
    wave = {"do": "wave", "plan": "e_waveform,f_svg", "format": "svg"}
    assert asked(worker, path, wave)[1].startswith(b"<svg")
