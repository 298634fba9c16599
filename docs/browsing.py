"""The browser that pages are tested and drawn with: Debian's Chromium, which asks nobody but our server."""

from playwright.sync_api import Browser, Playwright

EXECUTABLE = "/usr/bin/chromium"
WORDS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium(playwright: Playwright) -> Browser:
    """A browser without a window."""
    return playwright.chromium.launch(executable_path=EXECUTABLE, args=list(WORDS))
