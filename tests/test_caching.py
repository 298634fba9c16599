"""Validators, freshness, ranges and file names, line by line of RFC 9110, 9111 and 6266."""

import re
from datetime import UTC, datetime
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.caching import (
    DEGRADED_AGE,
    REDIRECT,
    YEAR,
    Freshness,
    Part,
    Unsatisfiable,
    Whole,
    byte_range,
    content_disposition,
    content_range,
    error_cache_control,
    etag,
    http_date,
    lifetime,
    not_modified,
    parse_http_date,
)

TAG = etag("0a1b2c", "final")
NAME = b'W/"0a1b2c.final"'
WHEN = 784111777.0
DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
NOW = 1_700_000_000.0


def directives(header: str) -> dict[str, int | None]:
    pairs = (part.strip().partition("=") for part in header.split(","))
    return {name: int(value) if value else None for name, _, value in pairs}


# Validators


def test_a_tag_is_weak_and_tells_the_grades_apart() -> None:
    assert etag("0a1b2c", "first") == 'W/"0a1b2c.first"'
    assert not not_modified(etag("0a1b2c", "final"), None, etag("0a1b2c", "first").encode(), None)


def test_without_conditions_the_answer_is_whole() -> None:
    assert not not_modified(TAG, WHEN, None, None)


@pytest.mark.parametrize(
    "field",
    [
        NAME,
        b'"0a1b2c.final"',
        b"*",
        b" * ",
        b'"x", ' + NAME,
        b'"x",' + NAME + b',"y"',
        b'W/"x" , ,\t' + NAME,
        b', "", ' + NAME,
        b'"with,a,comma", ' + NAME,
        b'"\xe4", ' + NAME,
    ],
)
def test_a_tag_that_matches_is_a_304(field: bytes) -> None:
    assert not_modified(TAG, None, field, None)


@pytest.mark.parametrize(
    "field",
    [
        b"",
        b"0a1b2c.final",
        b'w/"0a1b2c.final"',
        b'W/ "0a1b2c.final"',
        b'"0A1B2C.FINAL"',
        b'"0a1b2c.final',
        b'"0a1b2c"',
        b'"x" ' + NAME,
        b'broken, "0a1b2c.final"',
        b'"a b", "0a1b2c.final"',
        b'*, "x"',
        b"**",
        b'",' + NAME + b',"',
    ],
)
def test_a_tag_that_does_not_match_or_is_malformed_is_no_304(field: bytes) -> None:
    assert not not_modified(TAG, None, field, None)


def test_tags_outweigh_dates() -> None:
    assert not not_modified(TAG, WHEN, b'"other"', DATE)
    assert not not_modified(TAG, WHEN, b"", DATE)
    assert not_modified(TAG, WHEN + 10, NAME, DATE)


@pytest.mark.parametrize(("later", "unchanged"), [(-1, True), (0, True), (0.9, True), (1, False)])
def test_an_original_as_old_as_the_date_is_a_304(later: float, unchanged: bool) -> None:
    assert not_modified(TAG, WHEN + later, None, DATE) is unchanged


def test_an_original_without_a_date_is_never_unmodified_since() -> None:
    assert not not_modified(TAG, None, None, DATE)


@pytest.mark.parametrize("field", [b"", b"yesterday", DATE + b"; length=5", DATE + b", " + DATE, b"1994-11-06"])
def test_malformed_dates_are_ignored(field: bytes) -> None:
    assert not not_modified(TAG, WHEN, None, field)


@given(st.binary(max_size=80), st.binary(max_size=60))
def test_no_condition_raises(tags: bytes, since: bytes) -> None:
    assert not_modified(TAG, WHEN, tags, since) in (True, False)
    assert not_modified(TAG, WHEN, None, since) in (True, False)


@given(st.lists(st.text("abc,W/!~", max_size=5), max_size=5))
def test_a_list_matches_exactly_when_it_names_the_tag(names: list[str]) -> None:
    field = ", ".join(f'"{name}"' for name in names).encode()
    assert not_modified('W/"a,b"', None, field, None) is ("a,b" in names)


# Dates


@pytest.mark.parametrize("text", [DATE, b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994"])
def test_all_three_forms_of_a_date_are_read(text: bytes) -> None:
    assert parse_http_date(text) == WHEN


@pytest.mark.parametrize(
    "text",
    [
        b"Sun, 06 Nov 1994 08:49:37",
        b"Sun, 06 Nov 1994 08:49:37 UTC",
        b"Sun, 6 Nov 1994 08:49:37 GMT",
        b"Sun, 31 Feb 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 24:00:00 GMT",
        b"Sun, 06 Nov 1994 08:60:37 GMT",
        b"Sun, 06 Nov 0000 08:49:37 GMT",
        b"Sun, 06 nov 1994 08:49:37 GMT",
        b"Xun, 06 Nov 1994 08:49:37 GMT",
        b" " + DATE,
        DATE + b"\n",
        DATE * 1000,
    ],
)
def test_what_is_no_date_is_none(text: bytes) -> None:
    assert parse_http_date(text) is None


def test_a_leap_second_is_a_date() -> None:
    assert parse_http_date(b"Sat, 31 Dec 2016 23:59:60 GMT") == parse_http_date(b"Sun, 01 Jan 2017 00:00:00 GMT")


@pytest.mark.parametrize("ahead", [-60, -49, -1, 0, 1, 50, 51, 99])
def test_a_year_of_two_digits_is_at_most_fifty_years_ahead(ahead: int) -> None:
    this_year = datetime.now(UTC).year
    read = parse_http_date(b"Monday, 01-Jan-%02d 00:00:00 GMT" % ((this_year + ahead) % 100))
    assert read is not None
    year = datetime.fromtimestamp(read, UTC).year
    assert year % 100 == (this_year + ahead) % 100
    assert this_year - 50 <= year <= this_year + 50


@given(st.integers(0, 253_402_300_799))
def test_a_date_is_read_as_it_was_written(second: int) -> None:
    assert parse_http_date(http_date(second).encode()) == second


def test_dates_that_cannot_be_written_become_the_nearest() -> None:
    assert http_date(-5) == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert http_date(1e15) == "Fri, 31 Dec 9999 23:59:59 GMT"
    assert http_date(WHEN + 0.999) == DATE.decode()


# Ranges


@pytest.mark.parametrize(
    ("field", "part"),
    [
        (b"bytes=0-", Part(0, 100)),
        (b"bytes=0-0", Part(0, 1)),
        (b"bytes=10-19", Part(10, 20)),
        (b"bytes=99-", Part(99, 100)),
        (b"bytes=90-200", Part(90, 100)),
        (b"bytes=0-99999999999999999999999999", Part(0, 100)),
        (b"bytes=0-" + b"9" * 10_000, Part(0, 100)),
        (b"bytes=" + b"0" * 10_000 + b"5-", Part(5, 100)),
        (b"bytes=-1", Part(99, 100)),
        (b"bytes=-100", Part(0, 100)),
        (b"bytes=-5000", Part(0, 100)),
        (b"bytes=-99999999999999999999999999", Part(0, 100)),
        (b"Bytes=1-2", Part(1, 3)),
        (b"bytes= 1-2 ", Part(1, 3)),
    ],
)
def test_a_range_is_a_part(field: bytes, part: Part) -> None:
    assert byte_range(field, 100, None, TAG) == part


@pytest.mark.parametrize(
    "field",
    [
        None,
        b"",
        b"bytes",
        b"bytes=",
        b"bytes=-",
        b"bytes=5-2",
        b"bytes=a-b",
        b"bytes=1",
        b"bytes=--1",
        b"bytes=1-2-3",
        b"bytes=+1-2",
        b"bytes=1 - 2",
        b"bytes =1-2",
        "bytes=\u0661-\u0662".encode(),
        b"items=0-5",
        b"0-5",
        b"bytes=0-1,5-6",
        b"bytes=0-1,0-1,0-1",
        b"bytes=0-1\n",
    ],
)
def test_several_malformed_and_unknown_ranges_are_ignored(field: bytes | None) -> None:
    assert byte_range(field, 100, None, TAG) == Whole()


@pytest.mark.parametrize("field", [b"bytes=100-", b"bytes=100-200", b"bytes=" + b"9" * 10_000 + b"-", b"bytes=-0"])
def test_a_range_behind_the_end_cannot_be_satisfied(field: bytes) -> None:
    assert byte_range(field, 100, None, TAG) == Unsatisfiable()


def test_of_nothing_no_part_can_be_sent() -> None:
    assert byte_range(b"bytes=0-", 0, None, None) == Unsatisfiable()
    assert byte_range(b"bytes=-5", 0, None, None) == Whole()


def test_if_range_holds_with_the_same_strong_tag_alone() -> None:
    assert byte_range(b"bytes=0-4", 100, b'"abc"', '"abc"') == Part(0, 5)
    assert byte_range(b"bytes=100-", 100, b'"abc"', '"abc"') == Unsatisfiable()


@pytest.mark.parametrize(
    ("if_range", "tag"),
    [
        (b'"abc"', '"other"'),
        (b'W/"abc"', '"abc"'),
        (b'W/"abc"', 'W/"abc"'),
        (b'"abc"', 'W/"abc"'),
        (b'"abc"', None),
        (DATE, '"abc"'),
        (b"*", '"abc"'),
        (b"", '"abc"'),
    ],
)
def test_if_range_with_anything_else_sends_the_whole(if_range: bytes, tag: str | None) -> None:
    assert byte_range(b"bytes=0-4", 100, if_range, tag) == Whole()
    assert byte_range(b"bytes=100-", 100, if_range, tag) == Whole()


@given(
    st.binary(max_size=40) | st.from_regex(rb"bytes=[0-9]{0,30}-[0-9]{0,30}", fullmatch=True), st.integers(0, 10**12)
)
def test_a_part_is_never_empty_and_never_outside(field: bytes, length: int) -> None:
    found = byte_range(field, length, None, None)
    if isinstance(found, Part):
        assert 0 <= found.start < found.stop <= length


def test_content_range_counts_the_last_byte_in() -> None:
    assert content_range(Part(10, 20), 100) == "bytes 10-19/100"
    assert content_range(Unsatisfiable(), 100) == "bytes */100"


# Freshness

MOUNT = Freshness(
    max_age=600, shared_max_age=7200, stale_while_revalidate=60, stale_if_error=86_400, provisional_max_age=90
)


def test_a_final_answer_is_kept_as_its_mount_says() -> None:
    found = lifetime(MOUNT, now=NOW)
    assert found.header == "public, max-age=600, s-maxage=7200, stale-while-revalidate=60, stale-if-error=86400"
    assert found.seconds == 7200


def test_browsers_keep_an_answer_for_an_hour_unless_the_mount_says_otherwise() -> None:
    assert directives(lifetime(Freshness(), now=NOW).header)["max-age"] == 3600


def test_only_a_version_and_the_final_grade_together_are_immutable() -> None:
    assert lifetime(MOUNT, now=NOW, versioned=True).header == f"public, max-age={YEAR}, immutable"
    for versioned, final in ((False, True), (True, False), (False, False)):
        assert "immutable" not in lifetime(MOUNT, now=NOW, versioned=versioned, final=final).header


@pytest.mark.parametrize("versioned", [False, True])
def test_a_provisional_answer_is_shared_for_minutes(versioned: bool) -> None:
    found = lifetime(MOUNT, now=NOW, versioned=versioned, final=False)
    assert directives(found.header)["s-maxage"] == found.seconds == 90
    brief = Freshness(shared_max_age=10)
    assert lifetime(brief, now=NOW, final=False).seconds == 10


@pytest.mark.parametrize("seconds", [59, 301])
def test_a_provisional_age_is_one_to_five_minutes(seconds: int) -> None:
    with pytest.raises(ValueError, match="60 to 300 seconds"):
        Freshness(provisional_max_age=seconds)


def test_negative_ages_are_refused() -> None:
    with pytest.raises(ValueError, match="max_age"):
        Freshness(max_age=-1)


def test_an_age_is_written_in_whole_seconds() -> None:
    assert "max-age=1," in lifetime(Freshness(max_age=1.9), now=NOW).header


@pytest.mark.parametrize("versioned", [False, True])
def test_a_substitute_is_kept_for_seconds_and_never_stale(versioned: bool) -> None:
    found = lifetime(MOUNT, now=NOW, versioned=versioned, degraded=True)
    assert found.header == f"public, max-age={DEGRADED_AGE}, s-maxage={DEGRADED_AGE}"
    assert found.seconds == DEGRADED_AGE


def test_nothing_is_kept_after_the_url_has_expired() -> None:
    for expires in (NOW, NOW - 1, NOW + 0.5):
        assert lifetime(MOUNT, now=NOW, expires=expires) == (0, "no-store")


@given(st.floats(0, 10**8), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 10**8), st.integers(0, 10**8))
def test_no_age_goes_beyond_the_expiry(
    left: float, versioned: bool, final: bool, degraded: bool, browser: int, shared: int
) -> None:
    freshness = Freshness(max_age=browser, shared_max_age=shared)
    found = lifetime(freshness, now=NOW, expires=NOW + left, versioned=versioned, final=final, degraded=degraded)
    said = directives(found.header)
    assert not any(name.startswith("stale") for name in said)
    assert all(age is None or age <= left for age in said.values())
    assert found.seconds <= left


@pytest.mark.parametrize(
    ("status", "header"),
    [
        (400, "public, max-age=60"),
        (403, "no-store"),
        (404, "public, max-age=10"),
        (410, "public, max-age=86400"),
        (413, "public, max-age=60"),
        (415, "public, max-age=60"),
        (422, "public, max-age=60"),
        (429, "no-store"),
        (500, "no-store"),
        (502, "no-store"),
        (503, "no-store"),
        (504, "no-store"),
        (418, "no-store"),
    ],
)
def test_an_error_says_its_age(status: int, header: str) -> None:
    assert error_cache_control(status) == header


def test_a_redirect_of_negotiation_is_private_and_brief() -> None:
    assert directives(REDIRECT) == {"private": None, "max-age": 60}


# File names


# The grammar of RFC 6266 and 8187, as far as we use it.
FIELD = re.compile(
    r"""(?:inline|attachment)(?:; filename="([ !#-\[\]-~]+)"(?:; filename\*=UTF-8''"""
    r"""((?:[\w!#$&+.^`|~-]|%[0-9A-F]{2})+))?)?""",
    re.ASCII,
)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("cat.webp", 'inline; filename="cat.webp"'),
        ("my cat (1).jpg", 'inline; filename="my cat (1).jpg"'),
        ("café.jpg", "inline; filename=\"cafe.jpg\"; filename*=UTF-8''caf%C3%A9.jpg"),
        ("猫.png", "inline; filename=\"_.png\"; filename*=UTF-8''%E7%8C%AB.png"),
        ('a"b.gif', "inline; filename=\"a_b.gif\"; filename*=UTF-8''a%22b.gif"),
        ("50%20.jpg", "inline; filename=\"50_20.jpg\"; filename*=UTF-8''50%2520.jpg"),
        ("../../etc/passwd", 'inline; filename="etcpasswd"'),
        ("C:\\cat.jpg", "inline; filename=\"C_cat.jpg\"; filename*=UTF-8''C%3Acat.jpg"),
        ("cat.jpg\r\nAge: 1", "inline; filename=\"cat.jpgAge_ 1\"; filename*=UTF-8''cat.jpgAge%3A%201"),
        ("gpj.\u202etac.exe", 'inline; filename="gpj.tac.exe"'),
        ("\ud800.jpg", 'inline; filename="jpg"'),
        ("", "inline"),
        ("...", "inline"),
        ("//", "inline"),
    ],
)
def test_a_name_is_written_for_every_client(name: str, field: str) -> None:
    assert content_disposition(name, attachment=False) == field


def test_an_attachment_says_so() -> None:
    assert content_disposition("cat.jpg", attachment=True) == 'attachment; filename="cat.jpg"'
    assert content_disposition("", attachment=True) == "attachment"


def test_a_long_name_keeps_its_extension() -> None:
    field = content_disposition("猫" * 5000 + ".jpeg", attachment=False)
    assert field.endswith(".jpeg")
    assert len(field) < 1200
    assert len(content_disposition("x" * 5000, attachment=False)) < 200


@given(st.text(max_size=200) | st.text("\r\n\"\\;%'/\u202e\u2028\x00\x7f\ud800.aä", max_size=120), st.booleans())
def test_no_name_can_end_the_field_or_start_another(name: str, attachment: bool) -> None:
    found = FIELD.fullmatch(content_disposition(name, attachment))
    assert found
    read = unquote(found[2], errors="strict") if found[2] else found[1]
    assert not re.search(r"[/\\\x00-\x1f\u2028-\u202e\u2066-\u2069]", read or "")
