"""A worker that makes posters in the simplest way: what a film costs to look into, whoever will make them better."""

import sys
from pathlib import Path
from typing import Any

from transforms.containers import opened
from transforms.limits import Limits
from transforms.worker import Aside, Perform, main


def perform(job: dict[str, Any], scratch: Path, aside: Aside) -> tuple[dict[str, Any], bytes]:
    path = job["path"] if isinstance(job["path"], Path) else Path(job["path"])
    with opened(path, "mp4", Limits()) as container:
        film = container.streams.video[0]
        container.seek(int(job["at"] / (film.time_base or 1)), stream=film)
        frame = next(container.decode(film))
        return {"at": frame.time, "key": frame.key_frame}, bytes(frame.planes[0])


def load() -> Perform:
    return perform


if __name__ == "__main__":
    main(sys.argv[1:], load)
