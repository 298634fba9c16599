"""Who makes the parts of each kind of rung."""

from types import MappingProxyType
from typing import Final

from transforms.audio import rungs as sounds
from transforms.video import pictures, words
from transforms.video.parts import Maker, Makers

MAKERS: Final[Makers] = MappingProxyType(
    {
        "picture": Maker(pictures.rungs, pictures.head, pictures.segment),
        "sound": Maker(sounds.rungs, sounds.head, sounds.segment),
        "words": Maker(words.rungs, words.head, words.segment),
        "text": Maker(words.whole, words.head, words.segment),
    }
)
"""By kind, in the order in which a plan lists its rungs."""
