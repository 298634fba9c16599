"""The DASH manifest (ISO/IEC 23009-1) as text, from a plan alone: over the very segments of HLS."""

from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from transforms.video.hls import file, folder
from transforms.video.stream_plan import Rung, StreamPlan

_PROFILE: Final = "urn:mpeg:dash:profile:isoff-live:2011"
_ROLE: Final = "urn:mpeg:dash:role:2011"
_CHANNELS: Final = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011"
_TRANSFER: Final = "urn:mpeg:mpegB:cicp:TransferCharacteristics"
_TRANSFERS: Final = {"PQ": 16, "HLG": 18}  # ITU-T H.273
_EVERYWHERE: Final = "avc1"
_BUFFER: Final = 4  # seconds that a player has to have before it begins


def manifest(plan: StreamPlan) -> str:
    """The manifest, with addresses relative to its own."""
    sets = (*_picture_sets(plan), *_sound_sets(plan), *_text_sets(plan))
    return "\n".join(
        (
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="{_PROFILE}" type="static"'
            f' mediaPresentationDuration="PT{float(plan.cuts[-1]):.6f}S" minBufferTime="PT{_BUFFER}S">',
            "<Period>",
            *("\n".join(lines) for lines in sets),
            "</Period>",
            "</MPD>",
            "",
        )
    )


def _picture_sets(plan: StreamPlan) -> Iterator[list[str]]:
    """One set for each codec and range, between which players do not switch; first what every player plays."""
    rungs = sorted(plan.of_kind("picture"), key=_family)
    for number, (family, group) in enumerate(groupby(rungs, key=_family)):
        members = list(group)
        priority = len(rungs) - number
        lines = [
            '<AdaptationSet contentType="video" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1"'
            f' selectionPriority="{priority}">'
        ]
        if transfer := _TRANSFERS.get(family[2]):
            lines.append(f'<EssentialProperty schemeIdUri="{_TRANSFER}" value="{transfer}"/>')
        for rung in members:
            rate = f"{rung.rate.numerator}/{rung.rate.denominator}" if rung.rate.denominator > 1 else str(rung.rate)
            size = f' width="{rung.width}" height="{rung.height}" frameRate="{rate}" sar="1:1"'
            lines += _representation(plan, rung, size)
        yield [*lines, "</AdaptationSet>"]


def _family(rung: Rung) -> tuple[bool, str, str]:
    name = rung.codecs.partition(".")[0]
    return name != _EVERYWHERE, name, rung.range


def _sound_sets(plan: StreamPlan) -> Iterator[list[str]]:
    for rung in plan.of_kind("sound"):
        yield [
            '<AdaptationSet contentType="audio" mimeType="audio/mp4" segmentAlignment="true" startWithSAP="1"'
            f"{_language(rung)}>",
            *_described(rung),
            *_representation(
                plan,
                rung,
                f' audioSamplingRate="{rung.rate}"',
                f'<AudioChannelConfiguration schemeIdUri="{_CHANNELS}" value="{rung.channels}"/>',
            ),
            "</AdaptationSet>",
        ]


def _text_sets(plan: StreamPlan) -> Iterator[list[str]]:
    """Words in one piece each: players of DASH know no WebVTT in segments."""
    for rung in plan.of_kind("text"):
        yield [
            f'<AdaptationSet contentType="text" mimeType="text/vtt"{_language(rung)}>',
            *_described(rung),
            f'<Representation id="{rung.name}" bandwidth="{rung.bandwidth}">',
            f"<BaseURL>{folder(plan, rung)}/{file(rung, 0)}</BaseURL>",
            "</Representation>",
            "</AdaptationSet>",
        ]


def _language(rung: Rung) -> str:
    return f" lang={quoteattr(rung.language or 'und')}"


def _described(rung: Rung) -> list[str]:
    role = "forced-subtitle" if rung.forced else "subtitle" if rung.kind == "text" else "main"
    if rung.kind == "sound" and not rung.default:
        role = "alternate"
    label = [f"<Label>{escape(rung.title)}</Label>"] if rung.title else []
    return [f'<Role schemeIdUri="{_ROLE}" value="{role}"/>', *label]


def _representation(plan: StreamPlan, rung: Rung, attributes: str, *inside: str) -> list[str]:
    return [
        f'<Representation id="{rung.name}" codecs={quoteattr(rung.codecs)} bandwidth="{rung.bandwidth}"{attributes}>',
        *inside,
        f'<SegmentTemplate timescale="{rung.time_base.denominator}" startNumber="0"'
        f' initialization="{folder(plan, rung)}/init.mp4" media="{folder(plan, rung)}/{file(rung, "$Number$")}">',
        "<SegmentTimeline>",
        *_timeline(plan, rung),
        "</SegmentTimeline>",
        "</SegmentTemplate>",
        "</Representation>",
    ]


def _timeline(plan: StreamPlan, rung: Rung) -> Iterable[str]:
    """When segments begin and how long they are in ticks of their clock; equal ones are said once."""
    edges = [round(edge / rung.time_base) for edge in plan.edges(rung)]
    lengths = [end - begin for begin, end in pairwise(edges)]
    at = edges[0] if edges else 0
    for length, group in groupby(lengths):
        count = len(list(group))
        repeated = f' r="{count - 1}"' if count > 1 else ""
        yield f'<S t="{at}" d="{length}"{repeated}/>'
        at += length * count
