"""A breaker spares everybody the waiting for one who is down."""

import asyncio
from contextlib import suppress

import pytest

from proxy.breaker import Breaker, BreakerOpen


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(3, 2.0, clock)


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        with suppress(OSError), breaker.attempt(OSError):
            raise OSError


def test_it_opens_after_failures_in_a_row(breaker: Breaker) -> None:
    fail(breaker, 2)
    with breaker.attempt(OSError):
        pass
    assert not breaker.doubtful
    fail(breaker, 2)
    assert (breaker.state, breaker.doubtful) == ("closed", True)
    fail(breaker)
    assert (breaker.state, breaker.doubtful) == ("open", False)
    with pytest.raises(BreakerOpen), breaker.attempt(OSError):
        raise AssertionError("was let through")
    assert (breaker.failed, breaker.refused) == (5, 1)


def test_open_it_lets_one_attempt_through_now_and_then(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 2
    assert breaker.state == "half-open"
    with breaker.attempt(OSError), pytest.raises(BreakerOpen), breaker.attempt(OSError):
        raise AssertionError("a second one was let through")
    assert breaker.state == "closed"


def test_an_attempt_that_fails_leaves_it_open_for_another_while(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 2
    fail(breaker)
    assert breaker.state == "open"
    clock.now += 2
    assert breaker.state == "half-open"


def test_an_error_that_is_an_answer_closes_it(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 2
    with pytest.raises(ValueError, match="no"), breaker.attempt(OSError):
        raise ValueError("no")
    assert breaker.state == "closed"


def test_an_attempt_that_is_given_up_says_nothing(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 2
    with pytest.raises(asyncio.CancelledError), breaker.attempt(OSError):
        raise asyncio.CancelledError
    assert breaker.state == "half-open"


def test_what_began_before_it_opened_may_still_close_it(breaker: Breaker) -> None:
    with breaker.attempt(OSError):
        fail(breaker, 3)
        assert breaker.state == "open"
    assert breaker.state == "closed"
