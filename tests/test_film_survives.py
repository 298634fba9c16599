"""The film survives us: two real players and ten other viewers watch a film while a front is killed and comes back, is
replaced by the next release, and the film itself is replaced by another one."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from bench.films.survival import IN_HAND, Survived, survived
from docs.browsing import chromium
from tests import clips
from tests.long_films import looped
from tests.viewing import scripts

SIZE, ONCE, TIMES, SPEED = (480, 270), 8, 12, 2.5


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    scripts()
    with sync_playwright() as playwright:
        running = chromium(playwright)
        yield running
        running.close()


@pytest.fixture(scope="module")
def came(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Survived:
    """What came of it. The film has as many bits as a large one: of a small one much is read as it is planned."""
    folder = tmp_path_factory.mktemp("survival")
    rich, poor = ({**clips.H264, "qp": quality} for quality in ("2", "20"))
    short = clips.Film(SIZE, 24, ONCE, 48, sound="aac", options=rich)
    film = looped(folder / "film.mp4", short, TIMES)
    other = clips.film(folder / "other.mp4", clips.Film(SIZE, 12, ONCE, 24, sound="aac", options=poor))
    made = survived(folder / "fleet", browser, film, other, ONCE * TIMES, SPEED)
    print(made.said(), made.again)
    return made


def test_both_players_come_to_the_end_and_nothing_is_missing(came: Survived) -> None:
    assert len(came.seen) == 2
    for seen in came.seen:
        seen.check(ONCE * TIMES)


def test_all_other_viewers_get_every_part_with_the_same_bytes(came: Survived) -> None:
    assert came.audience.troubles == []
    assert came.audience.failed == []
    assert {part: len(digests) for part, digests in came.audience.bodies.items() if len(digests) > 1} == {}
    assert any(one.late for one in came.audience.parts)


def test_whoever_has_begun_goes_on_by_the_plan_of_then(came: Survived) -> None:
    assert len(set(came.plans)) == 3
    before, released, replaced = ({plan} for plan in came.plans)
    assert came.audience.plans == {
        **dict.fromkeys(range(6), before),
        **dict.fromkeys((6, 7), released),
        **dict.fromkeys((8, 9), replaced),
    }
    for seen in came.seen:
        assert {path.split("/")[1] for _, path, _ in seen.answers if path.startswith("hls/")} == before


def test_no_part_is_made_twice_but_what_a_front_had_in_hand_when_it_was_killed(came: Survived) -> None:
    assert came.kept > 0
    assert len(came.again) <= IN_HAND, came.again
    assert came.made <= came.kept + IN_HAND


def test_what_was_read_of_the_film_outlives_the_front_and_its_release(came: Survived) -> None:
    # The front that nginx asks for the film has read it once in three lives, and who stands in for it what it needs.
    first, second, third = sorted(came.read, reverse=True)
    assert first <= 1.2 * came.needed
    assert second + third <= came.needed
