"""Programs of others that a fleet needs: Redis, an S3 server, nginx; each on ports and in a folder of its own."""

from pathlib import Path
from typing import Any

import boto3
import redis
from botocore.config import Config

from bench.serving import free_port
from bench.trials.programs import Program
from tests.seaweed import ACCESS_KEY, BUCKET, DOORS, SECRET_KEY, command, environment, free_ports, is_up

__all__ = ["AWS", "BUCKET", "bucket_at", "redis_server", "s3_server"]

AWS = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_DEFAULT_REGION": "us-east-1"}
"""What whoever asks the S3 server has in its environment."""


def redis_server(folder: Path, *words: str) -> tuple[Program, int]:
    """A Redis that keeps nothing on disk, not started yet, and its port."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    words = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder), *words)
    return Program("redis", ["redis-server", *words], lambda: _pongs(port), folder / "log"), port


def _pongs(port: int) -> bool:
    try:
        with redis.Redis(port=port, socket_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def s3_server(folder: Path) -> tuple[Program, str]:
    """A SeaweedFS with a bucket that keeps what it has in the folder, not started yet, and its address."""
    folder.mkdir(parents=True, exist_ok=True)
    ports = free_ports(len(DOORS))
    endpoint = f"http://127.0.0.1:{ports[0]}"
    log = folder.with_suffix(".log")
    return Program("s3", command(folder, ports), lambda: is_up(endpoint), log, environment(folder), folder), endpoint


def bucket_at(endpoint: str) -> Any:
    """A client of such a server, for whoever writes originals."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=AWS["AWS_DEFAULT_REGION"],
        aws_access_key_id=AWS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=AWS["AWS_SECRET_ACCESS_KEY"],
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 5}),
    )
