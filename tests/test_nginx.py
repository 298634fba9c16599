"""nginx in front of fronts, with the configuration that is shipped: booted, asked, purged, and left alone by its fronts."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.serving import free_port
from signing import Signer
from tests.edging import Nginx, checked, configured, nginx
from tests.serving import Server, originals, serving

KEY = "an example of a key, 32 bytes or more"
BROWSER = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


@dataclass
class Rig:
    """Some fronts and an nginx before them."""

    nginx: Nginx
    fronts: list[Server]
    signer: Signer

    def url(self, source: str, *steps: str, **options: object) -> str:
        return self.signer.url(source, *steps, **options)  # type: ignore[arg-type]

    def made(self) -> float:
        """How many renditions the fronts have made."""
        return sum(front.count("darkroom_transforms_total") for front in self.fronts)

    def asked(self) -> float:
        """How many requests for renditions have reached a front."""
        return sum(front.count("darkroom_requests_total") for front in self.fronts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return originals(tmp_path_factory.mktemp("originals"))


@pytest.fixture(scope="module")
def rig(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Two fronts that are never stopped before the end."""
    scratch = tmp_path_factory.mktemp("rig")
    settings = {"keys": [KEY], "behind_nginx": True, "accel": "/api/accel/", "first": "final", "workers": 1}
    with (
        serving(folder, scratch / "one", **settings) as one,
        serving(folder, scratch / "two", **settings) as two,
        nginx(scratch / "nginx", [one.port, two.port], folder) as before,
    ):
        yield Rig(before, [one, two], Signer(KEY))


def test_the_configuration_is_one(tmp_path: Path) -> None:
    said = checked(configured(tmp_path, [1, 2], free_port(), free_port(), tmp_path, {}))
    assert (said.returncode, said.stderr) == (0, "")


def test_a_hit_asks_no_front_for_the_picture(rig: Rig) -> None:
    url = rig.url("cats/1.jpg", w=101)
    first = rig.nginx.ask(url)
    asked = rig.asked()
    second = rig.nginx.ask(url)
    assert (first.status, second.status, second.body) == (200, 200, first.body)
    assert first["cache-status"] == "darkroom; fwd=miss; stored, nginx; fwd=uri-miss"
    assert second["cache-status"] == "nginx; hit"
    assert rig.asked() == asked
