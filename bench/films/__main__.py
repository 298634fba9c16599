"""`python -m bench.films`: films beside the same work with PyAV alone, and how many viewers a front carries."""

from collections.abc import Mapping, Sequence

from bench.films import encoding, lasting, pictures, segments, viewers
from bench.trials.fronts import ROOT
from bench.trials.run import Trial, run

FILMS: Mapping[str, Sequence[Trial]] = {
    "V1": (encoding.rungs, encoding.presets),
    "V2": (segments.first,),
    "V3": (segments.remuxed,),
    "V4": (pictures.posters,),
    "V5": (pictures.sheets,),
    "V6": (viewers.warm, viewers.cold, viewers.beyond),
    "V7": (lasting.survives,),
}

if __name__ == "__main__":
    raise SystemExit(run("python -m bench.films", __doc__ or "", FILMS, ROOT / "docs" / "film-costs.md"))
