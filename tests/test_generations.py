"""What purges come to in keys: counted once for all servers, written down, and never fewer than before."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.coordination.local import LocalTable
from proxy.coordination.seams import Unreachable
from proxy.purging.generations import MAP, Generations
from proxy.purging.journal import SLACK, Journal, Mark
from proxy.tags import NEVER, slot

pytestmark = pytest.mark.anyio

CAT, DOG = "source:0123456789abcdef", "source:fedcba9876543210"
CAT_SLOT = slot(CAT)


class Parted(LocalTable):
    """A table that can be out of reach."""

    reached = True

    async def add(self, name: str, field: str, by: int = 1) -> int:
        if not self.reached:
            raise Unreachable
        await asyncio.sleep(0)
        return await super().add(name, field, by)

    async def read(self, name: str) -> Mapping[str, str]:
        if not self.reached:
            raise Unreachable
        return await super().read(name)


@pytest.fixture
def table() -> Parted:
    return Parted()


def front(table: LocalTable, path: Path | None = None, now: float = 1000.9) -> Generations:
    return Generations(table, Journal(path) if path else None, clock=lambda: now)


async def test_what_was_never_purged_has_no_number(table: Parted) -> None:
    generations = front(table)
    assert generations.of([CAT, DOG]) is NEVER
    await generations.rise([CAT])
    assert generations.of([DOG]) is NEVER
    assert generations.of([CAT, DOG]) == (((CAT_SLOT, "1"),), 1000)


async def test_each_purge_gives_a_number_that_was_never_there(table: Parted) -> None:
    one, other, seen = front(table), front(table), set()
    for generations in (one, other, one, one, other):
        await generations.rise([CAT])
        found = generations.of([CAT])
        assert found not in seen
        seen.add(found)


async def test_purges_at_the_same_time_are_counted_each(table: Parted) -> None:
    generations = front(table)
    await asyncio.gather(*(generations.rise([CAT, DOG, "mount:/"]) for _ in range(20)))
    assert generations.of([CAT]).numbers == ((CAT_SLOT, "20"),)
    assert await table.get(MAP, "mount:/") == "20"


async def test_a_front_that_hears_of_a_purge_has_the_number_of_the_others(table: Parted) -> None:
    one, other = front(table), front(table)
    await one.rise([CAT])
    assert other.heard(one.numbers([CAT])) == {CAT_SLOT}
    assert other.of([CAT]) == one.of([CAT])
    assert other.heard(one.numbers([CAT])) == set(), "it is heard twice"
    assert other.heard({CAT_SLOT: 0}) == set(), "what is old is not heard"


async def test_alone_it_counts_under_a_name_that_nobody_else_gives(table: Parted) -> None:
    one, other = front(table), front(table)
    table.reached = False
    assert [(await each.rise([CAT])).shared for each in (one, other)] == [False, False]
    assert len({one.of([CAT]), other.of([CAT])}) == 2
    assert one.numbers([CAT]) == {}, "it is nothing that others could take over"


async def test_what_was_purged_alone_is_counted_for_all_when_they_are_reached(table: Parted) -> None:
    one, other = front(table), front(table)
    table.reached = False
    await one.rise([CAT])
    alone = one.of([CAT])
    table.reached = True
    await other.rise([CAT])
    assert one.heard(other.numbers([CAT])) == set()
    assert one.of([CAT]) == alone, "what others count does not cover what only this one knows of"
    assert await one.catch_up() == {CAT_SLOT}
    assert one.of([CAT]).numbers == ((CAT_SLOT, "2"),)
    assert await other.catch_up() == {CAT_SLOT}
    assert other.of([CAT]) == one.of([CAT])
    assert await one.catch_up() == set()


async def test_a_purge_that_is_counted_covers_one_that_was_not(table: Parted) -> None:
    generations = front(table)
    table.reached = False
    await generations.rise([CAT])
    table.reached = True
    assert (await generations.rise([CAT])).shared
    assert generations.of([CAT]).numbers == ((CAT_SLOT, "2"),)
    assert await generations.catch_up() == set()


async def test_what_is_written_down_is_known_after_a_restart(table: Parted, tmp_path: Path) -> None:
    first = front(table, tmp_path / "cache/purges")
    await first.rise([CAT, "mount:a%20b"])
    table.reached = False
    assert (await first.rise([DOG])).kept
    second = front(LocalTable(), tmp_path / "cache/purges", now=2000)
    await second.start()
    assert second.of([CAT]) == first.of([CAT])
    assert second.of(["mount:a%20b"]) == first.of(["mount:a%20b"])
    assert second.of([DOG]) != first.of([DOG]), "what was owed is counted"
    await second.rise([CAT])
    assert second.of([CAT]).numbers == ((CAT_SLOT, "2"),), "a table that is empty begins where the file ends"


async def test_processes_with_one_file_hear_of_each_other(tmp_path: Path) -> None:
    one, other = (front(LocalTable(), tmp_path / "purges") for _ in range(2))
    await one.start()
    await other.start()
    for number in range(1, 4):
        await one.rise([CAT])
        assert await other.news() == {CAT_SLOT}
        assert other.of([CAT]).numbers == ((CAT_SLOT, str(2 * number - 1)),)
        await other.rise([CAT])
        assert await one.news() == {CAT_SLOT}
    assert await one.news() == set()


async def test_a_file_that_cannot_be_written_is_told(table: Parted, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    generations = front(table, tmp_path / "file" / "purges")
    raised = await generations.rise([CAT])
    assert (raised.shared, raised.kept) == (True, False)
    assert generations.of([CAT]) is not NEVER
    assert not (await front(table).rise([CAT])).kept, "without a folder nothing is kept"


def test_lines_that_are_none_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "purges"
    path.write_bytes(b"a 1 5 -\n\xff\xfe 2\nb two 5 -\n\na 3 6 -\na 2 9 -\nc 1 5 0123abcd\nd 99")
    journal = Journal(path)
    assert journal.news() == {"a": Mark(3, 6), "c": Mark(1, 5, "0123abcd")}
    journal.add({"e": Mark(7, 8)})
    assert journal.news() == {"e": Mark(7, 8)}, "what was cut off does not spoil what follows"


def test_the_file_stays_small(tmp_path: Path) -> None:
    journal, other = Journal(tmp_path / "purges"), Journal(tmp_path / "purges")
    journal.tidy()
    for number in range(SLACK // 100 + 3):
        journal.add({f"s{slot}": Mark(number, 5) for slot in range(100)})
    assert len(other.news()) == 100
    journal.tidy()
    assert (tmp_path / "purges").read_bytes().count(b"\n") == 100
    assert set(other.news().values()) == {Mark(SLACK // 100 + 2, 5)}, "another process reads the new file"
    other.add({"t": Mark(1, 1)})
    assert journal.news()["t"] == Mark(1, 1)
