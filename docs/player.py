"""Draws the pictures of the player: `python -m docs.player` opens it in Chromium, on a film made of our own samples.

It takes Debian's Chromium, which `tests/system-packages` installs, and hls.js, which `make setup` does.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright
from pyvips import Image

from bench.serving import darkroom
from docs.browsing import chromium
from docs.playground import COLOURS, FOLDER, MOST_BYTES
from transforms.samples import make_samples

SECONDS, RATE, WIDTH, HEIGHT = 30, 24, 960, 540
SHOTS = ("landscape.jpg", "cats/1.jpg", "aurora.avif")
LANGUAGES = ("eng", "fra")
WORDS = "WEBVTT\n\n00:00:00.500 --> 00:00:20.000\nNobody had been up here for years.\n"


def make_film(folder: Path) -> None:
    """A film that pans over the samples, with two tracks of sound, and words beside it."""
    shots = [Image.thumbnail(str(folder / name), WIDTH * 5 // 4, height=HEIGHT, size="both") for name in SHOTS]
    shots = [shot.resize(max(WIDTH * 1.25 / shot.width, HEIGHT / shot.height)).copy_memory() for shot in shots]
    with av.open(str(folder / "film.mp4"), "w") as out:
        pictures: Any = out.add_stream("libx264", rate=RATE, options={"g": str(RATE * 2), "preset": "veryfast"})
        pictures.width, pictures.height, pictures.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        tracks: list[Any] = [out.add_stream("aac", rate=48_000, layout="stereo") for _ in LANGUAGES]
        for track, language in zip(tracks, LANGUAGES, strict=True):
            track.metadata["language"] = language
        for number, rows in enumerate(panned(shots)):
            frame = av.VideoFrame.from_ndarray(rows, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(pictures.encode(frame))
        out.mux(pictures.encode(None))
        for place, track in enumerate(tracks):
            for first in range(0, SECONDS * 48_000, 1024):
                wave = 0.2 * np.sin(2 * np.pi * 220 * (place + 1) * (first + np.arange(1024)) / 48_000)
                sound = av.AudioFrame.from_ndarray(np.stack([wave, wave]).astype(np.float32), "fltp", "stereo")
                sound.sample_rate, sound.pts, sound.time_base = 48_000, first, Fraction(1, 48_000)
                out.mux(track.encode(sound))
            out.mux(track.encode(None))
    (folder / "film.en.vtt").write_text(WORDS)


def panned(shots: list[Image]) -> Iterator[Any]:
    """Frames as rows of pixels: each shot from its left to its right."""
    each = SECONDS * RATE // len(shots)
    for shot in shots:
        for number in range(each):
            left = round((shot.width - WIDTH) * number / each)
            yield np.ascontiguousarray(shot.crop(left, (shot.height - HEIGHT) // 2, WIDTH, HEIGHT).numpy()[..., :3])


def hover(page: Page) -> None:
    """Look at another moment, while the film stands at the fourth second."""
    stand(page, 4)
    box = page.locator("#seek").bounding_box()
    if box:
        page.mouse.move(box["x"] + box["width"] * 0.45, box["y"] + 5)
        page.mouse.move(box["x"] + box["width"] * 0.46, box["y"] + 5)


def read(page: Page) -> None:
    """Another rung, chosen by hand, with words."""
    page.locator("#words").select_option("0")
    page.locator("#rungs [data-level='0']").click()
    stand(page, 12)


def stand(page: Page, seconds: float) -> None:
    page.evaluate("seconds => { document.getElementById('film').currentTime = seconds; }", seconds)
    page.wait_for_function("() => !document.getElementById('film').seeking")


@dataclass(frozen=True)
class Scene:
    """What is done with the film before the page is drawn."""

    act: Callable[[Page], None]
    scheme: str = "light"


SCENES: Mapping[str, Scene] = {"player-film": Scene(hover), "player-rung": Scene(read, "dark")}


def draw(browser: Browser, port: int, scene: Scene) -> bytes:
    """The player as a PNG with few colours."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 1100},
        color_scheme="dark" if scene.scheme == "dark" else "light",
    )
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{port}/ui/#original=film.mp4&steps=f_json")
    page.locator("#rungs [data-playing]").wait_for()
    page.wait_for_function("() => document.getElementById('film').readyState > 2")
    scene.act(page)
    page.wait_for_load_state("networkidle")
    drawn = Image.new_from_buffer(page.locator("#player").screenshot(), "")
    context.close()
    data: bytes = drawn.pngsave_buffer(palette=True, Q=80, colours=COLOURS, effort=10, dither=0.6, keep="none")
    return data


def main(folder: Path) -> None:
    """Draw every scene into a folder; ValueError for one that is too large for a page."""
    with tempfile.TemporaryDirectory(prefix="darkroom-player-") as place:
        make_samples(Path(place))
        make_film(Path(place))
        with darkroom(Path(place), "--cache", "off") as port, sync_playwright() as playwright:
            browser = chromium(playwright)
            for name, scene in SCENES.items():
                data = draw(browser, port, scene)
                if len(data) > MOST_BYTES:
                    raise ValueError(f"{name} has {len(data)} bytes; {MOST_BYTES} are allowed")
                (folder / f"{name}.png").write_bytes(data)
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
