"""What an attacker tried once, and must not get."""

import time

import pytest

from proxy.caching import not_modified
from proxy.cors import Cors
from proxy.failures import Forbidden
from proxy.handlers.visitors import Visitors
from proxy.negotiation import bucket
from proxy.policy import Policy
from proxy.settings import Policy as Rule
from proxy.wire import Manners
from transforms.errors import BadPlan
from transforms.operation import Size
from transforms.plan import Plan

LADDER = Policy((Rule(ladder=(64, 128)),))
ORIGINAL = Size(3000, 2000)


@pytest.mark.parametrize("text", ["", "f_webp", "q_auto:eco", "w_9000", "h_9000", "c_fit,h_300,w_300", "c_scale,w_999"])
def test_a_ladder_bounds_the_size_even_where_none_is_asked_for(text: str) -> None:
    steps = [text] if text else []
    plan = LADDER.admit("", steps, Plan.read(steps))
    assert max(plan.measure(ORIGINAL)[-1]) <= 192  # a width of 128 at most, and the height that follows


@pytest.mark.parametrize(
    "text", ["c_mfit,w_64", "c_mpad,h_64,w_64", "c_crop,w_64", "e_blur", "v_1,w_64", "g_north,c_fill,w_64,h_64"]
)
def test_a_ladder_allows_nothing_that_could_be_endless_or_larger(text: str) -> None:
    with pytest.raises(Forbidden):
        LADDER.admit("", [text], Plan.read(text))


def test_a_preset_is_as_large_as_whoever_configured_it_says() -> None:
    plan = LADDER.admit("", ["t_big"], Plan.read("t_big", {"big": "w_2000"}))
    assert plan.measure(ORIGINAL) == [(2000, 1333)]


def test_who_may_have_some_sizes_alone_is_known() -> None:
    assert LADDER.confined
    assert Policy((Rule(largest=100),)).confined
    assert not Policy((Rule(),)).confined


def test_a_page_that_names_this_machine_as_its_own_is_no_insider() -> None:
    visitors, scope = Visitors(None), {"client": ("127.0.0.1", 5000)}
    assert visitors.inside(scope, {b"host": b"127.0.0.1:8300"})
    assert visitors.inside(scope, {b"host": b"localhost:8300"})
    assert visitors.inside({"client": ("::1", 5000)}, {b"host": b"[::1]:8300"})
    assert not visitors.inside(scope, {b"host": b"evil.example:8300"})
    assert not visitors.inside(scope, {b"host": b"media.example.com"})
    assert not visitors.inside(scope, {})
    assert not visitors.inside(scope, {b"host": b"127.0.0.1", b"x-forwarded-for": b"10.1.1.1"})
    assert not visitors.inside({"client": ("10.1.1.1", 5000)}, {b"host": b"127.0.0.1"})


def test_facts_for_insiders_are_not_shared_with_other_origins() -> None:
    manners = Manners(cors=Cors(("*",)))
    assert (b"access-control-allow-origin", b"*") in manners.refusing(None)
    assert all(name != b"access-control-allow-origin" for name, _ in manners.safe())


def seconds(call: object, *values: object) -> float:
    started = time.perf_counter()
    call(*values)  # type: ignore[operator]
    return time.perf_counter() - started


def refused(text: str) -> None:
    with pytest.raises(BadPlan):
        Plan.read(text)


def test_hostile_fields_and_options_are_read_in_linear_time() -> None:
    """Each took seconds when it was quadratic; a tenth of one leaves room for a busy machine."""
    assert seconds(bucket, b"image/avif;" + b" " * 60_000 + b"@") < 0.5
    assert seconds(bucket, b"image/avif" + b";a=b" * 15_000) < 0.5
    assert seconds(not_modified, 'W/"a.b"', None, b"," + b" " * 60_000 + b"x", None) < 0.5
    assert seconds(not_modified, 'W/"a.b"', None, b'"' + b"x" * 60_000, None) < 0.5
    for text in ("a_" + "1" * 60_000 + "x", "w_" + "9" * 60_000, "e_blur:" + "1" * 60_000, "f_" + "x" * 2000):
        assert seconds(refused, text) < 0.5, text[:9]
