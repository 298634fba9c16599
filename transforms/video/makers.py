"""Who makes the parts of each kind of rung."""

from types import MappingProxyType
from typing import Final

from transforms.video import pictures
from transforms.video.parts import Maker, Makers

MAKERS: Final[Makers] = MappingProxyType(
    {
        "picture": Maker(pictures.rungs, pictures.head, pictures.segment),
    }
)
"""By kind, in the order in which a plan lists its rungs."""
