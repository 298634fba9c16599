"""URLs that could be read in more ways than one: `python -m tests.tricky_urls` asks a server for each and prints it."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from signing import Address, Request, SigningError
from signing.escapes import b64
from tests.serving import Reply, Server, originals, serving
from transforms.errors import Refusal
from transforms.plan import Plan

PRESETS = {
    "card": "c_fill,h_60,w_90",
    "nested": "t_card/e_grayscale",
    **{f"deep{depth}": f"t_deep{depth + 1}" for depth in range(2, 5)},
    "deep5": "w_50",
}
WELL = b64("cats/what?.jpg")


@dataclass(frozen=True)
class Tricky:
    """A URL, the status that it has, and the plain URL of the same picture or the code of the error."""

    url: str | bytes
    status: int
    meant: str = ""
    code: str = ""
    says: str = ""
    """What the error says, in part."""
    accept: str = ""

    @property
    def name(self) -> str:
        text = self.url if isinstance(self.url, str) else self.url.decode("latin-1")
        return ascii(text)[1:-1] if len(text) <= 60 else f"{ascii(text[:40])[1:-1]}... ({len(text)})"


def good(url: str | bytes, meant: str, accept: str = "") -> Tricky:
    return Tricky(url, 200, meant=meant, accept=accept)


def wrong(url: str | bytes, status: int, code: str, says: str = "") -> Tricky:
    return Tricky(url, status, code=code, says=says)


TRICKY = (
    # Steps, and folders that look like them.
    good("/w_60/cats/1.jpg", "/w_60/cats/1.jpg"),
    good("/w_600", "/-/w_600"),  # the last segment is never a step
    good("/-/w_600", "/-/w_600"),
    good("/img_2024/a.jpg", "/-/img_2024/a.jpg"),
    good("/user_uploads/a.jpg", "/-/user_uploads/a.jpg"),
    wrong("/ab_2024/a.jpg", 400, "unknown_option", "ab_"),
    wrong("/w_60/ab_2024/a.jpg", 400, "unknown_option", "ab_"),
    good("/-/ab_2024/a.jpg", f"/{b64('ab_2024/a.jpg')}"),
    good("/w_60/-/ab_2024/a.jpg", "/w_60/-/ab_2024/a.jpg"),
    good("/w_60/-/-/a.jpg", "/w_60/-/-/a.jpg"),  # a folder whose name is a dash
    wrong("/-/-/cats/1.jpg", 404, "no_such_original"),
    good("/-/api/a.jpg", f"/{b64('api/a.jpg')}"),
    good("/w_60/api/a.jpg", "/w_60/-/api/a.jpg"),
    wrong("/api/a.jpg", 400, "bad_address", "keeps this word"),
    wrong("/ui/a.jpg", 404, "no_such_original", "page"),
    wrong("/metrics/a.jpg", 400, "bad_address", "keeps this word"),
    # Bytes.
    good("/w_60%2Cq_50/cats/1.jpg", "/q_50,w_60/cats/1.jpg"),
    good("/w_60/cats/a%2Cb.jpg", "/w_60/cats/a,b.jpg"),
    good("/w_60/cats/a%3Ab.jpg", "/w_60/cats/a:b.jpg"),
    good("/w_60/cats/a%7Eb.jpg", "/w_60/cats/a~b.jpg"),
    good("/w_60/cats%2F1.jpg", "/w_60/cats/1.jpg"),
    good("/%77_60/cats/1.jpg", "/w_60/cats/1.jpg"),
    good("/w_60/cats/caf%C3%A9.jpg", "/w_60/cats/caf%c3%a9.jpg"),
    good("/w_60/cats/new%20cat.jpg", f"/w_60/{b64('cats/new cat.jpg')}"),
    good("/w_60/cats/+plus&more=.jpg", "/w_60/cats/%2Bplus%26more%3D.jpg"),
    good("/w_60/cats/100%25.jpg", f"/w_60/{b64('cats/100%.jpg')}"),
    wrong("/w_60/cats/100%.jpg", 400, "bad_address", "two hexadecimal digits"),
    wrong("/w_60/cats/caf%E9.jpg", 400, "bad_address", "not UTF-8"),
    wrong("/w_60/cats/caf%C0%AF.jpg", 400, "bad_address", "not UTF-8"),
    wrong("/w_60/cats/%ED%A0%80.jpg", 400, "bad_address", "not UTF-8"),
    wrong("/w_60/cats/1.jpg%00.png", 400, "bad_address", "control character"),
    wrong("/w_60/cats/%0D%0AX-Injected:%201.jpg", 400, "bad_address", "control character"),
    wrong("/w_60/cats/%C2%85.jpg", 400, "bad_address", "control character"),
    wrong(b"/w_60/cats/caf\xc3\xa9.jpg", 400, "bad_request"),  # bytes that no URL has: the parser of HTTP refuses them
    wrong("/w_60/" + "a/" * 3000 + "b.jpg", 404, "no_such_original"),
    wrong("/w_60/" + "a" * 9000 + ".jpg", 400, "bad_address", "at most 8192"),
    # Segments.
    wrong("/w_60//cats/1.jpg", 400, "bad_address", "empty"),
    wrong("/w_60/cats//1.jpg", 400, "bad_address", "empty"),
    wrong("/w_60/cats/1.jpg/", 400, "bad_address", "empty"),
    wrong("//cats/1.jpg", 400, "bad_address", "empty"),
    wrong("/", 400, "bad_address", "no source"),
    wrong("/w_60/", 400, "bad_address", "no source"),
    wrong("/w_60/-/", 400, "bad_address", "no source"),
    wrong("/w_60/cats/../cats/1.jpg", 400, "bad_address", "`.` or `..`"),
    wrong("/w_60/./cats/1.jpg", 400, "bad_address", "`.` or `..`"),
    wrong("/w_60/%2e%2e/%2e%2e/etc/passwd", 400, "bad_address", "`.` or `..`"),
    wrong("/w_60/%252e%252e/etc/passwd", 404, "no_such_original"),  # decoded once
    wrong("/w_60/.git/config", 404, "no_such_original"),
    wrong(f"/w_60/{b64('../../etc/passwd')}", 404, "no_such_original"),
    # b64.
    good(f"/w_60/{WELL}", f"/w_60/{WELL}"),
    good(f"/w_60/{b64('cats/1.jpg')}", "/w_60/cats/1.jpg"),
    good(f"/w_60/{b64('cats/~mine.jpg')}", f"/w_60/{b64('cats/~mine.jpg')}"),
    wrong(f"/w_60/{WELL}=", 400, "bad_address", "without padding"),
    wrong(f"/w_60/{WELL}/more", 400, "bad_address", "one segment"),
    wrong("/w_60/b64:_w", 400, "bad_address", "b64:"),
    # Names.
    good("/f_webp,w_60/cats/1.jpg/~hello.webp", "/f_webp,w_60/cats/1.jpg"),
    good("/w_60/cats/1.jpg/~hello.JPEG", "/w_60/cats/1.jpg"),
    good("/w_60/cats/1.jpg/~hello", "/w_60/cats/1.jpg"),
    good("/f_auto,w_60/cats/1.jpg/~hello", "/f_webp,w_60/cats/1.jpg", accept="image/webp"),
    wrong("/f_webp,w_60/cats/1.jpg/~hello.jpg", 404, "no_such_rendition", "its name says jpg"),
    wrong("/f_auto,w_60/cats/1.jpg/~hello.webp", 400, "invalid_option", "f_auto"),
    wrong("/w_60/cats/1.jpg/~master.m3u8", 404, "no_such_rendition", "f_hls"),
    wrong("/w_60/cats/1.jpg/~a/b.webp", 400, "bad_address"),
    wrong("/w_60/cats/1.jpg/~", 400, "bad_address"),
    wrong("/w_60/~hello.webp", 404, "no_such_original"),  # of an original called w_60
    # Remote sources: a proxy may have merged the slashes.
    wrong("/w_60/https:/example.com/a.jpg", 403, "forbidden", "other hosts"),
    wrong("/w_60/https://example.com/a.jpg", 403, "forbidden", "other hosts"),
    wrong(f"/w_60/{b64('https://example.com/a.jpg?b=c')}", 403, "forbidden", "other hosts"),
    wrong("/w_60/https:/", 400, "bad_address"),
    wrong("/w_60/http://127.0.0.1:18999/x.jpg", 400, "bad_address", "empty"),
    wrong("/w_60/file:///etc/passwd", 400, "bad_address", "empty"),
    # Options.
    good("/q_80,w_60/cats/1.jpg", "/w_60,q_80/cats/1.jpg"),
    good("/w_60/f_jpg/cats/1.jpg", "/w_60/cats/1.jpg"),
    good("/w_0.1/cats/1.jpg", "/w_10p/cats/1.jpg"),
    wrong("/w_/cats/1.jpg", 400, "invalid_option", "w_"),
    wrong("/,w_60/cats/1.jpg", 404, "no_such_original"),  # no step, since it does not begin with a name
    wrong("/w_60,/cats/1.jpg", 400, "bad_plan", "missing between"),
    wrong("/w_60,,q_50/cats/1.jpg", 400, "bad_plan", "missing between"),
    wrong("/w_60,w_70/cats/1.jpg", 400, "conflicting_options", "twice"),
    wrong("/w_wide/cats/1.jpg", 400, "invalid_option", "“wide” came"),
    wrong("/w_auto/cats/1.jpg", 400, "invalid_option", "srcset"),
    wrong("/wd_60/cats/1.jpg", 400, "unknown_option", "did you mean w_60?"),
    wrong("/e_blurr:5/cats/1.jpg", 400, "unknown_option", "did you mean e_blur:5?"),
    wrong("/f_wepb/cats/1.jpg", 400, "invalid_option", "did you mean f_webp?"),
    wrong("/l_logo/cats/1.jpg", 400, "not_supported", "overlays"),
    wrong("/$x_1/cats/1.jpg", 400, "not_supported", "variables"),
    wrong("/if_w_gt_5/cats/1.jpg", 400, "not_supported", "conditions"),
    wrong("/wdith_600/x.jpg", 404, "no_such_original", "did you mean w_600?"),
    wrong("/quality-80/cats/1.jpg", 404, "no_such_original", "did you mean q_80?"),
    wrong("/w600/cats/1.jpg", 404, "no_such_original", "did you mean w_600?"),
    wrong("/kittens/1.jpg", 404, "no_such_original", "There is no such original."),
    # Presets.
    good("/t_card/cats/1.jpg", "/c_fill,h_60,w_90/cats/1.jpg"),
    good("/t_nested/cats/1.jpg", "/c_fill,h_60,w_90/e_grayscale/cats/1.jpg"),
    good("/t_deep2/cats/1.jpg", "/w_50/cats/1.jpg"),
    wrong("/t_card,q_50/cats/1.jpg", 400, "conflicting_options", "step of its own"),
    wrong("/t_cadr/cats/1.jpg", 400, "unknown_preset", "did you mean t_card?"),
    # Auth.
    wrong("/exp_4102444800/w_60/cats/1.jpg", 403, "unsigned", "no signature"),
    wrong("/kid_12345678/w_60/cats/1.jpg", 403, "unsigned", "no signature"),
    wrong(f"/w_60/sig_{'A' * 43}/cats/1.jpg", 400, "bad_address", "behind the first segment"),
    wrong(f"/sig_{'A' * 43},w_60/cats/1.jpg", 400, "bad_address", "one segment"),
    wrong(f"/w_60,sig_{'A' * 43}/cats/1.jpg", 400, "bad_address", "one segment"),
    # The query string is never read.
    good("/w_60/cats/1.jpg?w=600", "/w_60/cats/1.jpg"),
    good("/w_60/cats/1.jpg?", "/w_60/cats/1.jpg"),
    wrong("/w_60/cats/what%3F.jpg", 400, "bad_address", "holds no `?`"),
)


def read_as(row: Tricky) -> str:
    """The canonical address that a URL is read as; empty where it cannot be read."""
    path = (row.url if isinstance(row.url, bytes) else row.url.encode()).partition(b"?")[0]
    try:
        asked = Request.read(path)
        address = Address.read(asked.rest, asked.offset)
        plan = str(Plan.read(address.steps, PRESETS))
    except (SigningError, Refusal):
        return ""
    name = f" as {address.name}" if address.name else ""
    return f"{address.source if len(address.source) < 60 else '...'}{f' | {plan}' if plan else ''}{name}"


def ask(server: Server, row: Tricky) -> Reply:
    """What the server answers."""
    return server.ask(row.url, **({"accept": row.accept} if row.accept else {}))


def main() -> None:
    """Print the table."""
    with (
        tempfile.TemporaryDirectory() as name,
        serving(originals(Path(name, "originals")), Path(name, "server"), presets=PRESETS, first="final") as server,
    ):
        print(f"{'URL':<64} | status | {'read as':<50} | error")
        for row in TRICKY:
            reply = ask(server, row)
            error = f"{reply.code}: {reply.json.get('detail', reply.json['title'])}" if reply.code else ""
            print(f"{row.name:<64} | {reply.status:>6} | {read_as(row):<50} | {error}")


if __name__ == "__main__":
    main()
