"""Pictures that nobody has asked for yet, beside libvips doing the same plan with nothing round it."""

import http.client
import itertools
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench.serving import darkroom
from transforms.formats import DEFAULT_QUALITY, FORMATS

CLIENTS = 8
WIDTH = 600
FORMATS_COMPARED = ("jpg", "webp", "avif")


@dataclass(frozen=True)
class Row:
    """One comparison: results per second, and the bytes of one result."""

    name: str
    ours: float
    raw: float
    ratio: float
    size: int
    raw_size: int


def compare(photos: list[Path], rounds: int, seconds: float, say: Callable[[str], None]) -> Iterator[Row]:
    """Interleaved rounds of ours over HTTP and of raw libvips in as many processes as there are workers."""
    photo = photos[0]
    with darkroom(photo.parent, "--cache", "off", settings={"DARKROOM_QUEUE_SECONDS": "60"}) as port:
        tokens = itertools.count()
        for form in FORMATS_COMPARED:
            ours, raw, ratios = [], [], []
            for number in range(rounds):
                one, size = _over_http(port, photo.name, form, tokens, seconds)
                other, raw_size = _raw(photo, form, seconds)
                ours.append(one)
                raw.append(other)
                ratios.append(one / other)
                say(f"  {form} round {number + 1}: {one:.1f} and {other:.1f} a second")
            yield Row(
                f"{photo.name} to {form}",
                statistics.median(ours),
                statistics.median(raw),
                statistics.median(ratios),
                size,
                raw_size,
            )


def _over_http(port: int, name: str, form: str, tokens: Iterator[int], seconds: float) -> tuple[float, int]:
    """Results per second for eight clients, each URL new, and the bytes of one."""
    sizes: list[int] = []
    until = time.perf_counter() + seconds

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while time.perf_counter() < until:
            connection.request("GET", f"/f_{form},v_{next(tokens)},w_{WIDTH}/{name}")
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{answer.status}: {body[:300]!r}")
            sizes.append(len(body))

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(sizes) / (time.perf_counter() - started), sizes[0]


def _raw(photo: Path, form: str, seconds: float) -> tuple[float, int]:
    """Results per second of `vips thumbnail` and the same encoder settings, one process to a core."""
    context = get_context("spawn")
    with context.Pool(len(os.sched_getaffinity(0)), initializer=_prepare) as pool:
        pool.map(_thumbnails, [(photo, form, 0.3)] * 2)  # warm
        done = pool.map(_thumbnails, [(photo, form, seconds)] * len(os.sched_getaffinity(0)), chunksize=1)
    return sum(count / elapsed for count, elapsed, _ in done), done[0][2]


def _prepare() -> None:
    os.environ["VIPS_CONCURRENCY"] = "1"
    import pyvips

    pyvips.cache_set_max(0)


def _thumbnails(work: tuple[Path, str, float]) -> tuple[int, float, int]:
    import pyvips

    photo, form, seconds = work
    row = FORMATS[form]
    options: dict[str, Any] = {**row.settings("first"), "Q": row.quality(DEFAULT_QUALITY), "keep": "none"}
    count, size, started = 0, 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        image = pyvips.Image.thumbnail(str(photo), WIDTH, height=10_000_000, size="down")
        size = len(image.write_to_buffer(row.writer, **options))
        count += 1
    return count, elapsed, size
