"""Where originals are: a folder, a bucket, a web site; and how a place elsewhere is asked."""

import re
from pathlib import Path
from typing import Annotated, ClassVar, TypeAlias
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from proxy.settings.declare import Table, setting
from proxy.settings.units import Names, Seconds

EXPECTED = "a folder (/path or file:/path), s3://bucket/prefix or https://host/prefix/"

Spot: TypeAlias = tuple[str | int, ...]
"""Names and numbers that lead to a setting, from the outermost table inward."""

_scheme = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_secret = re.compile(r"[?&](?:access_key|secret_key|session_token)=")


def said(text: str, place: Spot = ()) -> PydanticCustomError:
    """A refusal in a whole sentence, where «expected this, got that» does not say it.

    `place` is what is wrong, where what refuses it looks at more than that.
    """
    return PydanticCustomError("said", "{text}", {"text": text, "place": place})


def read_place(value: object) -> Path | str:
    """The folder that `file:/path`, `/path` or `path` names, as an absolute path; the address of a place elsewhere."""
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError(EXPECTED)
    text = str(value)
    scheme = found[1].lower() if (found := _scheme.match(text)) else ""
    if scheme in ("s3", "http", "https") and isinstance(value, str):
        return _read_address(scheme, text)
    if scheme not in ("", "file"):
        # The address itself is not repeated: it may carry a password.
        raise said(f"{scheme}: addresses cannot be mounted; {EXPECTED} was expected")
    if scheme:
        address = urlsplit(text)
        if address.netloc not in ("", "localhost"):
            raise said(f"a folder of this machine was expected (file:/path), not one of {address.netloc!r}")
        text = unquote(address.path)
    if not text or "\0" in text:
        raise ValueError(EXPECTED)
    return Path(text).expanduser().absolute()


def _read_address(scheme: str, text: str) -> str:
    """The address again, where it holds no secret. What else may be wrong with it, its place says when it is opened."""
    if not text[len(scheme) :].startswith("://"):
        raise said(f"{EXPECTED} was expected: // is missing behind {scheme}:")
    beside = "access_key and secret_key" if scheme == "s3" else "headers"
    if "@" in text.partition("://")[2].partition("/")[0] or _secret.search(text):
        raise said(f"credentials do not belong into an address; set {beside} beside it")
    return scheme + text[len(scheme) :]


Place = Annotated[Path | str, BeforeValidator(read_place)]


class Elsewhere(Table):
    """How a place elsewhere is asked."""

    recheck: Seconds | None = setting(
        None,
        "How long an original is believed to be unchanged.",
        unit="seconds",
        example="5m",
        shown="2 for folders; elsewhere what the place says, or 60",
    )
    private_networks: Names = setting(
        (), "Networks that are not public and may be connected to all the same.", example='["10.0.0.0/8"]'
    )
    connect_seconds: Seconds = setting(1, "Longest wait for a connection to a place elsewhere.", unit="seconds", gt=0)
    first_byte_seconds: Seconds = setting(
        3, "Longest wait for the beginning of its answer, and longest silence in it.", unit="seconds", gt=0
    )
    total_seconds: Seconds = setting(10, "Longest wait for all of it, with all tries.", unit="seconds", gt=0)


class Located(Table):
    """The place of a mount's originals."""

    _ONLY: ClassVar = {
        "an s3:// address": ("endpoint", "region", "path_style", "access_key", "secret_key"),
        "an https:// address": ("headers", "hosts", "private_networks"),
        "an address, not a folder,": ("connect_seconds", "first_byte_seconds", "total_seconds"),
    }

    url: Place = setting(
        ...,
        "The folder, as /path or file:/path; or s3://bucket/prefix, or https://host/prefix/.",
        example="/srv/photos",
    )
    endpoint: str | None = setting(
        None, "The S3 server, where it is not Amazon's.", example="https://minio.example.com:9000", shown="Amazon's"
    )
    region: str | None = setting(None, "Region of the bucket.", example="eu-central-1", shown="as boto3 finds it")
    path_style: bool | None = setting(
        None, "Whether the bucket stands in the path of URLs, not in the host.", shown="where there is an `endpoint`"
    )
    access_key: SecretStr | None = setting(None, "Who asks the S3 server.", shown="as boto3 finds it")
    secret_key: SecretStr | None = setting(None, "The secret of the access key.", shown="as boto3 finds it")
    headers: dict[str, SecretStr] = setting(
        {}, "Fields that the web site of this mount is sent, and nobody else.", example='{Authorization = "Bearer …"}'
    )
    hosts: Names = setting((), "Other hosts that the web site may redirect to.", example='["*.cdn.example.org"]')

    @property
    def folder(self) -> Path | None:
        """The folder of the originals, if that is where they are."""
        return self.url if isinstance(self.url, Path) else None

    @model_validator(mode="after")
    def _what_goes_with_the_address(self) -> "Located":
        scheme = self.url.partition(":")[0] if isinstance(self.url, str) else ""
        fitting = {"s3": ("an s3:// address",), "http": ("an https:// address",), "https": ("an https:// address",)}
        fits = (*fitting.get(scheme, ()), "an address, not a folder,") if scheme else ()
        for where, names in self._ONLY.items():
            for name in names:
                if where not in fits and name in self.model_fields_set:
                    raise said(f"{name} goes with {where} alone")
        return self


def secrets_of(place: Located) -> list[str]:
    """All that nobody must see of it."""
    some = (place.access_key, place.secret_key, *place.headers.values())
    return [secret.get_secret_value() for secret in some if secret]
