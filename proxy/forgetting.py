"""A part of the composition root: purges, and who may ask for them, made of the settings."""

from collections.abc import Callable

from proxy import metrics as counted
from proxy.coordination.seams import Bus
from proxy.handlers.tokens import Token, Tokens
from proxy.metrics import Metrics
from proxy.purging.asking import Client
from proxy.purging.caches import Caches
from proxy.purging.delivered import Delivered
from proxy.purging.generations import Generations
from proxy.purging.hooks import Hook, Hooks
from proxy.purging.purge import Purges
from proxy.recent import RecentAnswers
from proxy.settings import Settings
from proxy.stores.tiered import TieredStore


def purges_of(
    settings: Settings,
    generations: Generations,
    bus: Bus,
    store: TieredStore,
    recent: RecentAnswers,
    metrics: Metrics,
) -> Purges:
    """Purges through these stores and recent answers, of whom caches and hooks of the settings are told."""
    client, delivered = Client(), Delivered()
    hooks = [
        Hook(hook.url, hook.header.lower().encode(), hook.secret.get_secret_value().encode() if hook.secret else None)
        for hook in settings.purge_hooks
    ]

    def counts(to: str) -> Callable[[str], None]:
        return lambda outcome: metrics.count(counted.PURGE_REQUESTS, to, outcome)

    metrics.watch(
        lambda: [
            (counted.DELIVERED, (), len(delivered)),
            (counted.DELIVERED_FORGOTTEN, (), delivered.forgotten),
        ]
    )
    return Purges(
        generations=generations,
        bus=bus,
        store=store,
        forget=recent.forget_tagged,
        forget_all=recent.forget,
        delivered=delivered,
        delivered_file=settings.cache / "delivered" if settings.cache else None,
        caches=Caches(client, settings.purge_urls, counts("cache")),
        hooks=Hooks(client, hooks, counts("hook")),
        told=lambda by: metrics.count(counted.PURGES, by),
    )


def tokens_of(settings: Settings) -> Tokens:
    """Who may ask for purges."""
    return Tokens(
        [
            Token(
                token.name,
                token.secret.get_secret_value(),
                frozenset(token.scopes),
                None if token.mounts is None else frozenset(token.mounts),
            )
            for token in settings.tokens
        ]
    )
