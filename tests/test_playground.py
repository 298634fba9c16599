"""The playground as people use it: in a real browser, on a real server."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from docs.browsing import chromium
from signing import new_secret
from tests import pictures
from tests.serving import Server, originals, serving
from transforms.pipeline import PIPELINE

KEY, TOKEN = new_secret(), "a token of sixteen characters or more"
TRICKY = "<img src=x onerror=alert(1)>.jpg"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        running = chromium(playwright)
        yield running
        running.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = originals(tmp_path_factory.mktemp("originals"))
    (made / "cats" / TRICKY).write_bytes((made / "grey.png").read_bytes())
    return made


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(folder, tmp_path_factory.mktemp("open"), presets={"card": "c_fill,h_60,w_90"}) as running:
        yield running


@pytest.fixture(scope="module")
def closed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(folder, tmp_path_factory.mktemp("closed"), keys=[KEY], admin_token=TOKEN) as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 900})
    made.set_default_timeout(20_000)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that must not meet an error of its own, nor anything that its policy forbids."""
    wrong: list[str] = []
    opened = context.new_page()
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
    opened.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    yield opened
    assert not wrong


def show(page: Page, server: Server, fragment: str = "", path: str = "/ui/") -> None:
    page.goto(f"http://127.0.0.1:{server.port}{path}{fragment}")


def natural(page: Page, name: str = "result") -> list[int]:
    size: list[int] = page.eval_on_selector(f"#{name}", "image => [image.naturalWidth, image.naturalHeight]")
    return size


def shows(page: Page, steps: str, size: str) -> None:
    """Wait for the result of these steps."""
    expect(page.locator("#url")).to_contain_text(steps)
    expect(page.locator("#size")).to_have_text(size)


def test_a_picture_is_chosen_and_a_width_set(page: Page, server: Server) -> None:
    show(page, server)
    shows(page, "w_600,f_auto", "60 × 40")  # the first in order, which is never enlarged
    page.get_by_role("button", name="cats/").click()
    page.get_by_role("button", name="1.jpg", exact=True).click()
    shows(page, "/w_600,f_auto/cats/1.jpg", "600 × 400")
    page.get_by_label("w_ width").fill("150")
    shows(page, "/w_150,f_auto/cats/1.jpg", "150 × 100")
    assert natural(page) == [150, 100]
    expect(page.locator("#format")).to_have_text("AVIF")
    expect(page.locator("#saving")).to_contain_text("less than the original’s")
    assert page.evaluate("location.hash") == "#original=cats/1.jpg&steps=w_150,f_auto"


def test_the_state_is_in_the_address(page: Page, server: Server) -> None:
    show(page, server, "#original=cats/new cat.jpg&steps=c_fill,h_50,w_50/e_tint:60:teal,f_webp")
    shows(page, "new%20cat.jpg", "50 × 50")
    expect(page.get_by_label("c_ mode")).to_have_value("fill")
    page.get_by_role("button", name="step 2").click()
    page.locator("summary", has_text="colour").click()
    expect(page.get_by_label("e_tint", exact=True)).to_be_checked()
    expect(page.get_by_label("e_tint amount amount")).to_have_value("60")
    page.evaluate("location.hash = '#original=cats/1.jpg&steps=w_20'")
    shows(page, "/w_20/cats/1.jpg", "20 × 13")
    page.go_back()
    shows(page, "new%20cat.jpg", "50 × 50")


def test_the_slider_moves_by_pointer_and_keyboard(page: Page, server: Server) -> None:
    show(page, server, "#original=cats/1.jpg&steps=w_300/e_negate")
    shows(page, "e_negate", "300 × 200")

    def line() -> float:
        box, frame = page.locator(".line").bounding_box(), page.locator("#frame").bounding_box()
        assert box
        assert frame
        return round((box["x"] + box["width"] / 2 - frame["x"]) / frame["width"], 2)

    assert line() == 0.5
    frame = page.locator("#frame").bounding_box()
    assert frame
    middle = frame["y"] + frame["height"] / 2
    page.mouse.move(frame["x"] + frame["width"] * 0.5, middle)
    page.mouse.down()
    page.mouse.move(frame["x"] + frame["width"] * 0.25, middle, steps=5)
    page.mouse.up()
    moved = line()
    assert moved == pytest.approx(0.25, abs=0.05)
    page.locator("#slider").focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert line() == pytest.approx(moved + 0.05, abs=0.01)
    page.keyboard.press("Home")
    assert line() == 0
    page.keyboard.press("End")
    assert line() == 1
    # The original is in the frame of the result, and whole there.
    assert page.locator("#original").bounding_box() == page.locator("#result").bounding_box()
    page.wait_for_function("document.getElementById('original').naturalWidth === 600")


def test_an_error_is_shown_where_it_is_and_mended_by_its_suggestion(page: Page, server: Server) -> None:
    show(page, server, "#original=cats/1.jpg&steps=w_60,e_blr:20")
    expect(page.locator("#problem")).to_contain_text("Unknown option")
    expect(page.locator("#problem")).to_contain_text("400 unknown_option")
    expect(page.locator("#url mark")).to_have_text("e_blr:20")
    expect(page.locator("#stage")).to_be_hidden()
    page.get_by_role("button", name="Take e_blur:20").click()
    shows(page, "/w_60,e_blur:20/cats/1.jpg", "60 × 40")
    expect(page.locator("#problem")).to_be_hidden()


def test_steps_written_out_before_the_original_become_steps(page: Page, server: Server) -> None:
    show(page, server, "#original=width_90/cats/1.jpg")
    expect(page.locator("#problem")).to_contain_text("No such original")
    expect(page.locator("#url mark")).to_have_text("width_90")
    page.get_by_role("button", name="Take w_90").click()
    shows(page, "/w_90/cats/1.jpg", "90 × 60")


def test_a_second_look_comes_from_memory_and_the_first_tells_its_stages(page: Page, server: Server) -> None:
    show(page, server, "#original=cats/2.jpg&steps=w_77,f_png")
    shows(page, "w_77", "77 × 51")
    expect(page.locator("#tier")).to_have_text("made just now")
    for stage in ("queue", "fetch", "decode", "transform", "encode"):
        expect(page.locator("#stages li", has_text=stage)).to_contain_text("ms")
    expect(page.locator("#fields")).to_contain_text('W/"')
    page.get_by_role("button", name="Ask again").click()
    expect(page.locator("#tier")).to_have_text("from memory")


def test_markup_is_copied_and_works_in_a_page(page: Page, context: BrowserContext, closed: Server) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    show(page, closed, "#original=cats/1.jpg&steps=w_400,f_auto")
    shows(page, "/sig_", "400 × 267")
    page.get_by_role("button", name="<picture>").click()
    expect(page.locator("#said")).to_have_text("Copied.")
    text = page.evaluate("navigator.clipboard.readText()")
    assert text.count("/sig_") == 7
    other = context.new_page()
    other.set_content(f"<p>{text}</p>")
    other.wait_for_function("document.querySelector('img').naturalWidth > 0")
    assert re.search(r"/sig_[\w-]+/w_400/f_avif,w_400/", other.evaluate("document.querySelector('img').currentSrc"))


def test_a_file_is_dropped_and_chosen(page: Page, server: Server, tmp_path: Path) -> None:
    show(page, server)
    path = tmp_path / TRICKY
    path.write_bytes(pictures.encoded(pictures.quadrants(320, 160), "png"))
    page.locator("#file").set_input_files(path)
    shows(page, "/w_600,f_auto/-dropped/", "320 × 160")
    expect(page.locator("#chosen")).to_have_text(TRICKY)
    expect(page.locator("#said")).to_contain_text("320 × 160")
    path.write_text("I am not a picture.")
    page.locator("#file").set_input_files(path)
    expect(page.locator("#said")).to_contain_text("plain text, which is not read")
    expect(page.locator("#chosen")).to_have_text(TRICKY)


def test_a_file_is_dropped_with_the_pointer(page: Page, server: Server) -> None:
    show(page, server)
    page.locator("[data-option]").first.wait_for(state="attached")  # by then the page listens
    data = list(pictures.encoded(pictures.quadrants(64, 32), "png"))
    page.evaluate(
        """data => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(data)], "held.png", { type: "image/png" }));
          for (const type of ["dragover", "drop"])
            document.body.dispatchEvent(
              new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }""",
        data,
    )
    shows(page, "/-dropped/", "64 × 32")
    expect(page.locator("#chosen")).to_have_text("held.png")


def test_names_of_files_are_text(page: Page, server: Server) -> None:
    show(page, server)
    page.get_by_role("button", name="cats/").click()
    page.get_by_role("button", name=TRICKY).click()
    expect(page.locator("#chosen")).to_have_text(f"cats/{TRICKY}")
    expect(page.locator("#facts")).to_be_visible()


def test_the_form_has_a_place_for_every_option(page: Page, server: Server) -> None:
    show(page, server)
    expect(page.locator("#facts")).to_be_visible()
    there = page.eval_on_selector_all("[data-option]", "boxes => boxes.map(box => box.dataset.option)")
    assert sorted(there) == sorted(operation.name for operation in PIPELINE)


@pytest.mark.parametrize("operation", PIPELINE, ids=lambda operation: operation.name)
def test_the_example_of_every_option_can_be_taken_over(page: Page, server: Server, operation: Any) -> None:
    show(page, server, "#original=cats/1.jpg")
    box = page.locator(f'[data-option="{operation.name}"]')
    box.evaluate("box => box.closest('details').open = true")
    box.locator(".example").click()
    expect(page.locator("#steps")).to_have_value(re.compile(re.escape(operation.name)))
    written = page.locator("#steps").input_value()
    assert sorted(written.split(",")) == sorted(operation.example.split(","))
    page.wait_for_function("() => !document.body.dataset.busy")


def test_options_are_switched_on_and_off(page: Page, server: Server) -> None:
    show(page, server, "#original=cats/1.jpg&steps=w_60")
    shows(page, "/w_60/", "60 × 40")
    page.locator("summary", has_text="colour").click()
    page.get_by_label("e_grayscale", exact=True).check()
    expect(page.locator("#url")).to_have_text("/w_60,e_grayscale/cats/1.jpg")
    page.get_by_label("e_tint", exact=True).check()
    expect(page.locator("#steps")).to_have_value("w_60,e_grayscale,e_tint:60:teal")
    page.get_by_label("e_tint colour colour", exact=True).fill("red")
    expect(page.locator("#steps")).to_have_value("w_60,e_grayscale,e_tint:60:red")
    page.get_by_label("e_grayscale", exact=True).uncheck()
    page.get_by_label("e_tint", exact=True).uncheck()
    expect(page.locator("#url")).to_have_text("/w_60/cats/1.jpg")
    page.get_by_title("Add a step").click()
    page.get_by_label("preset").select_option("card")
    shows(page, "/w_60/t_card/cats/1.jpg", "90 × 60")


def test_what_browsers_do_not_show_is_drawn_all_the_same(page: Page, server: Server) -> None:
    show(page, server, "#original=cats/1.jpg&steps=w_60,f_tiff")
    shows(page, "f_tiff", "60 × 40")
    expect(page.locator("#note")).to_contain_text("drawn as PNG")
    expect(page.locator("#format")).to_have_text("TIFF")


def test_facts_are_shown_as_text(page: Page, server: Server) -> None:
    show(page, server, "#original=cats/1.jpg&steps=f_json")
    expect(page.locator("#told")).to_contain_text('"width": 600')
    expect(page.locator("#stage")).to_be_hidden()


def test_the_plan_is_explained(page: Page, server: Server) -> None:
    show(page, server, "#original=cats/1.jpg&steps=w_300,f_webp/a_90")
    expect(page.locator("#canonical")).to_contain_text("/w_300/a_90,f_webp/cats/1.jpg")
    page.locator("#explain > summary").click()
    rows = page.locator("#explained tbody tr")
    expect(rows.nth(0)).to_contain_text("300 × 200")
    expect(rows.nth(1)).to_contain_text("200 × 300")


def test_somebody_from_elsewhere_gives_the_token_once(browser: Browser, closed: Server) -> None:
    """The browser asks for it, and gives it to renditions too, which then tell of their stages."""
    away = browser.new_context(
        extra_http_headers={"x-forwarded-for": "192.0.2.1"}, http_credentials={"username": "me", "password": TOKEN}
    )
    page = away.new_page()
    show(page, closed, "#original=cats/2.jpg&steps=w_78,f_png")
    shows(page, "/sig_", "78 × 52")
    expect(page.locator("#stages li", has_text="encode")).to_contain_text("ms")
    expect(page.locator("#explain")).to_be_visible()
    away.close()


def test_the_page_fits_a_telephone_and_the_night(browser: Browser, server: Server) -> None:
    small = browser.new_context(viewport={"width": 420, "height": 800}, color_scheme="dark")
    page = small.new_page()
    show(page, server, "#original=cats/1.jpg&steps=w_1200,c_fit")
    shows(page, "c_fit", "1200 × 800")
    assert page.evaluate("document.documentElement.scrollWidth") == 420
    frame = page.locator("#frame").bounding_box()
    assert frame
    assert frame["width"] / frame["height"] == pytest.approx(1.5, rel=0.02)
    ink, paper = page.evaluate(
        "() => [getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        ".map(colour => colour.match(/\\d+/g).slice(0, 3).map(Number))"
    )
    assert sum(ink) > sum(paper) + 300
    small.close()


def test_everything_can_be_reached_by_keyboard(page: Page, server: Server) -> None:
    show(page, server, "#original=cats/1.jpg&steps=w_60")
    shows(page, "/w_60/", "60 × 40")
    page.get_by_role("button", name="cats/").wait_for()  # the list comes by itself
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.textContent.slice(0, 20)"))
    assert {"file", "filter", "steps", "source", "again", "slider", "url", "step 1", "cats/"} <= reached
