"""Settings from options, the environment and a TOML file, in that order of weight."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from sessions.runtimes.browser.addresses import allowed

ENV_PREFIX: Final = "SESSIOND_"
SECRET_FIELDS: Final = frozenset({"admin_key"})
REDACTED: Final = "***"
PONG_S_MIN: Final = 10.0
_OF_PARTS: Final = frozenset({"wave_api_titles"})


class SettingsError(Exception):
    """A setting is unknown or out of range."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set; each name is also an option and, in capitals, a variable.

    Times are seconds, sizes bytes; what has parts is a table in a file, and JSON elsewhere.
    """

    data: str = "./sessiond-data"
    host: str = "127.0.0.1"
    port: int = msgspec.field(default=8080)
    https_port: int | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    admin_key: str | None = None
    wave_open: bool = False
    wave_tests: str | None = None
    wave_read_sessions: bool = True
    wave_import: bool = True
    wave_api_titles: dict[str, str] = {}
    wave_poll_s: float = 55.0
    public_url: str | None = None
    body_bytes_max: int = 1 << 20
    artifact_bytes_max: int = 64 << 20
    append_queue_max: int = 16_384
    heads: str | None = None
    heads_interval_s: float = 60.0
    heads_every: int = 10_000
    observer_buffer_bytes_max: int = 256 << 10
    observers_max: int = 20_000
    heartbeat_s: float = 20.0
    wait_s_max: float = 60.0
    work_lease_s: int = 30
    vm: str = "auto"
    vm_cache: str | None = None
    vm_warm: int = 0
    vm_memory_mb: int | None = None
    vm_count: int | None = None
    vm_queue: int = 256
    browsers: str = "auto"
    browser_program: str | None = None
    browsers_max: int | None = None
    browser_queue: int = 256
    browsers_per_process: int = 10
    browser_warm: int = 0
    browser_allow: str = ""
    browser_replays: bool = True
    drain_s: float = 1.0
    log_level: str = "info"
    log_format: str = "auto"
    uvloop: bool = False

    def __post_init__(self) -> None:
        _in_range("port", self.port, 0, 65_535)
        _tls(self.https_port, self.tls_cert, self.tls_key)
        _in_range("body_bytes_max", self.body_bytes_max, 1024, 1 << 30)
        _in_range("artifact_bytes_max", self.artifact_bytes_max, 0, 1 << 40)
        _in_range("append_queue_max", self.append_queue_max, 1, 1 << 20)
        _in_range("heads_interval_s", self.heads_interval_s, 0.05, 86_400)
        _in_range("heads_every", self.heads_every, 1, 1 << 40)
        _in_range("observer_buffer_bytes_max", self.observer_buffer_bytes_max, 4096, 1 << 30)
        _in_range("observers_max", self.observers_max, 0, 1 << 20)
        _in_range("heartbeat_s", self.heartbeat_s, 0.05, 3600)
        _in_range("wave_poll_s", self.wave_poll_s, 0, 3600)
        _in_range("wait_s_max", self.wait_s_max, 0, 3600)
        _in_range("drain_s", self.drain_s, 0, 60)
        _in_range("work_lease_s", self.work_lease_s, 1, 3600)
        _one_of("vm", self.vm, "auto", "off")
        _in_range("vm_warm", self.vm_warm, 0, 64)
        _in_range("vm_memory_mb", self.vm_memory_mb or 0, 0, 1 << 30)
        _in_range("vm_count", self.vm_count or 0, 0, 4096)
        _in_range("vm_queue", self.vm_queue, 0, 1 << 20)
        _in_range("browsers_max", 1 if self.browsers_max is None else self.browsers_max, 1, 1024)
        _in_range("browser_queue", self.browser_queue, 0, 1 << 20)
        _in_range("browser_warm", self.browser_warm, 0, 64)
        _one_of("browsers", self.browsers, "auto", "off")
        _in_range("browsers_per_process", self.browsers_per_process, 1, 100)
        _networks("browser_allow", self.browser_allow)
        _one_of("log_level", self.log_level, "debug", "info", "warning", "error")
        _one_of("log_format", self.log_format, "auto", "json", "console")

    @property
    def folder(self) -> Path:
        """The data folder."""
        return Path(self.data).expanduser()

    @property
    def heads_folder(self) -> Path:
        """Where the signed heads of the log go."""
        return self.folder / "heads" if self.heads is None else Path(self.heads).expanduser()

    @property
    def probe_s(self) -> float:
        """How often a websocket asks for its client, which has half of that to answer.

        However often a feed tells how far it is: who is busy for a moment is not gone.
        """
        return max(self.heartbeat_s, 2 * PONG_S_MIN)

    def redacted(self) -> dict[str, Any]:
        """The settings as they may be printed."""
        values = msgspec.structs.asdict(self)
        return {
            name: REDACTED if name in SECRET_FIELDS and value else value
            for name, value in values.items()
        }


def load(options: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings; `options` holds what was given on the command line, and `config` a file.

    Raises SettingsError.
    """
    merged: dict[str, Any] = {}
    config = options.get("config") or environ.get(f"{ENV_PREFIX}CONFIG")
    if config:
        merged.update(_from_file(Path(config)))
    merged.update(_from_environment(environ))
    merged.update({k: v for k, v in options.items() if v is not None and k != "config"})
    for name in _OF_PARTS & merged.keys():
        if isinstance(merged[name], str):
            merged[name] = _parts(name, merged[name])
    try:
        return msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(str(error).replace("Object contains", "There is an")) from None


def _parts(name: str, text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise SettingsError(f"{name} must be a JSON object, not {text[:80]!r}") from None


def _from_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from None


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name: environ[ENV_PREFIX + name.upper()]
        for name in Settings.__struct_fields__
        if environ.get(ENV_PREFIX + name.upper())
    }


def _in_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be between {low} and {high}, not {value}")


def _networks(name: str, text: str) -> None:
    try:
        allowed(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _tls(port: int | None, cert: str | None, key: str | None) -> None:
    if port is not None:
        _in_range("https_port", port, 0, 65_535)
    given = {"https_port": port, "tls_cert": cert, "tls_key": key}
    absent = [name for name, value in given.items() if value is None]
    if 0 < len(absent) < len(given):
        raise ValueError(f"https_port, tls_cert and tls_key go together: {absent[0]} is missing")


def _one_of(name: str, value: str, *words: str) -> None:
    if value not in words:
        raise ValueError(f"{name} must be one of {', '.join(words)}, not {value}")
