"""Sounds as a real browser plays them: as long as they are, sought into, their waves shown."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from docs.browsing import chromium
from tests.serving import Server, serving
from tests.tones import tone, wav
from transforms.audio.encoders import ENCODERS

PADDED = {"aac": 0.05, "opus": 0.01, "ogg": 0.01}
"""Seconds that a browser shows too much: the format tells nothing of its padding, or the browser overlooks it."""

LOADED = """address => new Promise((resolve, reject) => {
    const sound = new Audio(address)
    sound.preload = 'metadata'
    sound.onloadedmetadata = () => resolve(sound.duration)
    sound.onerror = () => reject(sound.error.message)
})"""
SOUGHT = """address => new Promise((resolve, reject) => {
    const sound = new Audio(address)
    sound.onloadedmetadata = () => { sound.currentTime = 2.5 }
    sound.onseeked = () => resolve([sound.currentTime, sound.readyState])
    sound.onerror = () => reject(sound.error.message)
})"""
DECODED = """async address => {
    const data = await (await fetch(address)).arrayBuffer()
    return (await new OfflineAudioContext(2, 48000, 48000).decodeAudioData(data)).length
}"""
SHOWN = """address => new Promise((resolve, reject) => {
    const picture = new Image()
    picture.onload = () => resolve([picture.naturalWidth, picture.naturalHeight])
    picture.onerror = () => reject('not shown')
    picture.src = address
})"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("originals")
    (folder / "tone.wav").write_bytes(wav(tone(4.0, 44_100), 44_100))
    with serving(folder, tmp_path_factory.mktemp("scratch"), workers=1) as running:
        yield running


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = chromium(playwright)
        made = browser.new_page()
        made.set_default_timeout(30_000)
        # A page of the same site, of which the playground's own policy says nothing.
        made.route("**/blank", lambda route: route.fulfill(body="<title>Sounds</title>", content_type="text/html"))
        made.goto(f"http://127.0.0.1:{server.port}/blank")
        yield made
        browser.close()


@pytest.mark.parametrize("form", ENCODERS)
def test_a_browser_shows_how_long_a_sound_is_and_decodes_just_its_samples(
    server: Server, page: Page, form: str
) -> None:
    address = f"/f_{form},so_0.25/tone.wav"
    assert page.evaluate(LOADED, address) == pytest.approx(3.75, abs=PADDED.get(form, 0.002))
    expected = 180_000 + (2048 if form == "aac" else 0)
    assert 180_000 <= page.evaluate(DECODED, address) <= expected


@pytest.mark.parametrize("form", [form for form in ENCODERS if form != "aac"])
def test_a_browser_seeks_in_a_sound(page: Page, form: str) -> None:
    place, state = page.evaluate(SOUGHT, f"/f_{form},so_0.25/tone.wav")
    assert place == pytest.approx(2.5, abs=0.1)
    assert state >= 2


@pytest.mark.parametrize("form", ["png", "svg", "webp"])
def test_a_browser_shows_a_wave(page: Page, form: str) -> None:
    assert page.evaluate(SHOWN, f"/e_waveform,f_{form},h_50,w_300/tone.wav") == [300, 50]
