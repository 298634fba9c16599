"""Who may ask for what."""

from collections.abc import Iterator

from proxy.doctor.check import Check
from proxy.doctor.secrets import check_secrets
from proxy.settings import Settings
from proxy.settings.exposure import CLOSE_IT, SET_A_KEY, is_exposed, is_loopback


def check_access(settings: Settings) -> Iterator[Check]:
    """Who may ask for what."""
    if is_exposed(settings):
        yield Check("access", "bad", f"other machines reach {settings.host or 'it'}, and there is no key", CLOSE_IT)
    elif settings.unsigned:
        yield Check("access", "warn", "`unsigned` is on: anybody may ask for anything", "leave it to development")
    elif not settings.keys:
        yield Check("access", "warn", "there is no key: only this machine may ask", f"to let others ask, {SET_A_KEY}")
    else:
        yield Check("access", "ok", f"signed, with {len(settings.keys)} in the ring")
    yield from check_secrets(settings)
    yield from _check_clients(settings)


def _check_clients(settings: Settings) -> Iterator[Check]:
    """Whether clients can be told apart, where they are held to a rate."""
    here = is_loopback(settings.host)
    believed = any(network.is_loopback for network in settings.trusted_proxies)
    if settings.rates.requests or settings.rates.renders:
        if here and not believed:
            # Whoever comes from elsewhere comes through a proxy here, and with its address.
            said = "only this machine reaches the server, so all clients of its proxy share one rate"
            yield Check("rates", "warn", said, 'set trusted_proxies = ["127.0.0.1", "::1"]')
        else:
            yield Check("rates", "ok", f"by address, behind {len(settings.trusted_proxies)} networks that are believed")
