"""Whether a client, and a key, may ask so often."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from proxy.clients.buckets import Buckets, Rate
from proxy.failures import RateLimited

Refused = Callable[[str, str, str], None]
"""Told of each refusal: what was limited (`requests`, `renders`), whose (`client`, `key`), and who that is."""


@dataclass(frozen=True)
class Allowance:
    """What somebody may do; None: as much as they like."""

    requests: Rate | None = None
    renders: Rate | None = None


@dataclass(frozen=True)
class Rates:
    """The rates of one configuration: that of every client, and those of keys by their ids."""

    client: Allowance = Allowance()
    keys: Mapping[str, Allowance] = field(default_factory=dict)


class Limiter:
    """Counts what clients and keys do, and refuses what is more than they may.

    Hits count as requests, since they are what most floods consist of; they cost no render. Work is counted for who is
    the first to ask for it, not for those who share it.
    """

    def __init__(self, rates: Rates, refused: Refused = lambda *_: None) -> None:
        self._refused = refused
        self._buckets: dict[tuple[str, str], Buckets] = {}
        self.use(rates)

    def use(self, rates: Rates) -> None:
        """Go on with other rates; where a rate is the same, so is what was taken of it."""
        before, self._buckets = self._buckets, {}
        for whose, allowance in (("client", rates.client), *rates.keys.items()):
            for what, rate in vars(allowance).items():
                if rate:
                    kept = before.get((whose, what))
                    self._buckets[whose, what] = kept if kept and kept.rate == rate else Buckets(rate)
        self._requests = self._buckets.get(("client", "requests"))
        self.any = bool(self._buckets)

    def asked(self, client: str) -> None:
        """Count a request of a client. Raises RateLimited."""
        if self._requests is not None and client and (wait := self._requests.take(client)):
            self._refuse("requests", "client", client, self._requests.rate, wait)

    def signed(self, key: str) -> None:
        """Count a request under a key. Raises RateLimited."""
        if self.any and key:
            self._take(key, "requests", "key", key)

    def rendered(self, client: str, key: str) -> None:
        """Count work for a client, under a key. Raises RateLimited."""
        if self.any:
            if client:
                self._take("client", "renders", "client", client)
            if key:
                self._take(key, "renders", "key", key)

    def every(self) -> Iterator[tuple[str, Buckets]]:
        """All buckets, by a name that is the same in every process with these rates."""
        for (whose, what), buckets in self._buckets.items():
            yield f"{whose}/{what}", buckets

    def _take(self, whose: str, what: str, kind: str, who: str) -> None:
        buckets = self._buckets.get((whose, what))
        if buckets is not None and (wait := buckets.take(who)):
            self._refuse(what, kind, who, buckets.rate, wait)

    def _refuse(self, what: str, whose: str, who: str, rate: Rate, wait: float) -> None:
        self._refused(what, whose, who)
        subject = "this client asks" if whose == "client" else "URLs of this key are asked for"
        allowed = f"{rate.count} {what} in {rate.seconds} s"
        raise RateLimited(
            f"{subject} too often",
            expected=f"at most {allowed}, {rate.burst} at once",
            retry_after=wait,
            quota=f'"{what}";{rate}',
        )
