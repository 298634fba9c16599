"""What every test may ask for."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def corpus(folder: str, pattern: str = "*") -> list[Path]:
    """Files of one folder of the corpus; none when `DARKROOM_CORPUS` does not name one."""
    root = os.environ.get("DARKROOM_CORPUS")
    return sorted(path for path in Path(root, folder).glob(pattern) if path.is_file()) if root else []
