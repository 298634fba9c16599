"""The manual's reference pages, printed from the declarations: `python -m proxy.reference docs` writes them."""

import dataclasses
import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from proxy.errors import Documented, docs_table
from proxy.metrics import METRICS
from proxy.protocol import REFUSALS
from proxy.settings import settings_reference
from transforms.operation import Operation, Param, option_name
from transforms.pipeline import PIPELINE
from transforms.plan import RESERVED

OPTIONS_HEAD = """# Options

<!-- Made by `make docs` from the declarations in transforms/operations; do not edit. -->

A step is options joined by `,`; each is a name, `_`, and a value. The order inside a step means nothing: what stands
first here is done first. A further step, behind a `/`, works on the output of the one before. [urls.md](urls.md) tells
how a whole URL is read, [cloudinary.md](cloudinary.md) what differs from Cloudinary's options of the same names.

"""
SETTINGS_HEAD = """# Settings

<!-- Made by `make docs` from proxy/settings; do not edit. -->

What stands first wins: options of the command line, variables of the environment, files of `secrets_dir`, the file
(`darkroom.toml` in the working directory, or the one that `--config` or `DARKROOM_CONFIG` names), the defaults here.
They are merged table by table. `darkroom settings` shows what holds.

Times are seconds or `500ms`, `10s`, `5m`, `1h`, `1d`; sizes are bytes or `10MB` (a million each), `512MiB`; a list may
be a text with commas; a table in a variable is JSON. A folder in the file is relative to the file. What is misspelt or
unknown is refused at the start, all of it at once, with the place where it stands.

"""
ERRORS_HEAD = """# Errors

<!-- Made by `make docs` from proxy/errors.py and proxy/protocol.py; do not edit. -->

Every error is `application/problem+json` (RFC 9457) with a stable `code`, the part of the URL that it is about, and
what was expected. The header `X-Error` says the same in one line, since an `<img>` shows no body. Where it is known,
as with every 503 `busy`, `poisoned` and `closing_down`, `Retry-After` says when to come back. [http.md](http.md#errors)
has an example. Only the verdicts for [nginx](edge.md#nginx) have no body, and the 503 for a connection beyond all that
the machine has files for is plain text.

"""
METRICS_HEAD = """# Metrics

<!-- Made by `make docs` from proxy/metrics.py; do not edit. -->

What `/metrics` shows, in the text format of Prometheus, beside the usual `process_*` of the front. Counters begin at 0
with each start. [operations.md](operations.md#metrics) tells what to look at, and what to be woken up for.

"""
PICTURES = {
    "c": "![One portrait brought to a box of 200x200 and others, in ten ways](images/modes.jpg)\n",
    "e_brightness": "![A cat with each of the effects on colour and detail](images/effects.jpg)\n",
}
"""What is shown behind the section of an option, by its name."""


def options_reference(name: str | None = None) -> str:
    """The manual of every option as Markdown, or of the one that has this name; empty where none has it."""
    wanted = [operation for operation in PIPELINE if name is None or _has(operation, name.rstrip("_"))]
    sections = [section for operation in wanted for section in _section(operation)]
    return "\n".join(sections if name is not None else [*sections, _reserved()])


def _options_page() -> str:
    rows = [f"| {_letters(operation)} | {first_sentence(operation)} |" for operation in PIPELINE]
    sections = [
        section
        for operation in PIPELINE
        for section in (*_section(operation), *([PICTURES[operation.name]] if operation.name in PICTURES else []))
    ]
    return OPTIONS_HEAD + "\n".join(["| option | what it does |\n|---|---|", *rows, "", *sections, _reserved()])


def _reserved() -> str:
    kept = ", ".join(f"`{word}_` ({meaning})" for word, meaning in RESERVED.items() if word != "$")
    text = f"Kept for what is to come: {kept}, `$` (variables). They answer 400 `not_supported`."
    return f"## Reserved\n\n{textwrap.fill(text, 120)}\n"


def _letters(operation: type[Operation]) -> str:
    return " ".join(f"`{option_name(letter)}`" for letter, _ in operation.letters())


def first_sentence(operation: type[Operation]) -> str:
    """What an option does, in one sentence."""
    return inspect.cleandoc(operation.__doc__ or "").partition("\n")[0]


def _has(operation: type[Operation], name: str) -> bool:
    return name in (letter for letter, _ in operation.letters())


def _section(operation: type[Operation]) -> Iterator[str]:
    yield f"## {_letters(operation)}\n"
    yield inspect.cleandoc(operation.__doc__ or "") + "\n"
    if not operation.step_local:
        yield "Holds for the whole plan, wherever it stands.\n"
    if operation.params():
        yield "| value | meaning | default |\n|---|---|---|"
        for key, declared in operation.params().items():
            expects = expected(declared).replace("|", "\\|")
            label, meaning = _label(operation, key, declared), f"{declared.meaning}: {expects}"
            yield f"| {label} | {meaning} | {_default(operation, key)} |"
        yield ""
    yield f"Example: `{operation.example}`\n"


def _label(operation: type[Operation], key: str, declared: Param) -> str:
    return f"`{option_name(declared.letter)}`" if declared.letter else f"{key} (`{option_name(operation.name)}`)"


def expected(declared: Param) -> str:
    """What belongs into a value."""
    return declared.kind.expected.rstrip(",")


def default(operation: type[Operation], key: str) -> str | None:
    """The text of a value where none is given: empty where nothing stands for it, None where it must be given."""
    field = next(field for field in dataclasses.fields(operation) if field.name == key)  # type: ignore[arg-type]
    if field.default is dataclasses.MISSING:
        return None
    return "" if field.default is None else str(field.metadata["param"].kind.write(field.default))


def _default(operation: type[Operation], key: str) -> str:
    text = default(operation, key)
    return "needed" if text is None else text and f"`{text}`"


def pages() -> dict[str, str]:
    """Every generated page by its file name."""
    return {
        "options.md": _options_page(),
        "settings.md": SETTINGS_HEAD + settings_reference(),
        "errors.md": ERRORS_HEAD + _errors(),
        "metrics.md": METRICS_HEAD + _metrics(),
    }


def _metrics() -> str:
    rows = [
        f"| `{metric.name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.help} |"
        for metric in METRICS
    ]
    return "\n".join(["| metric | kind | labels | meaning |", "|---|---|---|---|", *rows, ""])


def every_error() -> list[Documented]:
    """All errors that a client can meet, by status and code; those of requests that are not read to their end too."""
    early = [Documented(found.code, found.status, found.title, found.detail, 0) for found in REFUSALS]
    return sorted([*docs_table(), *early], key=lambda error: (error.status, error.code))


def _errors() -> str:
    rows = [
        f"| `{row.code}` | {row.status} | {row.title} | {row.meaning} | {f'{row.age} s' if row.age else 'not at all'} |"
        for row in every_error()
    ]
    return "\n".join(["| code | status | title | meaning | may be cached |", "|---|---|---|---|---|", *rows, ""])


def main(folder: str) -> None:
    """Write the pages into a folder."""
    for name, text in pages().items():
        Path(folder, name).write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
