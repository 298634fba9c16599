"""Signed URLs, `srcset`s and `<picture>`s for an application's pages."""

import time
from collections.abc import Callable, Iterable, Mapping

from signing.address import Address
from signing.errors import BadAddress
from signing.escapes import unescape
from signing.expiry import Expiry, until
from signing.keys import KeyRing
from signing.markup import TYPES, write_picture
from signing.options import Option, write_step
from signing.request import Request
from signing.signature import sign, sign_scope


class Signer:
    """Makes signed URLs for one server.

    >>> signer = Signer("an example of a key, 32 bytes or more", "https://media.example.com")
    >>> signer.url("cats/1.jpg", w=600, q=85, f="webp")
    'https://media.example.com/sig_2QRZpuY_.../f_webp,q_85,w_600/cats/1.jpg'

    Steps before the last are given as texts, a source elsewhere as its address; whatever a name holds is escaped:

    >>> signer.url("ab_2024/new cat.jpg", "c_fill,g_auto,h_300,w_300", e="grayscale")
    'https://media.example.com/sig_.../c_fill,g_auto,h_300,w_300/e_grayscale/-/ab_2024/new%20cat.jpg'
    >>> signer.url("https://example.com/a.jpg?size=full", w=600)
    'https://media.example.com/sig_.../w_600/b64:aHR0cHM6Ly9leGFtcGxlLmNvbS9hLmpwZz9zaXplPWZ1bGw'

    An expiry is rounded up, so that everybody who asks within the same hour gets one URL and caches can share:

    >>> from datetime import datetime
    >>> signer.url("cats/1.jpg", w=600, expires=datetime.fromisoformat("2025-12-31T23:10:00+00:00"))
    'https://media.example.com/sig_mkI1Z_8Q...,exp_1767225600/w_600/cats/1.jpg'
    """

    def __init__(
        self,
        secret: str | bytes | KeyRing,
        base: str = "",
        *,
        kid: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Sign with a secret (text is UTF-8) or the newest key of a ring, for URLs that begin with `base`.

        `kid` names the key in every URL, so that the server need not try the others. Raises `BadKey`.
        """
        self._key = (secret if isinstance(secret, KeyRing) else KeyRing.read([secret])).newest
        self._base = base.rstrip("/")
        self._kid = kid
        self._clock = clock

    def url(
        self,
        source: str,
        *steps: str,
        expires: Expiry = None,
        round_expiry: int = 3600,
        name: str | None = None,
        **options: Option,
    ) -> str:
        """Give the signed URL of a rendition: the steps as texts, then one step of the options.

        `source` is a key or an `https://` address, as it is, not escaped. `expires` is seconds from now, a span, or a
        moment with its time zone, rounded up to `round_expiry` seconds; `name` is the file name that browsers see.
        Raises `BadAddress` for whatever would be read differently.
        """
        return self._signed(_address(source, steps, options, name), self._until(expires, round_expiry))

    def sign(self, path: str, *, expires: Expiry = None, round_expiry: int = 3600) -> str:
        """Sign a path that is already written, such as `/w_600/cats/1.jpg`, in its canonical spelling."""
        request = Request.read(path)
        if request.auth is not None:
            raise BadAddress("The path is signed already", part=path)
        return self._signed(Address.read(request.rest, request.offset), self._until(expires, round_expiry))

    def scoped(self, prefix: str, *, expires: Expiry = None, round_expiry: int = 3600) -> str:
        """Give the auth segment for all keys below a prefix of whole folders, with steps that a front end chooses.

        The server takes it only where the key's policy leaves a finite choice of steps.

        >>> Signer("an example of a key, 32 bytes or more").scoped("cats/2026")
        'sig_...,kid_3b86287a,sc_2'
        """
        return sign_scope(prefix, self._key, expires=self._until(expires, round_expiry))

    def srcset(
        self,
        source: str,
        widths: Iterable[int],
        *steps: str,
        expires: Expiry = None,
        round_expiry: int = 3600,
        name: str | None = None,
        **options: Option,
    ) -> str:
        """Give the text of a `srcset` attribute, which needs no escaping: a signed URL per width in pixels.

        >>> Signer("an example of a key, 32 bytes or more").srcset("cats/1.jpg", [320, 640], f="webp")
        '/sig_.../f_webp,w_320/cats/1.jpg 320w, /sig_.../f_webp,w_640/cats/1.jpg 640w'
        """
        end = self._until(expires, round_expiry)
        return ", ".join(
            f"{self._signed(_address(source, steps, {**options, 'w': width}, name), end)} {width}w"
            for width in _ladder(widths, options, "w")
        )

    def picture(
        self,
        source: str,
        widths: Iterable[int],
        sizes: str,
        alt: str,
        *steps: str,
        formats: Iterable[str] = ("avif", "webp"),
        fallback: str = "jpg",
        width: int | None = None,
        height: int | None = None,
        loading: str = "lazy",
        expires: Expiry = None,
        round_expiry: int = 3600,
        **options: Option,
    ) -> str:
        """Give a whole `<picture>`: a `<source>` per format, best first, and an `<img>` of the fallback format.

        `width` and `height` are those of the picture in the page's layout: browsers keep its place free by them.
        `sizes` and `alt` are plain text and are escaped here.

        >>> signer = Signer("an example of a key, 32 bytes or more")
        >>> print(signer.picture("cats/1.jpg", [320], "100vw", "A cat", formats=["webp"], width=320, height=240))
        <picture>
        <source type="image/webp" srcset="/sig_.../f_webp,w_320/cats/1.jpg 320w" sizes="100vw">
        <img src="/sig_.../cats/1.jpg" srcset="..." sizes="100vw" alt="A cat" width="320" height="240" loading="lazy">
        </picture>
        """
        ladder, end = _ladder(widths, options, "w", "f"), self._until(expires, round_expiry)
        formats = tuple(formats)
        if unknown := {*formats, fallback} - TYPES.keys():
            raise BadAddress("Browsers show no such format", part=min(unknown), expected=", ".join(TYPES))

        def urls(f: str) -> dict[int, str]:
            return {w: self._signed(_address(source, steps, {**options, "f": f, "w": w}), end) for w in ladder}

        def srcset(f: str) -> str:
            return ", ".join(f"{url} {w}w" for w, url in urls(f).items())

        image = {
            "src": urls(fallback)[ladder[-1]],
            "srcset": srcset(fallback),
            "sizes": sizes,
            "alt": alt,
            "width": width,
            "height": height,
            "loading": loading,
        }
        return write_picture({f: srcset(f) for f in formats}, image, sizes)

    def _signed(self, address: Address, end: int | None) -> str:
        path = address.write()
        return f"{self._base}/{sign(unescape(path), self._key, expires=end, kid=self._kid)}/{path}"

    def _until(self, expires: Expiry, round_expiry: int) -> int | None:
        return until(expires, round_expiry, self._clock())


def _address(source: str, steps: Iterable[str], options: Mapping[str, Option], name: str | None = None) -> Address:
    texts = [text for step in steps for text in step.split("/")]
    return Address((*texts, write_step(options)) if options else tuple(texts), source, name)


def _ladder(widths: Iterable[int], options: Mapping[str, Option], *taken: str) -> list[int]:
    if twice := options.keys() & set(taken):
        raise BadAddress(
            "The widths and formats are chosen for each URL", part=f"{min(twice)}_", expected="no such option"
        )
    ladder = sorted(set(widths))
    if not ladder or ladder[0] < 1:
        raise BadAddress("These are no widths", part=str(ladder), expected="whole numbers of pixels, at least one")
    return ladder
