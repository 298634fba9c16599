"""Answers over HTTP: validators, ranges, negotiation, freshness, and what is on every one of them."""

import json
import re
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from signing import Signer, new_secret
from tests import pictures
from tests.serving import Reply, Server, exchange, originals, serving

AVIF = "image/avif,image/webp,image/apng,image/*,*/*;q=0.8"
WEBP = "image/webp,*/*"
TOKEN = "a token of sixteen or more"
SECRET = new_secret()
YEAR = 31_536_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return originals(tmp_path_factory.mktemp("originals"))


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Without keys; results are final at once."""
    mounts = {
        "": str(folder),
        "raw": {"url": str(folder), "originals": True},
        "brief": {"url": str(folder), "max_age": 5, "shared_max_age": 7},
    }
    with serving(
        None, tmp_path_factory.mktemp("server"), mounts=mounts, first="final", cors_origins=["*"], admin_token=TOKEN
    ) as running:
        yield running


@pytest.fixture(scope="module")
def signed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With a key; results are made fast at first."""
    with serving(folder, tmp_path_factory.mktemp("signed"), keys=[SECRET]) as running:
        yield running


# Validators


def test_a_picture_has_a_weak_tag_that_tells_plans_apart_and_not_their_spelling(server: Server) -> None:
    tags = {
        path: server.ask(f"/{path}/cats/1.jpg")["etag"] for path in ("w_90,q_70", "q_70/w_90", "f_webp,w_90", "w_91")
    }
    assert all(re.fullmatch(r'W/"[0-9a-f]{40}\.final"', tag) for tag in tags.values())
    assert tags["w_90,q_70"] == tags["q_70/w_90"]
    assert len(set(tags.values())) == 3


@pytest.mark.parametrize("accept", ["", AVIF])
@pytest.mark.parametrize("warm", [False, True])
def test_a_copy_that_is_still_right_is_not_sent_again(server: Server, accept: str, warm: bool) -> None:
    path = f"/f_auto,w_{100 + len(accept) + warm}/cats/1.jpg"
    first = server.ask(path, accept=accept)
    tag = first["etag"]
    for names in (tag, tag.removeprefix("W/"), f'"x", {tag}', "*"):
        again = server.ask(path, accept=accept, if_none_match=names, **({} if warm else {"range": "bytes=0-"}))
        assert (again.status, again.body) == (304, b""), names
        assert again["etag"] == tag
        for name in ("cache-control", "vary", "last-modified", "cache-tag"):
            assert again[name] == first[name]
        assert "content-length" not in again.fields
        assert "content-type" not in again.fields
    for names in ('"x"', 'W/"x"', '"', "x"):
        assert server.ask(path, accept=accept, if_none_match=names).status == 200


def test_a_copy_is_right_before_the_picture_was_ever_made(server: Server, folder: Path) -> None:
    """The tag is known without a decode, so a server that has lost its cache still says 304."""
    first = server.ask("/w_93/cats/1.jpg")
    made = server.count("darkroom_transforms_total")
    other = server.ask("/w_93/cats/2.jpg", if_none_match=f'"x", {first["etag"]}')
    assert other.status == 200
    with serving(folder, folder.parent / "fresh", first="final") as fresh:
        again = fresh.ask("/w_93/cats/1.jpg", if_none_match=first["etag"])
        assert again.status == 304
        assert fresh.count("darkroom_transforms_total") == 0
    assert server.count("darkroom_transforms_total") == made + 1


def test_a_tag_outweighs_a_date(server: Server, folder: Path) -> None:
    path = "/w_94/cats/1.jpg"
    first = server.ask(path)
    changed = (folder / "cats/1.jpg").stat().st_mtime
    assert first["last-modified"] == formatdate(int(changed), usegmt=True)
    later, earlier = formatdate(changed + 60, usegmt=True), formatdate(changed - 60, usegmt=True)
    for fields in ({}, {"range": "bytes=0-"}):  # by the hot path, and by the other
        assert server.ask(path, if_modified_since=later, **fields).status == 304
        assert server.ask(path, if_modified_since=first["last-modified"], **fields).status == 304
        assert server.ask(path, if_modified_since=earlier, **fields).status in (200, 206)
        assert server.ask(path, if_modified_since="yesterday", **fields).status in (200, 206)
        assert server.ask(path, if_modified_since=later, if_none_match='"x"', **fields).status in (200, 206)
        assert server.ask(path, if_modified_since=earlier, if_none_match=first["etag"], **fields).status == 304


VARYING = {"date", "x-request-id", "server-timing", "cache-status"}


ANSWERS = ("w_95/cats/1.jpg", "f_auto,w_96/cats/1.jpg", "raw/cats/1.jpg", "f_json/cats/1.jpg", "w_wide/a.jpg", "no.jpg")


@pytest.mark.parametrize("path", [*(f"/{answer}" for answer in ANSWERS), "/health"])
def test_head_is_get_without_a_body(server: Server, path: str) -> None:
    head, get, again = server.ask(path, "HEAD"), server.ask(path), server.ask(path, "HEAD")
    assert head.body == again.body == b""
    for other in (head, again):
        assert other.status == get.status
        assert {n: v for n, v in other.fields.items() if n not in VARYING} == {
            n: v for n, v in get.fields.items() if n not in VARYING
        }
    assert get["content-length"] == str(len(get.body))


# Ranges


@pytest.mark.parametrize("path", ["/raw/cats/1.jpg", "/w_97/cats/1.jpg"])
def test_a_part_of_the_bytes_can_be_asked_for(server: Server, path: str) -> None:
    whole = server.ask(path)
    size = len(whole.body)
    assert whole["accept-ranges"] == "bytes"
    for asked, start, stop in (
        ("bytes=0-9", 0, 10),
        ("bytes=10-", 10, size),
        ("bytes=-7", size - 7, size),
        (f"bytes=5-{size * 2}", 5, size),
    ):
        part = server.ask(path, range=asked)
        assert (part.status, part.body) == (206, whole.body[start:stop])
        assert part["content-range"] == f"bytes {start}-{stop - 1}/{size}"
        assert part["content-length"] == str(stop - start)
        assert part["etag"] == whole["etag"]
    for beyond in (f"bytes={size}-", "bytes=-0"):
        refused = server.ask(path, range=beyond)
        assert (refused.status, refused["content-range"], refused["cache-control"]) == (
            416,
            f"bytes */{size}",
            "no-store",
        )
        assert (refused.code, refused["x-error"]) == ("range_not_satisfiable", "range_not_satisfiable")
        assert refused["content-type"] == "application/problem+json"
        assert "etag" not in refused.fields
    for odd in ("bytes=0-1,3-4", "bytes=9-1", "bytes=a-b", "lines=0-1", "bytes=-"):
        assert server.ask(path, range=odd).status == 200
    head = server.ask(path, "HEAD", range="bytes=0-9")
    assert (head.status, head["content-length"], head.body) == (200, str(size), b"")


def test_a_part_goes_with_a_strong_tag_alone(server: Server) -> None:
    original, picture = server.ask("/raw/cats/1.jpg"), server.ask("/w_97/cats/1.jpg")
    assert re.fullmatch('"[0-9a-f]{32}"', original["etag"])
    assert server.ask("/raw/cats/1.jpg", range="bytes=0-9", if_range=original["etag"]).status == 206
    assert server.ask("/raw/cats/1.jpg", range="bytes=0-9", if_range='"other"').status == 200
    assert server.ask("/raw/cats/1.jpg", range="bytes=0-9", if_range=f"W/{original['etag']}").status == 200
    assert server.ask("/raw/cats/1.jpg", range="bytes=0-9", if_range=original["last-modified"]).status == 200
    assert server.ask("/w_97/cats/1.jpg", range="bytes=0-9", if_range=picture["etag"]).status == 200


# Negotiation


BUCKETS = {
    "image/avif": [AVIF, "image/avif", "image/webp;q=0.9,image/avif;q=0.1"],
    "image/webp": [WEBP, "image/webp", "image/avif;q=0,image/webp", "IMAGE/WEBP"],
    "image/jpeg": ["", "*/*", "image/*", "image/webp;q=0,*/*", "text/html"],
}


@pytest.mark.parametrize("media_type", BUCKETS)
def test_a_client_gets_the_best_format_that_it_names(server: Server, media_type: str) -> None:
    replies = [server.ask("/f_auto,w_98/cats/1.jpg", accept=accept) for accept in BUCKETS[media_type]]
    assert {reply["content-type"] for reply in replies} == {media_type}
    assert {reply["vary"] for reply in replies} == {"Accept"}
    assert len({reply["etag"] for reply in replies}) == 1
    kind = {"image/avif": b"ftypavif", "image/webp": b"WEBP", "image/jpeg": b"\xff\xd8\xff"}[media_type]
    assert all(kind in reply.body[:16] for reply in replies)


def test_what_cannot_be_shown_in_jpeg_becomes_png(server: Server) -> None:
    assert server.ask("/f_auto/alpha.png")["content-type"] == "image/png"
    assert server.ask("/f_auto/alpha.png", accept=WEBP)["content-type"] == "image/webp"
    assert server.ask("/f_auto/moving.gif", accept="image/avif")["content-type"] == "image/gif"
    assert server.ask("/f_auto/moving.gif", accept=AVIF)["content-type"] == "image/webp"


def test_only_what_is_negotiated_varies(server: Server) -> None:
    assert server.ask("/f_webp,w_98/cats/1.jpg", accept=AVIF).get("vary") is None
    assert server.ask("/w_98/cats/1.jpg", accept=AVIF).get("vary") is None
    part = server.ask("/f_auto,w_98/cats/1.jpg", range="bytes=0-5", accept=AVIF)
    assert (part.status, part["vary"]) == (206, "Accept")
    assert server.ask("/f_auto,w_98/cats/1.jpg", range="bytes=999999-")["cache-control"] == "no-store"
    assert server.ask("/f_auto,d_missing.jpg/nothing.jpg")["vary"] == "Accept"


def test_a_redirect_leads_to_the_format_itself(server: Server) -> None:
    reply = server.ask("/f_auto:redirect,w_99/e_grayscale/cats/new%20cat.jpg", accept=AVIF)
    assert (reply.status, reply["vary"], reply["cache-control"]) == (302, "Accept", "private, max-age=60")
    assert reply["location"] == "/w_99/e_grayscale,f_avif/cats/new%20cat.jpg"
    followed = server.ask(reply["location"])
    assert (followed.status, followed["content-type"]) == (200, "image/avif")
    assert server.ask("/f_auto:redirect,w_99/cats/1.jpg")["location"] == "/f_jpg,w_99/cats/1.jpg"


@pytest.mark.parametrize("kid", [False, True])
def test_a_redirect_is_signed_like_the_request(signed: Server, kid: bool) -> None:
    signer = Signer(SECRET, kid=kid)
    for expires in (None, 7200):
        path = signer.url("cats/new cat.jpg", "f_auto:redirect,w_99", expires=expires)
        reply = signed.ask(path, accept=WEBP)
        assert reply.status == 302
        assert reply["location"].startswith("/sig_")
        assert ("exp_" in reply["location"], "kid_" in reply["location"]) == (expires is not None, kid)
        followed = signed.ask(reply["location"])
        assert (followed.status, followed["content-type"]) == (200, "image/webp")


# Freshness


def test_an_answer_says_how_long_it_holds(server: Server) -> None:
    stale = "stale-while-revalidate=86400, stale-if-error=86400"
    assert server.ask("/w_100/cats/1.jpg")["cache-control"] == f"public, max-age=3600, s-maxage=86400, {stale}"
    assert server.ask("/w_100/brief/cats/1.jpg")["cache-control"] == f"public, max-age=5, s-maxage=7, {stale}"
    assert server.ask("/raw/cats/1.jpg")["cache-control"] == f"public, max-age=3600, s-maxage=86400, {stale}"
    assert server.ask("/v_7,w_100/cats/1.jpg")["cache-control"] == f"public, max-age={YEAR}, immutable"


def test_what_will_be_refined_is_not_kept_for_long(signed: Server) -> None:
    signer = Signer(SECRET)
    path = signer.url("cats/1.jpg", "v_7,w_101")
    first = signed.ask(path)
    assert first["etag"].endswith('.first"')
    assert "s-maxage=120" in first["cache-control"]
    assert "immutable" not in first["cache-control"]
    # Somebody asks again, a worker is idle, and from then on there is the final one.
    signed.until(lambda: signed.ask(path, range="bytes=0-")["etag"].endswith('.final"'))
    final = signed.ask(path, range="bytes=0-")
    assert final["cache-control"] == f"public, max-age={YEAR}, immutable"
    assert final["etag"].replace("final", "first") == first["etag"]
    assert len(final.body) < len(first.body)
    # Who has the first is told of the final one, and who has that is told that it is right.
    assert signed.ask(path, if_none_match=first["etag"], range="bytes=0-").status in (200, 206)
    assert signed.ask(path, if_none_match=final["etag"], range="bytes=0-").status == 304
    # A format whose grades are the same is final from the start.
    assert signed.ask(signer.url("cats/1.jpg", "f_tiff,v_7,w_20"))["etag"].endswith('.final"')


def test_nothing_outlives_the_expiry_of_its_url(signed: Server) -> None:
    signer, sources = Signer(SECRET), ("cats/1.jpg", "cats/1.jpg", "nothing.jpg")
    steps = ("v_7,w_102", "w_102", "d_missing.jpg")
    paths = [signer.url(source, step, expires=2, round_expiry=1) for source, step in zip(sources, steps, strict=True)]
    end = int(re.findall(r"exp_(\d+)", paths[0])[0])
    seen = set()
    while (now := time.time()) < end - 0.1:
        for path in paths:
            reply = signed.ask(path)
            ages = [int(age) for age in re.findall(r"max-?age=(\d+)", reply["cache-control"])]
            assert "stale" not in reply["cache-control"]
            assert all(age <= end - now for age in ages), reply["cache-control"]
            seen.add(reply["cache-status"].partition(";")[2])
    assert any("memory" in status for status in seen)
    time.sleep(end - time.time() + 0.01)
    for path in paths:
        over = signed.ask(path)
        assert (over.status, over.code, over["cache-control"]) == (410, "expired", "public, max-age=86400")


@pytest.mark.parametrize(
    ("path", "status", "age"),
    [
        ("/w_wide/cats/1.jpg", 400, "public, max-age=60"),
        ("/exp_1/w_1/a.jpg", 403, "no-store"),
        ("/w_60/nothing.jpg", 404, "public, max-age=10"),
        ("/w_60/text.jpg", 415, "public, max-age=60"),
        ("/w_60/empty.jpg", 422, "public, max-age=60"),
        ("/w_60/damaged.jpg", 422, "public, max-age=60"),
        ("/w_60/d_missing.jpg/nothing.jpg", 404, "public, max-age=10"),
    ],
)
def test_an_error_says_how_long_it_holds(server: Server, path: str, status: int, age: str) -> None:
    reply = server.ask(path)
    assert (reply.status, reply["cache-control"]) == (status, age)


def test_a_damaged_original_is_not_tried_again_and_again(server: Server) -> None:
    def tried() -> int:
        return int(server.ask("/ready").json["pools"]["pictures"]["done"])

    server.ask("/w_61/damaged.jpg")
    before = tried()
    assert {server.ask("/w_61/damaged.jpg").status for _ in range(5)} == {422}
    assert tried() == before


# Errors


def test_an_error_is_told_to_people_and_to_programs(server: Server) -> None:
    reply = server.ask("/w_abc/cats/1.jpg", x_request_id="my-own-id-1234")
    assert reply["content-type"] == "application/problem+json"
    assert reply["x-error"] == 'invalid_option; part="w_abc"'
    assert reply["x-request-id"] == reply.json["request_id"] == "my-own-id-1234"
    assert reply.json["type"] == "urn:darkroom:error:invalid_option"
    assert reply.json["status"] == 400
    assert reply.json["title"]
    assert "“abc” came" in reply.json["detail"]


def test_nothing_of_the_inside_is_told(server: Server, folder: Path) -> None:
    for path in ("/w_60/damaged.jpg", "/w_60/nothing.jpg", "/w_60/text.jpg", "/pg_9/pages.tiff"):
        text = str(server.ask(path).json)
        assert str(folder) not in text
        assert "Traceback" not in text
        assert "VipsJpeg" not in text


def test_the_error_in_the_manual_is_the_one_that_comes(server: Server) -> None:
    example = json.loads(
        re.findall("```json\n(.*?)```", (Path(__file__).parent.parent / "docs/http.md").read_text(), re.DOTALL)[0]
    )
    assert server.ask("/e_blr/cats/1.jpg", x_request_id=example["request_id"]).json == example


def test_the_manual_knows_which_formats_have_exact_pixels(server: Server) -> None:
    lossless = server.ask("/f_avif,fl_lossless,w_9/cats/1.jpg")
    assert (lossless.status, lossless["content-type"]) == (200, "image/avif")
    chosen = server.ask("/f_auto,fl_lossless,w_9/cats/1.jpg", accept="image/avif,image/webp")
    assert chosen["content-type"] == "image/webp"


def test_the_plan_of_a_url_with_a_format_is_explained_in_its_place(server: Server) -> None:
    refused = server.ask("/f_explain,f_webp,w_60/cats/1.jpg")
    assert (refused.status, refused.code) == (400, "conflicting_options")
    explained = server.ask("/f_explain,w_60/cats/1.jpg").json
    assert (explained["plan"], explained["format"]) == ("w_60", "jpg")


def test_an_error_can_be_shown_as_a_picture(folder: Path, tmp_path: Path) -> None:
    with serving(folder, tmp_path, error_pictures=True, workers=1) as server:
        shown = server.ask("/w_%3Cb%3E/cats/1.jpg", accept=AVIF)
        assert (shown.status, shown["content-type"]) == (400, "image/svg+xml")
        assert b"<svg" in shown.body
        assert b"<b>" not in shown.body
        assert "sandbox" in shown["content-security-policy"]
        told = server.ask("/w_%3Cb%3E/cats/1.jpg", accept="text/html")
        assert told["content-type"] == "application/problem+json"
        assert shown["vary"] == told["vary"] == "Accept"


# Every answer


EVERY = {
    "picture": ("/w_60/cats/1.jpg", "GET", {}, 200),
    "hit": ("/w_60/cats/1.jpg", "GET", {}, 200),
    "unchanged": ("/w_60/cats/1.jpg", "GET", {"if_none_match": "*"}, 304),
    "part": ("/w_60/cats/1.jpg", "GET", {"range": "bytes=0-1"}, 206),
    "beyond": ("/w_60/cats/1.jpg", "GET", {"range": "bytes=9999999-"}, 416),
    "redirect": ("/f_auto:redirect/cats/1.jpg", "GET", {}, 302),
    "facts": ("/f_json/cats/1.jpg", "GET", {}, 200),
    "original": ("/raw/drawing.svg", "GET", {}, 200),
    "refused": ("/w_x/cats/1.jpg", "GET", {}, 400),
    "missing": ("/w_60/nothing.jpg", "GET", {}, 404),
    "in its place": ("/d_missing.jpg/nothing.jpg", "GET", {}, 404),
    "odd path": ("/w_60/%0a.jpg", "GET", {}, 400),
    "health": ("/health", "GET", {}, 200),
    "ready": ("/ready", "GET", {}, 200),
    "metrics": ("/metrics", "GET", {}, 200),
    "metrics outside": ("/metrics", "GET", {"x_forwarded_for": "203.0.113.9"}, 403),
    "health slash": ("/health/", "GET", {}, 400),
    "head refused": ("/w_x/cats/1.jpg", "HEAD", {}, 400),
    "post": ("/w_60/cats/1.jpg", "POST", {}, 405),
    "post metrics": ("/metrics", "POST", {}, 405),
    "delete health": ("/health", "DELETE", {}, 405),
    "options": ("/w_60/cats/1.jpg", "OPTIONS", {}, 204),
    "options health": ("/health", "OPTIONS", {}, 204),
}


@pytest.mark.parametrize("what", EVERY)
def test_every_answer_is_safe_and_has_a_name(server: Server, what: str) -> None:
    path, method, fields, status = EVERY[what]
    reply = server.ask(path, method, **fields)
    assert reply.status == status
    assert reply["x-content-type-options"] == "nosniff"
    assert reply["cross-origin-resource-policy"] == "cross-origin"
    # What the server says of itself is not for the scripts of other pages.
    own = path in ("/health", "/ready", "/metrics") and method == "GET"
    assert reply.fields.get("access-control-allow-origin") == (None if own else "*")
    assert re.fullmatch("[0-9a-f]{16}", reply["x-request-id"])
    assert server.ask(path, method, **fields, x_request_id="taken-over_1.2")["x-request-id"] == "taken-over_1.2"
    assert server.ask(path, method, **fields, x_request_id="no id")["x-request-id"] != "no id"
    assert "cache-control" in reply.fields or status == 204
    assert "server" not in reply.fields
    if status >= 400 and method != "HEAD" and what != "in its place":
        assert reply["content-type"] == "application/problem+json"
        assert reply.json["code"] == reply.code
    if method == "HEAD":
        assert reply.body == b""
    if status in (204, 405):
        assert reply["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    ("what", "code"),
    [("post", "method_not_allowed"), ("metrics outside", "insiders_only"), ("beyond", "range_not_satisfiable")],
)
def test_refusals_of_the_server_itself_have_codes(server: Server, what: str, code: str) -> None:
    path, method, fields, _ = EVERY[what]
    assert server.ask(path, method, **fields).json["code"] == code


def test_what_a_browser_could_run_is_in_a_sandbox(server: Server) -> None:
    for path in ("/raw/drawing.svg", "/f_json/cats/1.jpg"):
        assert server.ask(path)["content-security-policy"] == (
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
        )
    assert server.ask("/w_60/drawing.svg")["content-type"] == "image/png"


@pytest.mark.parametrize(
    ("path", "disposition"),
    [
        ("/w_60/cats/1.jpg", None),
        ("/w_60/cats/1.jpg/~hello.jpg", 'inline; filename="hello.jpg"'),
        ("/fl_attachment,w_60/cats/1.jpg", 'attachment; filename="1.jpg"'),
        ("/f_webp,fl_attachment:holiday,w_60/cats/1.jpg", 'attachment; filename="holiday.webp"'),
        ("/fl_attachment:holiday,w_60/cats/1.jpg/~other.jpg", 'attachment; filename="other.jpg"'),
        ("/w_60/cats/1.jpg/~caf%C3%A9.jpg", "inline; filename=\"cafe.jpg\"; filename*=UTF-8''caf%C3%A9.jpg"),
        ("/w_60/cats/1.jpg/~a%22%3Bb.jpg", "inline; filename=\"a_;b.jpg\"; filename*=UTF-8''a%22%3Bb.jpg"),
        ("/raw/cats/1.jpg/~mine.jpg", 'inline; filename="mine.jpg"'),
    ],
)
def test_a_download_has_the_name_that_was_asked_for(server: Server, path: str, disposition: str | None) -> None:
    assert server.ask(path).get("content-disposition") == disposition


def test_the_tags_of_an_answer_name_its_original_mount_and_folders(server: Server) -> None:
    first, second = server.ask("/w_60/cats/1.jpg")["cache-tag"], server.ask("/w_61/cats/1.jpg")["cache-tag"]
    assert re.fullmatch("source:[0-9a-f]{16},mount:/,prefix:[0-9a-f]{16}", first)
    assert first == second != server.ask("/w_60/cats/2.jpg")["cache-tag"]
    tags = server.ask("/w_60/brief/cats/2.jpg")["cache-tag"].split(",")
    assert tags[1] == "mount:brief"
    assert len(tags) == 4, "brief/ and brief/cats/ are folders"


# Where an answer came from


def test_an_answer_says_which_tier_it_is_from(folder: Path, tmp_path: Path) -> None:
    with serving(folder, tmp_path, first="final", workers=1) as server:
        assert server.ask("/w_60/cats/1.jpg")["cache-status"] == "darkroom; fwd=miss; stored"
        assert server.ask("/w_60/cats/1.jpg")["cache-status"] == "darkroom; hit; detail=memory"
        assert server.ask("/w_60/cats/1.jpg", range="bytes=0-9")["cache-status"] == "darkroom; hit; detail=memory"
    with serving(folder, tmp_path, first="final", workers=1) as server:
        assert server.ask("/w_60/cats/1.jpg")["cache-status"] == "darkroom; hit; detail=disk"
        assert server.ask("/w_60/cats/1.jpg")["cache-status"] == "darkroom; hit; detail=memory"
        assert server.count("darkroom_transforms_total") == 0


def test_a_large_result_stays_in_its_file(server: Server) -> None:
    path = "/c_scale,f_tiff,w_1500/cats/1.jpg"
    made = server.ask(path)
    assert len(made.body) > 1 << 20
    assert pictures.size_of(made.body) == (1500, 1000)
    again = server.ask(path)
    assert (again["cache-status"], again.body) == ("darkroom; hit; detail=disk", made.body)
    part = server.ask(path, range=f"bytes=1000-{len(made.body) - 2}")
    assert (part.status, part.body) == (206, made.body[1000:-1])
    assert server.ask(path, if_none_match=made["etag"]).status == 304


def outside(server: Server, path: str, **fields: str) -> Reply:
    """As a client elsewhere asks, by way of a proxy on this machine."""
    return server.ask(path, x_forwarded_for="203.0.113.9", **fields)


def test_stages_are_told_inside_alone(server: Server) -> None:
    inside = server.ask("/w_111/cats/1.jpg")["server-timing"]
    assert re.findall(r"(\w+);dur=[\d.]+", inside) == ["queue", "fetch", "decode", "transform", "encode", "total"]
    assert outside(server, "/w_112/cats/1.jpg").get("server-timing") is None
    assert outside(server, "/w_113/cats/1.jpg", authorization=f"Bearer {TOKEN}").get("server-timing")
    assert server.ask("/w_112/cats/1.jpg").get("server-timing") is None  # a hit has no stages


@pytest.mark.parametrize("field", ["x_forwarded_for", "forwarded", "x_real_ip", "via", "x_forwarded_host"])
def test_a_proxys_client_is_not_on_this_machine(server: Server, field: str) -> None:
    assert server.ask("/metrics", **{field: "203.0.113.9"}).status == 403
    assert server.ask("/f_explain/cats/1.jpg", **{field: "203.0.113.9"}).status == 404
    assert server.ask("/ready", **{field: "203.0.113.9"}).json == {"ready": True}
    assert server.ask("/metrics", authorization=f"Bearer {TOKEN}", **{field: "203.0.113.9"}).status == 200
    assert server.ask("/metrics", authorization=f"Bearer {TOKEN}x").status == 403
    assert server.ask("/ready").json["pools"]["pictures"]["size"] == 2
    assert server.ask("/health", **{field: "203.0.113.9"}).status == 200


def test_lines_of_the_log_that_nobody_read_are_counted(server: Server) -> None:
    assert b"\ndarkroom_log_dropped_total 0.0\n" in server.ask("/metrics").body


def test_the_log_tells_misses_and_errors_and_no_hits(server: Server) -> None:
    for _ in range(3):
        server.ask("/w_114/cats/1.jpg")
    server.ask("/w_114/cats/1.jpg", range="bytes=0-9")
    server.ask("/w_114/nothing.jpg")
    server.until(lambda: any(event.get("status") == 404 and "w_114" in event["path"] for event in server.log()))
    told = [event["outcome"] for event in server.log() if event["event"] == "request" and "w_114" in event["path"]]
    assert told == ["made", "no_such_original"]


# Beyond HTTP as it should be


def test_a_request_that_is_none_ends_its_connection_and_nothing_else(server: Server) -> None:
    for sent in (
        b"\x00\x01\x02\r\n\r\n",
        b"GET /w_60/cats/1.jpg HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /w_60/cats/1.jpg HTTP/1.1\r\nhost: test\r\nx: a\r\n\tb\x00c\r\n\r\n",
        b"GET /w_60/cats/1.jpg HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    ):
        answer = exchange(server.port, sent)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400")), sent
    whole = Reply.read(
        exchange(server.port, b"GET http://test/w_60/cats/1.jpg HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
    )
    assert whole.status == 200
    upgrade = server.ask("/w_60/cats/1.jpg", connection="upgrade, close", upgrade="websocket")
    assert upgrade.status == 200
    assert server.ask("/health").status == 200


def test_results_are_pictures_of_the_size_that_was_asked_for(server: Server) -> None:
    assert pictures.size_of(server.ask("/w_60/cats/1.jpg").body) == (60, 40)
    assert pictures.size_of(server.ask("/c_fill,h_60,w_60/cats/1.jpg").body) == (60, 60)
