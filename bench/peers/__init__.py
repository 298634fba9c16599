"""Whom the bench compares with: each a class that says how it is installed, started and asked."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.peers.darkroom import Darkroom
from bench.peers.ipx import Ipx
from bench.peers.libvips import ImgproxyEmulation, Libvips
from bench.peers.peer import Peer, Running, Wish
from bench.peers.thumbor import Thumbor

__all__ = ["OURS", "PEERS", "Peer", "Running", "Wish", "installed"]

OURS = Darkroom()
PEERS: Mapping[str, Peer] = {peer.name: peer for peer in (Ipx(), Thumbor(), Libvips(), ImgproxyEmulation())}


def installed(out: Path, say: Callable[[str], None]) -> dict[str, tuple[Peer, str]]:
    """The peers that could be installed, ourselves first, with their versions."""
    found: dict[str, tuple[Peer, str]] = {}
    for peer in (OURS, *PEERS.values()):
        try:
            found[peer.name] = peer, peer.install(out)
        except (OSError, subprocess.CalledProcessError) as error:
            say(f"{peer.name} is left out, since it cannot be installed: {error}")
    return found
