"""What work on a film or a sound will cost, from its header alone."""

from typing import Final

from transforms.audio.costs import sound_cost
from transforms.formats import FORMATS
from transforms.headers import Header
from transforms.limits import Cost
from transforms.operation import Size
from transforms.plan import Plan

_MEGABYTE: Final = 1 << 20


def cost(header: Header, plan: Plan, form: str, size: Size | None) -> Cost:
    """Milliseconds of one core, and bytes, to make one rendition of a film or a sound."""
    if plan.loading.waveform or (form in FORMATS and FORMATS[form].medium == "sound"):
        return sound_cost(header, plan, form)
    return Cost(200.0, 128 * _MEGABYTE)
