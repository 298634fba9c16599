"""Whether secrets can be guessed, beyond what is refused at the start."""

import re
from collections.abc import Iterator

from proxy.doctor.check import Check
from proxy.settings import Settings
from signing.errors import BadKey
from signing.keys import Key as SigningKey

EXAMPLES = re.compile(r"example|(this|last) year|change.?me|password|secret|darkroom|test.?key", re.IGNORECASE)
"""Words of the manual's own examples, and of those who mean to come back to it."""
WORDS = re.compile(r"[a-z]{4,}(?:[ '_.,-]+[a-z]{4,}){2}")
"""Three words and more, as people think them up."""
NEW_KEY, NEW_TOKEN = "take what `darkroom key` prints", "take what `openssl rand -hex 32` prints"


def check_secrets(settings: Settings) -> Iterator[Check]:
    """Look at every key and token; none of them is shown."""
    for number, key in enumerate(settings.keys):
        secret = key.secret.get_secret_value()
        try:
            SigningKey.read(secret)
        except BadKey as error:
            yield Check(f"keys.{number}", "bad", str(error), NEW_KEY)
        else:
            yield from _judge(f"keys.{number}", secret, NEW_KEY)
    if settings.admin_token:
        yield from _judge("admin_token", settings.admin_token.get_secret_value(), NEW_TOKEN)
    for number, token in enumerate(settings.tokens):
        yield from _judge(f"tokens.{number}", token.secret.get_secret_value(), NEW_TOKEN)


def _judge(name: str, secret: str, remedy: str) -> Iterator[Check]:
    if EXAMPLES.search(secret):
        yield Check(name, "bad", "is weak: it has a word of an example in it", remedy)
    elif WORDS.search(secret):
        yield Check(name, "warn", "reads like words, which can be guessed", remedy)
