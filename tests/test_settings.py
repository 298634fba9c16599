"""Settings: where they come from, what they say when they are wrong, what they never say."""

import subprocess
import sys
import tomllib
import traceback
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ByteSize, TypeAdapter, ValidationError

from proxy.console import secrets
from proxy.settings import (
    Key,
    Mount,
    Policy,
    Settings,
    SettingsError,
    check_exposure,
    effective,
    every_setting,
    load,
    settings_reference,
)
from proxy.settings.units import Bytes, Point, PointText, Seconds, write
from transforms.limits import Limits

SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, text: str, name: str = "darkroom.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def refused(environ: dict[str, str] | None = None, text: str = "", overrides: dict[str, Any] | None = None) -> str:
    path = written(Path.cwd(), text) if text else None
    with pytest.raises(SettingsError) as caught:
        load(overrides, path, environ or {})
    return str(caught.value)


def test_nothing_needs_to_be_set() -> None:
    settings = load(None, None, {})
    assert (settings.host, settings.port, settings.unsigned, settings.keys) == ("127.0.0.1", 8300, False, ())
    assert (settings.limits.jpeg_megapixels, settings.limits.jpeg_bytes) == (250, 100_000_000)
    assert settings.cache is None


def test_each_place_gives_way_to_the_one_before_it(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    for name in ("DARKROOM_DEADLINE", "darkroom_queue_seconds", "DARKROOM_PORT", "DARKROOM_HOST"):
        written(tmp_path / "secrets", "3\n", name)
    written(tmp_path / "secrets", "not ours", "postgres_password")
    path = written(tmp_path, 'port = 1\nhost = "one"\ndeadline = 1\nqueue_seconds = 1\nstop_seconds = 1')
    environ = {"DARKROOM_HOST": "two", "DARKROOM_PORT": "2", "DARKROOM_SECRETS_DIR": str(tmp_path / "secrets")}
    settings = load({"host": "given", "port": None}, path, environ)
    assert settings.host == "given"
    assert settings.port == 2
    assert (settings.deadline, settings.queue_seconds) == (3, 3)
    assert settings.stop_seconds == 1
    assert settings.drain_seconds == 5


def test_the_file_is_found_by_argument_variable_or_place(tmp_path: Path) -> None:
    assert load(None, None, {}).config is None
    written(tmp_path, "port = 1")
    (tmp_path / "etc").mkdir()
    named, given = written(tmp_path, "port = 2", "etc/two.toml"), written(tmp_path, "port = 3", "etc/three.toml")
    assert load(None, None, {}).port == 1
    assert load(None, None, {"DARKROOM_CONFIG": str(named)}).port == 2
    settings = load(None, given, {"DARKROOM_CONFIG": str(named)})
    assert (settings.port, settings.config) == (3, given)


def test_settings_built_by_hand_ignore_their_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_PORT", "1")
    written(tmp_path, "port = 2")
    assert Settings().port == 8300


def test_tables_merge_across_places() -> None:
    path = written(Path.cwd(), '[limits]\nframes = 5\nresult_side = 100\n[mounts.photos]\nurl = "/a"\nmax_age = "1h"')
    environ = {"DARKROOM_LIMITS__FRAMES": "6", "DARKROOM_MOUNTS__PHOTOS": "/b", "DARKROOM_MOUNTS": "/root"}
    settings = load(None, path, environ)
    assert (settings.limits.frames, settings.limits.result_side) == (6, 100)
    assert (settings.mounts["photos"].url, settings.mounts["photos"].max_age) == (Path("/b"), 3600)
    assert settings.mounts[""].url == Path("/root")


def test_empty_variables_are_unset() -> None:
    assert load(None, None, {"DARKROOM_PORT": "", "DARKROOM_KEYS": " "}).keys == ()


@pytest.mark.parametrize(
    "said", ["new, old", '["new", "old"]', '[{"secret": "new"}, {"secret": "old", "policy": {"largest": 2000}}]']
)
def test_keys_are_a_list_with_commas_or_json(said: str) -> None:
    keys = load(None, None, {"DARKROOM_KEYS": said}).keys
    assert [key.secret.get_secret_value() for key in keys] == ["new", "old"]


def test_the_cache_is_the_users_own_unless_it_is_named_or_off(tmp_path: Path) -> None:
    assert load(None, None, {"HOME": "/home/ann"}).cache == Path("/home/ann/.cache/darkroom")
    assert load(None, None, {"HOME": "/home/ann", "XDG_CACHE_HOME": "/var/c"}).cache == Path("/var/c/darkroom")
    assert load(None, None, {"HOME": "/home/ann", "DARKROOM_CACHE": "off"}).cache is None
    assert load(None, written(tmp_path, 'cache = "results"'), {}).cache == tmp_path / "results"


def test_kubernetes_service_variables_are_not_ours() -> None:
    environ = {
        "DARKROOM_SERVICE_HOST": "10.0.0.1",
        "DARKROOM_SERVICE_PORT_HTTP": "8300",
        "DARKROOM_PORT": "tcp://10.0.0.1:8300",
        "DARKROOM_PORT_8300_TCP_ADDR": "10.0.0.1",
        "DARKROOM_NGINX_PORT": "tcp://10.0.0.2:80",
    }
    assert load(None, None, environ).port == 8300


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"DARKROOM_PROT": "1"}, "DARKROOM_PROT: there is no such setting; did you mean DARKROOM_PORT?"),
        (
            {"DARKROOM_LIMITS_FRAMES": "1"},
            "DARKROOM_LIMITS_FRAMES: there is no such setting; did you mean DARKROOM_LIMITS__FRAMES?",
        ),
        (
            {"DARKROOM_LIMITS__FRMAES": "1"},
            "limits.frmaes: there is no such setting; did you mean limits.frames? (DARKROOM_LIMITS__FRMAES)",
        ),
        ({"DARKROOM_PORT__X": "1"}, "DARKROOM_PORT__X: there is no such setting; did you mean DARKROOM_PORT?"),
        ({"DARKROOM_QQQQ": "1"}, "DARKROOM_QQQQ: there is no such setting"),
        ({"DARKROOM_PORT": "eight"}, "port: expected a whole number, got 'eight' (DARKROOM_PORT)"),
        ({"DARKROOM_PORT": "70000"}, "port: expected 65535 or less, got '70000' (DARKROOM_PORT)"),
        (
            {"DARKROOM_DEADLINE": "soon"},
            "deadline: expected a time such as 10, 10s, 5m, 1h or 1d, got 'soon' (DARKROOM_DEADLINE)",
        ),
        ({"DARKROOM_DEADLINE": "0"}, "deadline: expected more than 0, got 0 (DARKROOM_DEADLINE)"),
        (
            {"DARKROOM_WORKER_MEMORY": "9MB"},
            "worker_memory: expected 64MiB or more, got '9MB' (DARKROOM_WORKER_MEMORY)",
        ),
        ({"DARKROOM_CACHE_BYTES": "-5"}, "expected a size such as 512MiB or 10MB, got '-5' (DARKROOM_CACHE_BYTES)"),
        ({"DARKROOM_UNSIGNED": "perhaps"}, "unsigned: expected true or false, got 'perhaps' (DARKROOM_UNSIGNED)"),
        ({"DARKROOM_FIRST": "slow"}, "first: expected 'fast' or 'final', got 'slow' (DARKROOM_FIRST)"),
        ({"DARKROOM_LIMITS": "none"}, "limits: expected a table, got 'none' (DARKROOM_LIMITS)"),
        ({"DARKROOM_LIMITS": '{"frames"'}, "expected JSON that can be read, got '{\"frames\"' (DARKROOM_LIMITS)"),
        ({"DARKROOM_CORS_ORIGINS": "example.com"}, "expected * or origins such as https://www.example.com"),
        ({"DARKROOM_CORS_ORIGINS": "*,https://a.example"}, "expected * alone, or a list of origins"),
        ({"DARKROOM_RATES__REQUESTS": "many"}, "expected a rate such as 100/second, 600/minute"),
        ({"DARKROOM_RATES__REQUESTS": "0/second"}, "rates.requests: expected a rate such as"),
        ({"DARKROOM_TRUSTED_PROXIES": "10.0.0.1/8"}, "expected a network such as 10.0.0.0/8"),
        ({"DARKROOM_OTEL_ENDPOINT": "collector"}, "otel_endpoint: an address such as"),
        ({"DARKROOM_CONFIG": "/nowhere.toml"}, "config: '/nowhere.toml' cannot be read: No such file or directory"),
        ({"DARKROOM_SECRETS_DIR": "/nowhere"}, "secrets_dir: '/nowhere' cannot be read: No such file or directory"),
        ({"DARKROOM_MOUNTS__X__MAX_AGE": "1"}, "mounts.x.url: is needed"),
    ],
)
def test_an_error_names_the_variable_what_was_expected_and_what_came(environ: dict[str, str], said: str) -> None:
    assert said in refused(environ)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('_env_file = "other"', "_env_file: there is no such setting"),
        ("prot = 1", "prot: there is no such setting; did you mean port?"),
        ("[limits]\nframse = 1", "limits.framse: there is no such setting; did you mean limits.frames?"),
        (
            '[mounts.a]\nurl = "/a"\nmaxage = 1',
            "mounts.a.maxage: there is no such setting; did you mean mounts.a.max_age?",
        ),
        ("port = true", "port: expected a number, got true"),
        ("recycle_rss = true", "recycle_rss: expected a size such as 512MiB or 10MB, got true"),
        ("presets = 7", "presets: expected a table, got 7"),
        ("mounts = []", "mounts: expected a table of mounts or one place, got a list"),
        ('config = "other.toml"', "config: cannot be set in the file"),
        ("port = x", "darkroom.toml' is not TOML: Invalid value (at line 1, column 8)"),
        ('presets = {t_card = "w_6"}', "the preset 't_card' is named without its t_: 'card'"),
        ('presets = {"a,b" = "w_6"}', "'a,b' cannot name a preset"),
        (
            'mounts = {photos = "ftp://bucket"}',
            "mounts.photos.url: ftp: addresses cannot be mounted; a folder (/path or file:/path), s3://bucket/",
        ),
        ('mounts = {photos = "s3:bucket"}', "// is missing behind s3:"),
        (
            'mounts = {photos = "https://me:pw@host/"}',
            "credentials do not belong into an address; set headers beside it",
        ),
        ('mounts = {photos = "s3://a/?secret_key=pw"}', "set access_key and secret_key beside it"),
        ('[mounts.a]\nurl = "/a"\nendpoint = "http://x"', "mounts.a: endpoint goes with an s3:// address alone"),
        ('[mounts.a]\nurl = "s3://a"\nhosts = ["b"]', "mounts.a: hosts goes with an https:// address alone"),
        ('[mounts.a]\nurl = "/a"\ntotal_seconds = 3', "total_seconds goes with an address, not a folder, alone"),
        ('[mounts.a]\nurl = "https://a"\nheaders = {"X" = 5}', "mounts.a.headers.X: expected text"),
        ("[remote]\nhosts = 5", "remote.hosts: expected a list, got 5"),
        ('mounts = {photos = "file://elsewhere/a"}', "a folder of this machine was expected (file:/path)"),
        ('mounts = {w_600 = "/a"}', "'w_600' cannot name a mount: a URL would read it as a step"),
        ('mounts = {api = "/a"}', "'api' cannot name a mount: /api belongs to the server"),
        ('mounts = {"a/../b" = "/a"}', "'a/../b' cannot name a mount: it has an empty, '.' or '..' part"),
        ('mounts = {"-" = "/a"}', "'-' cannot name a mount: a URL would not read it as a name"),
        ('mounts = {a = "/a", "/a/" = "/b"}', "the mount '/a/' is there twice"),
        ('[mounts.a]\nurl = "/a"\npolicy = "public"', "mounts.a: a public mount needs presets or a ladder"),
        ('[mounts.a]\nurl = "/a"\nladder = [320]', 'add policy = "public" or take them out'),
        (
            '[mounts.a]\nurl = "/a"\nladder = "wide"',
            "mounts.a.ladder: expected widths in pixels, such as 320, 640, 1280",
        ),
        (
            '[mounts.a]\nurl = "/a"\nformats = ["wepb"]',
            "'wepb' is no format that is made here; there are aac, avif, dash, flac, gif, hls, jpg",
        ),
        (
            '[mounts.a]\nurl = "/a"\ndefault_preset = "crad"\n[presets]\ncard = "w_6"',
            "mounts.a.default_preset: there is no preset 'crad'; did you mean 'card'? (",
        ),
        (
            '[mounts.a]\nurl = "/a"\nfocal = {"b.jpg" = "2:3"}',
            "mounts.a.focal.b.jpg: expected a point as x:y in fractions",
        ),
        ('keys = [{secret = "x", policy = {mounts = ["a"]}}]', "keys.0.policy.mounts: there is no mount 'a'"),
        ('keys = ["x", "x"]', "keys: the same secret is there twice"),
    ],
)
def test_an_error_in_the_file_names_the_place_and_the_file(text: str, said: str) -> None:
    message = refused(text=text)
    assert said in message
    assert len(message.splitlines()) == 1
    # What no file may have names itself alone.
    assert "darkroom.toml" in message or "_env_file" in message


def test_all_problems_come_at_once() -> None:
    message = refused({"DARKROOM_PROT": "1", "DARKROOM_PORT": "x"}, "hots = 1\ndeadline = -1")
    assert [line.split(":")[0] for line in message.splitlines()] == ["DARKROOM_PROT", "port", "deadline", "hots"]


def test_presets_and_keys_that_are_of_no_use_are_among_them(tmp_path: Path) -> None:
    deep = "\n".join(f'deep{depth} = "t_deep{depth + 1}"' for depth in range(1, 5))
    presets = f'card = "w_6oo"\nsmall = "w_9"\n{deep}\ndeep5 = "w_9"\n'
    file = written(tmp_path, f'port = "x"\nkeys = "short"\n[presets]\n{presets}')
    with pytest.raises(SettingsError) as caught:
        load({}, file, {"DARKROOM_PRESETS__SMALL": "w_"}, strictly=True)
    begun = {line.split(":")[0]: line.rpartition(" ")[2] for line in caught.value.problems}
    of_file = f"({file})"
    assert begun == {
        "port": of_file,
        "presets.card": of_file,
        "presets.deep1": of_file,
        "presets.small": "(DARKROOM_PRESETS__SMALL)",
        "keys.0": of_file,
    }


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"DARKROOM_KEYS": f'["{SECRET}"'}, ""),
        ({"DARKROOM_KEYS": f'[{{"secert": "{SECRET}"}}]'}, ""),
        ({"DARKROOM_KEYS": f'{{"secret": "{SECRET}"}}'}, ""),
        ({"DARKROOM_OTEL_ENDPOINT": f"http://user:{SECRET}@collector:4318/v1/traces"}, ""),
        ({"DARKROOM_OTEL_ENDPOINT": f"http://collector/v1/traces?token={SECRET}"}, ""),
        ({"DARKROOM_KEY": SECRET}, ""),
        ({"DARKROOM_KEYS": f"{SECRET},{SECRET}"}, ""),
        ({"DARKROOM_KEYS": SECRET, "DARKROOM_PORT": "x"}, ""),
        ({"DARKROOM_ADMIN_TOKEN": SECRET[:9]}, ""),
        ({"DARKROOM_MOUNTS__A": f"s3://me:{SECRET}@bucket"}, ""),
        ({}, f'kyes = ["{SECRET}"]'),
        ({}, f'keys = [["{SECRET}"]]'),
        ({}, f'keys = "{SECRET}'),
        ({}, f'admin_tokn = "{SECRET}"'),
        ({}, f'keys = [{{secret = "{SECRET}", polcy = "{SECRET}"}}]'),
        ({}, f'keys = [{{secret = "{SECRET}", policy = "{SECRET}"}}]'),
    ],
)
def test_no_error_shows_a_secret(environ: dict[str, str], text: str) -> None:
    path = written(Path.cwd(), text) if text else None
    with pytest.raises(SettingsError) as caught:
        load(None, path, environ)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    assert SECRET[:9] not in "".join(traceback.format_exception_only(caught.value)) + repr(caught.value)


def test_nothing_that_prints_settings_shows_a_secret() -> None:
    settings = load(None, None, {"DARKROOM_KEYS": SECRET, "DARKROOM_ADMIN_TOKEN": SECRET})
    for text in (
        repr(settings),
        str(settings),
        settings.model_dump_json(),
        str(effective(settings)),
        repr(settings.keys),
    ):
        assert SECRET not in text
    shown = effective(settings)
    assert [name for name in shown if shown[name] == "(secret)"] == ["keys.0.secret", "admin_token"]
    assert settings.keys[0].secret.get_secret_value() == SECRET


def test_settings_do_not_change() -> None:
    settings = load(None, None, {})
    with pytest.raises(ValidationError):
        settings.port = 1
    with pytest.raises(ValidationError):
        settings.limits.frames = 1


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("10s", 10), ("5m", 300), ("1.5h", 5400), ("1d", 86400), ("250ms", 0.25), ("7", 7), (7, 7), (0.5, 0.5)],
)
def test_times_are_seconds_or_carry_a_unit(said: object, seconds: float) -> None:
    assert TypeAdapter(Seconds).validate_python(said) == seconds


@pytest.mark.parametrize("said", ["", "s", "-1", "1w", "nan", "inf", "1e3", float("nan"), float("inf"), -1, True, None])
def test_other_times_are_refused(said: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Seconds).validate_python(said)


@pytest.mark.parametrize(
    ("said", "size"), [("512MiB", 512 << 20), ("10MB", 10_000_000), ("1.5 GB", 1_500_000_000), ("7", 7), (7, 7)]
)
def test_sizes_are_bytes_or_carry_a_unit(said: object, size: int) -> None:
    assert TypeAdapter(Bytes).validate_python(said) == size


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=1 << 50))
def test_a_written_size_reads_back(size: int) -> None:
    assert TypeAdapter(Bytes).validate_python(write(ByteSize(size))) == size


def test_points_read() -> None:
    assert TypeAdapter(PointText).validate_python("30p:.5") == Point(0.3, 0.5)


def test_a_mount_is_a_folder_by_path_or_file_url(tmp_path: Path) -> None:
    mounts = {"": "/a", "b/": "file:/a%20b", "/c": {"url": "file:///c"}, "d": tmp_path, "e": "pictures"}
    found = load({"mounts": mounts}, None, {}).mounts
    expected = {"": "/a", "b": "/a b", "c": "/c", "d": str(tmp_path), "e": str(tmp_path / "pictures")}
    assert {name: str(mount.url) for name, mount in found.items()} == expected


def test_one_folder_alone_is_the_root_mount() -> None:
    assert list(load({"mounts": "/a"}, None, {}).mounts) == [""]
    assert list(load({"mounts": {"/": "/a"}}, None, {}).mounts) == [""]


def test_folders_in_the_file_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    path = written(tmp_path, 'mounts = {a = "a", b = {url = "../b"}, c = "/c", d = "file:/d"}', "etc/darkroom.toml")
    mounts = load(None, path, {}).mounts
    assert {name: str(mount.url.resolve()) for name, mount in mounts.items()} == {
        "a": str(tmp_path / "etc/a"),
        "b": str(tmp_path / "b"),
        "c": "/c",
        "d": "/d",
    }


def test_a_mount_overrides_limits_one_by_one() -> None:
    settings = Settings(limits={"frames": 5, "result_side": 100}, mounts={"a": {"url": "/a", "limits": {"frames": 7}}})
    limits = settings.limits_of(settings.mounts["a"])
    assert (limits.frames, limits.result_side, limits.jpeg_megapixels) == (7, 100, 250)
    assert settings.limits_of(Mount(url="/a")) == settings.limits


def test_what_holds_is_listed_and_of_mounts_what_is_set() -> None:
    mounts = {"": "/a", "b": {"url": "/b", "max_age": "1h", "limits": {"frames": 7}}}
    found = effective(Settings(mounts=mounts, cache_bytes="5GB", keys=[SECRET]))
    assert (found["cache_bytes"], found["limits.frames"], found["mounts.b.limits.frames"]) == ("5GB", "1000", "7")
    assert [name for name in found if name.startswith(("mounts", "keys"))] == [
        "keys.0.secret",
        "mounts./.url",
        "mounts.b.url",
        "mounts.b.max_age",
        "mounts.b.limits.frames",
    ]


def test_the_limits_are_those_that_originals_are_held_against() -> None:
    assert Limits(**Settings().limits.model_dump()) == Limits()
    assert [field.name for field in fields(Limits)] == list(Settings().limits.model_dump())


def test_only_presets_and_ladders_are_finite() -> None:
    assert not Policy().finite
    assert not Policy(largest=2000, formats=["jpeg"]).finite
    assert Policy(presets_only=True).finite
    assert Policy(ladder=[640, 320, 640]).finite
    assert Policy(ladder="640, 320, 640").ladder == (320, 640)
    assert Policy(formats="jpeg,webp,jpg").formats == ("jpg", "webp")


def test_a_public_mount_allows_what_it_offers() -> None:
    presets = Mount(url="/a", policy="public", presets=["card"]).allowed
    assert presets == Policy(presets_only=True, presets=["card"])
    ladder = Mount(url="/a", policy="public", ladder=[320], formats=["webp"]).allowed
    assert ladder == Policy(ladder=[320], presets=[], formats=["webp"])
    assert presets.finite
    assert ladder.finite
    assert Mount(url="/a", formats=["webp"]).allowed == Policy(formats=["webp"])


def test_every_setting_says_what_it_means_in_one_sentence() -> None:
    for info in every_setting():
        assert info.meaning.endswith("."), info
        assert info.meaning[0].isupper() or info.name.startswith("keys"), info
        assert ". " not in info.meaning, info


def test_every_setting_has_a_name_of_its_own_and_a_row() -> None:
    names = [info.name for info in every_setting()]
    assert len(names) == len(set(names))
    reference = settings_reference()
    for info in every_setting():
        assert f"| `{info.name}` | " in reference
    assert "| `limits.frames` | `DARKROOM_LIMITS__FRAMES` | 1000 | frames | Most frames of an animation. |" in reference
    assert "| `mounts.<name>.url` | `DARKROOM_MOUNTS__<NAME>__URL` | required |" in reference


def nested(name: str, value: object) -> dict[str, Any]:
    first, _, rest = name.partition(".")
    return {first: nested(rest, value) if rest else value}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (info.name, text)
        for info in every_setting()
        for text in (info.example, info.default)
        if text and "<" not in info.name and "[" not in info.name and info.name not in ("config", "secrets_dir")
    ],
)
def test_examples_and_defaults_are_values_that_load(name: str, text: str) -> None:
    shown = [
        info.name for info in every_setting() if " " in info.default or info.default in ("none", "~/.cache/darkroom")
    ]
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    if name not in shown or text != next(info.default for info in every_setting() if info.name == name):
        load(nested(name, value), None, {})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_without_a_key_this_machine_may_ask(host: str) -> None:
    check_exposure(Settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "example.com", "127.0.0.1.example.com"])
def test_without_a_key_no_other_machine_may_ask(host: str) -> None:
    with pytest.raises(SettingsError, match=r"no key: set a key .*or listen on 127.0.0.1, or say --unsigned"):
        check_exposure(Settings(host=host))
    check_exposure(Settings(host=host, unsigned=True))
    check_exposure(Settings(host=host, keys=[Key(secret=SECRET)]))


def test_reading_settings_loads_no_codec() -> None:
    code = "import sys, proxy.settings, proxy.budget, proxy.doctor; sys.exit(bool({'pyvips', 'av'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[remote]\nhosts = ["a"]\n[mounts]\nremote = "/a"', "mounts.remote: the name is taken by [remote]"),
        ('[remote]\nhosts = ["a"]\npresets = ["b"]\npolicy = "public"', "remote.presets: there is no preset 'b'"),
        ('[remote]\nhosts = ["a"]\npolicy = "public"', "remote: a public mount needs presets or a ladder"),
    ],
)
def test_other_web_sites_are_like_a_mount_of_their_own(text: str, said: str) -> None:
    assert said in refused(text=text)


def test_a_key_can_open_other_web_sites_alone(tmp_path: Path) -> None:
    key = f'keys = [{{secret = "{SECRET}", policy = {{mounts = ["remote"]}}}}]\n'
    assert "there is no mount 'remote'" in refused(text=key)
    assert load({}, written(tmp_path, f'{key}[remote]\nhosts = ["a.example"]'), {}).remote


def test_a_mount_is_a_place_elsewhere_by_its_address() -> None:
    settings = load({"mounts": {"a": "S3://Bucket/pre fix", "b": "https://example.com/x/"}}, None, {})
    assert [mount.url for mount in settings.mounts.values()] == ["s3://Bucket/pre fix", "https://example.com/x/"]
    assert [mount.folder for mount in settings.mounts.values()] == [None, None]
    alone = load({}, None, {"DARKROOM_MOUNTS": "s3://bucket", "DARKROOM_REMOTE__HOSTS": "a.example, *.b.example"})
    assert alone.mounts[""].url == "s3://bucket"
    assert alone.remote
    assert alone.remote.hosts == ("a.example", "*.b.example")


def test_secrets_of_a_mount_are_nowhere_to_be_seen(tmp_path: Path) -> None:
    text = """
        [mounts.a]
        url = "s3://bucket"
        access_key = "visible-1"
        secret_key = "visible-2"
        [mounts.b]
        url = "https://example.com/"
        headers = {Authorization = "visible-3"}
        """
    settings = load({}, written(tmp_path, text), {})
    shown = effective(settings)
    assert shown["mounts.a.secret_key"] == shown["mounts.b.headers.Authorization"] == "(secret)"
    assert "visible" not in f"{shown} {settings!r}"
    assert {"visible-1", "visible-2", "visible-3"} <= set(secrets(settings))
    assert "visible" not in refused(text=text.replace('"visible-2"', '["visible-2"]'))
    assert "visible" not in refused(text=text.replace('{Authorization = "visible-3"}', '"visible-3"'))
