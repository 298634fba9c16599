"""What work on a film or a sound will cost, from its header alone."""

from transforms.audio.costs import sound_cost
from transforms.formats import FORMATS
from transforms.headers import Header
from transforms.limits import Cost
from transforms.operation import Size
from transforms.plan import Plan
from transforms.transcodes.costs import cost as film_cost
from transforms.transcodes.recipe import recipe
from transforms.video.poster_costs import poster_cost


def cost(header: Header, plan: Plan, form: str, size: Size | None, grade: str = "first") -> Cost:
    """Milliseconds of one core, and bytes, to make one rendition of a film or a sound."""
    if plan.loading.waveform or (form in FORMATS and FORMATS[form].medium == "sound"):
        return sound_cost(header, plan, form)
    if form not in FORMATS or FORMATS[form].medium == "picture":
        return poster_cost(header, plan, form, size, grade)
    return film_cost(header, recipe(header, plan, form), loudness=plan.saving.loudness is not None)
