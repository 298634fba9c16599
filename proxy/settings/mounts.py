"""Where originals come from, and what a key or a mount allows."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from proxy.settings.clients import Origins, Rates
from proxy.settings.declare import Table, setting
from proxy.settings.limits import Limits
from proxy.settings.origins import Elsewhere, Located, said
from proxy.settings.units import Names, PointText, Seconds, Whole, read_list
from signing.address import RESERVED, looks_like_step
from transforms.formats import by_extension, writable
from transforms.operations.output import STREAMS


def read_ladder(value: object) -> object:
    """Widths, in any order and as text or list, in rising order and each once."""
    members = read_list(value)
    if isinstance(members, list | tuple) and all(str(member).isdecimal() for member in members):
        return tuple(sorted({int(member) for member in members}))
    raise ValueError("widths in pixels, such as 320, 640, 1280")


def check_formats(names: tuple[str, ...]) -> tuple[str, ...]:
    """The formats' own names: `jpg` for `jpeg`."""
    made = {*(row.name for row in writable()), *STREAMS}
    formats = [name if name in STREAMS else row.name if (row := by_extension(name)) else "" for name in names]
    for name, known in zip(names, formats, strict=True):
        if known not in made:
            raise said(f"{name!r} is no format that is made here; there are {', '.join(sorted(made))}")
    return tuple(dict.fromkeys(formats))


Ladder = Annotated[tuple[Whole, ...], BeforeValidator(read_ladder)]
Formats = Annotated[Names, AfterValidator(check_formats)]
MountNames = Annotated[Names, AfterValidator(lambda names: tuple(name.strip("/") for name in names))]


class Policy(Table):
    """What may be asked for; everything that is not named is allowed."""

    mounts: MountNames | None = setting(None, "Mounts that the key opens.", example='["photos"]', shown="all")
    presets_only: bool = setting(False, "Nothing but presets may be asked for.")
    presets: Names | None = setting(None, "Presets that may be used.", example='["card"]', shown="all")
    largest: Whole | None = setting(None, "Longest side of a result.", unit="pixels", ge=1, shown="the limits' own")
    ladder: Ladder = setting((), "Widths of results; others snap up to the next.", unit="pixels", example="[320, 640]")
    formats: Formats | None = setting(None, "Formats that may be made.", example='["webp", "jpg"]', shown="all")
    rates: Rates = setting(Rates(), "How often URLs of the key may be asked for, by all clients together.")

    @property
    def finite(self) -> bool:
        """Whether only so many pictures can be asked for: presets, or sizes of a ladder."""
        return self.presets_only or bool(self.ladder)


class Key(Table):
    """One secret of the ring, and what URLs signed with it may ask for."""

    secret: SecretStr = setting(..., "The secret that signs; `darkroom key` makes one.", min_length=1)
    policy: Policy = setting(Policy(), "What URLs signed with this key may ask for.", shown="everything")


class Offer(Table):
    """What may be asked for of the originals of one place, by whom, and how long it is kept."""

    policy: Literal["signed", "public"] = setting(
        "signed", "Whether URLs must be signed; a public mount needs `presets` or a `ladder`."
    )
    presets: Names | None = setting(None, "Presets that a public mount offers.", example='["card"]', shown="none")
    ladder: Ladder = setting((), "Widths that a public mount offers.", unit="pixels", example="[320, 640]")
    formats: Formats | None = setting(None, "Formats that may be made.", example='["webp", "jpg"]', shown="all")
    originals: bool = setting(False, "Originals may be fetched untouched, metadata and all.")
    default_preset: str | None = setting(None, "Preset for a URL without any step.", example="card", shown="none")
    max_age: Seconds | None = setting(None, "How long browsers keep results.", unit="seconds", shown="freshness'")
    shared_max_age: Seconds | None = setting(
        None, "How long CDNs and proxies keep results.", unit="seconds", shown="freshness'"
    )
    cors_origins: Origins | None = setting(
        None, "Pages that may read pixels by script.", example='["*"]', shown="the server's"
    )
    limits: Limits | None = setting(None, "Limits that differ on this mount, by name.", shown="the server's")
    focal: dict[str, PointText] = setting(
        {}, "Points that `g_auto` keeps in the picture, by key.", unit="x:y", example='{"cats/1.jpg" = "0.3:0.5"}'
    )

    @property
    def allowed(self) -> Policy:
        """What anybody may ask for where the mount is public; where it is signed, what every key may ask for."""
        if self.policy == "signed":
            return Policy(formats=self.formats)
        presets = self.presets or ()
        return Policy(presets_only=not self.ladder, presets=presets, ladder=self.ladder, formats=self.formats)

    @model_validator(mode="after")
    def _finite_when_public(self) -> "Offer":
        offers = bool(self.presets or self.ladder)
        if self.policy == "public" and not offers:
            raise said("a public mount needs presets or a ladder; without them anybody could ask for endless pictures")
        if self.policy == "signed" and offers:
            raise said('presets and ladder are what a public mount offers; add policy = "public" or take them out')
        return self


class Mount(Offer, Elsewhere, Located):
    """A place of originals, under a prefix of the URL."""


class Remote(Offer, Elsewhere):
    """Originals on other web sites, by their whole addresses."""

    hosts: Names = setting(
        (),
        "Hosts that originals may come from, and be redirected to.",
        example='["images.example.com", "*.cdn.example.org"]',
        min_length=1,
    )


def read_mount(value: object) -> object:
    """A mount's table, or its place alone as the shorthand."""
    return {"url": value} if isinstance(value, str | Path) else value


def read_mounts(value: object) -> object:
    """Mounts by the prefix of their URLs; a place alone is the root mount, whose name is empty or `/`."""
    if isinstance(value, str | Path):
        return {"": value}
    if not isinstance(value, Mapping):
        raise ValueError("a table of mounts or one place")
    mounts: dict[str, Any] = {}
    for name, mount in value.items():
        bare = str(name).strip("/")
        if bare in mounts:
            raise said(f"the mount {name!r} is there twice")
        mounts[bare] = mount
    return mounts


def check_mount_name(name: str) -> str:
    """The name again, where a URL can reach it."""
    first, *rest = name.split("/")
    if name and any(segment in ("", ".", "..") for segment in (first, *rest)):
        raise said(f"{name!r} cannot name a mount: it has an empty, '.' or '..' part")
    if re.search(r"[\x00-\x1f\x7f?#\\]", name) or re.match(r"[~-]|https?:|b64:", name):
        raise said(f"{name!r} cannot name a mount: a URL would not read it as a name")
    if first in RESERVED:
        raise said(f"{name!r} cannot name a mount: /{first} belongs to the server")
    if looks_like_step(first):
        raise said(f"{name!r} cannot name a mount: a URL would read it as a step such as w_600")
    return name


def read_key(value: object) -> object:
    """A key's table, or the secret alone as its shorthand."""
    return {"secret": value} if isinstance(value, str | SecretStr) else value


def check_preset_name(name: str) -> str:
    """The name again, where `t_` can be written before it."""
    if name.startswith("t_"):
        raise said(f"the preset {name!r} is named without its t_: {name[2:]!r}")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise said(f"{name!r} cannot name a preset: letters, digits, '-', '_' and '.' are allowed")
    return name


Keys = Annotated[tuple[Annotated[Key, BeforeValidator(read_key)], ...], BeforeValidator(read_list)]
Mounts = Annotated[
    dict[Annotated[str, AfterValidator(check_mount_name)], Annotated[Mount, BeforeValidator(read_mount)]],
    BeforeValidator(read_mounts),
]
Presets = dict[Annotated[str, AfterValidator(check_preset_name)], Annotated[str, Field(min_length=1)]]
