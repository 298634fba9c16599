"""What a key or a mount allows, enforced on the plan."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from proxy.failures import Forbidden
from transforms.operation import Operation, Size, joined
from transforms.operations.geometry import Resize
from transforms.operations.output import DESCRIPTIONS, STREAMS, Format, Quality
from transforms.params import Length
from transforms.plan import Plan


class Allowed(Protocol):
    """The rules of a key or of a public mount; `None` and empty mean that everything is allowed."""

    @property
    def mounts(self) -> Sequence[str] | None: ...
    @property
    def presets_only(self) -> bool: ...
    @property
    def presets(self) -> Sequence[str] | None: ...
    @property
    def largest(self) -> int | None: ...
    @property
    def ladder(self) -> Sequence[int]: ...
    @property
    def formats(self) -> Sequence[str] | None: ...
    @property
    def finite(self) -> bool: ...


@dataclass(frozen=True)
class Policy:
    """Rules that hold together: those of the key, and those of the mount."""

    rules: tuple[Allowed, ...]

    @property
    def formats(self) -> frozenset[str] | None:
        """The formats that may be made; None: all."""
        named = [frozenset(rule.formats) for rule in self.rules if rule.formats is not None]
        return frozenset.intersection(*named) if named else None

    def admit(self, mount: str, steps: Sequence[str], plan: Plan) -> Plan:
        """The plan as it may be carried out, its widths snapped to the ladder. Raises Forbidden."""
        self.check_mount(mount)
        for rule in self.rules:
            _check_names(rule, steps)
            if rule.presets_only and plan.saving.redirect:
                raise Forbidden("the format itself could not be asked for here, so nothing can lead there")
            if rule.ladder and not rule.presets_only and not (steps and _presets_alone(steps)):
                plan = _on_ladder(plan, rule.ladder)
        wanted = plan.find(Format)
        if wanted and self.formats is not None:
            self.check_format(wanted.format.partition(":")[0])
        return plan

    def check_mount(self, mount: str, part: str = "") -> None:
        """Raises Forbidden for a mount that the key does not open."""
        if any(rule.mounts is not None and mount not in rule.mounts for rule in self.rules):
            raise Forbidden("the key does not open this mount", part=part)

    def longest_side(self, steps: Sequence[str]) -> int | None:
        """Pixels of the longest side that a rung of a stream may have, asked for by these steps; None: as many as it
        has."""
        sides = [rule.largest for rule in self.rules if rule.largest is not None]
        if not (steps and _presets_alone(steps)):
            sides += [rule.ladder[-1] for rule in self.rules if rule.ladder]
        return min(sides, default=None)

    @property
    def confined(self) -> bool:
        """Whether only some sizes may be had."""
        return any(rule.largest is not None or rule.ladder for rule in self.rules)

    def check_format(self, name: str) -> None:
        """Raises Forbidden for a format that may not be made."""
        if self.formats is not None and name not in (*self.formats, *DESCRIPTIONS, "auto"):
            listed = ", ".join(sorted(self.formats)) or "none"
            raise Forbidden(f"the format {name} is not allowed here", part=f"f_{name}", expected=f"one of {listed}")

    def check_size(self, size: Size) -> None:
        """Raises Forbidden for a result that is larger than allowed."""
        for rule in self.rules:
            if rule.largest is not None and max(size) > rule.largest:
                raise Forbidden(
                    f"the result would be {size.width}x{size.height}; {rule.largest} pixels a side are allowed here",
                    expected=f"at most {rule.largest} pixels a side",
                )


def _check_names(rule: Allowed, steps: Sequence[str]) -> None:
    presets = [step.removeprefix("t_") for step in steps if step.startswith("t_")]
    if rule.presets is not None:
        for name in presets:
            if name not in rule.presets:
                raise Forbidden(f"the preset {name} is not allowed here", part=f"t_{name}")
    if rule.presets_only and not (steps and _presets_alone(steps)):
        raise Forbidden("nothing but presets may be asked for here", expected="steps such as t_card")


def _presets_alone(steps: Sequence[str]) -> bool:
    return all(step.startswith("t_") for step in steps)


LADDER_WHOLE = (Format, Quality)
"""What may be said about the whole plan under a ladder: a format, and a level of `q_auto`."""


LADDER_MODES = ("limit", "fit", "scale", "fill", "lfill", "pad", "lpad")
"""Modes whose results are no larger than the box that they are given."""


def _on_ladder(plan: Plan, ladder: Sequence[int]) -> Plan:
    """The plan with its sides on rungs. All that would make the number of possible results endless is refused."""
    rungs = f"w_ and h_ of {', '.join(map(str, ladder))}"
    operations = [operation for step in plan.steps for operation in step]
    if len(operations) > 1:
        raise Forbidden("one size may be asked for here, and nothing else", expected=rungs)
    for operation in plan.whole:
        level = isinstance(operation, Quality) and operation.value.level is None
        if not isinstance(operation, LADDER_WHOLE) or level:
            part = ",".join(joined(*option) for option in operation.write().items())
            raise Forbidden(f"{part} may not be asked for here", part=part, expected="f_ or a level of q_auto")
    asked = plan.find(Format)
    if not operations and not (asked and asked.format in (*DESCRIPTIONS, *STREAMS)):
        # Nothing said of the size means the largest that may be had.
        operations = [Resize(width=Length(ladder[-1]), height=Length(ladder[-1]))]
    return Plan(tuple((_snapped(operation, ladder, rungs),) for operation in operations), plan.whole)


def _snapped(operation: Operation, ladder: Sequence[int], rungs: str) -> Operation:
    if not isinstance(operation, Resize) or operation.x or operation.y or operation.ratio or operation.zoom != 1:
        raise Forbidden("only sizes of the ladder may be asked for here", expected=rungs)
    if operation.mode not in LADDER_MODES:
        listed = ", ".join(f"c_{mode}" for mode in LADDER_MODES)
        raise Forbidden(f"c_{operation.mode} may not be asked for here", part=f"c_{operation.mode}", expected=listed)
    if operation.gravity not in (None, "auto"):
        raise Forbidden("gravities may not be chosen here", part=f"g_{operation.gravity}", expected="g_auto or none")
    width, height = operation.width, operation.height
    if any(side is not None and side.share is not None for side in (width, height)):
        raise Forbidden("sizes are given in pixels here", expected=rungs)
    return dataclasses.replace(operation, width=_rung(width, ladder), height=_rung(height, ladder))


def _rung(side: Length | None, ladder: Sequence[int]) -> Length | None:
    """The next rung up, or the highest."""
    if side is None:
        return None
    return Length(next((rung for rung in ladder if rung >= side.pixels), ladder[-1]))
