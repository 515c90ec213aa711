"""What an operator can set: one frozen object, read once from the environment (`COUNTER_*`)."""

import ipaddress
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from counter.errors import ConfigError

PREFIX = "COUNTER_"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Settings(BaseSettings):
    """The whole configuration; `docs/configuration.md` is made from these descriptions."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", description="Address that the public listener binds.")
    port: int = Field(8080, ge=0, le=65535, description="Port of the public listener; 0 takes a free one.")
    admin_host: str = Field("127.0.0.1", description="Address that the admin listener binds.")
    admin_port: int = Field(8081, ge=0, le=65535, description="Port of the admin listener.")
    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="Redis or Valkey, 7.0 or newer, with AOF on and `maxmemory-policy noeviction`: "
        "`redis://[user:password@]host:6379/0`, `rediss://…` with TLS, `unix:///path`, "
        "`redis+cluster://host:port,host:port`, or `redis+sentinel://host:26379,host:26379/SERVICE`.",
    )
    database_url: SecretStr = Field(
        SecretStr("postgresql://counter@127.0.0.1:5432/counter"),
        description="Postgres, 14 or newer.",
    )
    data_dir: Path = Field(Path("var"), description="Folder of the embedded engines (`counter up`).")
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        (), description="CIDRs of the proxies whose forwarding headers are believed, comma separated."
    )
    forwarding_header: str = Field(
        "X-Forwarded-For",
        pattern="^[A-Za-z][A-Za-z0-9-]{0,63}$",
        description="The one header in which these proxies name the client: `X-Forwarded-For`, `Forwarded`, "
        "`X-Real-IP`, … Others may come from anybody and are ignored.",
    )
    address_hits_per_second: float = Field(
        50,
        ge=0,
        le=1e6,
        description="Hits that are admitted from one IPv4 address or IPv6 /64 in the long run, by all "
        "workers of a host together; 15 times as many at once; 0 sets no limit. What is refused counts "
        "too, so a flood gets no more than that until it stops.",
    )
    network_hits_per_second: float = Field(
        500,
        ge=0,
        le=1e6,
        description="The same for an IPv4 /24 or an IPv6 /48, but what is refused does not count.",
    )
    site_hits_per_second: float = Field(
        0, ge=0, le=1e6, description="The same for a site; what is refused does not count."
    )
    new_visitors_per_minute: float = Field(
        60,
        ge=0,
        le=1e6,
        description="New visitors that are admitted from one address in the long run, by all workers of a "
        "host together; 5 times as many at once; 0 sets no limit.",
    )
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="Processes of `counter serve` that share the public listener, about one for each core; "
        "beyond 1 a parent starts them. With as many as this process may use cores, each keeps to one. "
        "What is said of a worker holds for each of them.",
    )
    worker_silent_seconds: float = Field(
        30.0,
        ge=0,
        le=300,
        description="How long one of several workers may leave its parent without an answer before it is "
        "ended and replaced; 0 waits for ever.",
    )
    lanes: int = Field(1, ge=1, le=256, description="Partitions of the hot data; see docs/scaling.md.")
    redis_replicas: int = Field(
        0,
        ge=0,
        le=10,
        description="Replicas that must have a batch before its hits are acknowledged (`WAIT`).",
    )
    redis_timeout_seconds: float = Field(
        2.0, gt=0, allow_inf_nan=False, description="How long one call to Redis may take."
    )
    patience_seconds: float = Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        description="How long Redis is asked to take a batch of hits before it goes to the spool.",
    )
    spool_dir: Path = Field(
        Path("var/spool"),
        description="Folder in which hits wait while Redis is away; workers of a host share it.",
    )
    spool_mb: int = Field(
        512,
        ge=0,
        description="Megabytes that may wait in the spool; 0 keeps none, and hits are refused instead.",
    )
    batch_hits: int = Field(100, ge=1, le=2000, description="Hits that one batch may carry.")
    waiting_hits: int = Field(50_000, ge=1, description="Hits that one worker holds before it answers 503.")
    rollup_seconds: float = Field(10.0, gt=0, allow_inf_nan=False, description="Time between two rollups.")
    sites_seconds: float = Field(
        15.0,
        gt=0,
        allow_inf_nan=False,
        description="Time between two readings of the site table, beside the notifications.",
    )
    snapshot_milliseconds: int = Field(1000, ge=0, le=10_000, description="Age of a cached widget answer.")
    connections: int = Field(
        10_000,
        ge=1,
        description="Connections of visitors that a worker keeps open; one more ends the one that has been "
        "idle longest. The limit of open files is raised for them as far as the system lets us.",
    )
    online_series: int = Field(50, ge=0, description="Sites that get a series of their own in the metrics.")
    series_sites: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Keys of sites that get one in any case, comma separated."
    )
    drain_seconds: float = Field(
        5.0,
        ge=0,
        description="How long open connections are still served after a stop; 0 closes them at once.",
    )
    hsts_seconds: int = Field(
        0,
        ge=0,
        description="How long browsers keep to TLS for this host (`Strict-Transport-Security`), once a proxy "
        "serves TLS; 0 says nothing.",
    )
    trace_parents: Literal["trusted", "anybody", "nobody"] = Field(
        "trusted",
        description="Whose `traceparent` a trace goes on from: that of the `trusted` proxies, of `anybody` "
        "or of `nobody`. Traces are set up by `OTEL_…`, see monitoring.md.",
    )
    public_url: str = Field(
        "https://HOST",
        pattern=r"^https?://[^/?#\s]+$",
        description="Address under which pages reach the service; for the snippets of `counter site show`.",
    )
    script_path: str = Field(
        "/counter.js",
        pattern=r"^/([a-z0-9._-]+/)*[a-z0-9_-]+\.js$",
        description="Another path of the script, as ad blockers know the usual one; `more.js` is beside it.",
    )
    api_path: str = Field(
        "/v1/",
        pattern=r"^/([a-z0-9._-]+/)+$",
        description="Another prefix of the interface that pages use; the tag then says `data-api`.",
    )
    demo: bool = Field(default=False, description="Serve the demo portal page at `/`.")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level logged.")

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip())

    @field_validator("series_sites", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - only the environment counts
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - `_FileSource` instead
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments first, then `COUNTER_X`, then what the file named by `COUNTER_X_FILE` holds."""
        return init_settings, env_settings, _FileSource(settings_cls)

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the environment.

        Raises:
            ConfigError: a value is missing or wrong; one line for each, naming the variable.
        """
        try:
            return cls(**overrides)
        except ValidationError as error:
            lines = (f"{_variable(item['loc'])}: {item['msg']}" for item in error.errors())
            raise ConfigError("; ".join(lines)) from error


class _FileSource(PydanticBaseSettingsSource):
    """Reads `COUNTER_X_FILE`, as container secrets are handed over."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        if path is None:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{PREFIX}{field_name.upper()}_FILE: {error}") from error

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(None, name)[0] for name in self.settings_cls.model_fields}
        return {name: value for name, value in values.items() if value is not None}


def _variable(location: tuple[int | str, ...]) -> str:
    return PREFIX + "_".join(str(part) for part in location).upper()


def take_variables(names: Iterable[str]) -> dict[str, str]:
    """Take variables that are not ours out of the environment, so that no child inherits them."""
    return {name: os.environ.pop(name) for name in names if name in os.environ}


def variables_for_children(**more: str) -> dict[str, str]:
    """Return the environment of a process that we start."""
    return {**os.environ, **more}


def read_variables(prefix: str) -> dict[str, str]:
    """Return the variables that are not ours and begin so."""
    return {name: value for name, value in os.environ.items() if name.startswith(prefix)}


def describe(settings: type[Settings] = Settings) -> str:
    """Return the table of all settings in Markdown, as it stands in `docs/configuration.md`."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    fields: Mapping[str, Any] = settings.model_fields
    for name, field in fields.items():
        default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
        shown = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
        rows.append(f"| `{PREFIX}{name.upper()}` | `{shown or ' '}` | {field.description} |")
    return "\n".join(rows) + "\n"
