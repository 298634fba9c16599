"""What an application writes into its pages."""

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from signing import Address, BadAddress, BadKey, Key, KeyRing, Request, Signer, verify

SECRET = "an example of a key, 32 bytes or more"
RING = KeyRing.read([SECRET])
NOW = 1_767_225_601
BASE = "https://media.example.com"
media = Signer(SECRET, BASE, clock=lambda: NOW)


def read(url: str) -> Address:
    """Verify a URL and read it, as the server does."""
    assert url.startswith(f"{BASE}/sig_")
    request = Request.read(url.removeprefix(BASE))
    verify(request, RING, NOW)
    return Address.read(request.rest, request.offset)


def expiry(url: str) -> int | None:
    auth = Request.read(url.removeprefix(BASE)).auth
    assert auth is not None
    return auth.expires


def test_options_are_the_last_step_sorted_by_their_letters() -> None:
    url = media.url("cats/1.jpg", "t_card", "c_fill,w_9/e_blur:5", w=600, q=85, f="webp", dpr=2)
    assert read(url) == Address(("t_card", "c_fill,w_9", "e_blur:5", "dpr_2,f_webp,q_85,w_600"), "cats/1.jpg")


def test_an_original_needs_no_step() -> None:
    assert read(media.url("cats/1.jpg")) == Address((), "cats/1.jpg")


@pytest.mark.parametrize(
    ("option", "text"),
    [
        (600, "600"),
        (0.5, "0.5"),
        (1.0, "1.0"),
        (0.0000001, "0.0000001"),
        ("50p", "50p"),
        ("blur:5", "blur:5"),
        (("blur", 0.5, "a:b"), "blur:0.5:b64:YTpi"),
        ("a,b", "b64:YSxi"),
        ("folder/missing.jpg", "b64:Zm9sZGVyL21pc3NpbmcuanBn"),
        ("b64:YSxi", "b64:YSxi"),
        ("a\nb", "b64:YQpi"),
        ("кот", "кот"),
    ],
)
def test_a_value_is_written_so_that_it_stays_one(option: Any, text: str) -> None:
    assert read(media.url("cats/1.jpg", x=option)) == Address((f"x_{text}",), "cats/1.jpg")


@pytest.mark.parametrize(
    "options",
    [
        {"width": 600},
        {"W": 600},
        {"sig": "a"},
        {"exp": 1},
        {"sc": 1},
        {"w": ""},
        {"w": None},
        {"w": True},
        {"l": "text:a,b"},
        {"w": ("a", "")},
    ],
)
def test_what_is_no_option_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadAddress):
        media.url("cats/1.jpg", **options)


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        ("", {"w": 3}, "There is no source"),
        ("a.jpg", {"wdth": 600}, "This is no option's name: wdth"),
        ("a.jpg", {"w": None}, "This is no value of w_"),
        ("a.jpg", {"l": "text:a,b"}, "This value of l_ would end early"),
    ],
)
def test_a_refusal_says_what_is_wrong(source: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadAddress) as refused:
        media.url(source, **options)
    assert str(refused.value) == said


@pytest.mark.parametrize("steps", [("width_600",), ("",), ("w_600/",), ("-",), ("sig_a",), ("cats",)])
def test_what_is_no_step_is_refused(steps: tuple[str, ...]) -> None:
    with pytest.raises(BadAddress):
        media.url("cats/1.jpg", *steps)


@pytest.mark.parametrize(
    "source", ["https://example.com/a.jpg", "http://example.com/a.jpg?b=c", "ab_2024/a b.jpg", "кот"]
)
def test_any_source_is_written_so_that_it_reads_back(source: str) -> None:
    assert read(media.url(source, w=600)) == Address(("w_600",), source)


def test_remote_sources_are_written_in_b64() -> None:
    assert "/w_600/b64:" in media.url("https://example.com/a.jpg", w=600)


def test_a_name_is_part_of_the_url_and_of_its_signature() -> None:
    assert read(media.url("cats/1.jpg", f="webp", name="a cat.webp")) == Address(
        ("f_webp",), "cats/1.jpg", "a cat.webp"
    )


@pytest.mark.parametrize(
    ("expires", "rounded"),
    [
        (1, 1_767_229_200),
        (3599, 1_767_229_200),
        (3600, 1_767_232_800),
        (timedelta(days=1), 1_767_315_600),
        (datetime(2026, 1, 1, tzinfo=UTC), 1_767_225_600),
        (datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC), 1_767_229_200),
        (None, None),
    ],
)
def test_an_expiry_is_rounded_up_to_the_hour(expires: Any, rounded: int | None) -> None:
    assert expiry(media.url("cats/1.jpg", expires=expires)) == rounded


def test_an_expiry_can_be_rounded_otherwise() -> None:
    assert expiry(media.url("cats/1.jpg", expires=10, round_expiry=1)) == NOW + 10
    assert expiry(media.url("cats/1.jpg", expires=10, round_expiry=0)) == NOW + 10
    assert expiry(media.url("cats/1.jpg", expires=10, round_expiry=86_400)) == 1_767_312_000


def test_everybody_within_the_hour_gets_one_url() -> None:
    later = Signer(SECRET, BASE, clock=lambda: NOW + 600)
    assert media.url("cats/1.jpg", expires=60) == later.url("cats/1.jpg", expires=60)


@pytest.mark.parametrize("expires", [0, -1, timedelta(0), datetime(2026, 1, 1)])
def test_an_expiry_without_a_meaning_is_refused(expires: Any) -> None:
    with pytest.raises(BadAddress):
        media.url("cats/1.jpg", expires=expires)


def test_the_newest_key_of_a_ring_signs() -> None:
    ring = KeyRing([Key(b"a new key of the tests, long enough"), *RING.keys])
    signer = Signer(ring, kid=True)
    request = Request.read(signer.url("cats/1.jpg"))
    assert request.auth is not None
    assert request.auth.kid == ring.newest.kid == verify(request, ring, NOW).kid


def test_a_weak_secret_is_refused() -> None:
    with pytest.raises(BadKey):
        Signer("secret")


def test_a_written_path_is_signed_in_its_canonical_spelling() -> None:
    assert media.sign("/w_600%2cq_85/cats/a+b.jpg") == media.url("cats/a+b.jpg", "w_600,q_85")
    assert media.sign("/w_600/https:/example.com/a.jpg") == media.url("https://example.com/a.jpg", w=600)
    with pytest.raises(BadAddress, match="signed already"):
        media.sign(media.url("cats/1.jpg").removeprefix(BASE))
    with pytest.raises(BadAddress):
        media.sign("/cats//1.jpg")


def test_a_scope_is_an_auth_segment_for_a_front_end() -> None:
    auth = media.scoped("cats/2026", expires=60)
    verified = verify(Request.read(f"/{auth}/w_320/cats/2026/1.jpg"), RING, NOW)
    assert (verified.scope, verified.expires) == ("cats/2026", 1_767_229_200)


def candidates(srcset: str) -> dict[str, str]:
    """Take a srcset apart as browsers do: a URL up to white space, a descriptor up to a comma."""
    return {width.rstrip(","): url for url, width in zip(srcset.split()[::2], srcset.split()[1::2], strict=True)}


def test_a_srcset_has_a_url_per_width() -> None:
    srcset = media.srcset("cats/a, b.jpg,", [640, 320, 640], "c_fill", f="webp", expires=60)
    assert [(width, read(url).steps) for width, url in candidates(srcset).items()] == [
        ("320w", ("c_fill", "f_webp,w_320")),
        ("640w", ("c_fill", "f_webp,w_640")),
    ]
    assert not set(srcset) & set("\"'<>&")
    assert not any(url.endswith(",") for url in candidates(srcset).values())


@pytest.mark.parametrize("widths", [[], [0], [-1, 320]])
def test_widths_are_pixels(widths: list[int]) -> None:
    with pytest.raises(BadAddress):
        media.srcset("cats/1.jpg", widths)


def test_a_width_beside_the_widths_is_refused() -> None:
    with pytest.raises(BadAddress, match="chosen for each URL"):
        media.srcset("cats/1.jpg", [320], w=600)
    with pytest.raises(BadAddress, match="chosen for each URL"):
        media.picture("cats/1.jpg", [320], "100vw", "", f="webp")


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_a_picture_offers_each_format_and_falls_back() -> None:
    html = media.picture(
        "cats/1.jpg", [320, 640], "(min-width: 40em) 50vw, 100vw", "A cat", q=80, width=640, height=480
    )
    (_, _), (_, avif), (_, webp), (_, img) = Tags(html).seen
    assert (avif["type"], webp["type"]) == ("image/avif", "image/webp")
    for tag, f in ((avif, "avif"), (webp, "webp"), (img, "jpg")):
        assert tag["sizes"] == "(min-width: 40em) 50vw, 100vw"
        steps = [read(url).steps for url in candidates(tag["srcset"] or "").values()]
        assert steps == [(f"f_{f},q_80,w_320",), (f"f_{f},q_80,w_640",)]
    assert read(img["src"] or "").steps == ("f_jpg,q_80,w_640",)
    assert (img["alt"], img["width"], img["height"], img["loading"]) == ("A cat", "640", "480", "lazy")


def test_nothing_that_is_given_to_a_picture_can_leave_its_attribute() -> None:
    evil = "\"'><script>alert(1)</script>&amp;"
    html = media.picture(evil, [320], evil, evil, loading=evil)
    assert [tag for tag, _ in Tags(html).seen] == ["picture", "source", "source", "img"]
    img = Tags(html).seen[-1][1]
    assert (img["alt"], img["sizes"], img["loading"]) == (evil, evil, evil)
    assert read(img["src"] or "").source == evil
    assert "width" not in img


def test_a_format_that_no_browser_shows_is_refused() -> None:
    with pytest.raises(BadAddress, match="no such format"):
        media.picture("cats/1.tif", [320], "100vw", "", formats=["tiff"])
