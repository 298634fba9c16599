"""What every test may ask for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.redis_server import RedisServer, redis_server
from tests.seaweed import Seaweed, seaweed
from transforms import privileges

# Some films of the tests are AV1. Its encoder would make the tests of root, and all they start, real-time processes.
privileges.keep(~(1 << privileges.CAP_SYS_NICE))

# An example that takes long says that the machine has other things to do, and nothing of ours.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis for tests that leave it running; each takes a prefix of its own."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


def corpus(folder: str, pattern: str = "*") -> list[Path]:
    """Files of one folder of the corpus; none when `DARKROOM_CORPUS` does not name one."""
    root = os.environ.get("DARKROOM_CORPUS")
    return sorted(path for path in Path(root, folder).glob(pattern) if path.is_file()) if root else []


@pytest.fixture(scope="session")
def seaweed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """A real S3 server, started when the first test asks for it."""
    with seaweed(tmp_path_factory.mktemp("seaweed")) as server:
        yield server
