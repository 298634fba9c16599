"""Whether values can be used for what they are meant: presets as steps, keys as secrets that sign."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from proxy.settings.mounts import check_preset_name, read_key
from proxy.settings.origins import Spot
from proxy.settings.problems import dotted, standing
from proxy.settings.sources import Source
from proxy.settings.units import read_list
from signing.errors import BadKey
from signing.keys import Key
from transforms.errors import BadPlan
from transforms.plan import Plan


def useless(values: Mapping[str, Any], sources: Sequence[Source]) -> Iterator[str]:
    """A line for each preset that is no steps and each key that is weak; what has another form is not looked at."""
    for place, why in (*_presets(values.get("presets")), *_keys(values.get("keys"))):
        yield f"{dotted(place)}: {why}{standing(place, sources)}"


def _presets(presets: object) -> Iterator[tuple[Spot, str]]:
    texts = {str(name): steps for name, steps in presets.items()} if isinstance(presets, Mapping) else {}
    texts = {name: steps for name, steps in texts.items() if isinstance(steps, str) and steps}
    for name in texts:
        try:
            # As URLs name it: of what is nested it makes a difference.
            Plan.read(f"t_{check_preset_name(name)}", texts)
        except BadPlan as error:
            yield ("presets", name), str(error)
        except ValueError:
            continue  # what the name lacks is told with the forms


def _keys(keys: object) -> Iterator[tuple[Spot, str]]:
    members = read_list(keys)
    for number, member in enumerate(members if isinstance(members, list | tuple) else ()):
        key = read_key(member)
        secret = key.get("secret") if isinstance(key, Mapping) else None
        if isinstance(secret, str) and secret:
            try:
                Key.read(secret)
            except BadKey as error:
                yield ("keys", number), str(error)
