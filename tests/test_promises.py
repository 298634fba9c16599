"""Who is refused is told another moment than the one before, and finds room then if such do come."""

from collections.abc import Iterator
from itertools import count

import pytest

from proxy.workers.promises import LATE, LONGEST, MOST, Promises


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def promises(clock: Clock) -> Promises:
    return Promises(clock)


@pytest.fixture
def names() -> Iterator[str]:
    """Of what nobody has asked for before."""
    return map(str, count())


def test_each_is_told_the_moment_at_which_those_before_are_done(promises: Promises, names: Iterator[str]) -> None:
    assert [promises.next(next(names), 2.0, 0.5) for _ in range(4)] == [2.0, 2.5, 3.0, 3.5]


def test_nobody_is_told_less_than_a_second(promises: Promises) -> None:
    assert promises.next("one", 0.0, 0.1) == 1.0


def test_a_place_that_nobody_took_is_gone_when_its_time_has_come(
    promises: Promises, clock: Clock, names: Iterator[str]
) -> None:
    for _ in range(10):
        promises.next(next(names), 1.0, 1.0)
    clock.now += 20
    assert promises.next(next(names), 1.0, 1.0) == 1.0


def test_nobody_is_told_to_wait_for_ages(promises: Promises, names: Iterator[str]) -> None:
    told = [promises.next(next(names), 1.0, 5.0) for _ in range(100)]
    assert max(told) == LONGEST


def test_who_asks_again_too_early_is_told_the_same_moment_and_takes_no_second_place(
    promises: Promises, clock: Clock
) -> None:
    assert promises.next("one", 4.0, 1.0) == 4.0
    clock.now += 1
    assert not promises.due("one")
    assert promises.next("one", 9.0, 1.0) == 3.0
    assert promises.next("another", 0.0, 1.0) == 4.0


def test_room_is_kept_from_when_others_would_still_be_in_the_way_and_for_a_while_after(
    promises: Promises, clock: Clock
) -> None:
    promises.next("one", 4.0, 1.0)
    clock.now += 2
    assert promises.owed(0.5) == 0.0
    clock.now += 1.5
    assert promises.owed(0.5) == pytest.approx(1.0)
    clock.now += LATE
    assert promises.owed(0.5) == pytest.approx(1.5)
    clock.now += 1
    assert promises.owed(0.5) == 0.0


def test_room_is_kept_for_all_that_come_one_after_the_other(promises: Promises) -> None:
    for name in "abc":
        promises.next(name, 1.0, 2.0)
    # They are due after one, three and five seconds.
    assert promises.owed(0.5) == pytest.approx(1.5)


def test_who_comes_when_told_or_finds_room_before_is_owed_nothing_more(promises: Promises, clock: Clock) -> None:
    promises.next("one", 1.0, 2.0)
    promises.next("another", 1.0, 2.0)
    promises.taken("another")
    clock.now += 1
    assert promises.due("one")
    assert not promises.due("one")
    assert promises.owed(1.0) == 0.0


def test_nothing_is_kept_where_nobody_comes_back(promises: Promises, clock: Clock, names: Iterator[str]) -> None:
    for _ in range(200):
        promises.next(next(names), 1.0, 1.0)
        clock.now += 10
    assert promises.share < 0.06
    promises.next("one", 1.0, 1.0)
    assert promises.owed(0.0) < 0.06
    # Nor is anybody told to come later because of those who will not.
    assert promises.next("another", 1.0, 1.0) < 1.06


def test_all_is_kept_where_everybody_comes_back_and_again_when_they_do(
    promises: Promises, clock: Clock, names: Iterator[str]
) -> None:
    for comes in (False, True):
        for _ in range(200):
            name = next(names)
            clock.now += promises.next(name, 1.0, 1.0)
            assert not comes or promises.due(name)
            clock.now += 10
    assert promises.share > 0.9


def test_a_flood_is_remembered_within_bounds(promises: Promises, clock: Clock, names: Iterator[str]) -> None:
    for _ in range(MOST * 2):
        promises.next(next(names), 1.0, 0.001)
    clock.now += 3
    assert promises.due("0"), "those that are due first"
    assert not promises.due(str(MOST + 1))
    assert promises.owed(0.0) < MOST * 0.001
