"""The recipes for CDNs make the same kinds of client as the server does."""

import json
import subprocess

from proxy.negotiation import bucket
from tests.markdown import ROOT, blocks

ACCEPTS = (
    "",
    "*/*",
    "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
    "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
    "image/webp,image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "IMAGE/AVIF ; q=0.9 , image/webp",
    "image/avif;q=0, image/webp;q=0.000",
    "image/avif;q=0.001;v=b3",
    "image/avif;q=0,image/avif",
    "image/avifs, image/webpx",
)


def test_the_function_in_the_page_reads_accept_as_the_server_does() -> None:
    function = next(block.text for block in blocks(ROOT / "docs" / "edge.md") if block.language == "js")
    code = f"{function}\nconsole.log(JSON.stringify({json.dumps(ACCEPTS)}.map(kind)))"
    said = subprocess.run(["node", "--input-type=module"], input=code, capture_output=True, text=True, check=True)
    for accept, kind in zip(ACCEPTS, json.loads(said.stdout), strict=True):
        assert bucket(kind.encode()) == bucket(accept.encode()), accept

    assert len({bucket(accept.encode()) for accept in ACCEPTS}) == 4
