"""What people read is true: pages are those of the declarations, links lead somewhere, steps are read, examples run."""

import html.parser
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import typer.main
import yaml

from bench.__main__ import SUMMARY
from bench.plots import wanted
from bench.quality import PLOT
from bench.results import load as results
from bench.serving import free_port
from docs import pictures, player, playground
from docs.pictures import SHEETS
from proxy.__main__ import app
from proxy.budget import Machine, plan_budget
from proxy.metrics import METRICS
from proxy.reference import every_error
from proxy.reference import pages as generated
from proxy.settings import every_setting, load
from signing import Address, KeyRing, Request, SigningError, looks_like_step
from signing.address import holds_auth
from tests.markdown import PAGES, ROOT, Block, Table, blocks, headings, prose, spans, tables
from transforms.errors import Refusal
from transforms.operation import option_name
from transforms.pipeline import PIPELINE
from transforms.plan import RESERVED, Plan

README = ROOT / "README.md"
IMAGES = sorted((ROOT / "docs" / "images").glob("*"))

PRESETS = {"card": "c_fill,g_auto,h_300,w_400", "one": "w_600", "two": "e_sharpen"}
"""Presets that the pages speak of."""

READ = ("URL", "steps", "source", "why")
REFUSED = ("URL", "code", "why")
CANONICAL = ("written", "canonical", "why")
WRONG = ("steps", "code", "why")
"""Headers of tables whose rows are carried out; of these only the reasons are read like other text."""

AROUND = ("", "w_9", "h_9,w_9", "c_fill,h_9,w_9", "g_auto,h_9,w_9", "c_thumb,g_auto,h_9,w_9", "c_fill,h_9,w_9,x_9,y_9")
"""What an option may need beside it in its step; one that is only mentioned is read with some of these."""

OPTION_NAMES = {option_name(letter) for operation in PIPELINE for letter, _ in operation.letters()}
OTHER_NAMES = {"$", "at_once", *(f"{name}_" for name in (*RESERVED, "e", "fl", "t", "sig", "exp", "kid", "sc"))}

AS_EXAMPLES_OF_REFUSALS = {"ab_2024": "unknown_option", "w_auto": "invalid_option"}
"""Steps that the text quotes because they are refused."""
CODES = {error.code for error in every_error()}


def rendered(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("name", ["options.md", "settings.md", "errors.md", "metrics.md"])
def test_a_generated_page_is_that_of_the_declarations(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == generated()[name], "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=rendered)
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)|\bsrc=\"([^\"]+)\"", page.read_text())
    for target in (first or second for first, second in targets):
        address = urlsplit(target)
        if address.scheme:
            continue
        leads_to = (page.parent / address.path).resolve() if address.path else page
        assert leads_to.exists(), f"{rendered(page)}: {target}"
        if address.fragment:
            assert address.fragment in headings(leads_to), f"{rendered(page)}: {target}"


def test_every_picture_is_shown_and_small() -> None:
    shown = "".join(page.read_text() for page in PAGES)
    for image in IMAGES:
        assert f"images/{image.name})" in shown, image
        drawn = {*playground.SCENES, *player.SCENES}
        most = playground.MOST_BYTES if image.stem in drawn else pictures.MOST_BYTES
        assert image.stat().st_size <= most, image
    there = {*SHEETS, *playground.SCENES, *player.SCENES, PLOT.stem, *wanted(results(SUMMARY))}
    assert {image.stem for image in IMAGES} == there


def test_the_steps_under_the_pictures_are_read() -> None:
    for sheet in SHEETS.values():
        for tile in (tile for row in sheet.rows for tile in row):
            Plan.read(tile.steps)
    for name, scene in playground.SCENES.items():
        if "error" not in name:
            Plan.read(scene.steps)


def test_the_readme_opens_with_two_targets_of_the_makefile() -> None:
    first = next(blocks(README))
    commands = [shlex.split(line, comments=True) for line in first.text.splitlines()]
    assert first.line < 5
    assert commands[:2] == [["make", "run"], ["make", "test"]]


def test_the_readme_is_short() -> None:
    text = README.read_text()
    assert len(text.splitlines()) <= 150
    assert text.count("<img ") == 1


def test_the_changelog_tells_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()


# Blocks of code

BLOCKS = [pytest.param(block, id=f"{rendered(page)}:{block.line}") for page in PAGES for block in blocks(page)]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def check_command(line: str) -> None:
    """Parse what our own programs are told, and look no further."""
    program, *words = shlex.split(line, comments=True)
    if program == "make":
        assert {word for word in words if "=" not in word} <= targets(), line
    elif program == "darkroom":
        command = typer.main.get_group(app).commands[words[0]]
        if words[1:]:  # else it is only mentioned
            command.make_context(words[0], words[1:])


def run_sh(text: str, tmp_path: Path) -> None:
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)
    for line in text.splitlines():
        for command in re.findall(r"(?:^|\$\()((?:darkroom|make)\b[^)\n]*)", line):
            check_command(command)


def run_python(text: str, tmp_path: Path) -> None:
    exec(compile(text, "<manual>", "exec"), {"__name__": "manual"})


def run_toml(text: str, tmp_path: Path) -> None:
    config = tmp_path / "darkroom.toml"
    config.write_text(text)
    settings = load({}, config, {})
    for steps in settings.presets.values():
        Plan.read(steps, settings.presets)
    if settings.keys:
        KeyRing.read(key.secret.get_secret_value() for key in settings.keys)


def run_html(text: str, tmp_path: Path) -> None:
    class Sources(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            check_url(urlsplit(dict(attrs)["src"] or "").path)

    Sources().feed(text)


def run_js(text: str, tmp_path: Path) -> None:
    subprocess.run(["node", "--input-type=module"], input=text, cwd=ROOT, text=True, check=True, capture_output=True)


def run_nginx(text: str, tmp_path: Path) -> None:
    config = tmp_path / "nginx.conf"
    text = text.replace("/var/cache/nginx", str(tmp_path)).replace("listen 80;", f"listen 127.0.0.1:{free_port()};")
    config.write_text(f"pid {tmp_path}/pid; events {{}} http {{ access_log off;\n{text}\n}}")
    tested = subprocess.run(
        ["nginx", "-t", "-q", "-e", str(tmp_path / "log"), "-c", str(config)], capture_output=True, text=True
    )
    assert tested.returncode == 0, tested.stderr


def run_json(text: str, tmp_path: Path) -> None:
    json.loads(text)


def run_yaml(text: str, tmp_path: Path) -> None:
    """Rules for Prometheus: every number of ours that they name is shown, and has the labels that are asked of it."""
    labels = {metric.name: set(metric.labels) for metric in METRICS}
    for group in yaml.safe_load(text)["groups"]:
        for rule in group["rules"]:
            assert {"alert", "record"} & rule.keys()
            for name, asked in re.findall(r"(darkroom_\w+)(?:\{([^}]*)\})?", rule["expr"]):
                assert set(re.findall(r"(\w+)[=!]", asked)) <= labels[name], name


ENDS = {"counter": ("",), "gauge": ("",), "histogram": ("", "_bucket", "_sum", "_count")}
"""What the names of the numbers of a metric end with."""

RUNS = {
    "sh": run_sh,
    "python": run_python,
    "toml": run_toml,
    "html": run_html,
    "js": run_js,
    "nginx": run_nginx,
    "json": run_json,
    "yaml": run_yaml,
}


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_of_code_can_be_run(block: Block, tmp_path: Path) -> None:
    RUNS[block.language](block.text, tmp_path)


# Tables that are carried out


def rows(header: tuple[str, ...]) -> list[tuple[str, ...]]:
    found = [row for page in PAGES for table in tables(page) if table.header == header for row in table.rows]
    assert found
    return found


def bare(cell: str) -> str:
    return cell.strip("`")


@pytest.mark.parametrize("row", rows(READ), ids=lambda row: row[0])
def test_a_url_is_read_as_the_table_says(row: tuple[str, ...]) -> None:
    url, steps, source, _ = map(bare, row)
    address = check_url(url)
    assert ("/".join(address.steps), address.source) == (steps, source)


@pytest.mark.parametrize("row", rows(REFUSED), ids=lambda row: row[0])
def test_a_url_is_refused_as_the_table_says(row: tuple[str, ...]) -> None:
    url, code, _ = map(bare, row)
    with pytest.raises(SigningError) as refused:
        check_url(url)
    assert refused.value.code == code


@pytest.mark.parametrize("row", rows(CANONICAL), ids=lambda row: row[0])
def test_a_plan_is_written_as_the_table_says(row: tuple[str, ...]) -> None:
    written, canonical, _ = map(bare, row)
    assert str(Plan.read(written, PRESETS)) == canonical


@pytest.mark.parametrize("row", rows(WRONG), ids=lambda row: row[0])
def test_a_plan_is_refused_as_the_table_says(row: tuple[str, ...]) -> None:
    steps, code, _ = map(bare, row)
    with pytest.raises(Refusal) as refused:
        Plan.read(steps, PRESETS)
    assert refused.value.code == code


def test_the_table_of_memory_is_that_of_the_budget() -> None:
    table = next(table for table in tables(ROOT / "docs" / "operations.md") if table.header[0] == "memory")
    for memory, *cells in table.rows:
        amount, unit = memory.split()
        for heading, cell in zip(table.header[1:], cells, strict=True):
            machine = Machine(float(heading.split()[0]), int(amount) << {"MiB": 20, "GiB": 30}[unit])
            budget = plan_budget(load({}, None, {}), machine)
            films = [budget.movers, budget.mover_memory >> 20] if budget.movers else []
            said = [int(number) for number in re.findall(r"\d+", cell)]
            assert said == [budget.workers, budget.worker_memory >> 20, *films]


def test_every_file_that_a_table_of_rooms_names_is_there() -> None:
    for table in tables(ROOT / "docs" / "architecture.md"):
        if room := re.fullmatch("in `(.+)`", table.header[0]):
            for name in (name for row in table.rows for name in spans(row[0])):
                assert (ROOT / room[1] / name).exists(), f"{room[1]}{name}"


# What stands between backticks


def quoted(page: Path) -> Iterator[str]:
    """Everything between backticks but what tables of other kinds carry out, and other servers' options."""
    yield from spans(prose(page))
    for table in tables(page):
        yield from (span for row in table.rows for cell in scanned(table, row) for span in spans(cell))


def scanned(table: Table, row: tuple[str, ...]) -> Iterator[str]:
    carried_out = table.header in (READ, REFUSED, CANONICAL, WRONG)
    for heading, cell in zip(table.header, row, strict=True):
        if heading != "Cloudinary" and (heading == "why" or not carried_out):
            yield cell


def check_url(url: str) -> Address:
    """Read a path as the server does, its steps too."""
    request = Request.read(url)
    address = Address.read(request.rest, request.offset)
    Plan.read(address.steps, PRESETS)
    return address


def is_read(steps: str) -> bool:
    for around in AROUND if "/" not in steps else ("",):
        try:
            Plan.read(f"{steps},{around}".removesuffix(","), PRESETS)
        except Refusal:
            continue
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=rendered)
def test_every_step_that_is_quoted_is_read(page: Path) -> None:
    for span in quoted(page):
        if "…" in span or span in CODES or not looks_like_step(span.removeprefix("/")) or holds_auth(span):
            continue
        if span.startswith("/"):
            check_url(span)
        elif code := AS_EXAMPLES_OF_REFUSALS.get(span):
            with pytest.raises(Refusal) as refused:
                Plan.read(span)
            assert refused.value.code == code, span
        else:
            assert span in OPTION_NAMES | OTHER_NAMES or is_read(span), f"{rendered(page)}: {span}"


@pytest.mark.parametrize("page", PAGES, ids=rendered)
def test_every_example_of_a_url_is_read(page: Path) -> None:
    for url in re.findall(r"<(http://127\.0\.0\.1:8300/[^>]*)>", page.read_text()):
        check_url(urlsplit(url).path)


@pytest.mark.parametrize("page", PAGES, ids=rendered)
def test_every_name_that_is_quoted_is_there(page: Path) -> None:
    """Commands, variables, metrics and files."""
    variables = {info.variable for info in every_setting()}
    metrics = [f"{metric.name}{end}" for metric in METRICS for end in ENDS[metric.kind]]
    for span in quoted(page):
        if span.startswith(("darkroom ", "make ")):
            check_command(span)
        elif span.startswith("DARKROOM_") and "…" not in span:
            assert span.partition("=")[0] in variables, f"{rendered(page)}: {span}"
        elif span.startswith("darkroom_"):
            name = re.escape(span.partition("{")[0]).replace(r"\*", ".*")
            assert any(re.fullmatch(name, metric) for metric in metrics), f"{rendered(page)}: {span}"
        elif re.fullmatch(r"(signing|transforms|proxy|bench|tests|docs)/[\w./-]*", span):
            assert (ROOT / span).exists(), f"{rendered(page)}: {span}"
