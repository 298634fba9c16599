"""From the raw path of a request to what is asked for, once it is known to be allowed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cachetools import LRUCache

from proxy.failures import Forbidden
from proxy.policy import Allowed, Policy
from proxy.sources.mounts import Mounted, Mounts
from signing import Address, Expired, KeyRing, Request, Unsigned, Verified, verify
from transforms.plan import Plan

REMEMBERED = 20_000
"""How many read paths are kept, at about 2 KB each."""


@dataclass(frozen=True)
class Place:
    """What a mount's settings mean for a request."""

    public: Allowed | None = None
    """What anybody may ask for without a signature; None: nothing."""
    formats: tuple[str, ...] | None = None
    default_preset: str | None = None
    originals: bool = False
    focal: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """What a path asks for, verified, read and allowed."""

    request: Request
    address: Address
    mounted: Mounted
    place: Place
    plan: Plan
    policy: Policy
    expires: int | None

    @property
    def untouched(self) -> bool:
        """Whether the original itself is asked for."""
        return not self.address.steps and not self.place.default_preset


class Reader:
    """Reads paths against the keys, presets and mounts of one configuration."""

    def __init__(
        self,
        ring: KeyRing | None,
        policies: Mapping[str, Allowed],
        presets: Mapping[str, str],
        mounts: Mounts,
        places: Mapping[str, Place],
        open_to_all: bool,
        clock: Callable[[], float],
    ) -> None:
        self._ring, self._policies, self._presets = ring, policies, presets
        self._mounts, self._places = mounts, places
        self._open_to_all, self._clock = open_to_all, clock
        self._read: LRUCache[bytes, Wanted] = LRUCache(REMEMBERED)

    def read(self, path: bytes) -> Wanted:
        """What a raw path asks for. Raises SigningError and Refusals."""
        wanted = self._read.get(path)
        if wanted is None:
            wanted = self._read_anew(path)
            self._read[path] = wanted
        elif wanted.expires is not None and self._clock() >= wanted.expires:
            raise Expired("The address has expired", part=f"exp_{wanted.expires}")
        return wanted

    def _read_anew(self, path: bytes) -> Wanted:
        request = Request.read(path)
        verified = self._verified(request)
        address = Address.read(request.rest, request.offset)
        mounted = self._mounts.resolve(address.source)
        place = self._places.get(mounted.name, Place())
        policy = self._policy(verified, place)
        steps = address.steps or ((f"t_{place.default_preset}",) if place.default_preset else ())
        plan = policy.admit(mounted.name, steps, Plan.read(steps, self._presets))
        return Wanted(request, address, mounted, place, plan, policy, verified.expires if verified else None)

    def _verified(self, request: Request) -> Verified | None:
        """Whose signature the path bears; None where it bears none, which the mount may allow."""
        if request.auth is None:
            return None
        if self._ring is None:
            if self._open_to_all:
                return None
            raise Unsigned("The server has no key that could verify a signature")
        return verify(request, self._ring, self._clock())

    def _policy(self, verified: Verified | None, place: Place) -> Policy:
        rules: list[Allowed] = []
        if verified is None:
            if not self._open_to_all:
                if place.public is None:
                    raise Unsigned("The address is not signed")
                rules.append(place.public)
        elif rule := self._policies.get(verified.kid):
            if verified.scope is not None and not (rule.presets_only or rule.ladder):
                raise Forbidden("a scoped signature goes with a key whose policy has a ladder or presets only")
            rules.append(rule)
        elif verified.scope is not None:
            raise Forbidden("a scoped signature goes with a key whose policy has a ladder or presets only")
        if place.formats is not None:
            rules.append(FormatsAlone(place.formats))
        return Policy(tuple(rules))

    def mounted(self, source: str) -> Mounted:
        """Where another source lives that a plan names."""
        return self._mounts.resolve(source)


@dataclass(frozen=True)
class FormatsAlone:
    """The one rule that a mount adds to those of the key."""

    formats: tuple[str, ...] | None
    mounts: None = None
    presets_only: bool = False
    presets: None = None
    largest: None = None
    ladder: tuple[int, ...] = ()
