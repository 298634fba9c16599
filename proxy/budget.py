"""How many workers, and how many bytes each part may take: from the cgroup, not from the machine around it."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from proxy.settings import Settings
from proxy.settings.units import write_bytes

MIB = 1 << 20

FRONT = 150 * MIB
"""The front process without its cache: 52 MiB at rest, 40 for 20,000 paths that it has read, and connections."""

DRAWINGS = 1
"""Workers beside the others, for drawings and for headers that take a library to read."""

LEAST_WORKER = 160 * MIB
"""A JPEG of 24 MP as an AVIF 1920 px wide fills 101 MiB, process included; a progressive one 169, a drawing 163."""

USUAL_WORKER = 512 * MIB
"""What one worker may fill where there is room: an AVIF 4096 px wide fills 256 MiB, a progressive JPEG of 60 MP 225."""

LEAST_MOVER = 192 * MIB
"""A film made anew in 720p by one thread fills 175 MiB, process included, a poster of one in 1080p 90."""

USUAL_MOVER = 512 * MIB
"""What a worker for films and sounds may fill where there is room: a film in 1080p by several threads fills 320 MiB."""

MOVERS_SHARE = 3
"""Films and sounds have a third of the memory at most where that is not set; where it is too little for one worker, the
one for drawings reads them too."""

SPARE = 64 * MIB
"""A worker that stands by to take the place of one that ends: 39 MiB at rest. There is one where this is left over."""

UNTOUCHED = 192 * MIB
"""Memory that a worker reserves and never fills: stacks of its threads, frames of encoders, the allocator's slack.

The kernel's limit on a process counts it: the four pictures above need limits 91 to 192 MiB above what they fill.
"""

USUAL_PIXELS = 512 * MIB
PIXELS_SHARE = 8
"""Shrunk originals may have an eighth of the memory where that is not set. Files hold them, so what the kernel keeps of
them in memory is no part of the sum: it gives that back as soon as somebody needs it."""

USUAL_CACHE = 256 * MIB
CACHE_SHARE = 16
"""The cache in memory is a sixteenth of it where it is not set."""

CGROUP_FILES = {
    # Version 2 is one tree; the quota and its period are one file. `memory.high` slows a group down to a crawl.
    "memory": ("memory.max", "memory.high", "memory.limit_in_bytes"),
    "cpu": ("cpu.max", "cpu.cfs_quota_us"),
}


class BudgetError(Exception):
    """What is configured does not fit into the memory that there is; the text is the sum, line by line."""


@dataclass(frozen=True)
class Machine:
    """What this process may use, and which file says so."""

    cpus: float
    memory: int
    cpus_from: str = "the machine"
    memory_from: str = "the machine"


@dataclass(frozen=True)
class Budget:
    """Who may take how many bytes; all together are no more than the machine has."""

    workers: int
    worker_memory: int
    memory_cache: int
    recycle_rss: int
    machine: Machine
    pixels: int = 0
    """Bytes of shrunk originals, in files."""
    front: int = FRONT
    drawings: int = DRAWINGS
    spare: int = 0
    """Workers that stand by."""
    movers: int = 0
    """Workers for films and sounds alone; without one these are left to the one for drawings."""
    mover_memory: int = 0

    @property
    def worker_limit(self) -> int:
        """Bytes that the kernel lets one worker reserve."""
        return self.worker_memory + UNTOUCHED

    @property
    def mover_limit(self) -> int:
        """The same for one that works on films and sounds."""
        return self.mover_memory + UNTOUCHED

    @property
    def total(self) -> int:
        return self._all_workers + self._all_movers + self.spare * SPARE + self.memory_cache + self.front

    @property
    def _all_workers(self) -> int:
        return (self.workers + self.drawings) * self.worker_memory

    @property
    def _all_movers(self) -> int:
        return self.movers * self.mover_memory

    def __str__(self) -> str:
        """The sum as a person would write it down."""
        sign = "<=" if self.total <= self.machine.memory else ">"
        workers = f"workers ({self.workers} + {self.drawings} for drawings) x {write_bytes(self.worker_memory)}"
        movers = f"{self.movers} for films and sounds x {write_bytes(self.mover_memory)}"
        return (
            f"{workers} = {write_bytes(self._all_workers)}\n"
            + (f"+ {movers} = {write_bytes(self._all_movers)}\n" if self.movers else "")
            + (f"+ a worker that stands by {write_bytes(SPARE)}\n" if self.spare else "")
            + f"+ memory cache {write_bytes(self.memory_cache)}\n"
            f"+ front {write_bytes(self.front)}\n"
            f"= {write_bytes(self.total)} {sign} {write_bytes(self.machine.memory)} of {self.machine.memory_from}"
        )


def plan_budget(settings: Settings, machine: Machine) -> Budget:
    """Share the memory out: what is configured as it is, the rest shrunk until it fits. Raises BudgetError."""
    usual_cache = min(USUAL_CACHE, machine.memory // CACHE_SHARE // MIB * MIB)
    cache = usual_cache if settings.memory_bytes is None else int(settings.memory_bytes)
    room = machine.memory - FRONT - cache
    movers, mover = _movers(settings, machine, room)
    room -= movers * mover
    fitting = room // (settings.worker_memory or LEAST_WORKER) - DRAWINGS
    workers = settings.workers or max(1, min(math.ceil(machine.cpus), fitting))
    share = room // (workers + DRAWINGS) // MIB * MIB
    worker = int(settings.worker_memory or max(LEAST_WORKER, min(USUAL_WORKER, share)))
    usual_pixels = min(USUAL_PIXELS, machine.memory // PIXELS_SHARE // MIB * MIB)
    pixels = usual_pixels if settings.pixels_bytes is None else int(settings.pixels_bytes)
    recycle = min(settings.recycle_rss, worker)
    budget = Budget(workers, worker, cache, recycle, machine, pixels, movers=movers, mover_memory=mover)
    if budget.total > machine.memory:
        raise BudgetError(f"the memory does not suffice:\n{budget}\n{_remedy(settings)}")
    return replace(budget, spare=1) if budget.total + SPARE <= machine.memory else budget


def _movers(settings: Settings, machine: Machine, room: int) -> tuple[int, int]:
    """How many workers for films and sounds, and the bytes of each: as configured, or what is left beside pictures."""
    said = settings.moving
    pictures = ((settings.workers or 1) + DRAWINGS) * int(settings.worker_memory or LEAST_WORKER)
    share = max(0, min(room // MOVERS_SHARE, room - pictures)) // MIB * MIB
    usual = min(math.ceil(machine.cpus), max(1, share // USUAL_MOVER)) if share >= LEAST_MOVER else 0
    number = usual if said.workers is None else said.workers
    if not number:
        return 0, 0
    return number, int(said.worker_memory or max(LEAST_MOVER, min(USUAL_MOVER, share // number // MIB * MIB)))


def _remedy(settings: Settings) -> str:
    named = [name for name in ("workers", "worker_memory", "memory_bytes") if getattr(settings, name) is not None]
    named += [f"moving.{name}" for name in ("workers", "worker_memory") if getattr(settings.moving, name)]
    return f"lower {' or '.join(named)}, or give the server more memory" if named else "give the server more memory"


def find_machine(root: Path = Path("/")) -> Machine:
    """What this process may use by its cgroup (version 2 or 1), by its CPU affinity and by the machine."""
    memory, memory_from = min([(_installed(root), "the machine"), *_memory_limits(root)])
    cpus, cpus_from = min([(float(_usable_cpus()), "the machine"), *_cpu_limits(root)])
    return Machine(cpus, memory, cpus_from, memory_from)


def _memory_limits(root: Path) -> Iterator[tuple[int, str]]:
    for folder in _groups(root, "memory"):
        for name in CGROUP_FILES["memory"]:
            if (words := _words(folder / name)) and words[0].isdecimal() and int(words[0]) > 0:
                yield int(words[0]), name


def _cpu_limits(root: Path) -> Iterator[tuple[float, str]]:
    for folder in _groups(root, "cpu"):
        for name in CGROUP_FILES["cpu"]:
            # `cpu.max` is «quota period»; version 1 has a file for each. No quota is `max` there and -1 here.
            words = _words(folder / name)
            if name == "cpu.cfs_quota_us":
                words += _words(folder / "cpu.cfs_period_us")
            if len(words) == 2 and all(word.isdecimal() and int(word) > 0 for word in words):
                yield int(words[0]) / int(words[1]), name


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Our group of a controller and all those around it: each one's limit holds.

    In a container the path may be that of the host, which does not exist here; then the mount is our group itself.
    """
    mounts = root / "sys/fs/cgroup"
    for line in _lines(root / "proc/self/cgroup"):
        number, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        # Version 2 has no controllers in its line (0::/path), and may lie beside version 1 in `unified`.
        for mount in (controllers, controller) if number != "0" else ("", "unified"):
            group = Path(path.lstrip("/"))
            for part in (group, *group.parents):
                if ".." not in part.parts:
                    yield mounts / mount / part


def _installed(root: Path) -> int:
    """The machine's memory."""
    for line in _lines(root / "proc/meminfo"):
        name, _, rest = line.partition(":")
        if name == "MemTotal":
            return int(rest.split()[0]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _usable_cpus() -> int:
    """Cores that the scheduler gives this process; cpusets and `taskset` are in it."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()
