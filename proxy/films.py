"""Films as work: what one costs, how it is given to a worker, and who follows it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from proxy.rendition import Rendition
from proxy.workers.pool import Job
from transforms.errors import ResultTooLarge
from transforms.formats import FORMATS
from transforms.limits import Cost
from transforms.transcodes.costs import cost, deadline
from transforms.transcodes.recipe import recipe


class Witness(Protocol):
    """Who follows a film while it is made."""

    def begins(self) -> None:
        """A worker has it, perhaps for the second time."""

    def grows(self, facts: Mapping[str, Any], descriptor: int) -> None:
        """There is a file, now the witness's own, that what is made is added to."""

    def progresses(self, share: float) -> None:
        """How much is done, from 0 to 1."""


@dataclass(frozen=True)
class Films:
    """How films are made anew."""

    most_bytes: int
    """Of a result."""
    memory: int
    """Bytes that a worker may fill."""
    threads: Callable[[], int]
    """How many may work on a film that begins now."""

    def job(self, job: Job, cost: Cost, witness: Witness | None) -> Job:
        """A job that makes a film: with as many threads as it may have when it begins, and told of as it goes on.

        Raises ResultTooLarge where no worker has the memory for it.
        """
        if cost.memory > self.memory:
            raise ResultTooLarge(
                f"the film would take {cost.memory >> 20} MiB of memory; a worker has {self.memory >> 20} here",
                expected="a smaller w_",
            )

        def begin() -> Mapping[str, object]:
            if witness:
                witness.begins()
            return {"threads": self.threads()}

        payload = {**job.payload, "grow": witness is not None, "most": self.most_bytes}
        job = replace(job, payload=payload, late=begin, deadline=deadline(cost.milliseconds, job.deadline))
        return replace(job, aside=witness.grows, progress=witness.progresses) if witness else job


def made_anew(rendition: Rendition) -> bool:
    """Whether it is a film, encoded or copied as a whole."""
    return rendition.format in FORMATS and FORMATS[rendition.format].medium == "motion"


def film_cost(rendition: Rendition) -> Cost:
    """What it takes to make a film, from the original's header."""
    made = recipe(rendition.header, rendition.plan, rendition.format, rendition.focus)
    return cost(rendition.header, made, loudness=rendition.plan.saving.loudness is not None)
