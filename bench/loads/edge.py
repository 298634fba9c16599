"""Answers that nginx keeps, for many clients and for long, beside nginx with the same body in a file."""

import asyncio
from statistics import median

from bench.hot import static
from bench.load import Http
from bench.serving import pinned
from bench.trials.finding import Finding
from bench.trials.fleet import Fleet
from bench.trials.ground import Ground
from bench.trials.services import BUCKET
from bench.wrk import Said, wrk

CLIENTS, SECONDS, TURNS = 256, 60.0, 6
STEPS = "f_jpg,q_80,w_600"
P99 = 15.0
AGES = {"max_age": 3600, "shared_max_age": 3600}


async def kept(ground: Ground) -> Finding:
    """A signed picture that nginx has, in turns with a file; both on one core, the load on the other."""
    ours: list[Said] = []
    theirs: list[Said] = []
    seconds = max(1.0, SECONDS * ground.scale / TURNS)
    fleet = Fleet.of(ground.folder, fronts=1, freshness=AGES, first="final")
    fleet.nginx.command = [*pinned(0), *fleet.nginx.command]
    async with fleet:
        original = (ground.originals / "cats" / "1.jpg").read_bytes()
        await asyncio.to_thread(fleet.bucket().put_object, Bucket=BUCKET, Key="originals/1.jpg", Body=original)
        path = fleet.signer.url("1.jpg", STEPS)
        body = await _asked(fleet.port, path)
        with static(body) as port:
            address = f"http://127.0.0.1:{fleet.port}{path}"
            await wrk(address, [], 1, CLIENTS)
            before = fleet.count("darkroom_requests_total")
            for _ in range(TURNS):
                ours.append(await wrk(address, [], seconds, CLIENTS))
                theirs.append(await wrk(f"http://127.0.0.1:{port}/body.jpg", [], seconds, CLIENTS))
            reached = fleet.count("darkroom_requests_total") - before
    ratio = median(one.rate / other.rate for one, other in zip(ours, theirs, strict=True))
    worst, errors = max(said.p99 for said in ours), sum(said.errors for said in ours)
    return Finding(
        f"L2 hits of nginx, {CLIENTS} clients, {TURNS * seconds:.0f} s",
        f"no error, p99 {P99:.0f} ms",
        f"{len(body) / 1000:.0f} KB: {median(said.rate for said in ours):.0f}/s, {ratio:.2f} of nginx with a file, "
        f"both on one core; {errors} errors; p99 {median(said.p99 for said in ours):.1f} ms, {worst:.1f} at worst "
        f"(the file {median(said.p99 for said in theirs):.1f}); {reached:.0f} reached a front",
        not errors and worst <= P99,
    )


async def _asked(port: int, path: str) -> bytes:
    """The body of an answer that nginx then has. Raises RuntimeError."""
    connection = await Http.open(port)
    for _ in range(2):
        answer = await connection.ask(path)
    connection.close()
    if answer.status != 200 or not answer.fields.get("cache-status", "").startswith("nginx; hit"):
        raise RuntimeError(f"{answer.status} {answer.fields}")
    return answer.body
