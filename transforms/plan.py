"""A plan: what a URL asks to be done with an original, read from its text and written canonically."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeVar

from transforms.errors import BadPlan, ConflictingOptions, InvalidOption, NotSupported, UnknownOption, UnknownPreset
from transforms.operation import FAMILIES, Operation, Size, conflict, joined, option_name
from transforms.operations.geometry import Density
from transforms.pipeline import PIPELINE
from transforms.wishes import Loading, Saving

RESERVED = {
    "l": "overlays",
    "u": "underlays",
    "if": "conditions",
    "$": "variables",
    "fn": "functions",
    "dn": "densities",
    "dl": "frame delays",
}
"""Names that are kept for what is not built yet."""

MOST_STEPS = 10
PRESET_DEPTH = 4

O = TypeVar("O", bound=Operation)  # noqa: E741 - the operation asked for

_ORDER = {operation: place for place, operation in enumerate(PIPELINE)}
_ASKED: dict[str, list[type[Operation]]] = {}
_TAKEN: dict[str, list[type[Operation]]] = {}
for _operation in PIPELINE:
    for _letter, _asks in _operation.letters():
        (_ASKED if _asks else _TAKEN).setdefault(_letter, []).append(_operation)
_NAMES = sorted({*_ASKED, *_TAKEN})


@dataclass(frozen=True)
class Plan:
    """Steps on the pixels, each on the output of the one before, and what holds for the whole plan."""

    steps: tuple[tuple[Operation, ...], ...] = ()
    whole: tuple[Operation, ...] = ()

    @classmethod
    def read(cls, text: str | Iterable[str], presets: Mapping[str, str] | None = None) -> "Plan":
        """The plan that steps spell; `text` joins them by `/`. Raises BadPlan naming the part that is wrong."""
        steps = tuple(text.split("/")) if isinstance(text, str) else tuple(text)
        if steps in ((), ("",)):
            return cls()
        offset = 0
        pixel_steps: list[tuple[Operation, ...]] = []
        whole: dict[type[Operation], Operation] = {}
        for step in steps:
            try:
                for part in _expand(step, presets or {}):
                    local = _read_step(part, whole)
                    if local:
                        pixel_steps.append(local)
            except BadPlan as error:
                if error.offset is None:
                    error.offset = offset + max(step.find(error.part), 0)
                raise
            offset += len(step) + 1
        if len(pixel_steps) > MOST_STEPS:
            raise BadPlan(f"a plan has at most {MOST_STEPS} steps; {len(pixel_steps)} came")
        kept = [operation for operation in whole.values() if not operation.idle()]
        plan = cls(tuple(pixel_steps), tuple(sorted(kept, key=lambda operation: _ORDER[type(operation)])))
        plan.loading, plan.saving  # noqa: B018 - options that contradict each other are refused now
        return plan

    def __str__(self) -> str:
        """The canonical text, which reads back as this very plan."""
        return self._text

    @cached_property
    def _text(self) -> str:
        steps = [_options(step) for step in self.steps] or [{}]
        for operation in self.whole:
            # What concerns the original stands in the first step, what concerns the result in the last.
            steps[0 if operation.loading(Loading()) != Loading() else -1].update(operation.write())
        return "/".join(",".join(sorted(joined(*option) for option in step.items())) for step in steps if step)

    def __iter__(self) -> Iterator[Operation]:
        for step in self.steps:
            yield from step
        yield from self.whole

    def find(self, kind: type[O]) -> O | None:
        """The first operation of this kind, if the plan has one."""
        return next((operation for operation in self if isinstance(operation, kind)), None)

    def replaced(self, *, without: tuple[type[Operation], ...] = (), added: tuple[Operation, ...] = ()) -> "Plan":
        """The plan with other options for the whole of it."""
        dropped = (*without, *(type(operation) for operation in added))
        kept = [operation for operation in self.whole if not isinstance(operation, dropped)]
        return Plan(self.steps, tuple(sorted([*kept, *added], key=lambda operation: _ORDER[type(operation)])))

    def transparent(self, alpha: bool) -> bool:
        """Whether the result may have transparent places, `alpha` saying it of the original."""
        for step in self.steps:
            for operation in step:
                alpha = operation.transparent(alpha)
        return alpha

    @cached_property
    def loading(self) -> Loading:
        loading = Loading()
        for operation in self:
            loading = operation.loading(loading)
        return loading

    @cached_property
    def saving(self) -> Saving:
        saving = Saving()
        for operation in self:
            saving = operation.saving(saving)
        return saving

    def measure(self, size: Size) -> list[Size]:
        """The size after each operation on pixels, as far as it is known before the pixels are."""
        sizes = []
        for step in self.steps:
            for operation in step:
                size = operation.measure(size)
                sizes.append(size)
        return sizes

    def versions(self) -> str:
        """The versions of the operations, for the key of a result."""
        return ",".join(f"{operation.name}{operation.version}" for operation in self)


LONGEST_REMEMBERED = 256
"""Characters of a step whose reading is kept."""


def _read_plain(text: str) -> tuple[tuple[str, str], ...]:
    """Option names and the texts behind them."""
    return _read_kept(text) if len(text) <= LONGEST_REMEMBERED else _read_anew(text)


def _read_anew(text: str) -> tuple[tuple[str, str], ...]:
    options: dict[str, str] = {}
    for part in text.split(","):
        if not part:
            raise BadPlan("an option is missing between two commas" if "," in text else "a step is empty", part=text)
        for name, value in _split(part):
            if name in options:
                raise conflict(f"{joined(name, value)}: the option stands twice in one step", part)
            options[name] = value
    return tuple(options.items())


_read_kept = lru_cache(maxsize=4096)(_read_anew)


def _split(part: str) -> Iterator[tuple[str, str]]:
    letters, underscore, value = part.partition("_")
    if part.startswith("$"):
        raise NotSupported("$: variables are not supported yet", part=part)
    if letters in RESERVED:
        raise NotSupported(f"{letters}_: {RESERVED[letters]} are not supported yet", part=part)
    if letters in FAMILIES and underscore:
        # `fl_a.b` is `fl_a,fl_b`, as elsewhere in the field.
        words = value.split(".") if letters == "fl" and ":" not in value else [value]
        for word in words:
            head, _, rest = word.partition(":")
            name = f"{letters}_{head}"
            if name not in _ASKED:
                raise _unknown(name, part)
            if word.endswith(":"):
                raise InvalidOption(f"{name}: nothing stands behind the colon", part=part, expected="a value")
            yield name, rest
        return
    if not underscore or not re.fullmatch("[a-z]+", letters):
        raise BadPlan(f"“{part}” is no option", part=part, expected="options such as w_600, joined by commas")
    if letters == "t" or letters in _ASKED or letters in _TAKEN:
        if not value:
            raise InvalidOption(f"{letters}_: a value was expected, but nothing came", part=part, expected="a value")
        yield letters, value
        return
    raise _unknown(letters, part)


def _unknown(name: str, part: str) -> UnknownOption:
    near = [letter for letter in name if letter in _NAMES] if len(name) == 2 else []
    near += difflib.get_close_matches(name, _NAMES, n=2, cutoff=0.72)
    suggestion = next((other for word in near if _takes(word, other := part.replace(name, word, 1))), "")
    meant = f"; did you mean {suggestion}?" if suggestion else ""
    detail = f"{option_name(name)} is no option{meant}"
    return UnknownOption(detail, part=part, expected="an option", suggestion=suggestion)


def _takes(name: str, part: str) -> bool:
    """Whether an option can be spelled so."""
    try:
        for operation in _ASKED.get(name, []) + _TAKEN.get(name, []):
            operation.read(dict(_split(part)))
    except ConflictingOptions:
        return True  # its value is right, it only misses other options
    except BadPlan:
        return False
    return True


def _expand(step: str, presets: Mapping[str, str], depth: int = 0) -> Iterator[str]:
    """The step itself, or the steps of the preset that it names."""
    if not re.search(r"(^|,)t_", step):
        yield step
        return
    name = step[2:]
    if "," in step:
        raise conflict(f"{step}: a preset is a step of its own", step)
    if name not in presets:
        near = difflib.get_close_matches(name, presets, n=1)
        meant = f"; did you mean t_{near[0]}?" if near else ""
        suggestion = f"t_{near[0]}" if near else ""
        raise UnknownPreset(f"there is no preset “{name}”{meant}", part=step, suggestion=suggestion)
    if depth == PRESET_DEPTH:
        raise BadPlan(f"presets nest to a depth of {PRESET_DEPTH}", part=step)
    for inner in presets[name].split("/"):
        yield from _expand(inner, presets, depth + 1)


def _read_step(text: str, whole: dict[type[Operation], Operation]) -> tuple[Operation, ...]:
    """The step's own operations; those that hold for the whole plan are added to `whole`."""
    options = dict(_read_plain(text))
    asked = {operation for name in options for operation in _ASKED.get(name, ())}
    shares: dict[type[Operation], dict[str, str]] = {operation: {} for operation in asked}
    for name, value in options.items():
        for operation in _owners(name, value, asked):
            shares[operation][name] = value
    operations = sorted((kind.read(share) for kind, share in shares.items()), key=lambda one: _ORDER[type(one)])
    density = next((operation for operation in operations if isinstance(operation, Density)), None)
    if density:
        # A density is no effect of its own: it is worked into the lengths beside it, so that w_300,dpr_2 is w_600.
        operations = [operation.dense(density.factor) for operation in operations if operation is not density]
        if not any(operation.step_local for operation in operations):
            raise conflict(
                "dpr_: it multiplies the lengths of its own step, and there are none", joined("dpr", options["dpr"])
            )
    for one in operations:
        if not one.step_local:
            if type(one) in whole:
                name, value = next(iter(one.write().items()))
                raise conflict(f"{joined(name, value)}: the option holds for the whole plan and stands twice", text)
            whole[type(one)] = one
    return tuple(operation for operation in operations if operation.step_local and not operation.idle())


def _owners(name: str, value: str, asked: set[type[Operation]]) -> list[type[Operation]]:
    """The one operation of the step that takes an option."""
    owners = _ASKED.get(name, []) + [operation for operation in _TAKEN.get(name, []) if operation in asked]
    if not owners:
        takers = " or ".join(sorted({f"{operation.name}_" for operation in _TAKEN[name]}))
        raise conflict(
            f"{joined(name, value)}: no option of this step takes it; it belongs to {takers}", joined(name, value)
        )
    if len(owners) > 1:
        raise conflict(
            f"{joined(name, value)}: several options of this step could take it; chain them", joined(name, value)
        )
    return owners


def _options(step: tuple[Operation, ...]) -> dict[str, str]:
    return {name: value for operation in step for name, value in operation.write().items()}
