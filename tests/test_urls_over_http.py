"""Every tricky URL is read as the design says, by a server that gets it byte for byte."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import Server, exchange, originals, request, serving
from tests.tricky_urls import PRESETS, TRICKY, Tricky, ask, main, read_as


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("urls")
    settings = {"presets": PRESETS, "first": "final", "playground": False}
    with serving(originals(place / "originals"), place / "server", **settings) as running:
        yield running


@pytest.mark.parametrize("row", TRICKY, ids=lambda row: row.name)
def test_a_url_is_read_in_one_way(server: Server, row: Tricky) -> None:
    reply = ask(server, row)
    assert (reply.status, reply.code) == (row.status, row.code)
    if row.says:
        assert row.says in str(reply.json)
    if row.meant:
        plain = server.ask(row.meant)
        assert plain.status == 200
        assert reply["etag"] == plain["etag"], f"{row.name} and {row.meant} are two pictures"
        assert read_as(row)


def test_a_url_that_is_refused_says_where(server: Server) -> None:
    problem = server.ask("/w_60,q_500/cats/1.jpg").json
    assert problem["part"] == "q_500"
    assert problem["offset"] == 6  # of the path
    assert problem["expected"].startswith("a whole number from 1 to 100")
    assert problem["request_id"]


def test_a_query_string_is_noticed_once_for_each_original(server: Server) -> None:
    for width in (61, 62, 63):
        assert server.ask(f"/w_{width}/cats/2.jpg?utm_source=x").status == 200
    told = [event for event in server.log() if "query string" in event["event"] and "cats/2.jpg" in event["path"]]
    assert len(told) == 1
    assert "utm_source" not in str(told)


def test_the_table_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(TRICKY) + 1
    assert all(line.count(" | ") >= 3 for line in lines)


def test_two_paths_that_share_a_connection_are_told_apart(server: Server) -> None:
    """A request after one that was refused is read from its own first byte."""
    sent = request("/w_60//x", {}, close=False) + request("/w_60/cats/1.jpg", {})
    answers = exchange(server.port, sent).split(b"HTTP/1.1 ")
    assert [answer[:3] for answer in answers[1:]] == [b"400", b"200"]


def test_a_path_beyond_what_a_segment_of_a_file_system_takes_is_not_found(server: Server, tmp_path: Path) -> None:
    assert server.ask("/w_60/" + "a" * 300 + ".jpg").status == 404
