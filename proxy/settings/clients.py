"""How much one client may ask, and whose pages may read what it gets."""

from typing import Annotated

from pydantic import AfterValidator

from proxy.settings.declare import Table, setting
from proxy.settings.units import Names, RateText


def check_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    """The origins again, each as browsers write it; `*` stands alone."""
    for origin in origins:
        scheme, _, rest = origin.partition("://")
        if origin != "*" and (scheme not in ("http", "https") or not rest or "/" in rest or origin != origin.lower()):
            raise ValueError("* or origins such as https://www.example.com, in lower case and without a path")
    if "*" in origins and len(origins) > 1:
        raise ValueError("* alone, or a list of origins")
    return origins


Origins = Annotated[Names, AfterValidator(check_origins)]


class Rates(Table):
    """How often somebody may ask, and how often for what has to be made."""

    requests: RateText | None = setting(
        None, "Requests, answered from a cache or not.", unit="per time", example="100/second burst 300", shown="none"
    )
    renders: RateText | None = setting(
        None, "Results that have to be made.", unit="per time", example="10/second burst 60", shown="none"
    )
