"""Whether the stores of results that machines share can be reached; a Redis among them is asked like any other."""

import asyncio
from collections.abc import Iterator

from proxy.doctor.check import Check
from proxy.doctor.origins import remedy
from proxy.s3.bucket import Bucket
from proxy.s3.errors import S3Error
from proxy.s3.place import S3Place
from proxy.settings import Settings


def check_results(settings: Settings) -> Iterator[Check]:
    """Ask each bucket of `results` for what it has; nothing is written into it."""
    for tier in settings.shared_tiers:
        if tier.bucket:
            yield asyncio.run(_asked(f"results {tier.kind}", tier.bucket))


async def _asked(name: str, url: str) -> Check:
    bucket = Bucket.open(S3Place.read(url))
    try:
        await bucket.page("", most=1)
    except S3Error as error:
        return Check(name, "bad", f"{url}: {error}", remedy(str(error)))
    finally:
        await bucket.close()
    return Check(name, "ok", f"{url} answers")
