"""What work on a film or a sound will cost, from its header alone."""

from typing import Final

from transforms.formats import FORMATS
from transforms.headers import Header
from transforms.limits import Cost
from transforms.operation import Size
from transforms.plan import Plan
from transforms.video.poster_costs import poster_cost

_MEGABYTE: Final = 1 << 20


def cost(header: Header, plan: Plan, form: str, size: Size | None, grade: str = "first") -> Cost:
    """Milliseconds of one core, and bytes, to make one rendition of a film or a sound."""
    if form not in FORMATS or FORMATS[form].medium == "picture":
        return poster_cost(header, plan, form, size, grade)
    return Cost(200.0, 128 * _MEGABYTE)
