"""Where faults are tried: a folder, originals in it, and how long to go on."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyvips

from bench.trials.fronts import front, metric
from bench.trials.programs import Program
from transforms.samples import make_samples


@dataclass(frozen=True)
class Ground:
    """A folder to work in, how often to do things (1 is the whole, less is to try it), and whom to tell."""

    folder: Path
    scale: float
    say: Callable[[str], None]
    samples: Path
    """Where sample pictures are put, for all trials of a run."""

    def times(self, whole: int) -> int:
        """How often, of what a whole run would do."""
        return max(3, round(whole * self.scale))

    @property
    def originals(self) -> Path:
        """A folder of sample pictures."""
        if not self.samples.exists():
            make_samples(self.samples)
        return self.samples

    @property
    def small(self) -> bytes:
        """A JPEG of some dozen kilobytes, which is soon fetched and soon read."""
        image = pyvips.Image.thumbnail(str(self.originals / "cats" / "1.jpg"), 480)
        data: bytes = image.jpegsave_buffer(Q=80, keep="none")
        return data


@dataclass(frozen=True)
class Front:
    """A front that runs."""

    program: Program
    port: int

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self.program.pid

    def count(self, name: str, **labels: str) -> float:
        """The sum of a metric over everything that has these labels."""
        return metric(self.port, name, **labels)


@contextmanager
def serving(ground: Ground, name: str, words: Sequence[str] = (), **settings: object) -> Iterator[Front]:
    """A front over the samples, stopped in the end; `words` stand before its command."""
    usual = {"mounts": str(ground.originals), "workers": 2, "drain_seconds": 0, "stop_seconds": 5}
    program, port = front(name, ground.folder / name, {**usual, **settings})
    program.command = [*words, *program.command]
    try:
        yield Front(program.start(), port)
    finally:
        program.stop()


def cold(number: int, original: str = "cats/1.jpg") -> str:
    """A path that nobody has asked for, another for each number up to 60,000."""
    return f"/w_{40 + number % 600},q_{1 + number // 600 % 100}/{original}"
