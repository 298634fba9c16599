"""Who may import whom, held against the imports that are there."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("signing", "transforms", "proxy")
STANDARD = sys.stdlib_module_names

# What each room may import beside the standard library and itself. The first prefix that fits a module is its room.
# fmt: off
RULES: dict[str, set[str]] = {
    "signing": {"itsdangerous"},
    # Rooms of transforms that the front reads: no pixels at module level (see also the test on the running front).
    "transforms": {"pyvips", "numpy", "av", "pi_heif", "pylibjxl", "pypdfium2"},
    # The seams and leaves of the proxy do not know each other.
    "proxy.app": {"*"},
    "proxy.site": {  # a part of it
        "proxy.caching", "proxy.clients", "proxy.cors", "proxy.origins", "proxy.pages", "proxy.purging",
        "proxy.reading", "proxy.record", "proxy.rendition", "proxy.settings", "proxy.sources", "proxy.wire",
        "signing", "transforms",
    },
    "proxy.origins": {"proxy.s3", "proxy.settings", "proxy.sources", "transforms"},  # another
    "proxy.together": {  # another
        "proxy.addresses", "proxy.coordination", "proxy.herd", "proxy.metrics", "proxy.redis", "proxy.s3",
        "proxy.settings", "proxy.stores",
    },
    "proxy.machinery": {  # another
        "structlog", "proxy.budget", "proxy.caching", "proxy.clients", "proxy.films", "proxy.flights", "proxy.lending",
        "proxy.metrics", "proxy.once", "proxy.records", "proxy.refinement", "proxy.rendering", "proxy.rendition",
        "proxy.settings", "proxy.sources", "proxy.stores", "proxy.streaming", "proxy.tags", "proxy.together",
        "proxy.transcoding", "proxy.workers", "transforms",
    },
    "proxy.forgetting": {  # another
        "proxy.coordination", "proxy.handlers.tokens", "proxy.metrics", "proxy.purging", "proxy.recent",
        "proxy.settings", "proxy.stores",
    },
    "proxy.telling": {  # another
        "structlog", "proxy.clients", "proxy.log", "proxy.metrics", "proxy.rendering", "proxy.rendition",
        "proxy.settings", "proxy.streaming", "proxy.tracing", "proxy.workers", "transforms",
    },
    "proxy.__main__": {"*"},
    "proxy.commands": {"*"},
    "proxy.console": {"typer", "proxy.settings"},
    "proxy.warming": {
        "httpx", "proxy.answer", "proxy.delivery", "proxy.failures", "proxy.lending", "proxy.reading",
        "proxy.rendering", "proxy.rendition", "proxy.stores", "signing", "transforms",
    },
    "proxy.reference": {"proxy.errors", "proxy.metrics", "proxy.protocol", "proxy.settings", "transforms"},
    "proxy.greeting": {"proxy.settings", "signing", "transforms"},
    "proxy.handlers": {
        "cachetools", "starlette", "starlette_compress", "structlog", "proxy.accel", "proxy.answer", "proxy.delivery",
        "proxy.edge", "proxy.errors", "proxy.failures", "proxy.gate", "proxy.log", "proxy.metrics",
        "proxy.negotiation", "proxy.pages", "proxy.purging", "proxy.recent", "proxy.stores", "proxy.tracing",
        "proxy.wire",
    },
    "proxy.purging": {
        "cachetools", "httpcore", "proxy.coordination", "proxy.failures", "proxy.negotiation", "proxy.sources",
        "proxy.stores", "proxy.tags", "signing",
    },
    "proxy.tags": {"proxy.sources"},
    "proxy.pages": {"proxy.failures", "proxy.reference", "proxy.sources", "signing", "transforms"},
    "proxy.gate": {
        "proxy.caching", "proxy.errors", "proxy.negotiation", "proxy.reading", "signing", "transforms",
    },
    "proxy.accel": {"proxy.passing", "proxy.stores", "proxy.wire"},
    "proxy.edge": {
        "proxy.caching", "proxy.clients", "proxy.errors", "proxy.failures", "proxy.heads", "proxy.log",
        "proxy.metrics", "proxy.recent", "proxy.wire",
    },
    "proxy.heads": {"proxy.negotiation", "proxy.wire"},
    "proxy.recent": {
        "cachetools", "proxy.answer", "proxy.cors", "proxy.counts", "proxy.metrics", "proxy.negotiation", "proxy.wire",
    },
    "proxy.server": {
        "structlog", "uvicorn", "proxy.clients", "proxy.edge", "proxy.protocol", "proxy.ready", "proxy.settings",
    },
    "proxy.refinement": {"proxy.failures", "proxy.flights", "proxy.log", "proxy.rendition"},
    "proxy.protocol": {"uvicorn", "httptools", "proxy.clients", "proxy.paced", "proxy.ready"},
    "proxy.paced": {"uvicorn", "proxy.clients", "proxy.ready"},
    "proxy.ready": {"uvicorn", "proxy.wire"},
    "proxy.wire": {
        "proxy.answer", "proxy.caching", "proxy.cors", "proxy.failures", "proxy.negotiation", "proxy.stores",
    },
    "proxy.cors": set(),
    # How many, how often: nothing of what they ask for.
    "proxy.clients": {"cachetools", "structlog", "proxy.failures", "proxy.log"},
    "proxy.tracing": {"opentelemetry", "proxy.log"},
    "proxy.answer": {"proxy.caching", "proxy.stores"},
    "proxy.brake": {"proxy.stores", "transforms"},
    "proxy.streaming": {
        "cachetools", "structlog", "proxy.answer", "proxy.brake", "proxy.caching", "proxy.clients", "proxy.failures",
        "proxy.lending", "proxy.once", "proxy.reading", "proxy.rendering", "proxy.rendition", "proxy.sources",
        "proxy.stores", "proxy.tags", "proxy.workers", "signing", "transforms",
    },
    "proxy.delivery": {
        "proxy.answer", "proxy.caching", "proxy.clients", "proxy.failures", "proxy.films",
        "proxy.lending", "proxy.negotiation", "proxy.once", "proxy.passing", "proxy.pressure", "proxy.reading",
        "proxy.record", "proxy.records", "proxy.rendering", "proxy.rendition", "proxy.sources", "proxy.stores",
        "proxy.tags", "proxy.transcoding", "transforms",
    },
    "proxy.pressure": {
        "cachetools", "proxy.failures", "proxy.negotiation", "proxy.rendition", "proxy.stores", "proxy.tags",
        "transforms",
    },
    "proxy.shrunk": {"structlog", "proxy.failures", "proxy.stats", "transforms"},
    "proxy.films": {"proxy.rendition", "proxy.workers", "transforms"},
    "proxy.transcoding": {
        "proxy.answer", "proxy.caching", "proxy.failures", "proxy.films", "proxy.rendition", "proxy.stores",
        "transforms",
    },
    "proxy.rendering": {
        "proxy.brake",
        "proxy.failures", "proxy.films", "proxy.lending", "proxy.rendition", "proxy.shrunk", "proxy.sources",
        "proxy.stores", "proxy.workers", "transforms",
    },
    "proxy.rendition": {
        "proxy.failures", "proxy.negotiation", "proxy.reading", "proxy.record", "proxy.sources", "proxy.tags",
        "signing", "transforms",
    },
    "proxy.reading": {
        "cachetools", "proxy.failures", "proxy.policy", "proxy.sources", "proxy.tags", "signing", "transforms",
    },
    "proxy.records": {
        "cachetools", "proxy.failures", "proxy.flights", "proxy.record", "proxy.recorded", "proxy.sources",
        "proxy.stores", "proxy.tags", "transforms",
    },
    "proxy.recorded": {"proxy.failures", "proxy.sources", "transforms"},
    "proxy.lending": {"proxy.failures", "proxy.record", "proxy.sources", "proxy.workers"},
    "proxy.passing": {"proxy.failures", "proxy.lending", "proxy.record", "proxy.sources", "proxy.stores"},
    "proxy.record": {"transforms"},
    "proxy.known": {"proxy.record", "proxy.sources", "proxy.stores", "proxy.tags", "transforms"},
    "proxy.policy": {"proxy.failures", "transforms"},
    "proxy.sources.http": {
        "cachetools", "httpcore", "httpcore2", "idna", "structlog", "proxy.breaker", "proxy.failures", "proxy.sources",
    },
    "proxy.sources": {"proxy.failures", "proxy.flights", "proxy.s3", "proxy.stats", "signing"},
    "proxy.stores": {"cachetools", "structlog", "proxy.breaker", "proxy.redis", "proxy.s3", "proxy.stats"},
    "proxy.s3": {"boto3", "botocore", "urllib3", "obstore", "proxy.breaker"},
    "proxy.flights": {"proxy.failures"},
    "proxy.coordination": {"redis", "proxy.redis"},
    "proxy.redis": {"redis", "proxy.addresses", "proxy.breaker"},
    "proxy.addresses": set(),
    "proxy.herd": {"proxy.coordination.seams", "proxy.stores"},
    "proxy.once": {"proxy.flights", "proxy.herd", "proxy.stores"},
    "proxy.workers": {"structlog", "proxy.failures", "transforms"},
    "proxy.breaker": set(),
    "proxy.caching": set(),
    "proxy.negotiation": set(),
    "proxy.errors": {"proxy.caching", "proxy.failures", "signing", "transforms"},
    "proxy.failures": {"transforms"},
    "proxy.log": {"structlog"},
    "proxy.metrics": {"prometheus_client", "proxy.counts", "proxy.stats"},
    "proxy.counts": {"prometheus_client"},
    "proxy.stats": set(),
    "proxy.settings": {
        "pydantic", "pydantic_core", "pydantic_settings", "proxy.addresses", "proxy.s3.place", "proxy.sources.mounts",
        "signing", "transforms",
    },
    "proxy.budget": {"proxy.settings"},
    "proxy.doctor": {
        "proxy.addresses", "proxy.budget", "proxy.caching", "proxy.failures", "proxy.origins", "proxy.redis",
        "proxy.s3", "proxy.settings", "proxy.sources", "proxy.workers", "signing", "transforms",
    },
    "proxy": set(),
}
# fmt: on


def modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


def room(module: str) -> str:
    return next(prefix for prefix in RULES if module == prefix or module.startswith(prefix + "."))


def imports(path: Path, anywhere: bool = True) -> Iterator[str]:
    """The modules that a file imports; only those that are imported with it where `anywhere` is false."""
    tree = ast.parse(path.read_text())
    checking = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree) if anywhere else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and id(node) not in checking:
            yield node.module
            if node.module in PACKAGES:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def allowed(imported: str, rules: set[str], own: str) -> bool:
    top = imported.partition(".")[0]
    if top in STANDARD or "*" in rules or imported in PACKAGES:
        return True
    return any(imported == name or imported.startswith(name + ".") for name in (*rules, own))


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=lambda value: value if isinstance(value, str) else "")
def test_a_room_imports_what_its_rule_allows(module: str, path: Path) -> None:
    own = room(module)
    broken = [name for name in imports(path) if not allowed(name, RULES[own], own)]
    assert not broken, f"{module} (room {own}) imports {broken}"


def test_transforms_know_nothing_of_the_web() -> None:
    for module, path in modules():
        if module.startswith("transforms"):
            assert not {"asyncio", "http", "starlette"} & {name.partition(".")[0] for name in imports(path)}, module


def test_the_front_never_loads_pixels() -> None:
    """Everything that serves, imported: neither libvips nor FFmpeg nor numpy comes with it."""
    code = "import sys, proxy.app, proxy.server, proxy.doctor, proxy.reference; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pyvips", "av", "numpy", "pi_heif", "pylibjxl", "pypdfium2"} & set(loaded)


def test_a_worker_of_pictures_loads_no_ffmpeg() -> None:
    """It is half as large as all else, and is loaded for the first film; those for films have it from the start."""
    for module, with_it in (("transforms.work", False), ("transforms.recordings", True)):
        code = f"import sys, {module}; print(*sys.modules)"
        loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        assert ("av" in loaded) == with_it, module


def test_signing_needs_itsdangerous_alone() -> None:
    code = "import sys; before = set(sys.modules); import signing; print(*(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name.partition(".")[0] for name in loaded} - STANDARD == {"signing", "itsdangerous"}
