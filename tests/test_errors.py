"""Every error has a status, a title, an age and an answer that tells what is wrong and nothing else."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import failures, paced, protocol
from proxy.caching import ERROR_AGES
from proxy.errors import INTERNAL, TABLE, ErrorAnswer, problem
from proxy.paced import Refusal as Early
from proxy.reference import every_error
from signing import errors as signing
from transforms import errors as transforms

ROOTS = (transforms.Refusal, signing.SigningError)


def below(kind: type[Exception]) -> Iterator[type[Exception]]:
    for child in kind.__subclasses__():
        yield child
        yield from below(child)


# Other tests may have made kinds of their own.
ROOMS = {module.__name__ for module in (failures, signing, transforms)}
EVERY = sorted(
    {kind for root in ROOTS for kind in below(root) if kind.__module__ in ROOMS}, key=lambda kind: kind.__name__
)


def answer(error: BaseException) -> tuple[ErrorAnswer, dict[bytes, bytes], dict[str, object]]:
    made = problem(error, "req-12345")
    headers = dict(made.headers)
    assert len(headers) == len(made.headers)
    return made, headers, json.loads(made.body)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_a_title_and_an_age(kind: type[Exception]) -> None:
    assert kind in TABLE
    assert TABLE[kind].title
    assert TABLE[kind].status in ERROR_AGES


def test_the_table_has_nothing_else() -> None:
    assert set(TABLE) == set(EVERY)


@pytest.mark.parametrize(
    ("error", "status", "age"),
    [
        (signing.BadAddress("x"), 400, b"public, max-age=60"),
        (transforms.InvalidOption("x"), 400, b"public, max-age=60"),
        (transforms.NotSupported("x"), 400, b"public, max-age=60"),
        (signing.Unsigned("x"), 403, b"no-store"),
        (signing.BadSignature("x"), 403, b"no-store"),
        (failures.Forbidden("x"), 403, b"no-store"),
        (failures.NoSuchOriginal("x"), 404, b"public, max-age=10"),
        (signing.Expired("x"), 410, b"public, max-age=86400"),
        (transforms.OriginalTooLarge("x"), 413, b"public, max-age=60"),
        (transforms.UnsupportedFormat("x"), 415, b"public, max-age=60"),
        (transforms.DamagedOriginal("x"), 422, b"public, max-age=60"),
        (transforms.TooManyPixels("x"), 422, b"public, max-age=60"),
        (transforms.TooManyFrames("x"), 422, b"public, max-age=60"),
        (failures.OriginFailed("x"), 502, b"no-store"),
        (failures.Busy("x"), 503, b"no-store"),
        (failures.TimedOut("x"), 503, b"no-store"),
        (failures.OriginTimedOut("x"), 504, b"no-store"),
        (RuntimeError("x"), 500, b"no-store"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_the_status_and_age_are_those_of_the_design(error: Exception, status: int, age: bytes) -> None:
    made, headers, body = answer(error)
    assert made.status == body["status"] == status
    assert headers[b"cache-control"] == age


def test_work_that_took_too_long_has_the_code_timeout() -> None:
    assert answer(failures.TimedOut("x"))[2]["code"] == "timeout"


def test_an_answer_names_the_part_and_its_place() -> None:
    error = transforms.InvalidOption(
        "w_: a whole number", part="w_wide", expected="a whole number", suggestion="w_600", offset=7
    )
    _, headers, body = answer(error)
    assert body == {
        "type": "urn:darkroom:error:invalid_option",
        "code": "invalid_option",
        "title": "Invalid value of an option",
        "status": 400,
        "detail": "w_: a whole number",
        "part": "w_wide",
        "offset": 7,
        "expected": "a whole number",
        "suggestion": "w_600",
        "request_id": "req-12345",
    }
    assert headers[b"x-error"] == b'invalid_option; part="w_wide"'
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"x-content-type-options"] == b"nosniff"


def test_an_answer_leaves_out_what_is_not_known() -> None:
    _, headers, body = answer(failures.NoSuchOriginal("there is no cats/1.jpg"))
    assert set(body) == {"type", "code", "title", "status", "detail", "request_id"}
    assert headers[b"x-error"] == b"no_such_original"


def test_the_first_place_is_told_too() -> None:
    assert answer(signing.BadAddress("x", part="..", offset=0))[2]["offset"] == 0


@pytest.mark.parametrize(("seconds", "header"), [(0, b"1"), (0.2, b"1"), (1, b"1"), (1.2, b"2"), (90.0, b"90")])
def test_a_busy_server_says_when_to_come_back_in_whole_seconds(seconds: float, header: bytes) -> None:
    assert answer(failures.Busy("x", retry_after=seconds))[1][b"retry-after"] == header


def test_work_that_has_ended_workers_says_when_it_is_tried_again() -> None:
    assert answer(failures.Poisoned("x", retry_after=599.2))[1][b"retry-after"] == b"600"


def test_only_what_passes_soon_says_when_to_come_back() -> None:
    assert answer(failures.ClosingDown("x"))[1][b"retry-after"] == b"1"
    assert b"retry-after" not in answer(transforms.InvalidOption("x"))[1]


class Foreign(Exception):
    """An exception of a library, with fields named as ours are."""

    code = "secret_code"
    detail = part = "/srv/secret/path"
    retry_after = 5


@pytest.mark.parametrize(
    "error",
    [
        Foreign("/srv/secret/path"),
        OSError(2, "No such file", "/srv/secret/path"),
        signing.BadKey("secret key is too short", part="secret"),
        failures.WorkFailed("the work failed (secret.Error)", part="secret"),
        transforms.Refusal("secret: of no known kind"),
        KeyboardInterrupt("secret"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_of_an_error_that_nobody_foresaw_only_the_request_id_is_told(error: BaseException) -> None:
    made, headers, body = answer(error)
    assert body == {
        "type": "urn:darkroom:error:internal",
        "code": "internal",
        "title": INTERNAL.title,
        "status": 500,
        "request_id": "req-12345",
    }
    assert headers[b"x-error"] == b"internal"
    assert b"retry-after" not in headers
    assert b"secret" not in made.body


def test_a_kind_made_later_answers_like_the_one_it_is_a_kind_of() -> None:
    class TooManyLayers(transforms.TooManyFrames):
        pass

    made, _, body = answer(TooManyLayers("x"))
    assert (made.status, body["code"]) == (422, "too_many_frames")


@given(st.text(max_size=400), st.text(max_size=1000))
def test_no_text_breaks_the_header_or_the_body(part: str, detail: str) -> None:
    made, headers, body = answer(transforms.UnknownOption(detail, part=part))
    line = headers[b"x-error"]
    assert len(line) <= 200
    assert all(0x20 <= byte <= 0x7E for byte in line)
    assert line.count(b'"') == (2 if part else 0)
    assert b"\\" not in line
    assert made.body.isascii()
    assert body.get("part", "") == part
    assert body.get("detail", "") == detail[:500]


def test_an_unknown_key_is_told_as_a_wrong_signature() -> None:
    unknown = problem(signing.UnknownKey("no key has this id", part="kid_12345678"), "req-12345")
    assert unknown == problem(signing.BadSignature("wrong"), "req-12345")
    assert json.loads(unknown.body)["code"] == "bad_signature"


def test_the_manual_lists_every_error_once() -> None:
    listed = every_error()
    codes = [error.code for error in listed]
    assert len(codes) == len(set(codes))
    early = {value.code for module in (paced, protocol) for value in vars(module).values() if isinstance(value, Early)}
    assert early >= {"bad_request", "body_too_slow", "too_many_connections"}
    assert set(codes) == {kind.code for kind in EVERY} - {"bad_key"} | {"internal"} | early
    assert [(error.status, error.code) for error in listed] == sorted((error.status, error.code) for error in listed)
    for error in listed:
        assert error.title
        assert error.meaning.endswith(".")
        # A file that is deleted first and then written anew is not gone for a day.
        age = 10 if error.code == "original_gone" else 0 if error.code in early else ERROR_AGES[error.status]
        assert error.age == age
