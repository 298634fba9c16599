"""What folders do that other places do not, and which source an address belongs to."""

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from ast import literal_eval
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from proxy.failures import Forbidden, NoSuchOriginal, OriginFailed, OriginTimedOut
from proxy.sources.dropped import Bounds, DroppedSource
from proxy.sources.file import FileSource
from proxy.sources.mounts import RESERVED, Mounts
from proxy.sources.source import Listed, Listing, Source
from tests.places import HOSTILE

pytestmark = pytest.mark.anyio

REPOSITORY = Path(__file__).parent.parent
WATCH = """
import asyncio, os, sys
from pathlib import Path
from proxy.failures import NoSuchOriginal
from proxy.sources.file import FileSource

async def main(root, keys):
    source = FileSource(root)
    opened = []
    sys.addaudithook(lambda event, args: opened.append(args[0]) if event == "open" else None)
    for key in keys:
        for ask in (source.stat, source.open):
            try:
                await ask(key)
            except NoSuchOriginal:
                pass
            else:
                raise SystemExit(f"found {key!r}")
    print(sorted({str(path) for path in opened} - {str(root)}))

asyncio.run(main(Path(sys.argv[1]), eval(sys.stdin.read())))
"""


def run(script: str, *words: str, given: str = "") -> str:
    command = [sys.executable, "-c", script, *words]
    done = subprocess.run(command, cwd=REPOSITORY, input=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_hostile_names_open_nothing_outside_the_root(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    (outside / "folder").mkdir(parents=True)
    (outside / "folder/secret.jpg").write_bytes(b"secret")
    (root / "a").mkdir(parents=True)
    (root / "link.jpg").symlink_to("../outside/folder/secret.jpg")
    (root / "a/link").symlink_to(outside / "folder")
    keys = [*HOSTILE, "link.jpg", "a/link/secret.jpg", "a/link/none.jpg", "a/link"]
    opened = literal_eval(run(WATCH, str(root), given=ascii(keys)))
    # Single names, each opened below the one before and without following it.
    assert {"a", "link"} <= set(opened)
    assert not [name for name in opened if "/" in name or name in ("secret.jpg", "none.jpg", "etc", "passwd")]


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[tuple[Path, FileSource]]:
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "folder/cat.jpg").write_bytes(b"cat")
    (tmp_path / "outside.jpg").write_bytes(b"outside")
    source = FileSource(root)
    yield root, source
    await source.close()


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("link.jpg", "folder/cat.jpg"),
        ("folder/link.jpg", "../folder/./cat.jpg"),
        ("link.jpg", "{root}/folder/cat.jpg"),
        ("link.jpg", "../root/folder/cat.jpg"),
    ],
)
async def test_a_link_inside_the_root_is_followed(files: tuple[Path, FileSource], link: str, target: str) -> None:
    root, source = files
    (root / link).symlink_to(target.format(root=root))
    assert await source.stat(link) == await source.stat("folder/cat.jpg")
    original = await source.open(link)
    assert original.head(10) == b"cat"
    assert original.path == root / "folder/cat.jpg"


async def test_a_linked_folder_inside_the_root_is_followed(files: tuple[Path, FileSource]) -> None:
    root, source = files
    (root / "again").symlink_to("folder")
    assert (await source.open("again/cat.jpg")).head(10) == b"cat"


@pytest.mark.parametrize(
    ("link", "target", "key"),
    [
        ("link.jpg", "../outside.jpg", "link.jpg"),
        ("link.jpg", "/etc/passwd", "link.jpg"),
        ("link", "..", "link/outside.jpg"),
        ("link", "/", "link/etc/passwd"),
        ("link.jpg", "link.jpg", "link.jpg"),
        ("link.jpg", "nothing", "link.jpg"),
        ("link.jpg", "folder", "link.jpg"),
        ("link.jpg", "/proc/self/fd/0", "link.jpg"),
        ("link.jpg", ".hidden/cat.jpg", "link.jpg"),
        ("link.jpg", ".hidden.jpg", "link.jpg"),
    ],
)
async def test_a_link_that_leads_elsewhere_is_no_original(
    files: tuple[Path, FileSource], link: str, target: str, key: str
) -> None:
    root, source = files
    (root / ".hidden").mkdir()
    (root / ".hidden/cat.jpg").write_bytes(b"hidden")
    (root / ".hidden.jpg").write_bytes(b"hidden")
    (root / link).symlink_to(target)
    with pytest.raises(NoSuchOriginal):
        await source.stat(key)
    with pytest.raises(NoSuchOriginal):
        await source.open(key)


@pytest.mark.parametrize("key", [".hidden.jpg", ".git/config", "folder/.cat.jpg", ".../x", "folder/.x/y"])
async def test_hidden_files_are_not_served(files: tuple[Path, FileSource], key: str) -> None:
    root, source = files
    (root / key).parent.mkdir(parents=True, exist_ok=True)
    (root / key).write_bytes(b"hidden")
    with pytest.raises(NoSuchOriginal):
        await source.stat(key)
    with pytest.raises(NoSuchOriginal):
        await source.open(key)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def a_device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        path.symlink_to("/dev/null")


@pytest.mark.parametrize("make", [os.mkfifo, a_socket, a_device, os.mkdir])
async def test_what_is_no_plain_file_is_no_original(
    files: tuple[Path, FileSource], make: Callable[[Path], None]
) -> None:
    root, source = files
    make(root / "odd")
    with pytest.raises(NoSuchOriginal):
        await source.stat("odd")
    with pytest.raises(NoSuchOriginal):
        await source.open("odd")


def started(script: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", script])


async def test_a_link_swapped_in_during_the_walk_leads_nowhere(files: tuple[Path, FileSource], tmp_path: Path) -> None:
    root, source = files
    (root / "turn").mkdir()
    (root / "turn/outside.jpg").write_bytes(b"inside")
    (root / "link").symlink_to(tmp_path)
    script = f"""
import ctypes, os
renameat2 = ctypes.CDLL(None).renameat2
while os.getppid() == {os.getpid()}:
    renameat2(-100, b"{root}/turn", -100, b"{root}/link", 2)
"""
    swapper = started(script)
    try:
        found = set()
        # The other process needs its turns of a busy machine too.
        for number in range(100_000):
            if number >= 3000 and len(found) > 1:
                break
            try:
                found.add((await source.open("turn/outside.jpg")).head(10))
            except NoSuchOriginal:
                found.add(b"")
    finally:
        swapper.kill()
        swapper.wait()
    assert found == {b"inside", b""}


async def test_a_name_that_is_not_text_cannot_be_asked_for(files: tuple[Path, FileSource]) -> None:
    root, source = files
    Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.jpg")).write_bytes(b"latin")
    for key in ("caf\xe9.jpg", "caf\udce9.jpg", "cafÃ©.jpg"):
        with pytest.raises(NoSuchOriginal):
            await source.stat(key)


async def test_copies_of_a_file_have_one_version(files: tuple[Path, FileSource]) -> None:
    root, source = files
    shutil.copy2(root / "folder/cat.jpg", root / "copy.jpg")
    assert await source.stat("copy.jpg") == await source.stat("folder/cat.jpg")


async def test_a_root_that_goes_away_is_a_failure_and_not_a_missing_original(
    files: tuple[Path, FileSource],
) -> None:
    root, source = files
    root.rename(root.with_name("elsewhere"))
    with pytest.raises(OriginFailed) as refusal:
        await source.stat("folder/cat.jpg")
    assert str(root) not in str(refusal.value)
    root.with_name("elsewhere").rename(root)
    assert await source.stat("folder/cat.jpg")


async def test_a_root_that_is_a_link_may_be_turned(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "which.txt").write_bytes(name.encode())
    (tmp_path / "current").symlink_to("old")
    source = FileSource(tmp_path / "current")
    assert (await source.open("which.txt")).head(10) == b"old"
    (tmp_path / "next").symlink_to("new")
    (tmp_path / "next").rename(tmp_path / "current")
    assert (await source.open("which.txt")).head(10) == b"new"
    await source.close()


def test_a_root_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileSource(tmp_path / "nothing")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        FileSource(tmp_path / "file")


UNREADABLE = """
import asyncio, os, sys
from pathlib import Path
from proxy.failures import OriginFailed
from proxy.sources.file import FileSource

async def main(root):
    if os.getuid() == 0:
        os.setuid(65534)
    source = FileSource(Path(root))
    for ask, key in ((source.open, "locked.jpg"), (source.stat, "folder/cat.jpg"), (source.open, "folder/cat.jpg")):
        try:
            await ask(key)
        except OriginFailed as error:
            print(root in str(error))

asyncio.run(main(sys.argv[1]))
"""


def test_an_original_without_permission_is_a_failure_that_names_no_path() -> None:
    # Not under tmp_path, which nobody but its owner may enter: permissions mean nothing to root.
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "folder").mkdir()
        (root / "folder/cat.jpg").write_bytes(b"cat")
        (root / "locked.jpg").write_bytes(b"locked")
        root.chmod(0o755)
        (root / "locked.jpg").chmod(0)
        (root / "folder").chmod(0)
        try:
            assert run(UNREADABLE, folder) == "False\nFalse\nFalse\n"
        finally:
            (root / "folder").chmod(0o755)


async def test_a_disk_that_hangs_holds_up_one_source_and_ends_in_time(files: tuple[Path, FileSource]) -> None:
    root, other = files
    hanging = FileSource(root, deadline=0.1)
    gates = [os.pipe() for _ in range(4)]
    for gate, _ in gates:
        hanging._threads.submit(os.read, gate, 1)
    with pytest.raises(OriginTimedOut):
        await hanging.stat("folder/cat.jpg")
    assert await other.stat("folder/cat.jpg")
    for _, end in gates:
        os.write(end, b"x")
        os.close(end)
    assert hanging._threads.submit(lambda: True).result(10)
    for gate, _ in gates:
        os.close(gate)
    assert await hanging.stat("folder/cat.jpg")
    await hanging.close()


@pytest.fixture
def table(tmp_path: Path) -> dict[str, Source]:
    return {name: FileSource(tmp_path) for name in ("", "cats", "cats/wild", "dogs")}


def looks_like_step(segment: str) -> bool:
    return segment.startswith(("w_", "e_", "sig_"))


@pytest.mark.parametrize(
    ("source", "name", "key"),
    [
        ("cats/1.jpg", "cats", "1.jpg"),
        ("cats/wild/1.jpg", "cats/wild", "1.jpg"),
        ("cats/wild/x/1.jpg", "cats/wild", "x/1.jpg"),
        ("cats/wildlife/1.jpg", "cats", "wildlife/1.jpg"),
        ("cats", "", "cats"),
        ("cats/wild", "cats", "wild"),
        ("catsup/1.jpg", "", "catsup/1.jpg"),
        ("1.jpg", "", "1.jpg"),
        ("dogs/cats/1.jpg", "dogs", "cats/1.jpg"),
        ("w_100/1.jpg", "", "w_100/1.jpg"),
        ("ftp://host/1.jpg", "", "ftp://host/1.jpg"),
    ],
)
def test_the_longest_mount_by_whole_segments_takes_a_source(
    table: dict[str, Source], source: str, name: str, key: str
) -> None:
    mounted = Mounts(table, looks_like_step=looks_like_step).resolve(source)
    assert (mounted.name, mounted.key) == (name, key)
    assert mounted.source is table[name]


def test_without_a_root_mount_the_rest_is_missing(table: dict[str, Source]) -> None:
    del table[""]
    mounts = Mounts(table, looks_like_step=looks_like_step)
    for source in ("1.jpg", "birds/1.jpg", "cats", ""):
        with pytest.raises(NoSuchOriginal):
            mounts.resolve(source)
    with pytest.raises(NoSuchOriginal):
        Mounts({}, looks_like_step=looks_like_step).resolve("cats/1.jpg")


def test_other_hosts_are_forbidden_unless_something_takes_them(table: dict[str, Source]) -> None:
    for source in ("https://host/1.jpg", "http://127.0.0.1/1.jpg"):
        with pytest.raises(Forbidden):
            Mounts(table, looks_like_step=looks_like_step).resolve(source)
        mounted = Mounts(table, looks_like_step=looks_like_step, remote=table["dogs"]).resolve(source)
        assert (mounted.name, mounted.source, mounted.key) == ("remote", table["dogs"], source)


UNREACHABLE = ["w_100", "e_blur/x", "sig_x", "-", "b64:x", "https:", "cats//x", "/cats", "cats/", "cats/../x", "."]


@pytest.mark.parametrize("name", [*sorted(RESERVED), "api/v1", "~x", "cats/~x", "ca\nts", *UNREACHABLE])
def test_a_mount_that_no_url_reaches_is_refused(table: dict[str, Source], name: str) -> None:
    with pytest.raises(ValueError, match="cannot be reached"):
        Mounts({name: table[""]}, looks_like_step=looks_like_step)


async def test_mounts_close_their_sources(table: dict[str, Source]) -> None:
    mounts = Mounts(table, looks_like_step=looks_like_step)
    await mounts.close()
    with pytest.raises(RuntimeError):
        await table["cats"].stat("nothing")


# What a source has


def is_jpeg(name: str) -> bool:
    return name.endswith(".jpg")


async def test_a_folder_is_listed_in_order_and_by_what_names_begin_with(files: tuple[Path, FileSource]) -> None:
    root, source = files
    assert isinstance(source, Listed)
    for name in ("b.jpg", "a.jpg", "é.jpg", "note.txt", ".hidden.jpg", "folder/dog.jpg"):
        (root / name).write_bytes(b"")
    (root / ".git").mkdir()
    (root / os.fsdecode(b"\xff.jpg")).write_bytes(b"")
    os.mkfifo(root / "pipe.jpg")
    assert await source.listing("", 10, is_jpeg) == Listing(("folder",), ("a.jpg", "b.jpg", "é.jpg"))
    assert await source.listing("b", 10, is_jpeg) == Listing((), ("b.jpg",))
    assert await source.listing("folder/", 10, is_jpeg) == Listing((), ("cat.jpg", "dog.jpg"))
    assert await source.listing("folder/d", 10, is_jpeg) == Listing((), ("dog.jpg",))
    assert await source.listing("", 2, is_jpeg) == Listing((), ("a.jpg", "b.jpg"), whole=False)


async def test_whatever_is_listed_can_be_opened(files: tuple[Path, FileSource], tmp_path: Path) -> None:
    """Links inside the root are listed as what they lead to, links out of it not at all."""
    root, source = files
    (tmp_path / "outside").mkdir()
    links = {
        "in.jpg": "folder/cat.jpg",
        "again": "folder",
        "out.jpg": "../outside.jpg",
        "away": "../outside",
        "gone.jpg": "none",
        "hidden.jpg": ".secret.jpg",
        "round.jpg": "round.jpg",
        "folder/up.jpg": "../../outside.jpg",
    }
    (root / ".secret.jpg").write_bytes(b"")
    for link, target in links.items():
        (root / link).symlink_to(target)
    found = await source.listing("", 100, is_jpeg)
    assert found == Listing(("again", "folder"), ("in.jpg",))
    for name in found.originals:
        assert (await source.open(name)).head(3) == b"cat"
    for folder in found.folders:
        assert await source.listing(f"{folder}/", 100, is_jpeg) == Listing((), ("cat.jpg",))


@pytest.mark.parametrize(
    "prefix",
    ["none/", "folder/cat.jpg/", "../", "/", "//", ".git/", "folder//", "folder/../", "away/", "\0/", "\ud800/"],
)
async def test_a_folder_that_is_not_there_is_not_listed(
    files: tuple[Path, FileSource], tmp_path: Path, prefix: str
) -> None:
    root, source = files
    (root / ".git").mkdir()
    (root / "away").symlink_to(tmp_path)
    with pytest.raises(NoSuchOriginal):
        await source.listing(prefix, 10, is_jpeg)


async def test_a_root_that_is_gone_cannot_be_listed(files: tuple[Path, FileSource]) -> None:
    root, source = files
    shutil.rmtree(root)
    with pytest.raises(OriginFailed):
        await source.listing("", 10, is_jpeg)


# Files that were dropped


def keep(source: DroppedSource, key: str, body: bytes = b"cat") -> None:
    with tempfile.TemporaryFile() as file:
        file.write(body)
        file.flush()
        source.keep(key, file)


async def kept(source: DroppedSource, *keys: str) -> list[str]:
    found = []
    for key in keys:
        try:
            found.append(key if await source.stat(key) else "")
        except NoSuchOriginal:
            continue
    return found


async def test_the_oldest_files_are_forgotten_when_there_are_too_many() -> None:
    source = DroppedSource(Bounds(count=2))
    for key in "abc":
        keep(source, key)
    assert await kept(source, *"abc") == ["b", "c"]
    await source.close()
    assert await kept(source, *"abc") == []


async def test_the_oldest_files_are_forgotten_when_they_are_too_large_together() -> None:
    source = DroppedSource(Bounds(bytes=10))
    for key, size in (("a", 4), ("b", 4), ("c", 4), ("d", 11)):
        keep(source, key, bytes(size))
        assert (await source.stat(key)).size == size
    assert await kept(source, *"abcd") == ["d"]
    await source.close()


async def test_files_are_forgotten_when_they_are_old() -> None:
    now = [100.0]
    source = DroppedSource(Bounds(seconds=10), lambda: now[0])
    keep(source, "a")
    now[0] = 105.0
    keep(source, "b")
    now[0] = 110.0
    assert await kept(source, "a", "b") == ["b"]
    now[0] = 115.0
    assert await kept(source, "a", "b") == []


async def test_readers_of_a_dropped_file_do_not_move_each_other() -> None:
    source = DroppedSource()
    keep(source, "a", b"0123456789")
    one, other = await source.open("a"), await source.open("a")
    assert os.read(one.descriptor, 5) == b"01234"
    assert os.read(other.descriptor, 5) == b"01234"
    source.forget("a")
    assert os.read(one.descriptor, 5) == b"56789"
    await source.close()
