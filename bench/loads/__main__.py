"""`python -m bench.loads`: how much a front and a fleet carry, each against what they should."""

from collections.abc import Mapping, Sequence

from bench.loads import cold, hits
from bench.trials.fronts import ROOT
from bench.trials.run import Trial, run

LOADS: Mapping[str, Sequence[Trial]] = {
    "L1": (hits.in_memory,),
    "L3": (cold.mix,),
    "L5": (cold.overload,),
}

if __name__ == "__main__":
    raise SystemExit(run("python -m bench.loads", __doc__ or "", LOADS, ROOT / "docs" / "loads.md"))
