"""The doctor: what it finds well, what it finds bad, and what it says to do."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from proxy.budget import Machine
from proxy.doctor import (
    Check,
    check_access,
    check_cache,
    check_clock,
    check_codecs,
    check_memory,
    check_mounts,
    check_open_files,
    check_presets,
    check_redis,
    check_secrets,
    checks,
    exit_code,
    judge_codecs,
)
from proxy.settings import Settings
from signing import new_secret
from tests.redis_server import RedisServer, redis_server
from transforms.errors import UnknownOption
from transforms.formats import FORMATS

STRONG = "kQ3vXbY7mN2pR8sT4wZ6aC1dF5gH9jL0"
GIB = 1 << 30


@pytest.fixture(scope="module")
def found() -> Any:
    """What this installation can do."""
    said = subprocess.run([sys.executable, "-m", "transforms.capabilities"], capture_output=True, check=True)
    return json.loads(said.stdout)


def one(found: Iterable[Check], name: str) -> Check:
    return next(check for check in found if check.name == name)


def states(found: Iterable[Check]) -> list[tuple[str, str]]:
    return [(check.name, check.state) for check in found]


def test_a_healthy_server_has_nothing_bad(tmp_path: Path) -> None:
    settings = Settings(
        keys=[STRONG],
        mounts=tmp_path / "pictures",
        cache=tmp_path / "cache",
        cache_bytes="1MiB",
        presets={"card": "w_600"},
    )
    (tmp_path / "pictures").mkdir()
    found = list(checks(settings, read_plan=len, environ=os.environ, scratch=tmp_path / "cache/scratch"))
    assert [check for check in found if check.state == "bad"] == []
    assert exit_code(found) == 0
    names = [check.name for check in found]
    for name in (
        "libvips",
        "JPEG",
        "AVIF",
        "allocator",
        "machine",
        "memory",
        "access",
        "mounts./",
        "presets.card",
        "clock",
    ):
        assert name in names
    assert not (tmp_path / "cache").exists()


def test_every_trouble_has_a_remedy(tmp_path: Path) -> None:
    settings = Settings(host="0.0.0.0", keys=["weak"], mounts={"a": tmp_path / "a"}, cache=tmp_path / "file/cache")
    (tmp_path / "file").touch()
    found = list(checks(settings, read_plan=len, environ=os.environ, machine=Machine(1, GIB // 4)))
    assert exit_code(found) == 1
    assert {"memory", "keys.0", "mounts.a", "cache"} <= {check.name for check in found if check.state == "bad"}
    for check in found:
        assert bool(check.remedy) == (check.state != "ok"), check


def test_this_installation_reads_and_writes_its_table_of_formats(found: Any) -> None:
    for name, row in FORMATS.items():
        if row.reader == "vips":
            assert found["formats"][name] == {"reads": True, "writes": row.writer is not None}


def test_a_lame_libvips_is_bad_and_a_missing_reader_a_warning(found: Any) -> None:
    lame = {
        **found,
        "libvips": "8.14.1",
        "allocator": "libc",
        "formats": {
            **found["formats"],
            "avif": {"reads": True, "writes": False},
            "jxl": {"reads": False, "writes": False},
        },
        "packages": {**found["packages"], "pi_heif": None, "pylibjxl": "0.5.0", "pypdfium2": "4.30.0"},
    }
    said = list(judge_codecs(lame))
    assert one(said, "libvips") == Check("libvips", "bad", "8.14.1", "install pyvips-binary 8.18.7 or newer")
    assert one(said, "AVIF").said == "is none that libvips writes"
    assert one(said, "HEIC").said == "cannot be read: pi_heif is not installed"
    assert one(said, "HEIC").remedy == "install darkroom[heif] if there are such originals"
    assert one(said, "JPEG XL").said == "cannot be read by pylibjxl 0.5.0; 0.5 or newer is needed"
    assert one(said, "PDF").state == "warn"
    assert one(said, "allocator").state == "warn"
    assert one(said, "PNG") == Check("PNG", "ok", "reads and writes")


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import no_such_codec", "libvips does not start: ModuleNotFoundError: No module named 'no_such_codec'"),
        ("import os; os.abort()", "libvips does not start: exit status -6"),
        ("print('no JSON')", "libvips does not answer: JSONDecodeError"),
    ],
)
def test_a_codec_process_that_fails_is_one_bad_line(program: str, said: str) -> None:
    assert [check.said for check in check_codecs(os.environ, [sys.executable, "-c", program])] == [said]
    assert exit_code(check_codecs(os.environ, ["/no/such/python"])) == 1


def test_the_codec_process_sees_no_key() -> None:
    program = "import os, sys; sys.exit('DARKROOM_KEYS' in os.environ and 'it sees the key')"
    environ = {**os.environ, "DARKROOM_KEYS": STRONG}
    said = [check.said for check in check_codecs(environ, [sys.executable, "-c", program])]
    assert said == ["libvips does not answer: JSONDecodeError"]


def test_memory_that_does_not_suffice_shows_the_sum() -> None:
    settings = Settings(workers=4, worker_memory="512MiB")
    machine, memory = check_memory(settings, Machine(2, GIB, "cpu.max", "memory.max"))
    assert machine.said == "2 CPUs by cpu.max, 1 GiB by memory.max"
    assert memory.state == "bad"
    assert "workers (4 + 1 for drawings) x 512 MiB = 2.5 GiB" in memory.said
    assert memory.remedy == "lower workers or worker_memory, or give the server more memory"


def test_more_workers_than_processors_is_a_warning() -> None:
    assert ("workers", "warn") in states(check_memory(Settings(workers=9), Machine(2, 16 * GIB)))
    assert ("workers", "warn") not in states(check_memory(Settings(workers=2), Machine(1.5, 16 * GIB)))


@pytest.mark.parametrize(
    ("settings", "state"),
    [
        (Settings(), "warn"),
        (Settings(host="0.0.0.0"), "bad"),
        (Settings(host="0.0.0.0", unsigned=True), "warn"),
        (Settings(host="0.0.0.0", keys=[STRONG]), "ok"),
        (Settings(keys=[STRONG], unsigned=True), "warn"),
    ],
)
def test_access_needs_a_key_where_others_can_ask(settings: Settings, state: str) -> None:
    assert one(check_access(settings), "access").state == state


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_who_listens_on_this_machine_alone_is_not_told_to(host: str) -> None:
    remedy = one(check_access(Settings(host=host)), "access").remedy
    assert ("listen on 127.0.0.1" in remedy) == (host == "0.0.0.0")
    assert "DARKROOM_KEYS" in remedy


@pytest.mark.parametrize("weak", ["secret", "a" * 40, "0123456789abcdef" * 4, STRONG + "\n", "\udcff" * 40])
def test_a_weak_key_is_bad_and_not_shown(weak: str) -> None:
    weak_key = one(check_access(Settings(keys=[STRONG, weak])), "keys.1")
    assert weak_key.state == "bad"
    assert weak.strip() not in weak_key.said


def test_mounts_must_be_there_and_be_folders(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "ok").mkdir()
    settings = Settings(mounts={"a": tmp_path / "none", "b": tmp_path / "file", "c": tmp_path / "ok"})
    assert states(check_mounts(settings)) == [("mounts.a", "bad"), ("mounts.b", "bad"), ("mounts.c", "ok")]
    assert states(check_mounts(Settings())) == [("mounts", "bad")]
    assert not list(check_mounts(Settings(remote={"hosts": ["images.example.com"]})))


UNREADABLE = """
import os, sys
from pathlib import Path
from tempfile import TemporaryDirectory
from proxy.doctor import check_cache, check_mounts
from proxy.settings import Settings

folder = Path(sys.argv[1])
settings = Settings(mounts=folder / "closed", cache=folder / "closed/cache")
if not os.geteuid():
    os.setgroups([])
    os.setresuid(65534, 65534, 65534)
for check in (*check_mounts(settings), *check_cache(settings)):
    print(check.name, check.state, check.remedy)
"""


def test_folders_that_are_closed_to_the_server_are_bad() -> None:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        Path(folder, "closed").mkdir(mode=0o000)
        said = subprocess.run([sys.executable, "-c", UNREADABLE, folder], capture_output=True, text=True, check=True)
    user = os.geteuid() or 65534
    assert said.stdout.splitlines() == [
        f"mounts./ bad let user {user} read it",
        f"cache bad let user {user} write into it",
    ]


def test_a_cache_inside_of_a_mount_is_bad(tmp_path: Path) -> None:
    settings = Settings(mounts=tmp_path, cache=tmp_path / "cache")
    assert states(check_mounts(settings)) == [("mounts./", "bad")]


def test_folders_that_look_like_steps_are_named(tmp_path: Path) -> None:
    for name in ("ab_2024", "w_600", "img_2024", "cats"):
        (tmp_path / name).mkdir()
    (tmp_path / "ab_picture.jpg").touch()
    warning = list(check_mounts(Settings(mounts=tmp_path)))[1]
    assert (warning.state, warning.said) == ("warn", "the folder ab_2024 and 1 more looks like steps")
    assert "/w_600/-/ab_2024/" in warning.remedy
    assert states(check_mounts(Settings(mounts={"photos": tmp_path}))) == [("mounts.photos", "ok")]


def test_a_preset_that_does_not_read_says_why() -> None:
    def read_plan(steps: str) -> None:
        if "wdith" in steps:
            raise UnknownOption("wdith_ is no option; did you mean w_600?", suggestion="w_600")

    good, bad = check_presets(Settings(presets={"card": "w_600", "hero": "wdith_600"}), read_plan)
    assert good.state == "ok"
    assert bad == Check("presets.hero", "bad", "wdith_ is no option; did you mean w_600?", "perhaps w_600")


def test_a_cache_knows_what_it_holds_and_what_is_free(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab/result").write_bytes(bytes(3 << 20))
    small = one(check_cache(Settings(cache=tmp_path, cache_bytes="10MiB")), "cache")
    assert small.state == "ok"
    assert small.said.startswith(f"{tmp_path} holds 3 MiB of 10 MiB; ")
    assert one(check_cache(Settings(cache=tmp_path, cache_bytes=1 << 60)), "cache").state == "warn"
    assert one(check_cache(Settings(cache=None)), "cache").state == "warn"


def other_file_systems(path: Path) -> Iterator[Path]:
    for place in (Path("/dev/shm"), Path("/run"), Path.home()):
        if place.is_dir() and place.stat().st_dev != path.stat().st_dev:
            yield place


def test_scratch_on_another_file_system_is_a_warning(tmp_path: Path) -> None:
    settings = Settings(cache=tmp_path, cache_bytes="1MiB")
    assert states(check_cache(settings, tmp_path / "scratch")) == [("cache", "ok")]
    for elsewhere in other_file_systems(tmp_path):
        assert ("scratch", "warn") in states(check_cache(settings, elsewhere / "scratch"))


def test_few_open_files_are_a_warning() -> None:
    assert [check_open_files(limit).state for limit in (256, 4096, -1)] == ["warn", "ok", "ok"]


def test_a_clock_before_the_installation_is_bad() -> None:
    assert check_clock(1_700_000_000.0, 1_700_000_001.0).state == "bad"
    assert check_clock(1_700_000_000.0, 1_600_000_000.0) == Check("clock", "ok", "2023-11-14 22:13:20 UTC")


# Secrets, and what is shared


@pytest.mark.parametrize(
    ("secret", "state", "words"),
    [
        ("an example of a key, 32 bytes or more", "bad", "a word of an example"),
        ("this year's key, with 32 bytes or more", "bad", "a word of an example"),
        ("Darkroom-2026-Zx81-Qy27-Wv93-Ru64-Ts50", "bad", "a word of an example"),
        ("0123456789ab0123456789ab0123456789ab", "bad", "it repeats itself"),
        ("correct horse battery staple and then some", "warn", "reads like words"),
        ("short", "bad", "A key is weak"),
    ],
)
def test_a_key_that_can_be_guessed_is_found_and_not_shown(secret: str, state: str, words: str) -> None:
    check = one(check_access(Settings(keys=[STRONG, secret])), "keys.1")
    assert (check.state, check.remedy) == (state, "take what `darkroom key` prints")
    assert words in check.said
    assert secret not in check.said


def test_new_keys_are_never_taken_for_weak_ones() -> None:
    assert not [check for _ in range(300) for check in check_secrets(Settings(keys=[new_secret()]))]


def test_a_token_that_can_be_guessed_is_found() -> None:
    assert one(check_access(Settings(keys=[STRONG], admin_token="change me, please")), "admin_token").state == "bad"
    tokens = [{"name": "strong", "secret": STRONG}, {"name": "weak", "secret": "change-me-someday"}]
    assert one(check_access(Settings(keys=[STRONG], tokens=tokens)), "tokens.1").state == "bad"
    assert "tokens.0" not in [check.name for check in check_access(Settings(keys=[STRONG], tokens=tokens))]


def test_rates_behind_a_proxy_that_is_not_believed_are_everybodys_together() -> None:
    rates = {"requests": "10/second"}
    assert one(check_access(Settings(rates=rates)), "rates").state == "warn"
    assert one(check_access(Settings(rates=rates, trusted_proxies="127.0.0.1")), "rates").state == "ok"
    assert one(check_access(Settings(rates=rates, host="0.0.0.0", keys=[STRONG])), "rates").state == "ok"
    assert "rates" not in [check.name for check in check_access(Settings())]


def test_a_redis_that_answers_is_well_and_a_dead_one_is_not(tmp_path: Path) -> None:
    with redis_server(tmp_path) as redis:
        settings = Settings(redis=redis.url)
        (well,) = check_redis(settings)
        assert (well.name, well.state) == ("redis", "ok")
        redis.freeze()
        (hangs,) = check_redis(settings)
        assert (hangs.state, "does not answer" in hangs.said) == ("bad", True)
        redis.stop()
        (dead,) = check_redis(settings)
        assert (dead.name, dead.state) == ("redis", "bad")
        assert "start it" in dead.remedy
    assert not list(check_redis(Settings()))


def test_a_clock_that_is_not_that_of_the_others_is_found(redis: RedisServer) -> None:
    found = list(check_redis(Settings(redis=redis.url), lambda: time.time() + 3600))
    assert one(found, "clock").state == "bad"
    assert one(found, "redis").state == "ok"


def test_a_cache_without_room_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    (check,) = check_cache(Settings(cache=tmp_path))
    assert (check.state, "next to nothing" in check.said) == ("bad", True)
