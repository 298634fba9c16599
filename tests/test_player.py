"""The player as people use it: in a real browser, on a real server."""

import json
import re
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from docs.browsing import chromium
from signing import new_secret
from tests import clips, films, pictures
from tests.serving import Reply, Server, serving
from tests.test_pages import JSON, say
from tests.viewing import scripts

KEY, TOKEN = new_secret(), "a token of sixteen characters or more"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    scripts()  # installs what the page plays with
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        running = chromium(playwright)
        yield running
        running.close()


def tone(path: Path, seconds: int) -> None:
    """A sound that swells."""
    moments = np.arange(48_000 * seconds) / 48_000
    samples = (12_000 * np.sin(2 * np.pi * 440 * moments) * moments / seconds).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(samples.tobytes())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("originals")
    films.film(made)
    clips.film(made / "plain.mp4", seconds=2)
    tone(made / "tone.wav", 3)
    (made / "cat.jpg").write_bytes(pictures.encoded(pictures.photograph(300, 200), "jpg"))
    (made / "cut.mp4").write_bytes((made / "film.mp4").read_bytes()[:5000])
    return made


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"ladders": films.LADDERS, "keys": [KEY]}
    with serving(folder, tmp_path_factory.mktemp("server"), **settings) as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 1100})
    made.set_default_timeout(30_000)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that must not meet an error of its own, nor anything that its policy forbids."""
    wrong: list[str] = []
    opened = context.new_page()
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
    yield opened
    assert not wrong


def show(page: Page, server: Server, source: str = "film.mp4", steps: str = "f_json") -> None:
    page.goto(f"http://127.0.0.1:{server.port}/ui/#original={source}&steps={steps}")


def recording(server: Server, source: str, **fields: str) -> Reply:
    return say(server, "POST", "/ui/recording", json.dumps({"source": source}).encode(), content_type=JSON, **fields)


# What it is told


def test_a_film_is_described_with_the_addresses_of_its_parts(server: Server) -> None:
    told = recording(server, "film.mp4", origin="http://localhost").json
    assert (told["medium"], told["width"], told["height"], told["sound"]) == ("motion", 320, 180, True)
    assert told["seconds"] == pytest.approx(films.SECONDS, abs=0.1)
    assert all(url.startswith("/sig_") for url in told["urls"].values())
    assert told["urls"]["hls"].endswith("/f_hls/film.mp4/~master.m3u8")
    assert server.ask(told["urls"]["storyboard"]).status == 200
    copies = told["copies"]
    assert copies["video"].startswith("<video controls")
    assert 'width="320" height="180"' in copies["video"]
    assert copies["hls"].startswith("http://localhost/sig_")
    assert copies["curl"].startswith("curl -o result.mp4 ")


def test_a_picture_has_nothing_to_play(server: Server) -> None:
    told = recording(server, "cat.jpg").json
    assert told["medium"] == "picture"
    assert "urls" not in told


def test_what_is_no_original_is_refused(server: Server) -> None:
    assert recording(server, "none.mp4").status == 404
    assert say(server, "POST", "/ui/recording", b"[]", content_type=JSON).status == 400
    assert recording(server, "film.mp4", sec_fetch_site="cross-site").status == 403


# What it shows


def rung(page: Page, name: str) -> None:
    """Choose a rung by its name."""
    page.locator("#rungs button", has_text=re.compile(rf"^{name}")).click()


def test_a_film_plays_and_a_rung_is_chosen_by_hand(page: Page, server: Server) -> None:
    show(page, server)
    expect(page.locator("#how")).to_contain_text("hls.js")
    expect(page.locator("#rungs button")).to_have_count(3)  # auto is one
    expect(page.locator("#rungs")).to_contain_text("320 × 180")
    page.locator("#play").click()
    expect(page.locator("#rungs [data-playing]")).to_be_visible()
    expect(page.locator("#rungs [data-level='-1']")).to_have_attribute("aria-pressed", "true")
    for level in (0, 1):
        # What is chosen begins with the next segment, and where everything is slow the film may be in its last one.
        page.evaluate("() => { const film = document.getElementById('film'); film.currentTime = 0; film.play(); }")
        chosen = page.locator(f"#rungs [data-level='{level}']")
        chosen.click()
        expect(chosen).to_have_attribute("aria-pressed", "true")
        expect(chosen).to_have_attribute("data-playing", "")
    page.wait_for_function("() => document.getElementById('film').currentTime > 0.5")
    assert page.locator("#buffered").get_attribute("data-ranges") == "1"
    page.locator("#play").click()
    assert page.evaluate("document.getElementById('film').paused")


def test_every_segment_is_told_with_its_bytes_its_time_and_where_it_came_from(page: Page, server: Server) -> None:
    show(page, server)
    row = page.locator("#segments tr", has_text=re.compile(r"^(src|90)0")).first
    expect(row).to_contain_text("kB")
    expect(row).to_contain_text("ms")
    page.reload()
    # They hold for ever, so that the browser need not ask again.
    expect(page.locator("#segments td[data-tier=browser]").first).to_be_visible()
    # Segments go on arriving between two looks.
    page.wait_for_function(
        "() => document.querySelectorAll('#plot rect').length === document.querySelectorAll('#segments tr').length"
    )


def test_the_storyboard_is_shown_over_the_seek_bar(page: Page, server: Server) -> None:
    show(page, server)
    with page.expect_response(re.compile(r"~storyboard\.vtt$")) as cues:
        page.reload()
    cues.value.finished()
    page.wait_for_function("() => document.getElementById('film').duration > 10")
    box = page.locator("#seek").bounding_box()
    assert box
    with page.expect_response(re.compile(r"~storyboard/0\.webp$")) as sheet:
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 4)
        page.mouse.move(box["x"] + box["width"] / 2 + 1, box["y"] + 4)
    assert sheet.value.status == 200
    expect(page.locator("#preview")).to_be_visible()
    expect(page.locator("#moment")).to_have_text("00:06")
    shown = page.evaluate(
        "(({ width, height, backgroundPosition }) => [width, height, backgroundPosition])"
        "(document.getElementById('thumb').style)"
    )
    assert shown[:2] == ["160px", "90px"]
    page.mouse.move(0, 0)
    expect(page.locator("#preview")).to_be_hidden()


def test_the_bar_seeks_by_keyboard(page: Page, server: Server) -> None:
    show(page, server)
    page.wait_for_function("() => document.getElementById('film').duration > 10")
    page.locator("#position").focus()
    page.keyboard.press("End")
    page.wait_for_function("() => document.getElementById('film').currentTime > 11")
    page.keyboard.press("Home")
    page.wait_for_function("() => document.getElementById('film').currentTime === 0")


def test_sound_tracks_and_subtitles_are_chosen_from_menus(page: Page, server: Server) -> None:
    show(page, server)
    expect(page.locator("#tracks option")).to_have_count(2)
    page.locator("#tracks").select_option("1")
    expect(page.locator("#segments tr", has_text=re.compile("^a1")).first).to_be_visible()
    expect(page.locator("#words option")).to_have_count(2)
    page.locator("#words").select_option("0")
    page.wait_for_function(
        "() => [...document.getElementById('film').textTracks]"
        ".some(track => track.mode === 'showing' && track.cues?.length)"
    )


def test_addresses_are_copied_and_work(page: Page, context: BrowserContext, server: Server) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    show(page, server)
    page.locator("[data-address=hls]").click()
    expect(page.locator("#said")).to_have_text("Copied.")
    url = page.evaluate("navigator.clipboard.readText()")
    assert server.ask(url.partition(str(server.port))[2]).body.startswith(b"#EXTM3U")
    for name in ("video", "dash", "poster", "curl"):
        page.locator(f"[data-address={name}]").click()
        expect(page.locator("#address-copied")).to_contain_text("/sig_")


def test_without_hls_js_the_page_says_how_to_have_it(page: Page, server: Server) -> None:
    def lacking(route: Route) -> None:
        about = route.fetch().json()
        route.fulfill(json={**about, "players": []})

    page.route("**/ui/options.json", lacking)
    show(page, server, "plain.mp4")
    expect(page.locator("#how")).to_contain_text("install.sh")
    page.wait_for_function("() => document.getElementById('film').getAttribute('src')")


def test_a_picture_has_no_player(page: Page, server: Server) -> None:
    show(page, server, steps="f_json")
    expect(page.locator("#player")).to_be_visible()
    page.get_by_role("button", name="cat.jpg", exact=True).click()
    expect(page.locator("#player")).to_be_hidden()


def test_a_film_that_is_dropped_is_played(page: Page, server: Server, folder: Path) -> None:
    show(page, server, "cat.jpg", "w_60")
    expect(page.locator("#size")).to_contain_text("60")
    page.locator("#file").set_input_files(folder / "film.mp4")
    expect(page.locator("#rungs button").first).to_be_visible()
    expect(page.locator("#chosen")).to_have_text("film.mp4")


def test_a_film_that_cannot_be_read_has_no_player_but_a_refusal(page: Page, server: Server) -> None:
    show(page, server, "cut.mp4")
    expect(page.locator("#problem")).to_contain_text("422")
    expect(page.locator("#player")).to_be_hidden()


def test_a_sound_is_shown_as_a_wave_and_played(page: Page, server: Server) -> None:
    show(page, server, "tone.wav")
    expect(page.locator("#how")).to_contain_text("one file")
    expect(page.locator("#wave")).to_be_visible()
    expect(page.locator("#film")).to_be_hidden()
    page.wait_for_function("() => document.getElementById('wave').naturalWidth === 1200")
    page.wait_for_function("() => document.getElementById('tone').duration > 2.9")
    page.locator("#play").click()
    page.wait_for_function("() => document.getElementById('tone').currentTime > 0.3")
    page.locator("[data-address=audio]").click()
    expect(page.locator("#address-copied")).to_contain_text("<audio controls")
