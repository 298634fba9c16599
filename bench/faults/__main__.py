"""`python -m bench.faults`: what happens when things break, each against what it may cost."""

from collections.abc import Mapping, Sequence

from bench.faults import clients, disk, draining, edge, origin, redis, workers
from bench.trials.fronts import ROOT
from bench.trials.run import Trial, run

FAULTS: Mapping[str, Sequence[Trial]] = {
    "F1": (workers.killed,),
    "F2": (workers.held, workers.starved),
    "F4": redis.TRIALS,
    "F5": origin.TRIALS,
    "F7": (disk.full, disk.read_only),
    "F8": (disk.damaged,),
    "F11": (clients.left,),
    "F13": (draining.rolling,),
    "F16": (edge.wiped, edge.reloaded, edge.swapped),
}

if __name__ == "__main__":
    raise SystemExit(run("python -m bench.faults", __doc__ or "", FAULTS, ROOT / "docs" / "faults.md"))
