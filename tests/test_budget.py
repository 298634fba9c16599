"""Budgets: what the machine gives by its cgroup, and how the memory is shared out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.budget import FRONT, LEAST_WORKER, BudgetError, Machine, find_machine, plan_budget
from proxy.settings import Settings
from proxy.workers.process import worker_environment

MIB, GIB = 1 << 20, 1 << 30


def tree(root: Path, cgroup: str, files: dict[str, str], memory_kib: int = 64 << 20) -> Path:
    """Files as the kernel shows them: our group, limits below /sys/fs/cgroup, and the machine's memory."""
    for path, text in {
        "proc/self/cgroup": cgroup,
        "proc/meminfo": f"MemTotal:       {memory_kib} kB\nMemFree:        1 kB\n",
        **{f"sys/fs/cgroup/{path}": text for path, text in files.items()},
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def test_a_container_of_version_2_sees_its_own_group_as_the_root(tmp_path: Path) -> None:
    machine = find_machine(tree(tmp_path, "0::/\n", {"cpu.max": "50000 100000\n", "memory.max": f"{GIB}\n"}))
    assert machine == Machine(0.5, GIB, "cpu.max", "memory.max")


def test_the_least_limit_of_all_groups_around_holds(tmp_path: Path) -> None:
    files = {
        "system.slice/memory.max": str(2 * GIB),
        "system.slice/darkroom.service/memory.max": "max",
        "system.slice/darkroom.service/memory.high": str(3 * GIB),
        "system.slice/darkroom.service/cpu.max": "max 100000",
        "system.slice/cpu.max": "75000 100000",
    }
    machine = find_machine(tree(tmp_path, "0::/system.slice/darkroom.service\n", files))
    assert (machine.cpus, machine.memory, machine.memory_from) == (0.75, 2 * GIB, "memory.max")


def test_version_1_has_a_tree_per_controller(tmp_path: Path) -> None:
    cgroup = "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n0::/\n"
    files = {
        "memory/docker/abc/memory.limit_in_bytes": str(512 * MIB),
        "cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "25000\n",
        "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
    }
    machine = find_machine(tree(tmp_path, cgroup, files))
    assert machine == Machine(0.25, 512 * MIB, "cpu.cfs_quota_us", "memory.limit_in_bytes")


def test_a_path_of_the_host_falls_back_to_the_mount(tmp_path: Path) -> None:
    files = {
        "memory/memory.limit_in_bytes": str(GIB),
        "cpu/cpu.cfs_quota_us": "50000",
        "cpu/cpu.cfs_period_us": "100000",
    }
    machine = find_machine(tree(tmp_path, "4:memory:/docker/abc\n3:cpu:/docker/abc\n", files))
    assert (machine.cpus, machine.memory) == (0.5, GIB)


def test_a_path_outside_of_the_namespace_is_not_followed(tmp_path: Path) -> None:
    machine = find_machine(tree(tmp_path, "0::/../../elsewhere\n", {"memory.max": str(GIB)}))
    assert machine.memory == GIB


def test_a_group_without_limits_has_the_whole_machine(tmp_path: Path) -> None:
    files = {
        "memory/memory.limit_in_bytes": "9223372036854771712",
        "cpu/cpu.cfs_quota_us": "-1",
        "cpu.max": "max 100000",
    }
    machine = find_machine(tree(tmp_path, "4:memory:/\n3:cpu:/\n0::/\n", files, memory_kib=4 << 20))
    assert machine == Machine(len(os.sched_getaffinity(0)), 4 * GIB)


def test_affinity_bounds_the_processors() -> None:
    code = """if True:
        import os
        from proxy.budget import find_machine
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
        print(find_machine().cpus)
    """
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(said) <= 1


def test_this_very_machine_can_be_read() -> None:
    machine = find_machine()
    assert 0 < machine.cpus <= (os.cpu_count() or 1)
    assert machine.memory > 64 * MIB


def test_a_quota_above_the_cores_gives_no_more_than_the_cores(tmp_path: Path) -> None:
    machine = find_machine(tree(tmp_path, "0::/\n", {"cpu.max": "99900000 100000"}))
    assert machine.cpus == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("cpus", "memory", "workers", "worker", "cache", "movers", "mover"),
    [
        (2, 24 * GIB, 2, 512, 256, 2, 512),
        (2, 2 * GIB, 2, 419, 128, 1, 512),
        (2, 1 * GIB, 2, 180, 64, 1, 270),
        (2, 512 * MIB, 1, 165, 32, 0, 0),
        (1.5, 2 * GIB, 2, 419, 128, 1, 512),
        (0.25, 2 * GIB, 1, 512, 128, 1, 512),
        (64, 4 * GIB, 15, 166, 256, 2, 512),
    ],
)
def test_defaults_shrink_to_the_machine(
    cpus: float, memory: int, workers: int, worker: int, cache: int, movers: int, mover: int
) -> None:
    budget = plan_budget(Settings(), Machine(cpus, memory))
    assert (budget.workers, budget.worker_memory // MIB, budget.memory_cache // MIB) == (workers, worker, cache)
    assert (budget.movers, budget.mover_memory // MIB) == (movers, mover)
    assert budget.recycle_rss <= budget.worker_memory


@settings(deadline=None)
@given(cpus=st.floats(0.1, 256), memory=st.integers(512 << 20, 1 << 42))
def test_the_sum_never_exceeds_the_memory(cpus: float, memory: int) -> None:
    budget = plan_budget(Settings(), Machine(cpus, memory))
    films = budget.movers * budget.mover_memory
    assert (budget.workers + 1) * budget.worker_memory + films + budget.memory_cache + FRONT <= memory
    assert budget.workers >= 1
    assert budget.worker_memory >= LEAST_WORKER


def test_what_is_configured_is_kept_and_the_rest_makes_room() -> None:
    settings = Settings(worker_memory="600MiB", memory_bytes="100MiB")
    budget = plan_budget(settings, Machine(8, 3 * GIB))
    assert (budget.workers, budget.worker_memory, budget.memory_cache) == (2, 600 * MIB, 100 * MIB)
    assert plan_budget(Settings(worker_memory="600MiB", moving={"workers": 0}), Machine(8, 3 * GIB)).workers == 3
    assert plan_budget(Settings(memory_bytes=0), Machine(1, GIB)).memory_cache == 0
    assert plan_budget(Settings(workers=5), Machine(2, 8 * GIB)).workers == 5


def test_what_does_not_fit_is_refused_with_the_arithmetic() -> None:
    settings = Settings(workers=4, worker_memory="512MiB", memory_bytes="256MiB")
    with pytest.raises(BudgetError) as caught:
        plan_budget(settings, Machine(2, GIB, memory_from="memory.max"))
    assert str(caught.value).splitlines() == [
        "the memory does not suffice:",
        "workers (4 + 1 for drawings) x 512 MiB = 2.5 GiB",
        "+ memory cache 256 MiB",
        "+ front 150 MiB",
        "= 2.9 GiB > 1 GiB of memory.max",
        "lower workers or worker_memory or memory_bytes, or give the server more memory",
    ]


def test_workers_for_films_that_do_not_fit_are_refused_with_the_arithmetic() -> None:
    settings = Settings(moving={"workers": 3, "worker_memory": "400MiB"}, workers=1, worker_memory="160MiB")
    with pytest.raises(BudgetError) as caught:
        plan_budget(settings, Machine(2, GIB, memory_from="memory.max"))
    assert str(caught.value).splitlines() == [
        "the memory does not suffice:",
        "workers (1 + 1 for drawings) x 160 MiB = 320 MiB",
        "+ 3 for films and sounds x 400 MiB = 1.2 GiB",
        "+ memory cache 64 MiB",
        "+ front 150 MiB",
        "= 1.7 GiB > 1 GiB of memory.max",
        "lower workers or worker_memory or moving.workers or moving.worker_memory, or give the server more memory",
    ]


def test_films_make_room_for_pictures_that_are_configured() -> None:
    budget = plan_budget(Settings(workers=2, worker_memory="250MiB"), Machine(2, GIB))
    assert (budget.workers, budget.movers) == (2, 0)


def test_a_machine_that_is_too_small_is_refused_by_the_defaults_too() -> None:
    with pytest.raises(
        BudgetError, match=r"workers \(1 \+ 1 for drawings\) x 160 MiB = 320 MiB\n(.*\n)*give the server more memory"
    ):
        plan_budget(Settings(), Machine(2, 256 * MIB))


def test_the_sum_is_written_out() -> None:
    budget = plan_budget(Settings(), Machine(2, GIB, memory_from="memory.max"))
    assert str(budget).splitlines()[-1] == "= 1 GiB <= 1 GiB of memory.max"


HEAVY = """
import resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[1]),) * 2)
import pyvips
pyvips.cache_set_max(0)
grey = pyvips.Image.gaussnoise(1500, 1000, sigma=40, mean=128).gaussblur(2).cast("uchar")
photograph = grey.bandjoin([128, 128]).cast("uchar").copy(interpretation="srgb")
large = photograph.replicate(4, 4).write_to_buffer(".jpg", interlace=True)
pyvips.Image.thumbnail_buffer(large, 1920).write_to_buffer(".avif", effort=0, bitdepth=8)
"""


def test_the_least_worker_makes_a_wide_avif_of_24_megapixels() -> None:
    budget = plan_budget(Settings(), Machine(2, 512 * MIB))
    assert budget.worker_memory < 1.1 * LEAST_WORKER
    environ = worker_environment(os.environ)
    work = [sys.executable, "-c", HEAVY, str(budget.worker_limit)]
    assert subprocess.run(work, env=environ, capture_output=True, text=True, check=False).stderr == ""
