"""What is to be purged, read off JSON and held against what there is."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from proxy.failures import BadBody, Forbidden, NoSuchOriginal
from proxy.sources.mounts import Mounted
from proxy.tags import DEEPEST, DIGITS, HASHED, ROOT, mount_tag, overlay_tag, prefix_tag, preset_tag, source_tag

KINDS: Final = ("source", "prefix", "mount", "preset", "overlay", "tag")
MOST: Final = 1000
"""Targets of one purge."""
LONGEST: Final = 4096

_NOT_TEXT = re.compile("[\0\ud800-\udfff]")
_HASHED = re.compile(rf"({'|'.join(HASHED)}):[0-9a-f]{{{DIGITS}}}")


@dataclass(frozen=True)
class Target:
    """One thing to purge: its tag, and the mounts that it may concern; None: any."""

    kind: str
    value: str
    tag: str
    mounts: frozenset[str] | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"


@dataclass(frozen=True)
class Targets:
    """Reads targets against the mounts and presets of one configuration."""

    resolve: Callable[[str], Mounted]
    mounts: Collection[str]
    presets: Collection[str]

    def read(self, body: object) -> list[Target]:
        """The targets of a body: an object with one member, or a list of them. Raises BadBody."""
        items = body if isinstance(body, list) else [body]
        if not 1 <= len(items) <= MOST:
            raise BadBody(f"{len(items)} targets came", expected=f"1 to {MOST}")
        return [
            self._target(item, f"[{number}]" if isinstance(body, list) else "") for number, item in enumerate(items)
        ]

    def _target(self, item: object, place: str) -> Target:
        one_of = f"an object with one of {', '.join(KINDS)}"
        if not isinstance(item, Mapping) or len(item) != 1:
            raise BadBody("This does not say what to purge", part=place, expected=one_of)
        ((kind, value),) = item.items()
        part = f"{place}.{kind}".lstrip(".")
        if kind not in READERS:
            raise BadBody(f"Nothing is purged by {kind!r}", part=part, expected=one_of)
        if not isinstance(value, str) or not 1 <= len(value) <= LONGEST or _NOT_TEXT.search(value):
            raise BadBody(f"{kind} is no name", part=part, expected=f"text of 1 to {LONGEST} characters")
        return READERS[kind](self, value, part)

    def _source(self, value: str, part: str) -> Target:
        mounted = self._mounted(value, part)
        return Target("source", value, source_tag(mounted), frozenset({mounted.name}))

    def _overlay(self, value: str, part: str) -> Target:
        # What an original is laid over may be on any mount.
        return Target("overlay", value, overlay_tag(self._mounted(value, part)))

    def _prefix(self, value: str, part: str) -> Target:
        if not value.endswith("/") or value.startswith("/"):
            right = f"{value.strip('/')}/"
            raise BadBody("A prefix is a folder", part=part, expected="a slash at its end alone", suggestion=right)
        if value.count("/") > DEEPEST:
            raise BadBody(f"The folder is {value.count('/')} deep", part=part, expected=f"at most {DEEPEST}")
        inside = {name for name in self.mounts if f"{name}/".startswith(value)}
        return Target("prefix", value, prefix_tag(value), frozenset({self._mounted(value, part).name, *inside}))

    def _mount(self, value: str, part: str) -> Target:
        name = "" if value == ROOT else value
        if name not in self.mounts:
            raise BadBody(f"There is no mount {value!r}", part=part, expected="the name of a mount; / is the root")
        return Target("mount", value, mount_tag(name), frozenset({name}))

    def _preset(self, value: str, part: str) -> Target:
        if value not in self.presets:
            bare = value.removeprefix("t_")
            meant = bare if bare in self.presets else ""
            raise BadBody(f"There is no preset {value!r}", part=part, expected="the name of one", suggestion=meant)
        return Target("preset", value, preset_tag(value))

    def _tag(self, value: str, part: str) -> Target:
        if _HASHED.fullmatch(value):
            return Target("tag", value, value)
        kind, _, name = value.partition(":")
        if kind in ("mount", "preset"):
            same = READERS[kind](self, unquote(name), part)
            return Target("tag", value, same.tag, same.mounts)
        raise BadBody("This is no tag", part=part, expected="one as answers bear it, such as mount:photos")

    def _mounted(self, value: str, part: str) -> Mounted:
        try:
            return self.resolve(value)
        except (NoSuchOriginal, Forbidden):
            raise BadBody("No mount has this", part=part, expected="an original or a folder as URLs name it") from None


READERS: Final[Mapping[str, Callable[[Targets, str, str], Target]]] = {
    "source": Targets._source,
    "prefix": Targets._prefix,
    "mount": Targets._mount,
    "preset": Targets._preset,
    "overlay": Targets._overlay,
    "tag": Targets._tag,
}
