"""From the raw path of a request to what is asked for, once it is known to be allowed."""

import difflib
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from cachetools import LRUCache

from proxy.failures import Forbidden, NoSuchOriginal
from proxy.policy import Allowed, Policy
from proxy.sources.mounts import Mounted, Mounts
from proxy.tags import original_tags, preset_tags
from signing import Address, BadAddress, Expired, KeyRing, Request, Unsigned, Verified, sign, verify
from signing.escapes import unescape
from transforms.errors import BadPlan
from transforms.operations.output import Fallback, Format
from transforms.pipeline import PIPELINE
from transforms.plan import Plan

REMEMBERED = 10_000
"""How many read paths are kept, at about 2 KB each."""
LONGEST_REMEMBERED = 512
LONGEST = 8192
"""Bytes of a path; proxies take as many."""


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
    verified: Verified | None
    """Whose signature the path bears, where it is one that counts."""
    presets: tuple[str, ...] = ()
    """The tags of the presets that the plan was read with."""

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """The tags by which a rendition is purged: its original, the mount and the folders of that, its presets."""
        return (*original_tags(self.mounted), *self.presets)

    @property
    def expires(self) -> int | None:
        """When the URL itself expires, in Unix seconds."""
        return self.verified.expires if self.verified else None

    @property
    def untouched(self) -> bool:
        """Whether the original itself is asked for."""
        return not self.address.steps and not self.place.default_preset

    @cached_property
    def answer_name(self) -> str:
        """What every answer to this path is called, whoever asks with whichever signature: a hash.

        It depends on all that decides the answer but for the client's `Accept` and the state of the original. Keys
        with different policies share nothing, since a ladder or a list of formats changes what a path means.
        """
        facts = (
            self.mounted.name,
            self.mounted.key,
            # A part is the same for players of every kind.
            str(self.plan.replaced(without=(Format,)) if self.request.part else self.plan),
            self.untouched and self.place.originals,
            self.address.name,
            repr(self.policy.rules),
        )
        return _digest("darkroom.answer.1", facts)

    @cached_property
    def original_name(self) -> str:
        """What every path to this original has in common: a hash."""
        return _digest("darkroom.original.1", (self.mounted.name, self.mounted.key))


def _digest(kind: str, facts: tuple[object, ...]) -> str:
    return hashlib.sha256(f"{kind}\n{json.dumps(facts)}".encode()).hexdigest()[:40]


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
        lingering: float = 0.0,
    ) -> None:
        """`lingering` is the seconds for which parts of a stream may be had once its URL has expired."""
        self._lingering = lingering
        self._ring, self._policies, self._presets = ring, policies, presets
        self._mounts, self._places = mounts, places
        self._open_to_all, self._clock = open_to_all, clock
        self._read: LRUCache[bytes, Wanted] = LRUCache(REMEMBERED)

    def read(self, path: bytes, late: bool = False) -> Wanted:
        """What a raw path asks for; of one that has expired only for those who are `late`.

        Raises SigningError and Refusals.
        """
        wanted = self._read.get(path)
        if wanted is None:
            wanted = self._read_anew(path, late)
            if len(path) <= LONGEST_REMEMBERED:
                self._read[path] = wanted
        elif wanted.expires is not None and not late and self._now(wanted.request) >= wanted.expires:
            raise Expired("The address has expired", part=f"exp_{wanted.expires}")
        return wanted

    def _read_anew(self, path: bytes, late: bool) -> Wanted:
        if len(path) > LONGEST:
            raise BadAddress(f"The path has {len(path)} bytes", expected=f"at most {LONGEST}")
        request = Request.read(path)
        verified = self._verified(request, late)
        address = Address.read(request.rest, request.offset)
        mounted = self._mounted(address.source, verified)
        place = self._places.get(mounted.name, Place())
        policy = self._policy(verified, place, untouched=place.originals and not address.steps)
        steps = address.steps or ((f"t_{place.default_preset}",) if place.default_preset else ())
        try:
            plan = Plan.read(steps, self._presets)
        except BadPlan as error:
            if error.offset is not None and address.steps:
                error.offset += request.offset
            raise
        plan = policy.admit(mounted.name, steps, plan)
        presets = preset_tags(steps, self._presets)
        wanted = Wanted(request, address, mounted, place, plan, policy, verified, presets)
        fallback = plan.find(Fallback)
        # One that a preset names is the word of whoever configured the server.
        if fallback and any(option.startswith("d_") for step in steps for option in step.split(",")):
            self._check_fallback(wanted, fallback.source)
        return wanted

    def _verified(self, request: Request, late: bool) -> Verified | None:
        """Whose signature the path bears; None where it bears none, which the mount may allow."""
        if request.auth is None:
            return None
        if self._ring is None:
            if self._open_to_all:
                return None
            raise Unsigned("The server has no key that could verify a signature")
        return verify(request, self._ring, 0.0 if late else self._now(request))

    def _now(self, request: Request) -> float:
        """The moment that an expiry is held against.

        Whoever has begun a film before its URL expired may see it to its end: its parts have names that only its
        playlists tell, and these are not given any more.
        """
        return self._clock() - (self._lingering if request.part else 0.0)

    def _mounted(self, source: str, verified: Verified | None) -> Mounted:
        try:
            return self._mounts.resolve(source)
        except (NoSuchOriginal, Forbidden) as refusal:
            if verified is None and not self._open_to_all:
                raise Unsigned("The address is not signed") from None
            raise hinted(refusal, source) if isinstance(refusal, NoSuchOriginal) else refusal from None

    def _policy(self, verified: Verified | None, place: Place, untouched: bool) -> Policy:
        rules: list[Allowed] = []
        if verified is None:
            if not self._open_to_all:
                if place.public is None:
                    raise Unsigned("The address is not signed")
                if not untouched:  # who makes a mount public and its originals too means both
                    rules.append(place.public)
        else:
            rule = self._policies.get(verified.kid)
            if verified.scope is not None and not (rule and rule.finite):
                raise Forbidden("a scoped signature goes with a key whose policy has a ladder or presets only")
            rules += [rule] if rule else []
        if place.formats is not None:
            rules.append(FormatsAlone(place.formats))
        return Policy(tuple(rules))

    def _check_fallback(self, wanted: Wanted, source: str) -> None:
        """Raises Forbidden for a picture in place of a missing one that could not be asked for by itself."""
        mounted, verified = self._mounts.resolve(source), wanted.verified
        wanted.policy.check_mount(mounted.name, f"d_{source}")
        inside = verified is None or verified.scope is None or f"{source}/".startswith(f"{verified.scope}/")
        if not inside or (verified is None and not self._open_to_all and mounted.name != wanted.mounted.name):
            raise Forbidden("the signature does not cover the picture to show instead", part=f"d_{source}")

    def elsewhere(self, wanted: Wanted, source: str) -> Wanted:
        """The same of another original."""
        mounted = self._mounts.resolve(source)
        return replace(wanted, mounted=mounted, place=self._places.get(mounted.name, Place()))

    def signed(self, wanted: Wanted, rest: str) -> str:
        """The path of another rendition of the same original, for whoever may ask for this one."""
        verified, auth = wanted.verified, wanted.request.auth
        if verified is None or auth is None or self._ring is None:
            return f"/{rest}"
        if verified.scope is not None:
            return f"/{auth.write()}/{rest}"
        key = self._ring.candidates(verified.kid)[0]
        return f"/{sign(unescape(rest), key, expires=verified.expires, kid=auth.kid is not None)}/{rest}"


@dataclass(frozen=True)
class FormatsAlone:
    """The one rule that a mount adds to those of the key."""

    formats: tuple[str, ...] | None
    mounts: None = None
    presets_only: bool = False
    presets: None = None
    largest: None = None
    ladder: tuple[int, ...] = ()
    finite: bool = False


WORDS = {
    word: letters
    for operation in reversed(PIPELINE)
    for word, letters in (
        *((key, declared.letter) for key, declared in operation.params().items() if declared.letter),
        (operation.__name__.lower(), operation.name),
        (operation.name.partition("_")[2], operation.name),
    )
    if len(word) > 3
}
"""What people write for options: the words of their classes and values."""

_written_out = re.compile(r"([A-Za-z]+)[_=:-]?([0-9A-Za-z.#]*)(?:,.*)?")


def hinted(missing: NoSuchOriginal, source: str) -> NoSuchOriginal:
    """The refusal of a source that was not found, with a hint where its first segment resembles a step."""
    first, slash, _ = source.partition("/")
    found = _written_out.fullmatch(first)
    if not slash or not found:
        return missing
    word, value = found[1].lower(), found[2]
    near = difflib.get_close_matches(word, WORDS, n=1, cutoff=0.75)
    letters = word if word in WORDS.values() and value[:1].isdigit() else WORDS[near[0]] if near else ""
    if not letters:
        return missing
    meant = f"{letters}{':' if '_' in letters else '_'}{value}" if value else letters
    return NoSuchOriginal(
        f"{missing.detail} Its first segment, {first}, resembles a step; did you mean {meant}?",
        part=first,
        expected="steps that begin with an option of one or two letters, such as w_600",
        suggestion=meant,
    )
