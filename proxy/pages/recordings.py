"""What the player plays: the addresses of a film's or a sound's streams and pictures, and markup to be copied."""

import shlex
from html import escape

from proxy.pages.links import Links
from signing import Signer
from transforms.headers import Header

POSTER, POSTER_WIDTH = "f_jpg,so_auto,w_1280", 1280
WAVE = "e_waveform:bf3a20,f_png,h_160,w_1200"


def described(header: Header, source: str, links: Links, base: str) -> dict[str, object]:
    """What is known of an original, where its parts are, and texts to be copied; nothing of those for a picture.

    `base` begins the addresses in the texts. Raises BadAddress.
    """
    width, height = header.upright
    told: dict[str, object] = {"medium": header.medium, "format": header.kind, "bytes": header.bytes}
    if header.medium == "picture":
        return told
    told |= {"seconds": header.seconds, "width": width, "height": height, "rate": header.rate, "sound": header.sound}
    film = header.medium == "motion"
    urls, copies = (_film_urls, _film_copies) if film else (_sound_urls, _sound_copies)
    return {**told, "urls": urls(links.signer(), source), "copies": copies(links.signer(base), source, header)}


def _film_urls(signer: Signer, source: str) -> dict[str, str]:
    return {
        "hls": signer.url(source, "f_hls", name="master.m3u8"),
        "dash": signer.url(source, "f_dash", name="manifest.mpd"),
        "storyboard": signer.url(source, "f_vtt", name="storyboard.vtt"),
        "poster": signer.url(source, POSTER),
        "whole": signer.url(source, "f_mp4"),
        "facts": signer.url(source, "f_json"),
    }


def _sound_urls(signer: Signer, source: str) -> dict[str, str]:
    return {
        "wave": signer.url(source, WAVE),
        "whole": signer.url(source, "f_mp3"),
        "facts": signer.url(source, "f_json"),
    }


def _film_copies(signer: Signer, source: str, header: Header) -> dict[str, str]:
    urls = _film_urls(signer, source)
    width, height = header.upright
    shown = min(width, POSTER_WIDTH)
    size = f'width="{shown}" height="{max(1, round(height * shown / width))}"'
    stream = f'<source src="{escape(urls["hls"])}" type="application/vnd.apple.mpegurl">'
    whole = f'<source src="{escape(urls["whole"])}" type="video/mp4">'
    return {
        "video": f'<video controls playsinline poster="{escape(urls["poster"])}" {size}>\n{stream}\n{whole}\n</video>',
        "hls": urls["hls"],
        "dash": urls["dash"],
        "poster": urls["poster"],
        "curl": f"curl -o result.mp4 {shlex.quote(urls['whole'])}",
    }


def _sound_copies(signer: Signer, source: str, header: Header) -> dict[str, str]:
    urls = _sound_urls(signer, source)
    return {
        "audio": f'<audio controls src="{escape(urls["whole"])}"></audio>',
        "wave": urls["wave"],
        "curl": f"curl -o result.mp3 {shlex.quote(urls['whole'])}",
    }
