"""The example of every option does something to a picture, or to the answer about it."""

import tempfile
from pathlib import Path

import pytest

from tests import clips, pictures
from tests.developing import develop
from transforms.operation import Operation, option_name
from transforms.operations.output import Attachment, Fallback, Version
from transforms.pipeline import PIPELINE
from transforms.plan import Plan
from transforms.render import Rendered

ABOUT_THE_ANSWER = {Attachment, Fallback, Version}
"""Options that change no byte of the result, but its name, its headers, or what is done where there is no original."""


def sample() -> bytes:
    """A photograph with a border of one colour, author, camera and place."""
    border = {"extend": "background", "background": [200, 180, 160]}
    framed = pictures.photograph(560, 360).embed(20, 20, 600, 400, **border)
    data = pictures.encoded(framed, "jpg", keep="none")
    return data[:2] + pictures.segment(0xE1, b"Exif\0\0" + pictures.exif()) + data[2:]


SAMPLE = sample()
MOVING = pictures.animated("gif")


def filmed() -> bytes:
    """Fourteen seconds of a test pattern."""
    with tempfile.TemporaryDirectory() as folder:
        return clips.film(Path(folder, "film.mp4"), size=(80, 46), rate=5, seconds=14).read_bytes()


FILM = filmed()
OF_PICTURES = [kind for kind in PIPELINE if "picture" in kind.media and kind.__name__ != "DrawnWave"]
"""Options that mean something where the result is a picture; a sound's wave is another matter."""


def without(kind: type[Operation]) -> str:
    """The example without the options that are the operation's own."""
    own = {option_name(letter).rstrip("_") for letter, _ in kind.letters()}
    options = kind.example.split(",")
    return ",".join(option for option in options if _name(option) not in own)


def _name(option: str) -> str:
    return option.partition(":")[0] if option.startswith(("e_", "fl_")) else option.partition("_")[0]


def facts(made: Rendered) -> object:
    """All that a result is: its bytes say most, its size is looked at first."""
    return made.size, made.frames, made.data


@pytest.mark.parametrize("kind", PIPELINE, ids=lambda kind: kind.__name__)
def test_an_example_is_a_plan_of_its_option(kind: type[Operation]) -> None:
    plan = Plan.read(kind.example)
    assert Plan.read(str(plan)) == plan
    assert any(isinstance(operation, kind) for operation in plan) or kind.__name__ == "Density"


@pytest.mark.parametrize("kind", OF_PICTURES, ids=lambda kind: kind.__name__)
def test_an_example_changes_the_result(kind: type[Operation]) -> None:
    data, form = MOVING if kind.__name__ == "Page" else SAMPLE, None
    if "picture" not in kind.originals:
        data, form = FILM, "webp"
    with_it, without_it = develop(data, kind.example, form), develop(data, without(kind), form)
    if kind in ABOUT_THE_ANSWER:
        assert facts(with_it) == facts(without_it)
        assert Plan.read(kind.example).saving != Plan.read(without(kind)).saving
    else:
        assert facts(with_it) != facts(without_it)
    assert facts(develop(data, kind.example, form)) == facts(with_it)  # and does so every time
