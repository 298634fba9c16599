"""What can be forgotten is not: each option, error, setting and metric is told, mapped and used; files stay small."""

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from proxy.errors import INTERNAL_CODE, TABLE, code, row
from proxy.metrics import METRICS, STORE, Metrics
from proxy.protocol import REFUSALS
from proxy.settings import Freshness, Key, Mount, Policy, Rates, Remote, SettingInfo, Settings, every_setting
from proxy.settings import Limits as LimitSettings
from proxy.settings.moving import Moving
from proxy.settings.purging import Hook, Token
from proxy.settings.streams import Ladder, Step
from proxy.site import RELOADED
from proxy.stats import Stats
from signing import SigningError
from tests.markdown import ROOT, tables
from transforms.errors import Refusal
from transforms.limits import Limits
from transforms.operation import Operation, option_name
from transforms.pipeline import PIPELINE
from transforms.plan import Plan

PACKAGES = ("signing", "transforms", "proxy", "bench")

LONG = {
    "proxy/app.py": "the composition root: whatever is made is made here, and nothing else is done",
    "proxy/caching.py": "validators, dates, ranges, ages and names: pure functions that are read one at a time",
    "proxy/workers/pool.py": "a job's way from the line to its end, which is one story",
    "transforms/operations/geometry.py": "the twelve modes of a resize are one class",
    "transforms/scans.py": "one format, read and written: the scans of a JPEG",
    "transforms/params.py": "every kind of value, each of which is ten lines",
}
"""Files above 300 lines, and why."""

WITHOUT_EFFECT: dict[str, str] = {}
"""Settings that are read nowhere, and why they are there all the same."""

SELF_EVIDENT = {"config": "where the settings are read from", "secrets_dir": "where secrets are read from"}
"""Settings of the settings."""

NEVER_RAISED = {"BadOriginal": "what its kinds have in common", "SigningError": "the same", "Refusal": "the same"}
"""Errors that stand for others."""

NOT_SAID = re.compile(
    r"(?<!scope=\")(?<!boto3\.)(?<!botocore\.)\bsessions?\b(?! description)|\bhelpers?\b|sub-?[a]gent"
    r"|\.\./[s]hared|/[w]ork/\w"
    r"|\b(?:issue|ticket|pull request)s? ?#?\d|\b(?:pypi|pythonhosted|npmjs)\.(?:org|com)",
    re.IGNORECASE,
)
"""What belongs to how the project is made, or to one machine, and not into it."""
WRITTEN = {".py", ".md", ".toml", ".mjs", ".php", ".json", ".sh", ".yml", ".conf", ""}


def sources(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def kinds(parent: type) -> Iterator[type]:
    for kind in parent.__subclasses__():
        yield kind
        yield from kinds(kind)


# Options


def test_every_operation_has_its_place_in_the_pipeline() -> None:
    assert {kind for kind in kinds(Operation) if "name" in vars(kind)} == set(PIPELINE)
    assert len(set(PIPELINE)) == len(PIPELINE)


def test_every_file_of_operations_is_in_the_pipeline() -> None:
    tree = ast.parse((ROOT / "transforms" / "pipeline.py").read_text())
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "transforms.operations"
        for alias in node.names
    }
    there = {path.stem for path in (ROOT / "transforms" / "operations").glob("*.py")} - {"__init__"}
    assert imported == there


@pytest.mark.parametrize("operation", PIPELINE, ids=lambda operation: operation.name)
def test_every_option_is_in_the_manual_with_an_example_of_it(operation: type[Operation]) -> None:
    page = (ROOT / "docs" / "options.md").read_text()
    title = " ".join(f"`{option_name(letter)}`" for letter, _ in operation.letters())
    _, found, section = page.partition(f"\n## {title}\n")
    assert found
    assert f"Example: `{operation.example}`" in section.partition("\n## ")[0]
    plan = Plan.read(operation.example)
    # A density is worked into the lengths beside it.
    assert plan.find(operation) or operation.name == "dpr"


# Errors


@pytest.mark.parametrize("kind", [*kinds(Refusal), *kinds(SigningError)], ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_and_a_line_in_the_manual(kind: type[Refusal | SigningError]) -> None:
    assert kind in TABLE
    told = {cells[0]: cells[1] for cells in next(tables(ROOT / "docs" / "errors.md")).rows}
    assert told[f"`{code(kind('…'))}`"] == str(row(kind).status)


def test_every_line_of_the_manual_is_an_error() -> None:
    told = {cells[0].strip("`") for cells in next(tables(ROOT / "docs" / "errors.md")).rows}
    early = {refusal.code for refusal in REFUSALS}
    assert told == {kind.code for kind in TABLE if row(kind).status != 500} | {INTERNAL_CODE} | early


def test_every_error_is_raised_somewhere() -> None:
    made = {
        name.rpartition(".")[2]
        for _, tree in sources("signing", "transforms", "proxy")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for name in [ast.unparse(node.func)]
    }
    assert {kind.__name__ for kind in TABLE} - made <= NEVER_RAISED.keys()


# Settings

RECEIVERS: dict[type, set[str]] = {
    Settings: {"settings", "others"},
    Freshness: {"usual", "settings.freshness"},
    Mount: {"mount", "offer"},
    Remote: {"settings.remote"},
    Key: {"key"},
    Policy: {"rule", "policy"},
    Token: {"token"},
    Hook: {"hook"},
    Rates: {"rates"},
    Moving: {"said", "settings.moving"},
    Ladder: {"ladder"},
    Step: {"step"},
}
"""What values of each table are called where they are used."""
ONLY_SHOWN = ("proxy/settings/", "proxy/doctor/", "proxy/greeting.py")
"""Files that read settings without acting on them."""


def attributes(tree: ast.AST) -> set[tuple[str, str]]:
    """Every attribute that is read, and what it is read from."""
    return {
        (ast.unparse(node.value), node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


@cache
def used() -> set[tuple[type, str]]:
    """Every field that the server reads: by itself, or through a method of its table that the server calls."""
    outside = {
        found for path, tree in sources("proxy") if not path.startswith(ONLY_SHOWN) for found in attributes(tree)
    }
    read = {(table, name) for table, called in RECEIVERS.items() for value, name in outside if value in called}
    for table in RECEIVERS:
        for name, member in inspect.getmembers_static(table):
            function = member.fget if isinstance(member, property) else member
            if (table, name) in read and inspect.isfunction(function):
                inside = attributes(ast.parse(textwrap.dedent(inspect.getsource(function))))
                read |= {(table, field) for value, field in inside if value == "self"}
                read |= {(Mount, field) for value, field in inside if value == "mount"}
    return read


def place(info: SettingInfo) -> tuple[type, str]:
    """The table of a setting, and its field there."""
    path, _, name = info.name.rpartition(".")
    within = {
        "": Settings,
        "keys[]": Key,
        "keys[].policy": Policy,
        "tokens[]": Token,
        "purge_hooks[]": Hook,
        "keys[].policy.rates": Rates,
        "rates": Rates,
        "mounts.<name>": Mount,
        "ladders.<name>": Ladder,
        "ladders.<name>.steps[]": Step,
        "remote": Remote,
        "limits": LimitSettings,
        "freshness": Freshness,
        "moving": Moving,
    }
    return within[path], name


@pytest.mark.parametrize("info", every_setting(), ids=lambda info: info.name)
def test_every_setting_has_an_effect(info: SettingInfo) -> None:
    table, name = place(info)
    if table is LimitSettings or info.name in SELF_EVIDENT:
        return
    assert ((table, name) in used()) != (info.name in WITHOUT_EFFECT)


def test_the_settings_that_are_read_anew_are_told() -> None:
    assert set(Settings.model_fields) >= RELOADED
    told = (
        (ROOT / "docs" / "operations.md").read_text().partition("What holds at once after HUP: ")[2].partition("Any")[0]
    )
    assert set(re.findall(r"`(\w+)`", told)) == RELOADED - SELF_EVIDENT.keys()


def test_every_limit_reaches_the_work() -> None:
    """They go over by name, all at once, and each is looked at there."""
    names = {field.name for field in dataclasses.fields(Limits)}
    assert names == set(LimitSettings.model_fields)
    looked_at = {name for value, name in attributes(ast.parse(inspect.getsource(Limits))) if value == "self"}
    assert names <= looked_at


def test_the_defaults_of_limits_are_those_of_the_work() -> None:
    assert Limits(**LimitSettings().model_dump()) == Limits()


# Metrics


def test_every_metric_is_shown() -> None:
    shown = Metrics().render()[0].decode()
    for metric in METRICS:
        assert f"# TYPE {metric.name} {metric.kind}" in shown


def test_every_metric_is_counted() -> None:
    """Its name is used beyond its declaration and the list of all."""
    declared = {
        target.id: ast.unparse(node.value)
        for path, tree in sources("proxy")
        if path == "proxy/metrics.py"
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and node.value and isinstance(target := node.target, ast.Name)
        if ast.unparse(node.value).startswith("Metric(")
    }
    used = {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for path, tree in sources("proxy")
        for top in tree.body
        if not (path == "proxy/metrics.py" and isinstance(top, ast.AnnAssign))
        for node in ast.walk(top)
        if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load)
    }
    assert set(declared) <= used
    assert {metric.name for metric in METRICS} == {
        *(text.split("'")[1] for text in declared.values()),
        *(metric.name for metric in STORE.values()),
    }
    assert set(STORE) == {field.name for field in dataclasses.fields(Stats)}


# The tree


def test_no_file_is_long_without_a_reason() -> None:
    long = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "out" not in path.parts  # what the bench installs
        if len(path.read_text().splitlines()) > 300
    }
    assert long <= LONG.keys()
    assert all((ROOT / path).exists() for path in LONG)


def written() -> Iterator[Path]:
    """Every text of the project that a person wrote."""
    tops = [path for path in ROOT.iterdir() if path.name == ".ci" or not path.name.startswith(".")]
    for top in tops:
        for path in [top] if top.is_file() else top.rglob("*"):
            generated = path.name in ("LICENSE", "requirements.lock") or {"__pycache__", "out"} & set(path.parts)
            if path.is_file() and path.suffix in WRITTEN and not generated and top.name not in ("samples", "dist"):
                yield path


def test_the_project_speaks_of_itself_alone() -> None:
    for path in written():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            found = NOT_SAID.search(line)
            assert found is None or path == Path(__file__), f"{path.relative_to(ROOT)}:{number}: {found}"
