"""What the machine gives: memory, processors, open files, the time of day."""

import math
import resource
import time
from collections.abc import Iterator

from proxy.budget import BudgetError, Machine, plan_budget
from proxy.doctor.check import Check
from proxy.settings import Settings
from proxy.settings.units import write_bytes

FEW_FILES = 4096
"""Below so many open files, connections are refused long before the processors are busy."""


def check_memory(settings: Settings, machine: Machine) -> Iterator[Check]:
    """What the machine gives, and whether what is configured fits into it."""
    given = f"{machine.cpus:g} CPUs by {machine.cpus_from}, {write_bytes(machine.memory)} by {machine.memory_from}"
    yield Check("machine", "ok", given)
    try:
        budget = plan_budget(settings, machine)
    except BudgetError as error:
        said, _, remedy = str(error).rpartition("\n")
        yield Check("memory", "bad", said, remedy)
        return
    yield Check("memory", "ok", str(budget))
    if budget.workers > math.ceil(machine.cpus):
        said = f"{budget.workers} for {machine.cpus:g} CPUs: they take memory and wait for each other"
        yield Check("workers", "warn", said, "leave `workers` unset")


def check_open_files(limit: int) -> Check:
    """Whether connections and files can be opened in such numbers as the server is made for."""
    if limit == resource.RLIM_INFINITY or limit >= FEW_FILES:
        return Check("open files", "ok", "unlimited" if limit == resource.RLIM_INFINITY else str(limit))
    return Check(
        "open files", "warn", f"at most {limit}", "raise it: `ulimit -n 65536`, LimitNOFILE=, --ulimit nofile="
    )


def check_clock(now: float, installed: float) -> Check:
    """Whether the clock is later than the installation (both in unix seconds); URLs expire by it."""
    text = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < installed:
        return Check("clock", "bad", f"{text}, which is before Darkroom was installed", "set it: URLs expire by it")
    return Check("clock", "ok", text)
