"""At which size a wave is drawn, and with how many points: from the plan alone."""

from typing import Final

from transforms.errors import ConflictingOptions
from transforms.operation import Size, joined
from transforms.operations.geometry import Resize
from transforms.plan import Plan

WAVE: Final = Size(1200, 300)
"""What a wave is drawn in where nothing is said."""
POINTS: Final = 1000
"""How many peaks there are where nothing is said."""

_CUTS: Final = ("crop", "thumb")
"""Ways to a size that take a part of the picture, which therefore has its usual size."""


def wave_size(plan: Plan) -> Size:
    """The pixels of a wave: those of the box that the first resize names, for a wave has no shape of its own."""
    first = _first(plan)
    if first is None or first.mode in _CUTS or _is_share(first):
        return WAVE
    return first.whole_box(WAVE)


def box_of(plan: Plan) -> Size:
    """The size of a wave that is no pixels, and on which nothing is done behind."""
    first = _first(plan)
    return first.whole_box(WAVE) if first else WAVE


def _is_share(resize: Resize) -> bool:
    """Whether a size is a share of another, which a drawing of that size would be taken of again."""
    return any(length is not None and length.share is not None for length in (resize.width, resize.height))


def points(plan: Plan) -> int:
    """How many peaks are told."""
    first = _first(plan)
    return first.whole_box(Size(POINTS, POINTS)).width if first and first.width else POINTS


def check_wave(plan: Plan, form: str) -> None:
    """Refuse steps that mean nothing for a wave that is no pixels. Raises ConflictingOptions."""
    for number, operation in enumerate(operation for step in plan.steps for operation in step):
        if number or not isinstance(operation, Resize) or operation.mode in _CUTS:
            part = ",".join(joined(*option) for option in operation.write().items())
            raise ConflictingOptions(f"{part}: a wave in {form.upper()} has a w_ and an h_ alone", part=part)


def _first(plan: Plan) -> Resize | None:
    first = next((operation for step in plan.steps for operation in step), None)
    return first if isinstance(first, Resize) else None
