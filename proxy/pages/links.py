"""URLs of renditions and the markup around them, signed where the server has keys."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from signing import Address, KeyRing, Signer, new_secret
from transforms.errors import BadPlan
from transforms.formats import by_extension
from transforms.operations.output import DESCRIPTIONS, Format, Page
from transforms.plan import Plan

SIDES = (800, 1600, 3200)
"""Boxes in which the original can be had for a comparison."""
THUMBNAILS = {
    "picture": "c_fill,f_auto,h_144,pg_1,w_192",
    "motion": "c_fill,f_auto,h_144,so_auto,w_192",
    "sound": "e_waveform,f_png,h_144,w_192",
}
ACCEPT = "image/avif,image/webp,image/*,*/*;q=0.8"
LADDER = (320, 640, 960, 1280, 1920, 2560)


class Unsigned(Signer):
    """The same URLs without a signature, for a server that asks for none."""

    def __init__(self, base: str = "") -> None:
        super().__init__(new_secret(), base)

    def _signed(self, address: Address, end: int | None) -> str:
        return f"{self._base}/{address.write()}"


@dataclass(frozen=True)
class Shown:
    """What is known of a result that is on the screen: pixels, format, and the original's nature."""

    width: int
    height: int
    format: str
    alpha: bool = False
    moving: bool = False


@dataclass(frozen=True)
class Links:
    """Writes URLs by the newest key of a ring, or without one where there are no keys."""

    ring: KeyRing | None
    presets: Mapping[str, str]

    def signer(self, base: str = "") -> Signer:
        """What writes URLs that begin with `base`."""
        return Signer(self.ring, base) if self.ring else Unsigned(base)

    def thumbnail(self, source: str) -> str:
        """A small picture of an original, of the kind that its name promises."""
        row = by_extension(source.rpartition(".")[2])
        return self.signer().url(source, THUMBNAILS[row.medium if row else "picture"])

    def urls(self, source: str, steps: str) -> dict[str, object]:
        """The URL that asks for steps, and what belongs beside it where they can be read.

        Those are the canonical URL, the one that explains it, and the original in several sizes. Raises BadAddress.
        """
        signer = self.signer()
        told: dict[str, object] = {"url": signer.url(source, *_steps(steps))}
        plan = self._plan(steps)
        frame = f"pg_{page.number}," if plan and (page := plan.find(Page)) else ""
        told["original"] = {side: signer.url(source, f"{frame}f_auto,h_{side},q_90,w_{side}") for side in SIDES}
        if plan:
            told["canonical"] = signer.url(source, *_steps(str(plan)))
            told["explain"] = signer.url(source, *_steps(str(plan.replaced(added=(Format("explain"),)))))
            # What no browser shows can be looked at all the same.
            told["drawable"] = signer.url(source, *_steps(str(plan.replaced(added=(Format("png"),)))))
        return told

    def markup(self, source: str, steps: str, shown: Shown, base: str) -> dict[str, str]:
        """Texts to be copied. Raises BadAddress."""
        signer, name = self.signer(base), _alternative(source)
        url = signer.url(source, *_steps(steps))
        told = {"url": url, "curl": _curl(url, steps, shown)}
        if shown.format in DESCRIPTIONS or not shown.width:
            return told
        size = f'width="{shown.width}" height="{shown.height}"'
        told["img"] = f'<img src="{escape(url)}" {size} alt="{escape(name)}">'
        if plan := self._plan(steps):
            told["picture"] = signer.picture(
                source,
                sorted({width for width in LADDER if width < shown.width} | {shown.width}),
                f"(min-width: {shown.width}px) {shown.width}px, 100vw",
                name,
                *_steps(str(plan.replaced(without=(Format,)))),
                formats=("webp",) if shown.moving else ("avif", "webp"),
                fallback="gif" if shown.moving else "png" if plan.transparent(shown.alpha) else "jpg",
                width=shown.width,
                height=shown.height,
            )
        return told

    def _plan(self, steps: str) -> Plan | None:
        """The plan, or None where the steps cannot be read: the answer to their URL tells why."""
        try:
            return Plan.read(_steps(steps), self.presets)
        except BadPlan:
            return None


def _steps(text: str) -> tuple[str, ...]:
    return tuple(step for step in text.split("/") if step)


def _alternative(source: str) -> str:
    """Words for those who do not see the picture: the name of its file, until somebody finds better ones."""
    return source.rpartition("/")[2].rpartition(".")[0].replace("-", " ").replace("_", " ")


def _curl(url: str, steps: str, shown: Shown) -> str:
    accept = f"-H {shlex.quote(f'Accept: {ACCEPT}')} " if "f_auto" in steps else ""
    return f"curl -o result.{shown.format} {accept}{shlex.quote(url)}"
