"""A bucket by boto3: everything that can be asked, by whoever may wait for it in a thread."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any, BinaryIO, NamedTuple, TypeVar

from proxy.s3.errors import (
    Changed,
    Damaged,
    Denied,
    Exists,
    Missing,
    PastEnd,
    Refused,
    S3Error,
    Slow,
    TimedOut,
    Unavailable,
)
from proxy.s3.found import Found, Proof, digest_of, split
from proxy.s3.place import S3Place

BLOCK = 1 << 18

Begin = Callable[[Found], Callable[[bytes], object]]
"""Called at the beginning of every try, with what is known by then; what it gives back takes the bytes."""

_CODES: dict[str, type[S3Error]] = {
    "NoSuchKey": Missing,
    "NoSuchVersion": Missing,
    "KeyTooLongError": Missing,
    "MethodNotAllowed": Missing,  # what is asked for is the mark of a deletion
    "InvalidRange": PastEnd,
    "PreconditionFailed": Changed,
    "ConditionalRequestConflict": Changed,
    "RequestTimeout": Unavailable,
    "InvalidDigest": Damaged,
    "BadDigest": Damaged,
}
_STATUSES: dict[int, type[S3Error]] = {401: Denied, 403: Denied, 404: Missing, 412: Changed, 429: Unavailable}
_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError")

T = TypeVar("T")


class Page(NamedTuple):
    """Some of the names in a bucket, in the order of their bytes: keys, folders, and where the next page begins."""

    keys: tuple[str, ...]
    folders: tuple[str, ...]
    after: str
    """Empty on the last page."""


class Thorough:
    """One bucket, below one prefix. Every method raises S3Error, and tries once: who calls decides what comes next."""

    def __init__(self, place: S3Place, client: Any) -> None:
        self._place, self._client = place, client

    def head(self, key: str, version: str = "") -> Found:
        with _said():
            answer = self._client.head_object(**self._at(key, version), ChecksumMode="ENABLED")
        return self._found(answer, answer.get("ContentLength"))

    def get(
        self, key: str, begin: Begin, version: str, part: tuple[int, int] | None, stopped: threading.Event
    ) -> Found:
        """Read an object, or of a version the bytes from `part[0]` up to, not including, `part[1]`."""
        asked = self._at(key, version) | ({"Range": f"bytes={part[0]}-{part[1] - 1}"} if part else {})
        with _said():
            answer = self._client.get_object(**asked, ChecksumMode="ENABLED")
            with answer["Body"] as raw:
                size = _whole_size(answer.get("ContentRange", ""), part[0]) if part else answer.get("ContentLength")
                found = self._found(answer, size)
                proof, sink = Proof.of(found, part), begin(found)
                # Not the body's own `read`, which would wait for a block to be full, however slowly it comes.
                while block := raw.read1(BLOCK, decode_content=False):
                    if stopped.is_set():
                        raise TimedOut("nobody waits for it any more")
                    proof.take(block)
                    sink(block)
                proof.finish()
        return found

    def put(
        self, key: str, body: bytes | BinaryIO, sha256: str, content_type: str, metadata: Mapping[str, str], new: bool
    ) -> Found:
        """Write an object, whole or not at all; `new` raises Exists where there is one. What comes back has no size."""
        given: dict[str, Any] = {"ContentType": content_type} if content_type else {}
        given |= {"IfNoneMatch": "*"} if new else {}
        with _said(Exists):
            answer = self._client.put_object(
                **self._at(key), Body=body, ChecksumSHA256=sha256, Metadata=dict(metadata), **given
            )
        return self._found(answer, 0)

    def copy(self, key: str, to: str, version: str = "") -> None:
        source = self._at(key, version)
        given = {"CopySourceIfMatch": source.pop("IfMatch")} if "IfMatch" in source else {}
        with _said():
            self._client.copy_object(**self._at(to), CopySource=source, **given)

    def delete(self, key: str) -> None:
        with _said():
            self._client.delete_object(**self._at(key))

    def page(self, prefix: str, after: str, most: int, delimiter: str) -> Page:
        """Names that begin with a prefix, behind where another page ended."""
        given = {"ContinuationToken": after} if after else {}
        whole = self._place.prefix + prefix
        with _said():
            answer = self._client.list_objects_v2(
                Bucket=self._place.bucket, Prefix=whole, Delimiter=delimiter, MaxKeys=most, **given
            )
        keys = self._named(item["Key"] for item in answer.get("Contents", ()))
        folders = self._named(item["Prefix"] for item in answer.get("CommonPrefixes", ()))
        return Page(keys, folders, answer.get("NextContinuationToken", "") if answer.get("IsTruncated") else "")

    def presigned(self, method: str, key: str, seconds: int, content_type: str) -> str:
        given = {"ContentType": content_type} if content_type else {}
        with _said():
            url = self._client.generate_presigned_url(
                method, Params={**self._at(key), **given}, ExpiresIn=seconds, HttpMethod=method[:3].upper()
            )
        return str(url)

    def close(self) -> None:
        self._client.close()

    def _at(self, key: str, version: str = "") -> dict[str, str]:
        at = {"Bucket": self._place.bucket, "Key": self._place.prefix + key}
        if version:
            etag, version_id = split(version)
            at |= {"IfMatch": f'"{etag}"'} | ({"VersionId": version_id} if version_id else {})
        return at

    def _named(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(name.removeprefix(self._place.prefix) for name in names)

    def _found(self, answer: Mapping[str, Any], size: int | None) -> Found:
        """What an answer says; raises Damaged where it does not say what it must."""
        etag = str(answer.get("ETag", "")).strip('"')
        if not etag or size is None:
            raise Damaged("an answer without an ETag or a length")
        version_id = str(answer.get("VersionId", ""))
        return Found(
            etag,
            size,
            _unix(answer),
            "" if version_id == "null" else version_id,
            str(answer.get("ContentType", "")),
            dict(answer.get("Metadata", {})),
            digest_of(answer["ResponseMetadata"]["HTTPHeaders"], self._place.etags),
        )


def _whole_size(content_range: str, start: int) -> int:
    span, _, size = content_range.removeprefix("bytes ").partition("/")
    if not size.isdecimal() or span.partition("-")[0] != str(start):
        raise Damaged("other bytes came than those asked for")
    return int(size)


def _unix(answer: Mapping[str, Any]) -> float | None:
    modified = answer.get("LastModified")
    return modified.timestamp() if isinstance(modified, datetime) else None


@contextmanager
def _said(changed: type[S3Error] = Changed) -> Iterator[None]:
    """Say in our words what boto3, or the library below it, raises; `changed` is what a failed condition means."""
    from botocore import exceptions as boto
    from urllib3 import exceptions as wire

    try:
        yield
    except boto.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        kind = _CODES.get(code) or _STATUSES.get(status) or (Unavailable if status >= 500 else Refused)
        raise (changed if kind is Changed else kind)(f"{status} {code}") from None
    except (boto.ReadTimeoutError, boto.ConnectTimeoutError, wire.TimeoutError) as error:
        raise Slow(type(error).__name__) from None
    except (boto.HTTPClientError, boto.ConnectionError, wire.HTTPError) as error:
        raise Unavailable(type(error).__name__) from None
    except boto.BotoCoreError as error:
        kind = Denied if type(error).__name__ in _NO_CREDENTIALS else Refused
        raise kind(type(error).__name__) from None


class Access(NamedTuple):
    """What another client needs to ask the same server as the same person."""

    endpoint: str
    region: str
    credentials: Any
    """boto3's, which renew themselves; none where none were found."""


def opened(place: S3Place) -> tuple[Thorough, Access]:
    """A bucket, and what it was opened with. Raises ValueError where boto3 cannot begin."""
    import boto3
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    core = botocore.session.get_session()
    core.register_component("data_loader", _descriptions())
    try:
        known = boto3.Session(
            place.access_key, place.secret_key, place.session_token, place.region, botocore_session=core
        )
        region = place.region or known.region_name or "us-east-1"
        client = known.client(
            "s3",
            endpoint_url=place.endpoint,
            region_name=region,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": _style(place)},
                connect_timeout=place.connect_seconds,
                read_timeout=place.first_byte_seconds,
                max_pool_connections=place.connections,
                # Tries are counted by whoever calls, for every way of asking alike.
                retries={"total_max_attempts": 1, "mode": "standard"},
                # Checksums that every server understands: ours are sent as a field, not behind the body.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        return Thorough(place, client), Access(client.meta.endpoint_url, region, known.get_credentials())
    except (BotoCoreError, ValueError) as error:
        raise ValueError(f"the bucket {place.bucket} cannot be opened: {type(error).__name__}") from None


@cache
def _descriptions() -> Any:
    """What boto3 reads of services from its own files, which takes longer than all else: read once for all buckets."""
    from botocore.loaders import create_loader

    return create_loader()


def _style(place: S3Place) -> str:
    return "auto" if place.path_style is None and not place.in_path else "path" if place.in_path else "virtual"
