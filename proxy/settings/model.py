"""Every setting, declared once."""

import difflib
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from proxy.settings.clients import Origins, Rates
from proxy.settings.declare import setting
from proxy.settings.edge import AccelPath
from proxy.settings.freshness import Freshness
from proxy.settings.limits import Limits
from proxy.settings.mounts import Keys, Mounts, Offer, Presets, Remote
from proxy.settings.moving import Moving
from proxy.settings.origins import Spot, said
from proxy.settings.purging import Addresses, FieldName, Hooks, Tokens
from proxy.settings.streams import Ladders
from proxy.settings.tiers import LARGEST_BODY, RedisURL, Tier, Tiers
from proxy.settings.units import Bytes, Networks, Seconds, Whole
from proxy.sources.mounts import REMOTE

OFF = ("off", "none")


def read_off(value: object) -> object:
    """None for `off`, since neither TOML nor an environment variable can say None."""
    return None if isinstance(value, str) and value.lower() in OFF else value


Cache = Annotated[Path | None, BeforeValidator(read_off)]


class Settings(BaseSettings):
    """All that can be set; `load` says from where."""

    model_config = SettingsConfigDict(
        env_prefix="DARKROOM_", env_nested_delimiter="__", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    host: str = setting("127.0.0.1", "Address to listen on.", example="0.0.0.0")
    port: Whole = setting(8300, "Port to listen on; 0 takes a free one.", ge=0, le=65535)
    unsigned: bool = setting(False, "Anybody may ask for anything, without a signature: for development.")
    config: Path | None = setting(None, "The settings file.", example="/etc/darkroom.toml", shown="./darkroom.toml")
    secrets_dir: Path | None = setting(
        None, "Folder with a file per secret, named like the variable.", example="/run/secrets", shown="none"
    )

    keys: Keys = setting((), "Secrets of signed URLs, newest first.", example='["new", "old"]')
    admin_token: SecretStr | None = setting(
        None, "Opens /metrics and the like to others than this machine.", shown="none", min_length=16
    )
    tokens: Tokens = setting(
        (), "Who may purge.", example='[{name = "deploy", secret = "5f0c2a91e7d84b36"}]', shown="none"
    )
    presets: Presets = setting({}, "Named steps: `card` is used as `t_card`.", example='{card = "w_600,f_auto"}')
    mounts: Mounts = setting(
        {}, "Places of originals by URL prefix; one place alone is the root.", example="/srv/photos"
    )
    remote: Remote | None = setting(
        None,
        "Originals on other web sites, by their whole addresses; with the settings of mounts.",
        shown="none",
    )

    ladders: Ladders = setting(
        {},
        "Sizes of streams by name: `mobile` is used as `sp_mobile`, and `auto` is what holds without.",
        example='{mobile = {steps = [{side = 480, bits = "1m"}]}}',
        shown="`auto`, `full`, `source`",
    )
    stream_linger: Seconds = setting(
        "4h",
        "How long parts of a stream may be had once its URL has expired, by those who have begun before.",
        unit="seconds",
    )

    rates: Rates = setting(Rates(), "How often one client may ask; an IPv6 client is its /64.")
    connections: Whole = setting(
        256, "Connections that one client may have open; this machine and `trusted_proxies` may have any.", ge=1
    )
    trusted_proxies: Networks = setting(
        (), "Whose `X-Forwarded-For` says who the client is.", example='["10.0.0.0/8"]', shown="none"
    )

    cache: Cache = setting(None, "Folder of finished results; `off` keeps none.", shown="~/.cache/darkroom")
    cache_bytes: Bytes = setting("4GiB", "Most that finished results take on disk.", unit="bytes", gt=0)
    originals_bytes: Bytes = setting(
        "4GiB", "Most that copies of originals from elsewhere take beside the cache; 0 keeps none.", unit="bytes"
    )
    blocks_bytes: Bytes = setting(
        "4GiB",
        "Most that parts of films and sounds from elsewhere take beside the cache; 0 keeps none.",
        unit="bytes",
    )
    memory_bytes: Bytes | None = setting(
        None,
        "Most that finished results take in memory.",
        unit="bytes",
        shown="a sixteenth of the memory, up to 256MiB",
    )

    pixels_bytes: Bytes | None = setting(
        None,
        "Most that shrunk originals take beside the cache, so that each is decoded once; 0 decodes them each time.",
        unit="bytes",
        shown="an eighth of the memory, up to 512MiB",
    )

    results: Tiers = setting(
        "memory:, disk:",
        "Stores of finished results, the nearest first: `memory:`, `disk:`, and of those that machines share `redis:`, "
        "`redis://host?bodies=64KiB&ttl=1d` and `s3://bucket/prefix?endpoint=...`.",
        example="memory:, disk:, s3://results",
    )
    shared_seconds: Seconds = setting(
        0.25, "How long a request waits for a store that machines share.", unit="seconds", example="250ms", gt=0
    )
    redis: RedisURL | None = setting(
        None, "Redis by which several servers work together.", example="redis://host:6379/0", shown="none"
    )
    redis_prefix: str = setting(
        "darkroom:",
        "What every name in Redis begins with; those that work together have the same.",
        example="shop:",
    )
    redis_seconds: Seconds = setting(0.075, "Longest that one command of Redis may take.", unit="seconds", gt=0)
    redis_handover: Bytes = setting(
        "256KiB",
        "Largest result that Redis hands from one server to the others; larger ones go by `results` alone.",
        unit="bytes",
        le=LARGEST_BODY,
    )

    workers: Whole | None = setting(
        None, "Worker processes for pictures; one more draws SVG.", shown="one per core, as memory allows", ge=1
    )
    worker_memory: Bytes | None = setting(
        None, "Memory that one worker may fill.", unit="bytes", shown="512MiB, less where memory is short", ge=64 << 20
    )
    deadline: Seconds = setting(10, "Longest work on one picture.", unit="seconds", gt=0)
    deadline_svg: Seconds = setting(2, "Longest work on one SVG.", unit="seconds", gt=0)
    deadline_moving: Seconds = setting(
        120, "Longest work on one film or sound, or a part of one.", unit="seconds", gt=0
    )
    moving: Moving = setting(Moving(), "Who works on films and sounds, and how much work one film may be.")
    queue_seconds: Seconds = setting(
        5, "Longest wait for a worker; what is expected to wait for 0.8 of it is refused.", unit="seconds"
    )
    recycle_rss: Bytes = setting("256MiB", "Memory at which an idle worker is replaced.", unit="bytes", ge=64 << 20)
    recycle_jobs: Whole = setting(2000, "Pictures after which a worker is replaced.", unit="pictures", gt=0)
    limits: Limits = setting(Limits(), "What one picture may cost.")

    first: Literal["fast", "final"] = setting("fast", "Whether a new result is made fast first and refined later.")
    freshness: Freshness = setting(Freshness(), "How long answers are kept by those who ask.")
    cors_origins: Origins = setting(
        (), "Pages that may read pixels by script; `*` is all.", example='["https://www.example.com"]', shown="none"
    )
    corp: Literal["cross-origin", "same-site", "same-origin"] = setting(
        "cross-origin", "Pages that may show pictures at all."
    )
    tag_header: FieldName = setting(
        "Cache-Tag", "Header field with the tags that an answer is purged by.", example="Surrogate-Key"
    )
    purge_urls: Addresses = setting(
        (),
        "Where nginx drops a path that stands behind; asked for each path that was answered and is purged.",
        example='["http://127.0.0.1:8080/purge"]',
    )
    purge_hooks: Hooks = setting((), "Who is told of every purge, such as a CDN.")
    gps: Literal["drop", "keep"] = setting("drop", "Whether `f_json` tells where a photograph was taken.")
    playground: bool = setting(True, "Whether there is a page at /ui/ for this machine, or with the admin token.")
    error_pictures: bool = setting(False, "Errors are shown as pictures: for development.")

    behind_nginx: bool = setting(
        False, "Every request comes through nginx as nginx/ sets it up: it verifies each, so answers may outlive a URL."
    )
    accel: AccelPath = setting(
        "",
        "Path below which that nginx finds the mounts' folders, to send large originals itself.",
        example="/api/accel/",
        shown="none",
    )

    drain_seconds: Seconds = setting(5, "How long to go on accepting after being told to stop.", unit="seconds")
    stop_seconds: Seconds = setting(20, "How long running requests may take to finish then.", unit="seconds")
    log_level: Literal["debug", "info", "warning", "error"] = setting("info", "Least grave events that are logged.")
    log_form: Literal["auto", "json", "console"] = setting(
        "auto", "How log lines look; auto is console on a terminal and json elsewhere."
    )

    otel_endpoint: str | None = setting(
        None,
        "Collector that spans are sent to, by OTLP over HTTP; takes the extra `otel`.",
        example="http://localhost:4318/v1/traces",
        shown="that of OTEL_EXPORTER_OTLP_ENDPOINT",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Values as given and nothing else: a test that builds `Settings` must not depend on its surroundings."""
        return (init_settings,)

    @property
    def shared_tiers(self) -> tuple[Tier, ...]:
        """The stores of results that machines share."""
        return tuple(tier for tier in self.results if tier.shared)

    def limits_of(self, mount: Offer) -> Limits:
        """The limits that hold on a mount: its own where it has any, the server's for the rest."""
        own = mount.limits
        return self.limits.model_copy(update={name: getattr(own, name) for name in own.model_fields_set} if own else {})

    @property
    def elsewhere(self) -> bool:
        """Whether originals come from other places than folders of this machine."""
        return self.remote is not None or any(mount.folder is None for mount in self.mounts.values())

    @field_validator("keys")
    @classmethod
    def _each_key_once(cls, keys: Keys) -> Keys:
        if len({key.secret.get_secret_value() for key in keys}) < len(keys):
            raise said("the same secret is there twice")
        return keys

    @field_validator("tokens")
    @classmethod
    def _each_token_once(cls, tokens: Tokens) -> Tokens:
        for values in ([token.name for token in tokens], [token.secret.get_secret_value() for token in tokens]):
            if len(set(values)) < len(values):
                raise said("the same name or secret is there twice")
        return tokens

    @field_validator("otel_endpoint")
    @classmethod
    def _without_password(cls, address: str | None) -> str | None:
        if address is not None and not re.fullmatch(r"https?://[^\s/?#@]+(?:/[^\s?#@]*)?", address):
            # The address itself is not repeated, nor is it kept, since it may carry a password.
            raise said("an address such as http://localhost:4318/v1/traces was expected, without name and password")
        return address

    @field_validator("redis_prefix")
    @classmethod
    def _a_prefix(cls, prefix: str) -> str:
        # It becomes part of a pattern of channels.
        if not re.fullmatch(r"[A-Za-z0-9:._-]{1,64}", prefix):
            raise ValueError("1 to 64 letters, digits and any of : . _ -")
        return prefix

    @model_validator(mode="after")
    def _one_remote(self) -> "Settings":
        if self.remote and REMOTE in self.mounts:
            raise said(f"mounts.{REMOTE}: the name is taken by [{REMOTE}], which stands for other web sites")
        return self

    @model_validator(mode="after")
    def _redis_is_there(self) -> "Settings":
        if not self.redis and any(tier.kind == "redis" and not tier.address for tier in self.results):
            raise said("results: redis: needs `redis`, or an address of its own such as redis://host")
        return self

    @model_validator(mode="after")
    def _names_exist(self) -> "Settings":
        for place, kind, name, names in self._named():
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                meant = f"; did you mean {near[0]!r}?" if near else ""
                raise said(f"there is no {kind} {name!r}{meant}", place)
        return self

    def _named(self) -> Iterator[tuple[Spot, str, str, Collection[str]]]:
        """Every preset and mount that a setting names: where, kind, name, and the names that there are."""
        offers: dict[Spot, Offer] = {("mounts", name): mount for name, mount in self.mounts.items()}
        offers |= {(REMOTE,): self.remote} if self.remote else {}
        mounts = {*self.mounts, *((REMOTE,) if self.remote else ())}
        for number, key in enumerate(self.keys):
            for name in key.policy.presets or ():
                yield ("keys", number, "policy", "presets"), "preset", name, self.presets
            for name in key.policy.mounts or ():
                yield ("keys", number, "policy", "mounts"), "mount", name, mounts
        for number, token in enumerate(self.tokens):
            for name in token.mounts or ():
                yield ("tokens", number, "mounts"), "mount", name, mounts
        for place, offer in offers.items():
            for preset in offer.presets or ():
                yield (*place, "presets"), "preset", preset, self.presets
            if offer.default_preset:
                yield (*place, "default_preset"), "preset", offer.default_preset, self.presets
