"""Draws the pictures of the playground: `python -m docs.playground` opens it in Chromium, on our own samples.

It takes Debian's Chromium, which `tests/system-packages` installs.
"""

import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright
from pyvips import Image

from bench.serving import darkroom
from docs.browsing import chromium
from transforms.samples import make_samples

FOLDER = Path(__file__).parent / "images"
MOST_BYTES = 300_000
COLOURS = 256


def move_the_slider(page: Page) -> None:
    page.locator("#slider").evaluate("slider => { slider.value = 42; slider.dispatchEvent(new Event('input')); }")
    page.locator("#choose details").evaluate("details => details.open = false")


def nothing(page: Page) -> None:
    pass


@dataclass(frozen=True)
class Scene:
    """What the browser shows, and what is done before it is drawn."""

    original: str
    steps: str
    awaited: str
    act: Callable[[Page], None]
    height: int = 900
    scheme: str = "light"


SCENES: Mapping[str, Scene] = {
    "playground-choosing": Scene("cats/1.jpg", "f_auto,w_600", "#facts", nothing),
    "playground-comparing": Scene(
        "landscape.jpg", "c_fill,h_400,w_640/e_tint:70:teal,f_webp", "#facts", move_the_slider, scheme="dark"
    ),
    "playground-error": Scene("flower.png", "w_400,e_blr:60/f_auto", "#problem", nothing, height=560),
}


def draw(browser: Browser, port: int, scene: Scene) -> bytes:
    """A scene as a PNG with few colours."""
    context = browser.new_context(
        viewport={"width": 1280, "height": scene.height},
        color_scheme="dark" if scene.scheme == "dark" else "light",
    )
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{port}/ui/#original={scene.original}&steps={scene.steps}")
    page.locator(scene.awaited).wait_for()
    page.wait_for_function("!document.body.dataset.busy")
    page.locator("#tiles .tile img").first.wait_for()
    scene.act(page)
    page.wait_for_load_state("networkidle")
    drawn = Image.new_from_buffer(page.screenshot(), "")
    context.close()
    data: bytes = drawn.pngsave_buffer(palette=True, Q=80, colours=COLOURS, effort=10, dither=0.6, keep="none")
    return data


def main(folder: Path) -> None:
    """Draw every scene into a folder; ValueError for one that is too large for a page."""
    with tempfile.TemporaryDirectory(prefix="darkroom-playground-") as place:
        make_samples(Path(place))
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
