"""What can be refused, in the words of the field; statuses belong to the edge."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(eq=False)
class Refusal(Exception):
    """Something was asked for that is not done: which part, what was expected, what came."""

    code: ClassVar[str]

    detail: str
    part: str = ""
    expected: str = ""
    suggestion: str = ""
    offset: int | None = None

    def __post_init__(self) -> None:
        super().__init__(self.detail)

    def __str__(self) -> str:
        return self.detail


class BadPlan(Refusal):
    """The steps of a URL cannot be read."""

    code = "bad_plan"


class UnknownOption(BadPlan):
    """No option has this name."""

    code = "unknown_option"


class InvalidOption(BadPlan):
    """An option's value is not one it can take."""

    code = "invalid_option"


class ConflictingOptions(BadPlan):
    """Two options contradict each other, or one stands twice or belongs to nothing."""

    code = "conflicting_options"


class NotSupported(BadPlan):
    """A reserved name or value that is not built yet."""

    code = "not_supported"


class UnknownPreset(BadPlan):
    """`t_` names no preset."""

    code = "unknown_preset"


class ResultTooLarge(BadPlan):
    """The picture asked for is larger than results may be."""

    code = "result_too_large"


class UnsupportedFormat(Refusal):
    """The bytes are of a format that is not read here, or the format asked for is not made here."""

    code = "unsupported_format"


class OriginalTooLarge(Refusal):
    """The original has more bytes than are read."""

    code = "original_too_large"


class BadOriginal(Refusal):
    """The original cannot be used, whatever is asked of it."""

    code = "bad_original"


class DamagedOriginal(BadOriginal):
    """The original's bytes are not a whole picture of their format."""

    code = "damaged_original"


class TooManyPixels(BadOriginal):
    """The original has more pixels than are decoded."""

    code = "too_many_pixels"


class TooManyFrames(BadOriginal):
    """The original has more frames, or frames times pixels, than are decoded."""

    code = "too_many_frames"


class TooLong(BadOriginal):
    """The original lasts longer than what is read."""

    code = "too_long"


class TooManyStreams(BadOriginal):
    """The original has more streams of pictures, sound and words than are looked at."""

    code = "too_many_streams"


class NoSuchStream(BadOriginal):
    """The original has no picture, or no sound, of which this could be made."""

    code = "no_such_stream"


class NoSuchMoment(BadOriginal):
    """`so_` names a moment that the original does not have."""

    code = "no_such_moment"


class NoSuchPage(BadOriginal):
    """`pg_` names a page that the original does not have."""

    code = "no_such_page"
