"""Folders for the caches of the servers that are measured; they stay until the whole run is over.

Without a journal, ext4 passes by each inode that was freed in the last minutes whenever it makes a file. A cache that
is removed between two servers would make the files of the second one dearer, which no server in use meets. A run that
has just ended does so too: leave five minutes between two.
"""

import shutil
import tempfile
from pathlib import Path

_PREFIX = "cache-"


def empty_cache(out: Path) -> str:
    """A new folder in `out`."""
    return tempfile.mkdtemp(prefix=_PREFIX, dir=out)


def remove_caches(out: Path) -> None:
    """Remove all of them, those of a run that was killed too."""
    for folder in out.glob(f"{_PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)
