"""Who may ask for what."""

from collections.abc import Iterator

from proxy.doctor.check import Check
from proxy.settings import Settings
from proxy.settings.exposure import CLOSE_IT, is_exposed
from signing.errors import BadKey
from signing.keys import Key as SigningKey


def check_access(settings: Settings) -> Iterator[Check]:
    """Who may ask for what."""
    if is_exposed(settings):
        yield Check("access", "bad", f"other machines reach {settings.host or 'it'}, and there is no key", CLOSE_IT)
    elif settings.unsigned:
        yield Check("access", "warn", "`unsigned` is on: anybody may ask for anything", "leave it to development")
    elif not settings.keys:
        yield Check("access", "warn", "there is no key: only this machine may ask", CLOSE_IT)
    else:
        yield Check("access", "ok", f"signed, with {len(settings.keys)} in the ring")
    for number, key in enumerate(settings.keys):
        try:
            SigningKey.read(key.secret.get_secret_value())
        except BadKey as error:
            yield Check(f"keys.{number}", "bad", str(error), "take what `darkroom key` prints")
