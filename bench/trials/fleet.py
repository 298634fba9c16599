"""Several fronts with all that stands round them: one S3 server, one Redis, one nginx."""

import asyncio
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.serving import answers, free_port
from bench.trials.fronts import ROOT, front, metric
from bench.trials.programs import Program
from bench.trials.services import AWS, BUCKET, bucket_at, redis_server, s3_server
from signing import Signer
from tests.edging import configured

KEY = "the key of a fleet that lives for minutes"
TOKEN = "the-token-of-a-fleet-that-lives-for-minutes"
RECHECK = 1
"""Seconds after which a front asks the originals' place again."""
AGES = {"max_age": 1, "shared_max_age": 3, "stale_while_revalidate": 5, "stale_if_error": 120}
"""How long nginx and browsers may keep an answer, in seconds."""


@dataclass
class Fleet:
    """Programs that run together; each may be harmed by itself."""

    folder: Path
    s3: Program
    endpoint: str
    redis: Program
    redis_port: int
    fronts: list[Program]
    ports: list[int]
    nginx: Program
    port: int
    private_port: int
    signer: Signer = field(default_factory=lambda: Signer(KEY))

    @classmethod
    def of(cls, folder: Path, fronts: int = 3, **settings: object) -> "Fleet":
        """A fleet that is not started yet; `settings` are its fronts'."""
        s3, endpoint = s3_server(folder / "s3")
        redis, redis_port = redis_server(folder / "redis")
        port, private = free_port(), free_port()
        usual = _settings(endpoint, redis_port, private) | settings
        made = [front(f"front {number}", folder / f"front-{number}", usual) for number in range(1, fronts + 1)]
        for one, _ in made:
            one.environment = {**one.environment, **AWS}
        ports = [port for _, port in made]
        config = configured(folder / "nginx", ports, port, private, folder / "none", {})
        command = ["nginx", "-g", "daemon off;", "-e", str(folder / "nginx" / "errors"), "-c", str(config)]
        nginx = Program("nginx", command, lambda: answers(port, "/health"), folder / "nginx.log")
        return cls(folder, s3, endpoint, redis, redis_port, [one for one, _ in made], ports, nginx, port, private)

    def start(self) -> "Fleet":
        """Start all of it, what others need first."""
        for program in self.everybody:
            program.start()
        return self

    def stop(self) -> None:
        """End all of it, whatever state it is in."""
        for program in reversed(self.everybody):
            program.kill() if program in (self.s3, self.redis) else program.stop()

    async def __aenter__(self) -> "Fleet":
        try:
            return await asyncio.to_thread(self.start)
        except BaseException:
            await asyncio.to_thread(self.stop)
            raise

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stop)

    @property
    def everybody(self) -> list[Program]:
        """All programs, in the order in which they are started."""
        return [self.s3, self.redis, *self.fronts, self.nginx]

    def count(self, name: str, **labels: str) -> float:
        """A metric over all fronts that run."""
        running = [port for one, port in zip(self.fronts, self.ports, strict=True) if one.runs]
        return sum(metric(port, name, **labels) for port in running)

    def bucket(self) -> Any:
        """A client of the S3 server, for whoever writes originals."""
        return bucket_at(self.endpoint)


def _settings(endpoint: str, redis_port: int, private: int) -> dict[str, object]:
    return {
        "keys": [KEY],
        "tokens": [{"name": "fleet", "secret": TOKEN}],
        "behind_nginx": True,
        "mounts": {"": {"url": f"s3://{BUCKET}/originals", "recheck": RECHECK, "endpoint": endpoint}},
        "redis": f"redis://127.0.0.1:{redis_port}/0",
        "results": ["memory:", "disk:", f"s3://{BUCKET}/results?endpoint={endpoint}"],
        "purge_urls": [f"http://127.0.0.1:{private}/purge"],
        "freshness": AGES,
        "workers": 1,
        "drain_seconds": 2,
        "stop_seconds": 10,
    }


def changed_tree(folder: Path, path: str, old: str, new: str) -> Path:
    """A copy of the source in which one text is another: the next version of ourselves. Raises ValueError."""
    for package in ("proxy", "transforms", "signing"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    text = (folder / path).read_text()
    if old not in text:
        raise ValueError(f"{path} has no {old!r}")
    (folder / path).write_text(text.replace(old, new, 1))
    return folder


def upgraded(fleet: Fleet, number: int, tree: Path) -> None:
    """Have a front be of another tree from its next start on."""
    program = fleet.fronts[number]
    program.environment = {**program.environment, "PYTHONPATH": str(tree)}
    program.cwd = tree
