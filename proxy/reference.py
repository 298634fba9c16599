"""The manual's reference pages, printed from the declarations: `python -m proxy.reference docs` writes them."""

import dataclasses
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from proxy.errors import docs_table
from proxy.settings import settings_reference
from transforms.operation import Operation, Param, option_name
from transforms.pipeline import PIPELINE
from transforms.plan import RESERVED

OPTIONS_HEAD = """# Options

<!-- Made by `make docs` from the declarations in transforms/operations; do not edit. -->

A step is options joined by `,`; each is a name, `_`, and a value. The order inside a step means nothing: what stands
first here is done first. A further step, behind a `/`, works on the output of the one before.
"""
SETTINGS_HEAD = """# Settings

<!-- Made by `make docs` from proxy/settings; do not edit. -->

"""
ERRORS_HEAD = """# Errors

<!-- Made by `make docs` from proxy/errors.py; do not edit. -->

Every error is `application/problem+json` (RFC 9457) with a stable `code`, the part of the URL that it is about, and
what was expected. The header `X-Error` says the same in one line, since an `<img>` shows no body.

"""


def options_reference(name: str | None = None) -> str:
    """The manual of every option as Markdown, or of the one that has this name; empty where none has it."""
    wanted = [operation for operation in PIPELINE if name is None or _has(operation, name.rstrip("_"))]
    sections = [section for operation in wanted for section in _section(operation)]
    if name is not None:
        return "\n".join(sections)
    kept = ", ".join(f"`{word}_` ({meaning})" for word, meaning in RESERVED.items() if word != "$")
    reserved = f"Kept for what is to come: {kept}, `$` (variables).\n"
    return "\n".join([OPTIONS_HEAD, *sections, "## Reserved\n", reserved])


def _has(operation: type[Operation], name: str) -> bool:
    return name in (letter for letter, _ in operation.letters())


def _section(operation: type[Operation]) -> Iterator[str]:
    first, *more = inspect.cleandoc(operation.__doc__ or "").split("\n")
    letters = [f"`{option_name(letter)}`" for letter, _ in operation.letters()]
    yield f"## {' '.join(letters)}\n"
    yield "\n".join([first, *more]).strip() + "\n"
    if not operation.step_local:
        yield "Holds for the whole plan, wherever it stands.\n"
    if operation.params():
        yield "| value | meaning | default |\n|---|---|---|"
        for key, declared in operation.params().items():
            label, meaning = _label(operation, key, declared), f"{declared.meaning}: {_expected(declared)}"
            yield f"| {label} | {meaning} | {_default(operation, key)} |"
        yield ""
    yield f"Example: `{operation.example}`\n"


def _label(operation: type[Operation], key: str, declared: Param) -> str:
    return f"`{option_name(declared.letter)}`" if declared.letter else f"{key} (`{option_name(operation.name)}`)"


def _expected(declared: Param) -> str:
    return declared.kind.expected.rstrip(",").replace("|", "\\|")


def _default(operation: type[Operation], key: str) -> str:
    field = next(field for field in dataclasses.fields(operation) if field.name == key)  # type: ignore[arg-type]
    if field.default is dataclasses.MISSING:
        return "needed"
    return "" if field.default is None else f"`{field.metadata['param'].kind.write(field.default)}`"


def pages() -> dict[str, str]:
    """Every generated page by its file name."""
    return {
        "options.md": options_reference(),
        "settings.md": SETTINGS_HEAD + settings_reference(),
        "errors.md": ERRORS_HEAD + _errors(),
    }


def _errors() -> str:
    rows = [
        f"| `{row.code}` | {row.status} | {row.title} | {row.meaning} | {f'{row.age} s' if row.age else 'not at all'} |"
        for row in docs_table()
    ]
    return "\n".join(["| code | status | title | meaning | may be cached |", "|---|---|---|---|---|", *rows, ""])


def main(folder: str) -> None:
    """Write the pages into a folder."""
    for name, text in pages().items():
        Path(folder, name).write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
