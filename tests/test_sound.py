"""Whole sounds made of sounds and films: as long, as loud and as loudly fading as is asked, with their tags."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import pictures, tones
from tests.conftest import corpus
from tests.tones import encoded, heard, level, tone, wav
from transforms.audio.encode import Encoded, encode
from transforms.audio.encoders import ENCODERS, settled
from transforms.audio.loudness import measured
from transforms.containers import opened
from transforms.errors import (
    BadOriginal,
    ConflictingOptions,
    InvalidOption,
    NoSuchMoment,
    NoSuchStream,
    Refusal,
    ResultTooLarge,
    TooLong,
)
from transforms.formats import FORMATS
from transforms.limits import Limits
from transforms.plan import Plan
from transforms.probe import probe
from transforms.sniff import sniff

FORMS = tuple(ENCODERS)
EXACT = ("mp3", "opus", "ogg", "flac", "wav")
"""Formats that say how many samples they hold, which FFmpeg then reads; a browser does so of M4A too."""

Make = Callable[..., Encoded]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(original: bytes | Path, options: str = "", form: str = "wav", limits: Limits | None = None) -> Encoded:
        path = original if isinstance(original, Path) else tmp_path / "original"
        if isinstance(original, bytes):
            path.write_bytes(original)
        scratch = tmp_path / f"result {len(list(tmp_path.iterdir()))}"
        scratch.mkdir()
        bounds = limits or Limits()
        return encode(path, probe(path, limits=bounds), Plan.read(options), form, bounds, scratch)

    return made


# Form


@pytest.mark.parametrize("form", FORMS)
def test_a_sound_is_stereo_at_48_khz_and_as_long_as_the_original(make: Make, form: str) -> None:
    made = make(wav(tone(1.5, 44_100, 1), 44_100), form=form)
    header = probe(made.path)
    kind = "opus" if form == "ogg" else form
    assert (header.kind, header.medium) == (kind, "sound")
    assert made.seconds == 1.5
    assert header.seconds == pytest.approx(1.5, abs=0.1 if form == "aac" else 0.01)
    with opened(made.path, kind, Limits()) as container:
        context = container.streams.audio[0].codec_context
        next(container.decode(container.streams.audio[0]))
        assert (context.sample_rate, context.layout.nb_channels) == (48_000, 2)
    if form in EXACT:
        assert heard(made.path).shape == (2, 72_000)


@pytest.mark.parametrize("form", FORMS)
def test_a_sound_made_twice_has_the_same_bytes(make: Make, form: str) -> None:
    original = wav(tone(0.5))
    first, second = make(original, form=form), make(original, form=form)
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.digest == second.digest
    assert len(first.digest) == 64


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000])
@pytest.mark.parametrize("form", FORMS)
def test_every_format_has_other_rates(make: Make, form: str, rate: int) -> None:
    made = make(wav(tone(0.5, 48_000, 1, pitch=500)), f"af_{rate}", form)
    assert made.rate == rate
    found = heard(made.path)
    assert found.shape[1] / (48_000 if form in ("opus", "ogg") else rate) == pytest.approx(0.5, abs=0.3)
    assert level(found) == pytest.approx(level(tone(0.5, level=0.25)), abs=1.5)


@pytest.mark.parametrize(
    ("form", "options", "rate"), [("mp3", "br_64k", 64), ("m4a", "br_96k", 96), ("opus", "br_32k", 32)]
)
def test_a_bit_rate_is_kept(make: Make, form: str, options: str, rate: int) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, (2, 96_000))
    assert make(wav(noise), options, form).bit_rate == pytest.approx(1000 * rate, rel=0.15)


@pytest.mark.parametrize(
    ("form", "options", "words"),
    [
        ("mp3", "br_100k", "one of 32k, 40k"),
        ("mp3", "br_192k,af_22050", "MP3 at 22050 samples a second has one of 8k, 16k"),
        ("m4a", "br_1m", "16k to 512k"),
        ("m4a", "br_192k,af_8000", "16k to 96k"),
        ("opus", "br_600k", "12k to 510k"),
        ("flac", "br_192k", "keeps every sample"),
        ("wav", "br_192k", "keeps every sample"),
        ("opus", "af_44100", "one of 8000, 12000, 16000, 24000, 48000"),
        ("mp3", "af_96000", "one of 8000"),
        ("m4a", "ac_opus", "holds aac"),
        ("wav", "ac_none", "holds samples as they are"),
    ],
)
def test_what_a_codec_has_not_is_refused_with_what_it_has(form: str, options: str, words: str) -> None:
    with pytest.raises(InvalidOption, match=words):
        settled(Plan.read(options).saving, form)


def test_a_rate_with_few_bits_lowers_what_is_spent_where_nothing_is_said() -> None:
    assert settled(Plan.read("af_22050").saving, "mp3").bit_rate == 160_000
    assert settled(Plan.read("af_8000").saving, "aac").bit_rate == 96_000
    assert settled(Plan.read("").saving, "mp3").bit_rate == 192_000


def test_an_original_with_more_than_16_bits_keeps_them_where_nothing_is_lost(make: Make) -> None:
    samples = tone(0.2, level=2**-17)  # below the last of 16 bits
    for form in ("wav", "flac"):
        assert np.abs(heard(make(wav(samples, width=3), form=form).path) - samples).max() < 2**-22


def test_the_index_of_an_m4a_stands_in_front_of_its_sound(make: Make) -> None:
    data = make(wav(tone(0.5)), form="m4a").path.read_bytes()
    assert data[4:12] == b"ftypM4A "
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_an_mp3_says_in_its_first_frame_how_many_there_are(make: Make) -> None:
    data = make(wav(tone(1.0)), form="mp3").path.read_bytes()
    place = max(data.find(b"Xing"), data.find(b"Info"))
    assert 0 < place < 500
    assert int.from_bytes(data[place + 8 : place + 12]) == pytest.approx(48_000 / 1152, abs=3)


# Excerpts


def test_an_excerpt_has_the_very_samples(make: Make) -> None:
    noise = np.round(np.random.default_rng(2).uniform(-1, 1, (2, 96_000)) * 32_000) / 32_768
    found = heard(make(wav(noise), "so_0.5001,eo_1.25").path)
    assert np.array_equal(found, noise[:, 24_005:60_000].astype(np.float32))
    assert np.array_equal(heard(make(wav(noise), "so_25p,du_50p").path), noise[:, 24_000:72_000].astype(np.float32))


@pytest.mark.parametrize("kind", ["mp3", "m4a", "aac", "opus", "ogg", "flac", "wav"])
def test_a_far_excerpt_is_the_same_as_if_all_had_been_read(tmp_path: Path, kind: str) -> None:
    rate = 48_000 if kind == "opus" else 8_000
    noise = np.random.default_rng(3).normal(0, 0.05, (1, 35 * rate))
    path = tmp_path / "original"
    path.write_bytes(wav(noise, rate) if kind == "wav" else encoded(kind, noise, rate, "mono"))
    whole, part = heard(path), heard(path, 32.123, 33.5)
    place = round(32.123 * rate)
    assert part.shape[1] == round(33.5 * rate) - place
    # What Opus decodes depends a little on what it decoded before.
    assert np.abs(part - whole[:, place : place + part.shape[1]]).max() < (0.02 if kind == "opus" else 1e-6)


def test_an_excerpt_at_another_rate_lasts_as_long(make: Make) -> None:
    made = make(wav(tone(1.0, 44_100), 44_100), "so_0.1,du_0.3")
    assert heard(made.path).shape == (2, 14_400)


@pytest.mark.parametrize("options", ["so_0.1,du_9", "so_0.1,eo_9"])
def test_an_end_behind_the_original_is_its_end(make: Make, options: str) -> None:
    assert make(wav(tone(0.5)), options).seconds == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ("so_2", NoSuchMoment),
        ("so_100p", NoSuchMoment),
        ("so_0.4,eo_0.2", ConflictingOptions),
        ("so_auto", ConflictingOptions),
    ],
)
def test_a_moment_that_is_none_is_refused(make: Make, options: str, refusal: type[Refusal]) -> None:
    with pytest.raises(refusal):
        make(wav(tone(0.5)), options)


def test_a_hole_in_a_sound_is_silent(tmp_path: Path) -> None:
    import av

    path = tmp_path / "original"
    with av.open(str(path), "w", format="matroska") as file:
        stream: Any = file.add_stream("flac", rate=48_000, layout="stereo")
        for frame in tones.frames(tone(1.0), 48_000, "stereo"):
            frame.pts = (frame.pts or 0) + (24_000 if (frame.pts or 0) >= 24_576 else 0)
            for packet in stream.encode(frame):
                file.mux(packet)
        file.mux(stream.encode(None))
    found = heard(path)
    assert found.shape[1] == pytest.approx(72_000, abs=100)
    assert not found[:, 30_000:48_000].any()


# Loudness


@pytest.mark.parametrize("form", ["wav", "mp3", "opus"])
@pytest.mark.parametrize("wished", [-16, -23, -30])
def test_a_sound_is_as_loud_as_is_wished(make: Make, form: str, wished: float) -> None:
    swell = np.concatenate([tone(2.0, 44_100, 1, 0.02), tone(2.0, 44_100, 1, 0.1)], axis=1)
    made = make(wav(swell, 44_100), f"e_loudness:{wished}", form)
    assert measured(iter([heard(made.path)]), 48_000).lufs == pytest.approx(wished, abs=0.5)


def test_a_sound_with_high_peaks_stays_softer_than_it_would_be_with_them_cut(make: Make) -> None:
    samples = tone(3.0, level=0.02)
    samples[:, 72_000:72_010] = 0.9
    found = measured(iter([heard(make(wav(samples), "e_loudness:-10").path)]), 48_000)
    assert 20 * np.log10(found.peak) == pytest.approx(-1, abs=0.2)
    assert found.lufs < -20


@pytest.mark.parametrize("samples", [np.zeros((2, 48_000)), tone(0.2)], ids=["silence", "200 ms"])
def test_what_has_no_loudness_is_left_as_it_is(make: Make, samples: Any) -> None:
    assert np.abs(heard(make(wav(samples), "e_loudness:-16").path) - samples).max() < 1e-4


def test_volume_multiplies(make: Make) -> None:
    original = wav(tone(0.5))
    assert level(heard(make(original, "e_volume:0.5").path)) == pytest.approx(level(tone(0.5)) - 6.02, abs=0.02)
    assert not heard(make(original, "e_volume:0").path).any()
    assert np.abs(heard(make(original, "e_volume:10").path)).max() == pytest.approx(1, abs=1e-3)


def test_fades_go_from_silence_to_all_and_back(make: Make) -> None:
    found = heard(make(wav(np.full((2, 48_000), 0.5)), "e_fade:0.25:0.5").path)[0]
    assert abs(found[0]) < 1e-3
    assert abs(found[-1]) < 1e-3
    assert found[6_000] == pytest.approx(0.25, abs=1e-3)
    assert found[12_000:24_000] == pytest.approx(0.5, abs=1e-3)
    assert found[36_000] == pytest.approx(0.25, abs=1e-3)
    assert (np.diff(found[:12_000]) >= 0).all()
    assert (np.diff(found[24_000:]) <= 0).all()


def test_a_fade_that_is_longer_than_the_sound_ends_with_it(make: Make) -> None:
    found = heard(make(wav(np.full((2, 24_000), 0.5)), "e_fade:0:2").path)[0]
    assert found[0] == pytest.approx(0.125, abs=1e-3)
    assert abs(found[-1]) < 1e-3


# Originals


def test_one_channel_goes_to_both_sides_as_loud_as_it_is(make: Make) -> None:
    found = heard(make(wav(tone(0.5, channels=1))).path)
    assert np.array_equal(found[0], found[1])
    assert level(found) == pytest.approx(level(tone(0.5, channels=1)), abs=0.01)


@pytest.mark.parametrize("channel", [0, 1, 2, 4, 5])
def test_every_speaker_of_a_room_is_heard_in_two(make: Make, channel: int) -> None:
    samples = np.zeros((6, 24_000))
    samples[channel] = tone(0.5, channels=1, level=0.9)[0]
    found = heard(make(encoded("flac", samples, layout="5.1"), form="wav").path)
    assert level(found) > -25
    if channel == 0:
        assert level(found[0]) > level(found[1]) + 40


def test_all_speakers_together_are_not_too_loud(make: Make) -> None:
    samples = np.repeat(tone(0.5, channels=1, level=0.99), 6, axis=0)
    assert np.abs(heard(make(encoded("flac", samples, layout="5.1"), form="wav").path)).max() < 1


@pytest.mark.parametrize("kind", tones.CODECS)
def test_every_kind_of_sound_is_read(make: Make, kind: str) -> None:
    made = make(encoded(kind, tone(0.6, 48_000)), form="flac")
    assert made.seconds == pytest.approx(0.6, abs=0.07)
    assert level(heard(made.path)[:, 9_600:19_200]) == pytest.approx(level(tone(0.6)), abs=0.5)


def test_the_sound_of_a_film_is_that_of_the_whole_film(make: Make) -> None:
    made = make(tones.film(2.0), form="mp3")
    assert made.seconds == pytest.approx(2.0, abs=0.03)
    assert level(heard(made.path)) == pytest.approx(level(tone(2.0)), abs=0.5)


def test_a_film_without_sound_has_none(make: Make) -> None:
    with pytest.raises(NoSuchStream):
        make(tones.film(0.5, sound=False), form="mp3")


@pytest.mark.parametrize("form", FORMS)
def test_samples_that_are_no_numbers_are_silent_and_others_bounded(make: Make, form: str) -> None:
    samples = tone(0.3).astype(np.float32)
    samples[:, 3_000] = np.nan
    samples[:, 4_000] = np.inf
    samples[:, 5_000] = 1e30
    data = bytearray(wav(np.zeros((2, samples.shape[1])), width=2))
    data[20:22], data[28:32], data[32:34], data[34:36] = (
        b"\x03\0",
        (384_000).to_bytes(4, "little"),
        b"\x08\0",
        b"\x20\0",
    )
    data[40:44] = (8 * samples.shape[1]).to_bytes(4, "little")
    assert make(bytes(data[:44]) + samples.T.tobytes(), "e_loudness", form).seconds == 0.3


# Tags


def tags_of(path: Path) -> dict[str, str]:
    with opened(path, sniff(path.read_bytes()[:4096]), Limits()) as container:
        return {**container.metadata, **container.streams.audio[0].metadata}


@pytest.mark.parametrize("kind", ["mp3", "flac", "opus", "m4a"])
@pytest.mark.parametrize("form", [form for form in FORMS if form != "aac"])
def test_tags_are_kept_and_what_tells_of_the_place_is_not(make: Make, kind: str, form: str) -> None:
    made = make(encoded(kind, tone(0.3), tags={**tones.TAGS, **tones.SECRETS}), form=form)
    found = {name.lower(): value for name, value in tags_of(made.path).items()}
    expected = dict(tones.TAGS)
    if form == "wav":
        del expected["album_artist"]  # RIFF has no word for it
    assert {name: found.get(name) for name in expected} == expected
    for secret in ("48.8577", "recorded at home", "Workstation"):
        assert secret.encode() not in made.path.read_bytes()


def test_comments_are_kept_where_that_is_asked_for_but_not_the_place(make: Make) -> None:
    made = make(encoded("mp3", tone(0.3), tags={**tones.TAGS, **tones.SECRETS}), "fl_keep_metadata", "mp3")
    assert b"recorded at home" in made.path.read_bytes().replace(b"\0", b"")
    assert b"48.8577" not in made.path.read_bytes().replace(b"\0", b"")


@pytest.mark.parametrize("form", FORMS)
def test_all_that_is_told_can_be_dropped(make: Make, form: str) -> None:
    original = encoded("mp3", tone(0.3), tags=tones.TAGS, cover=tones.cover())
    made = make(original, "fl_force_strip", form)
    assert not {name.lower() for name in tags_of(made.path)} & set(tones.TAGS)
    assert probe(made.path).cover is None


@pytest.mark.parametrize("kind", ["mp3", "flac", "m4a"])
@pytest.mark.parametrize("form", ["mp3", "m4a", "opus", "ogg", "flac"])
def test_a_cover_is_kept_and_tells_nothing_beside_its_picture(make: Make, kind: str, form: str) -> None:
    made = make(encoded(kind, tone(0.3), cover=tones.cover()), form=form)
    assert probe(made.path).cover
    data = made.path.read_bytes()
    assert not any(canary.encode() in data for canary in pictures.CANARIES.values())


def test_a_cover_that_is_no_picture_is_left_out(make: Make) -> None:
    made = make(encoded("mp3", tone(0.3), cover=b"\xff\xd8\xff but no JPEG"), form="mp3")
    assert probe(made.path).cover is None
    assert made.seconds == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("form", ["m4a", "mp3", "opus"])
def test_chapters_of_an_excerpt_count_from_its_beginning(make: Make, form: str) -> None:
    chapters = [
        {"id": number, "start": 1000 * number, "end": 1000 * number + 1000, "time_base": Fraction(1, 1000),
         "metadata": {"title": title}}
        for number, title in enumerate(("One", "Two", "Three"))
    ]  # fmt: skip
    made = make(encoded("m4a", tone(3.0, 8_000, 1), 8_000, "mono", chapters=chapters), "so_1.5", form)
    with opened(made.path, form, Limits()) as container:
        found = [
            (float(one["start"] * one["time_base"]), one["metadata"]["title"])  # type: ignore[operator]
            for one in container.chapters()
        ]
    assert found == [(0.0, "Two"), (0.5, "Three")]


# Limits


def test_a_sound_that_goes_on_for_longer_than_it_may_is_refused(make: Make, tmp_path: Path) -> None:
    data = encoded("aac", tone(2.0, 8_000, 1), 8_000, "mono")
    path = tmp_path / "long"
    path.write_bytes(data)
    header = probe(path)
    with pytest.raises(TooLong):
        encode(path, header, Plan.read(""), "wav", Limits(sound_seconds=1.0), tmp_path)


def test_a_result_that_grows_too_large_is_refused(make: Make) -> None:
    with pytest.raises(ResultTooLarge):
        make(wav(tone(1.0, 8_000, 1), 8_000), "", "wav", Limits(sound_bytes=100_000))


@pytest.mark.parametrize("kind", ["mp3", "m4a", "opus", "flac", "wav"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_half_a_file_is_half_a_sound_or_a_refusal(make: Make, kind: str, share: float) -> None:
    whole = wav(tone(1.0)) if kind == "wav" else encoded(kind, tone(1.0))
    try:
        made = make(whole[: int(len(whole) * share)], form="opus")
    except BadOriginal:
        return
    assert 0 < made.seconds <= 1.05


@pytest.mark.parametrize("kind", ["mp3", "m4a", "opus", "flac", "wav"])
@pytest.mark.parametrize("seed", range(4))
def test_spoilt_bytes_give_a_sound_or_a_refusal(make: Make, kind: str, seed: int) -> None:
    chance = np.random.default_rng(seed)
    data = bytearray(wav(tone(0.5)) if kind == "wav" else encoded(kind, tone(0.5), tags=tones.TAGS))
    for place in chance.integers(4, len(data), 40):
        data[place] = chance.integers(256)
    try:
        make(bytes(data), "e_loudness:-20", "opus")
    except Refusal:
        return


AUDIO = {path.name: path for path in corpus("audio") if sniff(path.read_bytes()[:4096]) in FORMATS}


@pytest.mark.parametrize("name", AUDIO)
def test_sounds_of_the_world_become_opus_or_a_refusal(make: Make, name: str) -> None:
    try:
        made = make(AUDIO[name], "e_loudness:-16", "opus")
    except BadOriginal:
        assert AUDIO[name].stat().st_size < 30_000  # tags, with next to no sound behind them
        return
    assert heard(made.path).shape[1] == round(made.seconds * 48_000)
