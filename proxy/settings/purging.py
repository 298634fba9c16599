"""Who may purge, and which caches in front are told of it."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr, field_validator

from proxy.settings.declare import Table, setting
from proxy.settings.mounts import MountNames
from proxy.settings.origins import said
from proxy.settings.units import read_list

FIELD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,60}")


def check_address(address: str) -> str:
    """The address of an HTTP server again, without the slash at its end."""
    parts = urlsplit(address)
    try:
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no port that there is
        whole = False
    if not whole or parts.query or parts.fragment or parts.username or not address.isprintable() or " " in address:
        # The address itself is not repeated: it may carry a password.
        raise said("an address such as http://127.0.0.1:8080/purge was expected, without name, password and query")
    return address.rstrip("/")


def check_field_name(name: str) -> str:
    """The name of a header field again."""
    if not FIELD_NAME.fullmatch(name):
        raise said(f"{name!r} cannot name a header field: letters, digits and '-' are allowed")
    return name


Address = Annotated[str, AfterValidator(check_address)]
Addresses = Annotated[tuple[Address, ...], BeforeValidator(read_list)]
FieldName = Annotated[str, AfterValidator(check_field_name)]


class Token(Table):
    """Who may use the server's own interface, and for what."""

    name: str = setting(..., "What the log calls whoever has it.", example="deploy", min_length=1, max_length=60)
    secret: SecretStr = setting(..., "What is sent as a bearer; `darkroom key` makes one.", min_length=16)
    scopes: tuple[Literal["purge"], ...] = setting(("purge",), "What it may be used for.")
    mounts: MountNames | None = setting(None, "Mounts that it opens.", example='["photos"]', shown="all")

    @field_validator("secret")
    @classmethod
    def _fits_a_field(cls, secret: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[!-~]+", secret.get_secret_value()):
            raise said("a token has visible ASCII characters alone, and no space")
        return secret


class Hook(Table):
    """Somebody who is told of every purge, such as a CDN's API or what speaks to one."""

    url: Address = setting(
        ..., "Where the tags and URLs of a purge are sent.", example="https://hooks.example.com/purge"
    )
    header: FieldName = setting("Authorization", "Field that carries the secret.")
    secret: SecretStr | None = setting(None, "All of that field.", example="Bearer 5f0c…", shown="none")

    @field_validator("secret")
    @classmethod
    def _fits_a_field(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret and not re.fullmatch(r"[!-~]([ -~]*[!-~])?", secret.get_secret_value()):
            raise said("a header field holds visible ASCII characters alone")
        return secret


Tokens = tuple[Token, ...]
Hooks = tuple[Hook, ...]
