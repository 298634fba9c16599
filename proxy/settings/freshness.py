"""How long answers may be kept."""

from proxy.settings.declare import Table, setting
from proxy.settings.units import Seconds


class Freshness(Table):
    """How long answers are kept by those who ask."""

    max_age: Seconds = setting(3600, "How long browsers keep a result.", unit="seconds")
    shared_max_age: Seconds = setting(86400, "How long CDNs and proxies keep a result.", unit="seconds")
    provisional_max_age: Seconds = setting(
        120, "How long CDNs and proxies keep a first, fast result.", unit="seconds", example="2m", ge=60, le=300
    )
    stale_while_revalidate: Seconds = setting(
        86400, "How long an old result may be served while a new one is fetched.", unit="seconds", example="1d"
    )
    stale_if_error: Seconds = setting(
        86400, "How long an old result may be served while the server is down.", unit="seconds"
    )
