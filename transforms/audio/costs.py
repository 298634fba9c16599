"""What work on a sound will cost, from the header alone, and whether what comes of it is too large."""

from typing import Final

from transforms.audio.encoders import settled
from transforms.audio.excerpt import excerpt
from transforms.errors import ResultTooLarge
from transforms.headers import Header
from transforms.limits import Cost, Limits
from transforms.plan import Plan

MOST_BYTES: Final = (1 << 32) - (1 << 16)
"""A WAV counts its bytes with 32 bits."""

_MEGABYTE: Final = 1 << 20
_START: Final = 20.0  # milliseconds of any job: opening twice, tables of the encoders
# Milliseconds for a second of sound on one core of a 2 vCPU EPYC: an MP3 of noise at 44.1 kHz. A tone takes two thirds.
_READING: Final = 6.0
_MEASURING: Final = 5.0
_WRITING: Final = {"mp3": 45.0, "m4a": 25.0, "aac": 25.0, "opus": 10.0, "ogg": 10.0, "flac": 2.0, "wav": 1.0}
_PASSING: Final = 0.5  # milliseconds for a megabyte of film that is read for its sound
_MEMORY: Final = 48 * _MEGABYTE  # FFmpeg's libraries, and what they hold at a time


def seconds_of(header: Header, plan: Plan) -> float:
    """How long the part is that is meant, as far as the header tells."""
    part = excerpt(plan.loading, header.seconds)
    end = header.seconds if part.end is None else min(part.end, header.seconds or part.end)
    return max(0.0, end - part.start)


def sound_cost(header: Header, plan: Plan, form: str) -> Cost:
    """What it takes to make a whole sound, or to find the peaks of a wave where `form` is no sound's."""
    seconds = seconds_of(header, plan)
    passing = 0.0
    if header.medium == "motion" and header.seconds:
        passing = _PASSING * header.bytes / header.seconds / _MEGABYTE
    each = passing + _READING + _WRITING.get(form, 0.0)
    if form in _WRITING and plan.saving.loudness is not None:
        each += passing + _READING + _MEASURING
    held = int(plan.saving.fade_out * 48_000 * 8) if form in _WRITING else 0
    return Cost(_START + seconds * each, _MEMORY + held)


def check_sound(header: Header, plan: Plan, form: str, limits: Limits) -> None:
    """Refuse a sound that cannot be made in a format, or that would be larger than those that are read.

    Raises InvalidOption, ConflictingOptions, NoSuchMoment and ResultTooLarge.
    """
    chosen = settled(plan.saving, form)
    size = seconds_of(header, plan) * (chosen.bit_rate or chosen.rate * _PLAIN) / 8
    most = min(limits.sound_bytes, MOST_BYTES)
    if size > most:
        raise ResultTooLarge(
            f"the result would have some {size / 1_000_000:.0f} MB; sounds of up to {most / 1_000_000:g} are made",
            expected="a part of it by so_ and du_, or a format that needs fewer bytes",
        )


_PLAIN: Final = 32  # bits of both sides of a sample
