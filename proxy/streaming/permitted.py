"""Which rungs of a plan an address may have: whoever may have fewer has the very parts of the others."""

from dataclasses import replace

from proxy.failures import Forbidden
from proxy.reading import Wanted
from proxy.streaming.kept import WORDS
from transforms.errors import NoSuchStream, NotSupported
from transforms.video.stream_plan import Rung, StreamPlan
from transforms.wishes import Loading


def left_out(wanted: Wanted) -> tuple[int | None, bool]:
    """The longest side that rungs may have in pixels, if there is one, and whether there is to be no sound."""
    return wanted.policy.longest_side(wanted.address.steps), wanted.plan.saving.audio_codec == "none"


def permitted(plan: StreamPlan, side: int | None, mute: bool) -> StreamPlan:
    """The plan without the rungs that are larger than allowed, and without sound where that is left out.

    Its id is another where something is left out. Raises Forbidden and NoSuchStream where nothing is left.
    """

    def allowed(rung: Rung) -> bool:
        if rung.kind == "picture":
            return side is None or max(rung.width, rung.height) <= side
        return rung.kind != "sound" or not mute

    rungs = tuple(rung for rung in plan.rungs if allowed(rung))
    if len(rungs) == len(plan.rungs):
        return plan
    if plan.of_kind("picture") and not any(rung.kind == "picture" for rung in rungs):
        raise Forbidden(f"no rung of this stream fits into the {side} pixels a side that are allowed here")
    if not any(rung.kind not in WORDS for rung in rungs):
        raise NoSuchStream("without its sound nothing is left of the original")
    return replace(plan, rungs=rungs)


def check_whole(wanted: Wanted) -> None:
    """Raises NotSupported for what a stream cannot be yet: a part of its original, or of another codec of sound."""
    if wanted.plan.loading != Loading():
        raise NotSupported("a stream is of all of its original", part="so_")
    if wanted.plan.saving.audio_codec not in (None, "none", "aac"):
        raise NotSupported("the sound of a stream is AAC", part=f"ac_{wanted.plan.saving.audio_codec}")
