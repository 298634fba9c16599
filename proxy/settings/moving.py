"""Who works on films and sounds, and how much work one film may be."""

from proxy.settings.declare import Table, setting
from proxy.settings.units import Bytes, Seconds, Whole


class Moving(Table):
    """Workers for films and sounds, and films that are made anew."""

    workers: Whole | None = setting(
        None,
        "Worker processes for films and sounds; 0 leaves them to the one for drawings.",
        shown="one per core, as a third of the memory allows",
        ge=0,
    )
    worker_memory: Bytes | None = setting(
        None,
        "Memory that one of them may fill.",
        unit="bytes",
        shown="512MiB, less where memory is short",
        ge=64 << 20,
    )
    job_seconds: Seconds = setting(
        20,
        "Estimated work on a film from which on it becomes a job, answered by 202, instead of being sent as it grows.",
        unit="seconds",
    )
    longest_seconds: Seconds = setting(
        "2h", "Longest estimated work on one film that is done at all.", unit="seconds", gt=0
    )
    result_bytes: Bytes = setting("500MB", "Largest film that is made.", unit="bytes", gt=0)
