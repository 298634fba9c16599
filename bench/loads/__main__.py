"""`python -m bench.loads`: how much a front and a fleet carry, each against what they should."""

from collections.abc import Mapping, Sequence

from bench.loads import cold, edge, herd, hits, memory, places
from bench.trials.fronts import ROOT
from bench.trials.run import Trial, run

LOADS: Mapping[str, Sequence[Trial]] = {
    "L1": (hits.in_memory,),
    "L2": (edge.kept,),
    "L3": (cold.mix, places.s3_and_folder),
    "L4": (herd.through_nginx, herd.at_fronts),
    "L5": (cold.overload,),
    "L8": (memory.mixed,),
}

if __name__ == "__main__":
    raise SystemExit(run("python -m bench.loads", __doc__ or "", LOADS, ROOT / "docs" / "loads.md"))
