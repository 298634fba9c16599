"""A bucket by obstore, where that is installed: the two questions that are asked all day, at a fraction of the cost."""

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from proxy.s3.errors import Changed, Damaged, Denied, Missing, Unavailable
from proxy.s3.found import Found, Mismatch, Proof, md5_of, split
from proxy.s3.place import S3Place
from proxy.s3.thorough import Begin

BLOCK = 1 << 20

_UNKNOWN_PATHS = re.compile(r"(?:^|/)\.{0,2}(?:/|$)|[\x00-\x1f\x7f]")
_RENEWED_AFTER = timedelta(minutes=5)


class Unproven(Damaged):
    """This way cannot tell whether the bytes are true; `looked` says that it has read them to the end."""

    def __init__(self, looked: bool) -> None:
        super().__init__(
            "the ETag proves nothing" if not looked else "the bytes do not have the MD5 that the ETag may be"
        )
        self.looked = looked


def is_installed() -> bool:
    return find_spec("obstore") is not None


def takes(key: str) -> bool:
    """Whether obstore can name this key: it would drop empty segments and refuse control characters."""
    return _UNKNOWN_PATHS.search(key) is None


class Swift:
    """One bucket, below one prefix. Tries once; what it cannot do is left to those who are thorough."""

    def __init__(
        self, place: S3Place, endpoint: str, region: str, credentials: Any, run: Callable[..., Awaitable[Any]]
    ) -> None:
        """The endpoint and the credentials are those of boto3, so that both ask the same; `run` runs in a thread."""
        import obstore
        from obstore.exceptions import BaseError, PermissionDeniedError, PreconditionError, UnauthenticatedError
        from obstore.store import S3Store

        self._place, self._run, self._obstore = place, run, obstore
        self._errors = (BaseError, FileNotFoundError, ValueError)
        self._denied, self._changed = (PermissionDeniedError, UnauthenticatedError), PreconditionError
        virtual = place.path_style is False
        self._store = S3Store(
            place.bucket,
            endpoint=_with_bucket(endpoint, place.bucket) if virtual else endpoint,
            region=region,
            virtual_hosted_style_request=virtual,
            credential_provider=_provider(credentials, run),
            client_options={
                "allow_http": endpoint.startswith("http:"),
                "connect_timeout": timedelta(seconds=place.connect_seconds),
                "read_timeout": timedelta(seconds=place.first_byte_seconds),
                "timeout": timedelta(seconds=place.total_seconds),
            },
            retry_config={"max_retries": 0},
        )

    async def head(self, key: str, version: str = "") -> Found:
        options: Any = {"head": True, **_of(version)}
        with self._said():
            answer = await self._obstore.get_async(self._store, self._place.prefix + key, options=options)
        return self._found(answer)

    async def get(self, key: str, begin: Begin, version: str, part: tuple[int, int] | None) -> Found:
        """As those who are thorough do it; raises Unproven as well."""
        options: Any = {**({"range": part} if part else {}), **_of(version)}
        with self._said():
            answer = await self._obstore.get_async(self._store, self._place.prefix + key, options=options)
        found = self._found(answer)
        if not part and not found.digest:
            raise Unproven(looked=False)
        proof, sink = Proof.of(found, part), await self._run(partial(begin, found))
        blocks = aiter(answer.stream(min_chunk_size=BLOCK))
        try:
            while True:
                with self._said():
                    block = await anext(blocks, None)
                if block is None:
                    break
                # Hashed and written in a thread: a large block would hold up the loop.
                await self._run(partial(_take, proof, sink, bytes(block)))
            proof.finish()
        except Mismatch:
            raise Unproven(looked=True) from None
        finally:
            # Whoever keeps the traceback of a failure must not keep the connection.
            del answer, blocks
        return found

    def _found(self, answer: Any) -> Found:
        """What an answer says; raises Damaged where it does not say what it must."""
        meta = answer.meta
        etag, version_id = (meta["e_tag"] or "").strip('"'), meta["version"] or ""
        if not etag:
            raise Damaged("an answer without an ETag")
        return Found(
            etag,
            meta["size"],
            meta["last_modified"].timestamp(),
            "" if version_id == "null" else version_id,
            str(answer.attributes.get("Content-Type", "")),
            digest=md5_of(etag, self._place.etags),
        )

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Say in our words what obstore raises; what it cannot tell apart is Unavailable."""
        try:
            yield
        except self._errors as error:
            kind = (
                Missing
                if isinstance(error, FileNotFoundError)
                else Changed
                if isinstance(error, self._changed)
                else Denied
                if isinstance(error, self._denied)
                else Unavailable
            )
            raise kind(type(error).__name__) from None


def _of(version: str) -> dict[str, str]:
    """What asks for one version and no other."""
    etag, version_id = split(version)
    return {**({"if_match": f'"{etag}"'} if etag else {}), **({"version": version_id} if version_id else {})}


def _take(proof: Proof, sink: Callable[[bytes], object], block: bytes) -> None:
    proof.take(block)
    sink(block)


def _with_bucket(endpoint: str, bucket: str) -> str:
    """The endpoint of a bucket that stands in the name of the host."""
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{bucket}.{parts.netloc}"


def _provider(credentials: Any, run: Callable[..., Awaitable[Any]]) -> Any:
    """Credentials as obstore asks for them; boto3's renew themselves, which may take a request."""

    async def give() -> dict[str, Any]:
        now = await run(credentials.get_frozen_credentials)
        return {
            "access_key_id": now.access_key,
            "secret_access_key": now.secret_key,
            "token": now.token,
            "expires_at": datetime.now(UTC) + _RENEWED_AFTER,
        }

    return give
