"""What may change while the server runs, made of the settings: keys, presets, mounts, rates, whom to believe."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from proxy.caching import Freshness
from proxy.clients.addresses import Addresses
from proxy.clients.buckets import Rate
from proxy.clients.rates import Allowance, Rates
from proxy.cors import Cors
from proxy.origins import Origins
from proxy.pages.links import Links
from proxy.pages.originals import Tree
from proxy.purging.targets import Targets
from proxy.reading import Place, Reader
from proxy.record import Recheck
from proxy.rendition import Bounds
from proxy.settings import REMOTE, Mount, Offer, Remote, Settings
from proxy.settings import Rates as RateSettings
from proxy.sources.dropped import DroppedSource
from proxy.sources.mounts import Mounts
from proxy.sources.source import Source
from proxy.wire import Manners
from signing import Key, KeyRing, looks_like_step
from transforms.limits import Limits

RELOADED = frozenset(
    (
        "keys", "presets", "mounts", "limits", "freshness", "gps", "rates", "connections", "trusted_proxies",
        "cors_origins", "corp", "admin_token", "tokens", "tag_header", "accel", "config", "remote", "unsigned",
        "ladders", "stream_linger",
    )
)  # fmt: skip
"""Settings that hold as soon as they are read anew; all others are those of the start."""

BRIEFLY = Freshness(60, 60, 0, 0, 60)
"""How long results of dropped files are kept by those who ask: their originals are there for a while only."""

RECHECKED_ELSEWHERE = 60.0
"""Seconds after which a place elsewhere is asked whether an original is still the same, where it does not say."""
MISSING_ELSEWHERE = 10.0
"""Seconds for which an original is believed to be missing there."""


@dataclass(frozen=True)
class Site:
    """What may change while the server runs, read together and replaced together."""

    reader: Reader
    bounds: Mapping[str, Bounds]
    freshness: Mapping[str, Freshness]
    rechecks: Mapping[str, Recheck]
    tree: Tree
    links: Links
    targets: Targets
    """What can be purged by its name."""
    rates: Rates
    manners: Manners
    addresses: Addresses

    @classmethod
    def of(cls, settings: Settings, origins: Origins, dropped: Mapping[str, DroppedSource]) -> Self:
        """Raises BadKey, and ValueError for mounts that cannot be served; `origins` are those in use."""
        ring = KeyRing.read([key.secret.get_secret_value() for key in settings.keys]) if settings.keys else None
        sources = origins.named(settings)
        table: dict[str, Source] = {name: sources[name] for name in settings.mounts}
        mounts = Mounts({**table, **dropped}, looks_like_step=looks_like_step, remote=sources.get(REMOTE))
        offers: dict[str, Mount | Remote] = {
            **settings.mounts,
            **({REMOTE: settings.remote} if settings.remote else {}),
        }
        reader = Reader(
            ring,
            {Key.read(key.secret.get_secret_value()).kid: key.policy for key in settings.keys},
            settings.presets,
            mounts,
            {name: _place(offer) for name, offer in offers.items()},
            open_to_all=settings.unsigned or ring is None,
            clock=time.time,
            lingering=settings.stream_linger,
        )
        site = cls(
            reader,
            {
                name: Bounds(Limits(**settings.limits_of(offer).model_dump()), settings.gps == "keep")
                for name, offer in offers.items()
            }
            | {name: Bounds(Limits(**settings.limits.model_dump()), settings.gps == "keep") for name in dropped},
            {name: _freshness(settings, offer) for name, offer in offers.items()} | dict.fromkeys(dropped, BRIEFLY),
            {name: _recheck(settings, offer) for name, offer in offers.items()} | dict.fromkeys(dropped, Recheck()),
            Tree(mounts, tuple(settings.mounts)),
            Links(ring, settings.presets),
            Targets(mounts.resolve, tuple(offers), tuple(settings.presets)),
            _rates(settings),
            Manners(
                settings.corp,
                Cors(settings.cors_origins),
                {name: Cors(offer.cors_origins) for name, offer in offers.items() if offer.cors_origins is not None},
                settings.tag_header,
            ),
            Addresses(settings.trusted_proxies),
        )
        origins.keep(sources.values())
        return site


def changed_in_vain(before: Settings, after: Settings) -> list[str]:
    """The settings that differ, and hold only from the next start on."""
    fixed = (name for name in Settings.model_fields if name not in RELOADED)
    return [name for name in fixed if getattr(before, name) != getattr(after, name)]


def _rates(settings: Settings) -> Rates:
    def allowance(rates: RateSettings) -> Allowance:
        requests, renders = rates.requests, rates.renders
        return Allowance(Rate(*requests) if requests else None, Rate(*renders) if renders else None)

    kids = ((Key.read(key.secret.get_secret_value()).kid, key.policy) for key in settings.keys)
    return Rates(allowance(settings.rates), {kid: allowance(policy.rates) for kid, policy in kids})


def _place(mount: Offer) -> Place:
    return Place(
        public=mount.allowed if mount.policy == "public" else None,
        formats=mount.formats,
        default_preset=mount.default_preset,
        originals=mount.originals,
        focal={key: (point.x, point.y) for key, point in mount.focal.items()},
    )


def _recheck(settings: Settings, offer: Mount | Remote) -> Recheck:
    """Folders are asked often, since that costs nothing; other places as they say, if nothing is set."""
    own, meanwhile = offer.recheck, settings.freshness.stale_while_revalidate
    if isinstance(offer, Mount) and offer.folder:
        return Recheck(meanwhile=meanwhile) if own is None else Recheck(own, meanwhile=meanwhile)
    every = RECHECKED_ELSEWHERE if own is None else own
    return Recheck(every, obeys=own is None, missing=MISSING_ELSEWHERE, meanwhile=meanwhile)


def _freshness(settings: Settings, mount: Offer) -> Freshness:
    usual = settings.freshness
    return Freshness(
        max_age=int(usual.max_age if mount.max_age is None else mount.max_age),
        shared_max_age=int(usual.shared_max_age if mount.shared_max_age is None else mount.shared_max_age),
        stale_while_revalidate=int(usual.stale_while_revalidate),
        stale_if_error=int(usual.stale_if_error),
        provisional_max_age=int(usual.provisional_max_age),
    )
