"""One option of a URL, declared once: its letters, its values, its wording and its effect."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeVar, dataclass_transform

from transforms.errors import ConflictingOptions, InvalidOption
from transforms.params import Kind, Misspelt, Pointed
from transforms.wishes import Loading, Saving

if TYPE_CHECKING:
    from pyvips import Image

T = TypeVar("T")

RESULTS = ("picture", "motion", "sound", "stream", "sheets", "facts")
"""What results are: those of formats, the files of a stream, the sheets of a storyboard with their cues, and JSON."""

FAMILIES = ("e", "fl")
"""Letters that stand before a word of many: `e_blur` and `fl_progressive` are options of their own."""


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


@dataclass(frozen=True)
class Scene:
    """What an operation may know beside its pixels."""

    size: Size
    """The input's size; while the picture is still shrunk from its original, the size that it stands for."""

    focus: tuple[float, float] | None = None
    """The point that matters most, as shares of width and height, where somebody has set it."""


@dataclass(frozen=True)
class Param:
    """One value of an option: its kind, what it means, and where it stands in the URL."""

    kind: Kind[Any]
    meaning: str
    letter: str = ""
    """The value stands under this name beside the operation's own; empty: it follows the operation's own name."""
    whole: bool = False
    """The value takes the whole text behind the name, colons included."""
    asks: bool = True
    """Naming the letter asks for the operation; a mere qualifier needs another option that does."""


def param(
    kind: Kind[T],
    meaning: str,
    *,
    default: Any = MISSING,
    letter: str = "",
    whole: bool = False,
    asks: bool = True,
) -> Any:
    """Declare a value of an operation; without a default it must be given."""
    return field(default=default, metadata={"param": Param(kind, meaning, letter, whole, asks)})


@dataclass_transform(frozen_default=True, field_specifiers=(param,))
class Operation:
    """An action on a picture, with the three moments at which it can have an effect.

    A subclass says its name in the URL (`class Blur(Operation, name="e_blur")`), declares its values with `param` and
    overrides the moments it needs. pyvips is imported inside the effects, never by the module: the front reads plans
    without it.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    """Raised when the same options make other pixels, so that cached results of the old way are left behind."""
    step_local: ClassVar[bool] = True
    """Whether the operation belongs to its step; else it holds for the whole plan and may stand once."""
    media: ClassVar[tuple[str, ...]] = ("picture",)
    """What the result may be: see `RESULTS`."""
    originals: ClassVar[tuple[str, ...]] = ("picture", "motion", "sound")
    """What the original may be."""
    example: ClassVar[str]

    def __init_subclass__(cls, *, name: str = "", step_local: bool = True) -> None:
        super().__init_subclass__()
        if name:
            cls.name = name
            cls.step_local = step_local
            dataclass(frozen=True)(cls)

    # The three moments, and what can be said before any of them.

    def loading(self, loading: Loading) -> Loading:
        """How the original must be opened for this operation."""
        return loading

    def apply(self, image: "Image", scene: Scene) -> "Image":
        """The picture after this operation. It works on sRGB with 8 bits a channel, with or without alpha."""
        return image

    def apply_all(self, frames: "list[Image]", scene: Scene) -> "list[Image]":
        """All frames after this operation; overridden where one decision on the first frame must hold for all."""
        return [self.apply(frame, scene) for frame in frames]

    def saving(self, saving: Saving) -> Saving:
        """How the result must be written for this operation."""
        return saving

    def idle(self) -> bool:
        """Whether it asks for what happens anyway, so that the plan is the same without it."""
        return False

    def measure(self, size: Size) -> Size:
        """The size of the result for an input of this size, as far as it is known before the pixels are."""
        return size

    def transparent(self, before: bool) -> bool:
        """Whether the result may have transparent places, `before` saying it of the input."""
        return before

    def dense(self, factor: float) -> Self:
        """The same operation for a screen with `factor` device pixels to each pixel."""
        return self

    # Reading and writing.

    @classmethod
    def params(cls) -> Mapping[str, Param]:
        """The declared values by field name."""
        return {item.name: item.metadata["param"] for item in dataclasses.fields(cls)}  # type: ignore[arg-type]

    @classmethod
    def is_word(cls) -> bool:
        """Whether the name says enough without a value, as `e_grayscale` does."""
        return "_" in cls.name

    @classmethod
    def letters(cls) -> Iterator[tuple[str, bool]]:
        """The names under which options of this operation stand, and whether each asks for it."""
        yield cls.name, True
        for declared in cls.params().values():
            if declared.letter:
                yield declared.letter, declared.asks

    @classmethod
    def read(cls, options: Mapping[str, str]) -> Self:
        """The operation that these options of one step ask for; `options` maps names to the text behind them."""
        values: dict[str, Any] = {}
        own = options.get(cls.name, "")
        own_params = [(key, declared) for key, declared in cls.params().items() if not declared.letter]
        if own or any(declared.whole for _, declared in own_params):
            whole = bool(own_params) and own_params[0][1].whole
            texts = [own] if whole else own.split(":")
            if len(texts) > len(own_params):
                count = len(own_params) or "no"
                raise _invalid(cls.name, own, f"{count} value{'' if count == 1 else 's'}")
            for (key, declared), text in zip(own_params, texts, strict=False):
                if text or not declared.whole:
                    values[key] = read_value(cls.name, declared.kind, text)
        for key, declared in cls.params().items():
            if declared.letter in options and declared.letter:
                values[key] = read_value(declared.letter, declared.kind, options[declared.letter])
        for item in dataclasses.fields(cls):  # type: ignore[arg-type]
            if item.default is MISSING and item.name not in values:
                declared = item.metadata["param"]
                raise _invalid(declared.letter or cls.name, "", declared.kind.expected)
        return cls(**values).checked()

    def checked(self) -> Self:
        """The operation with equal meanings made equal; ConflictingOptions where its values contradict each other."""
        return self

    def write(self) -> dict[str, str]:
        """The options of this operation in canonical form: names to the text behind them, defaults left out."""
        options: dict[str, str] = {}
        own: list[str] = []
        needed = 0
        for item in dataclasses.fields(self):  # type: ignore[arg-type]
            declared: Param = item.metadata["param"]
            value = getattr(self, item.name)
            text = "" if value is None else declared.kind.write(value)
            if declared.letter:
                if value != item.default:
                    options[declared.letter] = text
            else:
                own.append(text)
                needed = len(own) if value != item.default else needed
        if needed or not options:
            # A bare word says enough (`e_blur`), a bare letter does not (`cs_srgb`).
            options[self.name] = ":".join(own[: max(needed, 0 if self.is_word() else 1)])
        return options


def option_name(name: str) -> str:
    """An option's name as people call it: `w_`, `e_blur`."""
    return name if "_" in name else f"{name}_"


def joined(name: str, text: str) -> str:
    """An option as it stands in a URL."""
    if "_" in name:
        return f"{name}:{text}" if text else name
    return f"{name}_{text}"


def read_value(name: str, kind: Kind[T], text: str) -> T:
    """The value of an option, or the refusal that names it."""
    try:
        return kind.read(text)
    except Misspelt as error:
        raise _invalid(name, text, kind.expected, joined(name, error.suggestion)) from None
    except Pointed as error:
        raise InvalidOption(f"{name}_: {error}", part=joined(name, text), expected=kind.expected.rstrip(",")) from None
    except ValueError:
        raise _invalid(name, text, kind.expected) from None


def _invalid(name: str, text: str, expected: str, suggestion: str = "") -> InvalidOption:
    came = f"“{text}” came" if text else "nothing came"
    meant = f"; did you mean {suggestion}?" if suggestion else ""
    label = option_name(name)
    return InvalidOption(
        f"{label}: {expected.rstrip(',')} was expected, but {came}{meant}",
        part=joined(name, text),
        expected=expected.rstrip(","),
        suggestion=suggestion,
    )


def conflict(detail: str, part: str) -> ConflictingOptions:
    """The refusal of options that do not go together."""
    return ConflictingOptions(detail, part=part)
