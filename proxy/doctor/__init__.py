"""What stands between a server and its work: codecs, memory, keys, mounts, the cache; values only, no printing."""

import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from proxy.budget import Machine, find_machine
from proxy.doctor.access import check_access
from proxy.doctor.cache import check_cache
from proxy.doctor.check import Check, State, exit_code
from proxy.doctor.codecs import check_codecs, judge_codecs
from proxy.doctor.machine import check_clock, check_memory, check_open_files
from proxy.doctor.mounts import check_mounts, check_presets
from proxy.doctor.origins import check_origins
from proxy.doctor.redis import check_redis
from proxy.doctor.results import check_results
from proxy.doctor.secrets import check_secrets
from proxy.settings import Settings

__all__ = [
    "Check",
    "State",
    "check_access",
    "check_cache",
    "check_clock",
    "check_codecs",
    "check_memory",
    "check_mounts",
    "check_open_files",
    "check_origins",
    "check_presets",
    "check_redis",
    "check_results",
    "check_secrets",
    "checks",
    "exit_code",
    "judge_codecs",
]


def checks(
    settings: Settings,
    read_plan: Callable[[str], object] | None = None,
    environ: Mapping[str, str] | None = None,
    machine: Machine | None = None,
    scratch: Path | None = None,
) -> Iterator[Check]:
    """Look at everything that can be known before the first request.

    `read_plan` reads the steps of a preset, or raises Refusal; `environ` is that of the server; `scratch` is where
    workers put results.
    """
    yield from check_codecs(os.environ if environ is None else environ)
    yield from check_memory(settings, machine or find_machine())
    yield from check_access(settings)
    yield from check_mounts(settings)
    yield from check_origins(settings)
    yield from check_presets(settings, read_plan) if read_plan else ()
    yield from check_cache(settings, scratch)
    yield from check_results(settings)
    yield from check_redis(settings)
    yield check_open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    yield check_clock(time.time(), Path(__file__).stat().st_mtime)
