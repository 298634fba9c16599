"""The line for the workers, with a clock of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.workers.poison import PoisonList
from proxy.workers.rules import BEHIND
from proxy.workers.waiting import Line


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def line(clock: Clock, *, size: int = 2, reserve: int = 0, memory: int = 100) -> Line[str]:
    return Line(size=size, reserve=reserve, cheap=60, memory=memory, patience=5, clock=clock)


def join(
    waiting: Line[str], item: str, *, cost: float = 10, memory: int = 1, rank: int = 0, again: bool = False
) -> None:
    waiting.join(item, cost=cost, memory=memory, rank=rank, again=again)


def served(waiting: Line[str]) -> list[str]:
    """Everybody in the order in which they are served, one at a time."""
    order = []
    while item := waiting.next():
        order.append(item)
        waiting.finish(item)
    return order


def test_equal_work_is_served_in_the_order_of_its_coming(clock: Clock) -> None:
    waiting = line(clock)
    for item in "abc":
        join(waiting, item)
    assert served(waiting) == ["a", "b", "c"]


def test_short_work_goes_before_long_work(clock: Clock) -> None:
    waiting = line(clock)
    join(waiting, "an AVIF", cost=1000)
    join(waiting, "a JPEG", cost=10)
    assert served(waiting) == ["a JPEG", "an AVIF"]


def test_long_work_is_not_put_behind_for_ever(clock: Clock) -> None:
    waiting = line(clock)
    join(waiting, "an AVIF", cost=1000)
    join(waiting, "a film", cost=60_000)
    clock.now = 4.5
    join(waiting, "a JPEG", cost=10)
    clock.now = 5.5
    join(waiting, "another", cost=10)
    assert served(waiting) == ["an AVIF", "a JPEG", "a film", "another"]


def test_rank_goes_before_everything(clock: Clock) -> None:
    waiting = line(clock)
    join(waiting, "a refinement", cost=1, rank=1)
    clock.now = 100
    join(waiting, "a visit", cost=5000)
    assert served(waiting) == ["a visit", "a refinement"]


def test_who_comes_again_goes_first_of_his_rank(clock: Clock) -> None:
    waiting = line(clock)
    join(waiting, "first")
    join(waiting, "again", cost=5000, again=True)
    assert served(waiting) == ["again", "first"]


def test_who_leaves_is_not_served(clock: Clock) -> None:
    waiting = line(clock)
    for item in "abc":
        join(waiting, item)
    waiting.leave("b")
    waiting.leave("b")
    assert waiting.waiting == 2
    assert waiting.milliseconds == 20
    assert served(waiting) == ["a", "c"]


def test_no_more_run_than_there_are_workers(clock: Clock) -> None:
    waiting = line(clock)
    for item in "abc":
        join(waiting, item)
    assert [waiting.next(), waiting.next(), waiting.next()] == ["a", "b", None]
    waiting.finish("a")
    assert waiting.next() == "c"


def test_reserved_workers_take_cheap_work_alone(clock: Clock) -> None:
    waiting = line(clock, size=2, reserve=1)
    join(waiting, "an AVIF", cost=1000)
    join(waiting, "another AVIF", cost=1000)
    assert [waiting.next(), waiting.next()] == ["an AVIF", None]
    clock.now = 10
    join(waiting, "a JPEG")
    assert [waiting.next(), waiting.next()] == ["a JPEG", None]
    waiting.finish("an AVIF")
    assert waiting.next() == "another AVIF"


def test_who_waits_for_something_else_first_is_counted_and_keeps_his_place(clock: Clock) -> None:
    waiting = line(clock, size=1)
    with waiting.expecting(cost=100, memory=1, rank=0) as since:
        assert (waiting.waiting, waiting.milliseconds, waiting.next()) == (1, 100, None)
        clock.now = 1
        assert waiting.wait(cost=100, memory=1, rank=0) == 0, "it could begin at once"
        assert waiting.wait(cost=100, memory=1, rank=0, ready=False) == pytest.approx(0.1)
        join(waiting, "came later", cost=100)
    assert (waiting.waiting, waiting.milliseconds) == (1, 100)
    waiting.join("first", cost=100, memory=1, rank=0, since=since)
    assert served(waiting) == ["first", "came later"]


def test_what_runs_together_fits_into_the_memory(clock: Clock) -> None:
    waiting = line(clock, size=3, memory=100)
    for item in "ab":
        join(waiting, item, memory=60)
    assert [waiting.next(), waiting.next()] == ["a", None]
    waiting.finish("a")
    assert waiting.next() == "b"


def test_what_needs_more_than_the_memory_runs_alone(clock: Clock) -> None:
    waiting = line(clock, memory=100)
    join(waiting, "small", memory=1)
    join(waiting, "huge", memory=1000, cost=11)
    join(waiting, "late", memory=1, cost=12)
    assert [waiting.next(), waiting.next()] == ["small", None]
    waiting.finish("small")
    assert [waiting.next(), waiting.next()] == ["huge", None]
    waiting.finish("huge")
    assert waiting.next() == "late"


def test_cheap_work_passes_one_that_waits_for_memory_only_where_there_is_room_beside_it(clock: Clock) -> None:
    waiting = line(clock, size=4, memory=100)
    join(waiting, "running", cost=500, memory=80)
    assert waiting.next() == "running"
    join(waiting, "waiting", cost=500, memory=90)
    clock.now = 10
    join(waiting, "beside it", memory=10)
    join(waiting, "in its way", memory=10)
    assert [waiting.next(), waiting.next()] == ["beside it", None]
    waiting.finish("running")
    assert [waiting.next(), waiting.next()] == ["waiting", None]


def test_who_finds_a_free_worker_does_not_wait(clock: Clock) -> None:
    waiting = line(clock)
    join(waiting, "a film", cost=60_000)
    waiting.next()
    assert waiting.wait(cost=1000, memory=1, rank=0) == 0


def test_the_wait_is_the_work_ahead_shared_by_all_workers(clock: Clock) -> None:
    waiting = line(clock)
    for item in "abcd":
        join(waiting, item, cost=1000)
    waiting.next()
    waiting.next()
    assert waiting.wait(cost=1000, memory=1, rank=0) == pytest.approx(2.0)
    clock.now = 0.5
    assert waiting.wait(cost=1000, memory=1, rank=0) == pytest.approx(1.5)
    clock.now = 5
    assert waiting.wait(cost=1000, memory=1, rank=0) == pytest.approx(1.0), (
        "what takes longer than thought is about to end"
    )


def test_work_of_a_later_rank_is_not_ahead(clock: Clock) -> None:
    waiting = line(clock)
    for item in "abcd":
        join(waiting, item, cost=1000, rank=1)
    assert waiting.wait(cost=10, memory=1, rank=0) == 0
    assert waiting.wait(cost=1000, memory=1, rank=1) == pytest.approx(2.0)


def test_the_wait_of_short_work_is_not_that_of_the_long_work_that_it_passes(clock: Clock) -> None:
    waiting = line(clock)
    for item in "abcdef":
        join(waiting, item, cost=1000)
    waiting.next()
    waiting.next()
    assert waiting.wait(cost=10, memory=1, rank=0) == pytest.approx(1.0), "the next worker that is free takes it"
    assert waiting.wait(cost=1000, memory=1, rank=0) == pytest.approx(3.0)


def test_the_wait_ends_with_the_first_worker_that_is_free(clock: Clock) -> None:
    waiting = line(clock)
    for item, cost in {"short": 1000, "long": 9000, "next": 5000}.items():
        join(waiting, item, cost=cost)
    waiting.next()
    waiting.next()
    assert waiting.wait(cost=5000, memory=1, rank=0) == pytest.approx(6.0)


def test_the_wait_counts_memory(clock: Clock) -> None:
    waiting = line(clock, size=4)
    for item in "abc":
        join(waiting, item, cost=1000, memory=60)
    waiting.next()
    assert waiting.wait(cost=1000, memory=60, rank=0) == pytest.approx(3.0), "they run one by one"
    assert waiting.wait(cost=10, memory=1, rank=0) == 0


@given(
    st.lists(st.tuples(st.floats(1, 2000), st.integers(0, 120), st.integers(0, 1)), max_size=60),
    st.tuples(st.floats(1, 2000), st.integers(0, 120), st.integers(0, 1)),
    st.integers(1, 4),
    st.integers(0, 3),
)
def test_the_wait_is_when_it_begins_if_everybody_takes_what_was_estimated(
    others: list[tuple[float, int, int]], mine: tuple[float, int, int], size: int, reserve: int
) -> None:
    clock = Clock()
    waiting: Line[int] = Line(size=size, reserve=min(reserve, size - 1), cheap=60, memory=100, patience=5, clock=clock)
    running: dict[int, float] = {}
    costs = [cost for cost, _, _ in (*others, mine)]

    def begin() -> None:
        while (number := waiting.next()) is not None:
            running[number] = clock.now + costs[number] / 1000

    for number, (cost, memory, rank) in enumerate(others):
        waiting.join(number, cost=cost, memory=memory, rank=rank)
    # What nobody waits for makes room, and is not ahead of anybody; here it has not begun.
    if mine[2] == 0:
        for number in [number for number, (_, _, rank) in enumerate(others) if rank]:
            waiting.leave(number)
    begin()
    told = waiting.wait(cost=mine[0], memory=mine[1], rank=mine[2])
    waiting.join(len(others), cost=mine[0], memory=mine[1], rank=mine[2])
    begin()
    while len(others) not in running:
        ended = min(running, key=lambda number: running[number])
        clock.now = running.pop(ended)
        waiting.interrupt(ended)
        begin()
    # Milliseconds of the clock's own arithmetic aside.
    assert told == pytest.approx(clock.now, abs=0.001)


def test_a_very_long_line_is_told_by_its_beginning(clock: Clock) -> None:
    waiting = line(clock)
    for number in range(1000):
        join(waiting, str(number), cost=100)
    assert waiting.wait(cost=100, memory=1, rank=0) == pytest.approx(50, rel=0.05)


def test_work_that_nobody_waits_for_is_in_the_way_of_what_cannot_begin_beside_it(clock: Clock) -> None:
    waiting = line(clock, reserve=1)
    join(waiting, "a refinement", cost=1000, rank=BEHIND)
    assert waiting.next() == "a refinement"
    assert waiting.in_the_way() is None, "nobody waits"
    join(waiting, "another", cost=1000, rank=BEHIND)
    assert waiting.in_the_way() is None, "nor does anybody for the other one"
    join(waiting, "a thumbnail", cost=10)
    assert waiting.in_the_way() is None, "there is a worker for it"
    assert waiting.next() == "a thumbnail"
    join(waiting, "an AVIF", cost=500)
    assert waiting.in_the_way() == "a refinement", "its lane is taken"
    assert waiting.wait(cost=500, memory=1, rank=0) == pytest.approx(0.5), "behind the AVIF alone"
    waiting.interrupt("a refinement")
    assert waiting.next() == "an AVIF"


def test_work_that_nobody_waits_for_makes_room_in_the_memory(clock: Clock) -> None:
    waiting = line(clock)
    join(waiting, "a refinement", memory=60, rank=BEHIND)
    waiting.next()
    join(waiting, "a visit", memory=60)
    assert waiting.in_the_way() == "a refinement"
    join(waiting, "a visit that needs less", cost=1, memory=1)
    assert waiting.in_the_way() is None
    assert waiting.next() == "a visit that needs less"
    assert waiting.in_the_way() == "a refinement"


def test_what_was_interrupted_says_nothing_of_the_pace(clock: Clock) -> None:
    waiting = line(clock)
    join(waiting, "a refinement", cost=1000, rank=BEHIND)
    waiting.next()
    clock.now = 0.1
    assert waiting.left("a refinement") == pytest.approx(0.9)
    waiting.interrupt("a refinement")
    waiting.finish("a refinement")
    join(waiting, "a visit", cost=1000)
    waiting.next()
    assert waiting.left("a visit") == pytest.approx(1.0)


def test_cheap_work_is_not_refused_for_the_long_work_that_waits(clock: Clock) -> None:
    waiting = line(clock, reserve=1)
    for item in "abcd":
        join(waiting, item, cost=1000)
    waiting.next()
    assert waiting.wait(cost=10, memory=1, rank=0) == 0
    assert waiting.wait(cost=1000, memory=1, rank=0) == pytest.approx(4.0), "one worker of the two does all of it"


def test_the_wait_follows_the_pace_of_the_machine(clock: Clock) -> None:
    waiting = line(clock, size=1)
    for number in range(300):
        join(waiting, str(number), cost=100)
        waiting.next()
        clock.now += 0.3
        waiting.finish(str(number))
    for item in "ab":
        join(waiting, item, cost=1000)
    waiting.next()
    told = waiting.wait(cost=1000, memory=1, rank=0)
    assert told == pytest.approx(6, rel=0.05), "it is three times as slow as the estimates"


@given(
    st.lists(
        st.tuples(
            st.floats(0, 5000), st.integers(0, 150), st.integers(0, 2), st.sampled_from(["stay", "leave", "finish"])
        ),
        max_size=60,
    ),
    st.integers(1, 4),
    st.integers(0, 3),
)
def test_everybody_is_served_once_and_never_too_many(
    visits: list[tuple[float, int, int, str]], size: int, reserve: int
) -> None:
    clock = Clock()
    waiting: Line[int] = Line(size=size, reserve=min(reserve, size - 1), cheap=60, memory=100, patience=5, clock=clock)
    memory = {number: min(visit[1], 100) for number, visit in enumerate(visits)}
    running: list[int] = []
    served: list[int] = []
    left: set[int] = set()

    def begin() -> None:
        while (number := waiting.next()) is not None:
            running.append(number)
            served.append(number)
            assert len(running) <= size
            assert sum(memory[number] for number in running) <= 100
            assert sum(visits[number][0] >= 60 for number in running) <= max(size - reserve, 1)

    for number, (cost, needed, rank, then) in enumerate(visits):
        clock.now += 0.1
        waiting.join(number, cost=cost, memory=needed, rank=rank)
        if then == "leave":
            waiting.leave(number)
            left.add(number)
        begin()
        if then == "finish" and running:
            waiting.finish(running.pop(0))
            begin()
    while running:
        waiting.finish(running.pop(0))
        begin()
    assert sorted(served) == sorted(set(range(len(visits))) - left)
    assert waiting.waiting == waiting.running == waiting.milliseconds == 0


def test_what_struck_twice_is_refused_until_its_time_is_over(clock: Clock) -> None:
    poison = PoisonList(seconds=600, clock=clock)
    poison.strike("a")
    assert poison.remaining("a") == 0
    clock.now = 100
    poison.strike("a")
    assert poison.remaining("a") == 600
    assert poison.remaining("b") == 0
    clock.now = 699
    assert poison.remaining("a") == 1
    clock.now = 700
    assert poison.remaining("a") == 0
    poison.strike("a")
    assert poison.remaining("a") == 0, "it starts anew"


def test_what_could_be_done_after_all_is_forgiven(clock: Clock) -> None:
    poison = PoisonList(clock=clock)
    poison.strike("a")
    poison.forgive("a")
    poison.strike("a")
    assert poison.remaining("a") == 0


def test_the_poison_list_forgets_what_nobody_asked_for_the_longest(clock: Clock) -> None:
    poison = PoisonList(size=2, clock=clock)
    for identity in ("a", "a", "b", "b"):
        poison.strike(identity)
    assert poison.remaining("a")
    poison.strike("c")
    assert poison.remaining("a")
    assert not poison.remaining("b")
