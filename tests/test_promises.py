"""Who is refused is told another moment than the one before."""

from proxy.workers.promises import LONGEST, Promises


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_each_is_told_the_moment_at_which_those_before_are_done() -> None:
    promises = Promises(Clock())
    assert [promises.next(2.0, 0.5) for _ in range(4)] == [2.0, 2.5, 3.0, 3.5]


def test_nobody_is_told_less_than_a_second() -> None:
    assert Promises(Clock()).next(0.0, 0.1) == 1.0


def test_a_place_that_nobody_took_is_gone_when_its_time_has_come() -> None:
    clock = Clock()
    promises = Promises(clock)
    for _ in range(10):
        promises.next(1.0, 1.0)
    clock.now += 20
    assert promises.next(1.0, 1.0) == 1.0


def test_nobody_is_told_to_wait_for_ages() -> None:
    promises = Promises(Clock())
    told = [promises.next(1.0, 5.0) for _ in range(100)]
    assert max(told) == LONGEST
