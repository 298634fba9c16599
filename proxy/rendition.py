"""A rendition: everything that decides its bytes, and so its name."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from proxy.failures import NoSuchRendition
from proxy.negotiation import Choice, bucket, choose
from proxy.reading import Wanted
from proxy.record import Record
from proxy.sources.mounts import Mounted
from proxy.tags import Numbers
from signing import is_leaf
from transforms.audio.costs import check_sound
from transforms.audio.waves import WAVE, check_wave, wave_size
from transforms.errors import ConflictingOptions, InvalidOption, NoSuchStream, UnsupportedFormat
from transforms.formats import FORMATS, by_extension
from transforms.headers import Header
from transforms.limits import Limits
from transforms.operation import Size, joined
from transforms.operations.output import DRAWN, STREAMS, Attachment, Fallback, Format, result_of
from transforms.plan import Plan
from transforms.transcodes.recipe import recipe
from transforms.video.excerpt import check_animation, count, moves, spans
from transforms.video.storyboard import VERSION

Point = tuple[float, float]


@dataclass(frozen=True)
class Rendition:
    """One original through one plan into one format, with nothing left to choose."""

    mounted: Mounted
    record: Record
    header: Header
    plan: Plan
    format: str
    why: str
    """Why it is that format."""
    sizes: tuple[Size, ...]
    """The size after each operation, as far as the header tells."""
    focus: Point | None
    gps: bool
    purged: Numbers = ()
    """How often it was purged, by each of its tags that ever was."""
    sheet: int | None = None
    """Which sheet of a storyboard, counted from 0."""

    @cached_property
    def key(self) -> str:
        """The name under which the result is kept: a hash of all that its bytes depend on."""
        row = FORMATS.get(self.format)
        facts = (
            self.mounted.name,
            self.mounted.key,
            self.record.version,
            str(self.plan),
            self.plan.versions(),
            self.format,
            row.version if row else 1,
            self.focus,
            self.gps if self.format == "json" else None,
            *((self.purged,) if self.purged else ()),
            *(() if self.sheet is None else (VERSION, self.sheet)),
        )
        return hashlib.sha256(f"darkroom.result.1\n{json.dumps(facts)}".encode()).hexdigest()[:40]

    @property
    def ranged(self) -> bool:
        """Whether it may be asked for in parts, so that its tag is that of its very bytes: a film or a sound."""
        row = FORMATS.get(self.format)
        return row is not None and row.medium != "picture"

    @property
    def refined(self) -> bool:
        """Whether the format has a final grade that differs from the first."""
        row = FORMATS.get(self.format)
        return row is not None and row.refined


@dataclass(frozen=True)
class Bounds:
    """What results may be on a mount, and how they are made."""

    limits: Limits
    gps: bool


def resolve(
    wanted: Wanted,
    record: Record,
    header: Header,
    accept: bytes,
    bounds: Bounds,
    purged: Numbers = (),
) -> Rendition:
    """Make concrete what is wanted of an original, once its header is known. Raises Refusals."""
    plan, mounted = wanted.plan, wanted.mounted
    choice = _format(wanted, header, accept)
    wanted.policy.check_format(choice.format)
    check_name(wanted, choice.format)
    check_media(plan, header, result_of(choice.format))
    upright = shown(plan, header)
    sizes = tuple(plan.measure(upright)) or (upright,)
    if choice.format in FORMATS and FORMATS[choice.format].medium == "sound":
        check_sound(header, plan, choice.format, bounds.limits)
    row = FORMATS.get(choice.format)
    if header.medium == "motion" and not plan.loading.waveform:
        check_moments(plan, header, row is not None and row.animation, sizes, bounds.limits)
    bounds.limits.check_original(header, moving=row is not None and row.animation and not plan.loading.page)
    covered = header.medium == "sound" and not plan.loading.waveform and result_of(choice.format) == "picture"
    if covered and header.cover:
        # A JPEG may be largest; who opens it knows what kind it is.
        bounds.limits.check_original(Header("jpg", *header.cover, bytes=0))
    # A description and a sound have no size, and a stream has many: those that are too large are left out of it.
    if result_of(choice.format) not in ("facts", "stream", "sound"):
        for size in sizes:
            bounds.limits.check_result(*size)
        wanted.policy.check_size(sizes[-1])
    plan = plan.replaced(without=(Attachment, Fallback), added=(Format(choice.format),))
    focus = wanted.place.focal.get(mounted.key)
    if result_of(choice.format) == "motion":
        recipe(header, plan, choice.format, focus)
    return Rendition(mounted, record, header, plan, choice.format, choice.why, sizes, focus, bounds.gps, purged)


MEDIA = {"picture": "a picture", "motion": "a film", "sound": "a sound", "facts": "a description"}


def check_media(plan: Plan, header: Header, result: str) -> None:
    """Refuse options that mean nothing for this original or this result, and results that cannot be made of it.

    Raises ConflictingOptions, NoSuchStream and UnsupportedFormat.
    """
    recorded = header.medium != "picture"
    if not recorded and result not in ("picture", "facts"):
        raise UnsupportedFormat(f"{MEDIA.get(result, 'a stream')} cannot be made of a picture")
    for operation in plan:
        part = ",".join(joined(*option) for option in operation.write().items())
        if header.medium not in operation.originals:
            raise ConflictingOptions(f"{part}: it means nothing for {MEDIA[header.medium]}", part=part)
        if recorded and plan.saving.format != "explain" and result not in operation.media:
            raise ConflictingOptions(f"{part}: it means nothing where the result is {_called(result)}", part=part)
    if header.medium == "sound" and result in ("motion", "sheets"):
        raise NoSuchStream("the original is a sound: there are no pictures in it")
    if header.medium == "sound" and result == "picture" and not header.cover and not plan.loading.waveform:
        raise NoSuchStream("the original is a sound without a cover; e_waveform draws the sound itself")
    if header.medium == "motion" and not header.sound and (result == "sound" or plan.loading.waveform):
        raise NoSuchStream("the original is a film without sound")


def check_moments(plan: Plan, header: Header, moving: bool, sizes: tuple[Size, ...], limits: Limits) -> None:
    """Refuse moments that a film does not have, and an animation of it that would be too much.

    Raises NoSuchMoment, ConflictingOptions and ResultTooLarge.
    """
    spans(plan.loading, header.seconds)
    if moving and moves(plan.loading):
        size = max(sizes, key=lambda size: size.width * size.height)
        check_animation(limits, count(plan.loading, header, plan.saving.rate), size)


def _called(result: str) -> str:
    return MEDIA.get(result, "a storyboard" if result == "sheets" else "a stream")


def shown(plan: Plan, header: Header) -> Size:
    """The size of what a plan begins with, upright."""
    if plan.loading.waveform:
        return wave_size(plan)
    if header.medium == "sound":
        return Size(*header.cover) if header.cover else WAVE
    return Size(*header.upright) if plan.loading.upright else Size(header.width, header.height)


def _format(wanted: Wanted, header: Header, accept: bytes) -> Choice:
    plan, saving, row = wanted.plan, wanted.plan.saving, FORMATS[header.kind]
    if saving.format == "json" and plan.steps and not plan.loading.waveform:
        raise ConflictingOptions("f_json describes the original, so no step may change it", part="f_json")
    if saving.format in DRAWN and not plan.loading.waveform:
        raise UnsupportedFormat("SVG is made of a sound's wave alone, with e_waveform", part=f"f_{saving.format}")
    if plan.loading.waveform and saving.format in ("json", *DRAWN):
        check_wave(plan, saving.format)
    if saving.format == "auto":
        return _best(wanted, header, accept)
    if saving.format:
        return Choice(saving.format, "the URL says so")
    if saving.format is None and plan.loading.waveform:
        return Choice("png", "a wave has few colours")
    if row.writer and row.medium == header.medium:
        return Choice(header.kind, "it is the original's own")
    if header.medium != "picture":
        return Choice(_USUAL[header.medium], f"{row.title} is not written here")
    return Choice("png" if header.alpha or row.vector else "jpg", f"{row.title} is not written here")


_USUAL = {"motion": "mp4", "sound": "mp3"}
"""What is made of a film or a sound of a kind that is not written."""


def _best(wanted: Wanted, header: Header, accept: bytes) -> Choice:
    """What `f_auto` means for a client."""
    plan = wanted.plan
    return choose(
        bucket(accept),
        kind=header.kind,
        alpha=plan.transparent(header.alpha),
        frames=_moving(plan, header),
        lossless=plan.saving.lossless,
        allowed=wanted.policy.formats,
    )


def _moving(plan: Plan, header: Header) -> int:
    """How many frames a picture would have; of a film that moves, more than one is all that matters."""
    if header.medium == "motion":
        return 2 if moves(plan.loading) else 1
    return header.frames if FORMATS[header.kind].animation and not plan.loading.page else 1


def check_name(wanted: Wanted, form: str) -> None:
    """A name after `~` says the truth about the format, or nothing. Raises NoSuchRendition and InvalidOption."""
    name = wanted.address.name
    if not name:
        return
    if form in STREAMS:
        return  # which files there are follows from the original
    if is_leaf(name):
        raise NoSuchRendition("only f_hls, f_dash and f_vtt have such files", part=f"~{name}")
    extension = name.rpartition(".")[2] if "." in name else ""
    if wanted.plan.saving.format == "auto" and extension:
        raise InvalidOption(
            "f_auto: the name's extension promises one format, and the client chooses another", part=f"~{name}"
        )
    named = by_extension(extension)
    said = named.name if named else extension
    if extension and said != form:
        raise NoSuchRendition(f"the rendition is {form}, and its name says {extension}", part=f"~{name}")


def strong_tag(mounted: Mounted, version: str, purged: Numbers) -> str:
    """The entity tag of an original's own bytes."""
    content = f"{mounted.name}/{mounted.key}/{version}" + (json.dumps(purged) if purged else "")
    return f'"{hashlib.sha256(content.encode()).hexdigest()[:32]}"'


def filename(wanted: Wanted, form: str) -> str | None:
    """The name that browsers see: the one in the URL, else that of `fl_attachment`, else that of the original."""
    attachment, name = wanted.plan.saving.attachment, wanted.address.name
    if name or attachment is None:
        return name
    last, row = wanted.mounted.key.rpartition("/")[2], FORMATS.get(form)
    return f"{attachment or last.rpartition('.')[0] or last}.{row.extensions[0] if row else form}"


def explained(
    wanted: Wanted, rendition: Rendition, accept: bytes, estimate: Mapping[str, float], kept: str | None
) -> dict[str, object]:
    """What `f_explain` tells: how the URL was read, the geometry of each step, format, cost and cache."""
    operations = [(operation, number) for number, step in enumerate(rendition.plan.steps, 1) for operation in step]
    return {
        "source": wanted.address.source,
        "mount": rendition.mounted.name or "/",
        "key": rendition.mounted.key,
        "plan": str(wanted.plan),
        "original": {**rendition.header.to_dict(), "version": rendition.record.version},
        "steps": [
            {
                "step": number,
                "operation": type(operation).__name__,
                "options": operation.write(),
                "width": size.width,
                "height": size.height,
            }
            for (operation, number), size in zip(operations, rendition.sizes, strict=False)
        ],
        "format": rendition.format,
        "why": rendition.why,
        "f_auto": _best(wanted, rendition.header, accept)._asdict(),
        "estimate": estimate,
        "result": rendition.key,
        "cached_in": kept,
    }
