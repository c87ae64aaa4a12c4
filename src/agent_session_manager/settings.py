"""The manager's settings: flag over environment over default, read once, passed down.

Flags, variables, defaults and help texts are in the table in `agent_shared/manager_settings.py`.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from agent_shared.manager_settings import (
    MIN_TOKEN_CHARS,
    SETTINGS,
    Kind,
    Setting,
)
from agent_shared.sqlite_url import sqlite_url

_LOCAL_ORIGIN = re.compile(r"http://(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?")
_ORIGIN = re.compile(r"https?://[^/@?#\s,]+/?")


class SettingsError(ValueError):
    """A setting has a value that cannot be used; the text names its flag or variable."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Values of one manager, in the order of the table."""

    state_dir: Path
    port: int
    database_url: str
    allow_hosts: tuple[str, ...]
    auth: bool
    allow_origins: tuple[str, ...]
    bind: str
    """An IP address; empty: only loopback is served."""
    tls_certificate: Path | None
    tls_key: Path | None
    allow_network: bool
    transcripts: bool
    prices: Path | None
    import_history: bool
    lease_seconds: float
    backup_every_hours: float
    backups_kept: int
    archive_after_days: float
    delete_archived_after_days: float
    delete_transcripts_after_days: float
    token: str = field(repr=False)

    @property
    def changeable_origins(self) -> tuple[str, ...]:
        """Allowed origins of other machines without TLS: their pages can be changed in transit."""
        return tuple(
            origin
            for origin in self.allow_origins
            if origin.startswith("http://") and not _LOCAL_ORIGIN.fullmatch(origin)
        )

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or sqlite_url(self.state_dir / "sessions.db")


def environment() -> Mapping[str, str]:
    """Return the process's environment. The service reads it only here."""
    return os.environ


def load_settings(environ: Mapping[str, str], **flags: str | None) -> Settings:
    """Load the settings.

    `flags` are texts by the names of settings; None or empty means "not given". A variable that
    is empty or blank counts as not set.

    Raises:
        SettingsError: a value cannot be used.
    """
    values = {
        setting.name: _value(setting, environ, flags.pop(setting.name, None))
        for setting in SETTINGS
    }
    if flags:
        raise TypeError(f"not settings: {', '.join(flags)}")
    settings = Settings(**values)
    _refuse_unsafe_network(settings)
    return settings


def _value(setting: Setting, environ: Mapping[str, str], flag: str | None) -> Any:
    given = ((setting.flag, flag or ""), (setting.variable, environ.get(setting.variable, "")))
    default = (setting.variable, setting.default)
    source, text = next(((source, text) for source, text in given if text.strip()), default)
    if setting.kind is Kind.DIRECTORY and not text:
        return _default_state_dir(environ)
    try:
        return _READERS[setting.kind](text, setting)
    except ValueError as exc:
        value = "" if setting.is_secret else f" {text!r},"
        raise SettingsError(f"{source} is{value} {exc}") from None


def _refuse_unsafe_network(settings: Settings) -> None:
    """Serve other machines only with TLS, a token, and a flag that confirms it."""
    files = settings.tls_certificate, settings.tls_key
    if not settings.bind:
        if any(files) or settings.allow_network:
            raise SettingsError(
                "a TLS file or --allow-network without --bind ADDRESS: add --bind, or omit them"
            )
        return
    if not settings.auth:
        raise SettingsError(
            f"--bind {settings.bind} with --auth off: without a token only this machine is "
            "served; use only one of the two"
        )
    if not all(files) or not settings.allow_network:
        raise SettingsError(
            f"--bind {settings.bind} serves other machines: that needs --tls-certificate FILE, "
            "--tls-key FILE and --allow-network"
        )


def _text(text: str, _: Setting) -> str:
    return text


def _address(text: str, _: Setting) -> str:
    if text in ("", "localhost"):
        return ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("not an IP address of this machine") from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_unspecified or address.is_multicast:
        raise ValueError("not a single address: give the address that other machines connect to")
    return "" if str(address) in ("127.0.0.1", "::1") else str(address)


def _path(text: str, _: Setting) -> Path | None:
    try:
        return Path(text).expanduser().absolute() if text else None
    except (OSError, RuntimeError):  # an unknown user, or the working directory was deleted
        raise ValueError("a path that cannot be resolved: give an absolute path") from None


def _default_state_dir(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_STATE_HOME", "")
    root = Path(base) if base.startswith("/") else _home(environ) / ".local" / "state"
    return root / "agent-orchestrator"


def _home(environ: Mapping[str, str]) -> Path:
    with suppress(RuntimeError):
        if (found := Path.home()).is_absolute():
            return found
    raise SettingsError(
        f"HOME is {environ.get('HOME', '')!r}, not an absolute path: set it to the home directory, "
        f"or give --state-dir DIR"
    )


def _hosts(text: str, _: Setting) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, text.split(","))))


def _origins(text: str, setting: Setting) -> tuple[str, ...]:
    """Read origins as browsers send them: scheme, host and port, without a path."""
    given = _hosts(text, setting)
    for origin in given:
        if not _ORIGIN.fullmatch(origin) or "*" in origin:
            raise ValueError(f"and {origin!r} is not an origin, such as http://localhost:5173")
    return tuple(origin.removesuffix("/").lower() for origin in given)


def _switch(text: str, _: Setting) -> bool:
    if text not in ("on", "off"):
        raise ValueError("not on or off")
    return text == "on"


def _port(text: str, _: Setting) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and int(digits) <= 65535):
        raise ValueError("not a port number")
    return int(digits)


def _number(
    text: str, setting: Setting, *, none: str = "", kind: str = "a number", unit: str = ""
) -> float:
    """Read a number between the setting's bounds; `none` is the word for 0, where 0 is allowed."""
    with suppress(ValueError):
        number = float(text)
        if setting.least <= number <= setting.most or (none and number == 0):
            return number
    raise ValueError(f"not {none}{kind} from {setting.least:g} to {setting.most:g}{unit}")


def _count(text: str, setting: Setting) -> int:
    if not (text.isascii() and text.isdigit()):
        text = "nan"
    return int(_number(text, setting, kind="a whole number"))


def _token(text: str, _: Setting) -> str:
    if text and (len(text) < MIN_TOKEN_CHARS or not text.isascii() or not text.isprintable()):
        raise ValueError(f"not at least {MIN_TOKEN_CHARS} printable ASCII characters")
    return text


_READERS: Mapping[Kind, Callable[[str, Setting], Any]] = {
    Kind.DIRECTORY: _path,
    Kind.FILE: _path,
    Kind.PORT: _port,
    Kind.TEXT: _text,
    Kind.HOSTS: _hosts,
    Kind.ORIGINS: _origins,
    Kind.ADDRESS: _address,
    Kind.SWITCH: _switch,
    Kind.AMOUNT: partial(_number, none="0 or "),
    Kind.SECONDS: partial(_number, unit=" seconds"),
    Kind.COUNT: _count,
    Kind.TOKEN: _token,
}
