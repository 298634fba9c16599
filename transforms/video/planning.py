"""The plan of a stream, made from what a film is, and the parts of a plan."""

from transforms.errors import NoSuchStream, NotSupported
from transforms.video import pictures
from transforms.video.cuts import cuts
from transforms.video.index import Index
from transforms.video.ladders import Ladder
from transforms.video.makers import MAKERS
from transforms.video.parts import Part, Question, Source
from transforms.video.reading import read
from transforms.video.recipes import CURRENT, RECIPES
from transforms.video.stream_plan import StreamPlan

HEAD = "init"


def planned(source: Source, ladder: Ladder, version: str, recipe: int = CURRENT) -> tuple[StreamPlan, Index]:
    """The plan of an original of this version, and the index it was made from.

    Raises NoSuchStream, DamagedOriginal and what limits raise.
    """
    index, row = read(source.path, source.kind, source.limits), RECIPES[recipe]
    # The index may tell another length than the header, by which the original was let in.
    source.limits.check_seconds(float(index.seconds), film=index.picture is not None)
    asked = Question(source, index, ladder, row, ())
    keys = None
    if index.picture and pictures.remuxes(asked):
        keys = [key * index.picture.time_base for key in index.picture.keys]
    boundaries = cuts(index.seconds, row, keys)
    asked = Question(source, index, ladder, row, boundaries)
    rungs = tuple(rung for maker in MAKERS.values() for rung in maker.rungs(asked))
    if not rungs:
        raise NoSuchStream("the original has nothing that a stream could be made of")
    return StreamPlan(recipe, version, boundaries, rungs, index.start), index


def part(source: Source, plan: StreamPlan, name: str, which: str | int) -> Part:
    """The head (`HEAD`) or a segment, by its number, of the rung of a name.

    Raises NotSupported for what the plan does not have, DamagedOriginal where the original is not what it was.
    """
    rung = plan.rung(name)
    if rung is None or plan.recipe not in RECIPES or rung.kind not in MAKERS:
        raise NotSupported("this plan has no such rendition, or is too old for parts of it to be made", part=name)
    maker = MAKERS[rung.kind]
    if which == HEAD:
        return maker.head(source, plan, rung)
    if not isinstance(which, int) or not 0 <= which < len(plan.segments(rung)):
        raise NotSupported(f"this rendition has segments from 0 to {len(plan.segments(rung)) - 1}", part=str(which))
    return maker.segment(source, plan, rung, which)
