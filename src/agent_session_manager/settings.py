"""The manager's settings: flag over environment over default, read once, passed down."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from agent_session_manager.domain.session import DEFAULT_LEASE_SECONDS
from agent_shared.sqlite_url import sqlite_url

PREFIX = "AGENT_ORCHESTRATOR_"
DEFAULT_PORT = 8765
MIN_TOKEN_CHARS = 32
_LOCAL_ORIGIN = re.compile(r"http://(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?")
_ORIGIN = re.compile(r"https?://[^/@?#\s,]+/?")
MIN_LEASE_SECONDS = 15.0
"""Three times what a client waits for an answer: one slow request costs no run."""
MAX_LEASE_SECONDS = 86400.0
DEFAULT_BACKUPS_KEPT = 7
MIN_HOURS, MAX_HOURS = 0.01, 24.0 * 366
MIN_DAYS, MAX_DAYS = 0.01, 366.0 * 100
MAX_BACKUPS_KEPT = 1000


class SettingsError(ValueError):
    """A setting has a value that cannot be used; the text names the setting and the value."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a manager is told. `docs/configuration.md` has a row for each field."""

    state_dir: Path
    port: int = DEFAULT_PORT
    database_url: str = ""
    """Empty: SQLite in the state directory."""
    allow_hosts: tuple[str, ...] = ()
    allow_origins: tuple[str, ...] = ()
    auth: bool = True
    """False: nobody is asked for a token."""
    bind: str = ""
    """An address of this machine's network to serve on with TLS, beside loopback; empty: none."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    allow_network: bool = False
    """The word without which nothing is served to other machines."""
    transcripts: bool = True
    """False: agents' own records are refused, and no session can be resumed on another machine."""
    lease_seconds: float = DEFAULT_LEASE_SECONDS
    """How long a run is held without a word from its supervisor before it counts as lost."""
    backup_every_hours: float = 0.0
    """Every so often the SQLite database is backed up into the state directory; 0: never."""
    backups_kept: int = DEFAULT_BACKUPS_KEPT
    archive_after_days: float = 0.0
    """A finished session without activity for so long is archived; 0: never."""
    delete_archived_after_days: float = 0.0
    """A session that has been archived and without activity for so long is deleted; 0: never."""
    delete_transcripts_after_days: float = 0.0
    """A transcript to which nothing was appended for so long is deleted; 0: never."""
    token: str = field(default="", repr=False)
    """Empty: one made at random, kept in the state directory."""

    @property
    def changeable_origins(self) -> tuple[str, ...]:
        """Allowed origins of other machines without TLS: who is in between can change the page."""
        return tuple(
            origin
            for origin in self.allow_origins
            if origin.startswith("http://") and not _LOCAL_ORIGIN.fullmatch(origin)
        )

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or sqlite_url(self.state_dir / "sessions.db")


def environment() -> Mapping[str, str]:
    """The process's environment: read here, and nowhere else in the service."""
    return os.environ


def load_settings(  # noqa: PLR0913  # a parameter for each flag
    environ: Mapping[str, str],
    *,
    port: int | None = None,
    state_dir: str | None = None,
    database_url: str | None = None,
    allow_hosts: tuple[str, ...] = (),
    allow_origins: tuple[str, ...] = (),
    auth: str | None = None,
    bind: str | None = None,
    tls_certificate: str | None = None,
    tls_key: str | None = None,
    allow_network: bool = False,
    transcripts: str | None = None,
    backup_every_hours: float | None = None,
    backups_kept: float | None = None,
    archive_after_days: float | None = None,
    delete_archived_after_days: float | None = None,
    delete_transcripts_after_days: float | None = None,
) -> Settings:
    """Put the settings together; arguments are flags, and None or empty means "not given".

    A variable that is empty or blank is as good as not set.

    Raises:
        SettingsError: a value cannot be used.
    """
    environ = {name: value for name, value in environ.items() if value.strip()}
    origins = allow_origins or _listed(environ.get(PREFIX + "ALLOW_ORIGINS"))
    settings = Settings(
        state_dir=_state_dir(environ, state_dir),
        port=_port(environ.get(PREFIX + "PORT")) if port is None else port,
        database_url=database_url or environ.get(PREFIX + "DATABASE_URL", ""),
        allow_hosts=allow_hosts or _listed(environ.get(PREFIX + "ALLOW_HOSTS")),
        allow_origins=tuple(map(_origin, origins)),
        auth=_switch("AUTH", auth or environ.get(PREFIX + "AUTH", "on")),
        bind=_bind(bind or environ.get(PREFIX + "BIND", "")),
        tls_certificate=_file(tls_certificate or environ.get(PREFIX + "TLS_CERTIFICATE")),
        tls_key=_file(tls_key or environ.get(PREFIX + "TLS_KEY")),
        allow_network=allow_network
        or _switch("ALLOW_NETWORK", environ.get(PREFIX + "ALLOW_NETWORK", "off")),
        transcripts=_switch(
            "TRANSCRIPTS", transcripts or environ.get(PREFIX + "TRANSCRIPTS", "on")
        ),
        lease_seconds=_lease_seconds(environ.get(PREFIX + "LEASE_SECONDS")),
        backup_every_hours=_amount(
            environ, PREFIX + "BACKUP_EVERY_HOURS", backup_every_hours, MIN_HOURS, MAX_HOURS
        ),
        backups_kept=_count(
            environ, PREFIX + "BACKUPS_KEPT", backups_kept, DEFAULT_BACKUPS_KEPT, MAX_BACKUPS_KEPT
        ),
        archive_after_days=_days(environ, PREFIX + "ARCHIVE_AFTER_DAYS", archive_after_days),
        delete_archived_after_days=_days(
            environ, PREFIX + "DELETE_ARCHIVED_AFTER_DAYS", delete_archived_after_days
        ),
        delete_transcripts_after_days=_days(
            environ, PREFIX + "DELETE_TRANSCRIPTS_AFTER_DAYS", delete_transcripts_after_days
        ),
        token=_token(environ.get(PREFIX + "TOKEN", "")),
    )
    _refuse_unsafe_network(settings)
    return settings


def _refuse_unsafe_network(settings: Settings) -> None:
    """Other machines are served with TLS, a token, and a word that says it is meant."""
    files = settings.tls_certificate, settings.tls_key
    if not settings.bind:
        if any(files) or settings.allow_network:
            raise SettingsError(
                "a TLS file or --allow-network without --bind ADDRESS: say on which address"
            )
        return
    if not settings.auth:
        raise SettingsError(
            f"--bind {settings.bind} with --auth off: without a token only this machine is "
            "served; leave one of the two away"
        )
    if not all(files) or not settings.allow_network:
        raise SettingsError(
            f"--bind {settings.bind} serves other machines: that needs --tls-certificate FILE, "
            "--tls-key FILE and --allow-network"
        )


def _bind(text: str) -> str:
    """An address as it is written in a URL's place for it; loopback is served anyway."""
    if text in ("", "localhost"):
        return ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise SettingsError(f"--bind is {text!r}, not an IP address of this machine") from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_unspecified or address.is_multicast:
        raise SettingsError(
            f"--bind is {text!r}: name the one address that others are to reach, not all"
        )
    return "" if str(address) in ("127.0.0.1", "::1") else str(address)


def _file(text: str | None) -> Path | None:
    return _path(text) if text else None


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except (OSError, RuntimeError):  # of an unknown user, or below a directory that is gone
        raise SettingsError(f"{text!r} leads nowhere: give an absolute path") from None


def _state_dir(environ: Mapping[str, str], flag: str | None) -> Path:
    """`$XDG_STATE_HOME/agent-orchestrator`, where nothing else is said."""
    given = flag or environ.get(PREFIX + "STATE_DIR")
    if given:
        return _path(given)
    base = environ.get("XDG_STATE_HOME", "")
    root = Path(base) if base.startswith("/") else _home(environ) / ".local" / "state"
    return root / "agent-orchestrator"


def _home(environ: Mapping[str, str]) -> Path:
    with suppress(RuntimeError):
        if (found := Path.home()).is_absolute():
            return found
    raise SettingsError(
        f"HOME is {environ.get('HOME', '')!r}, which names no home directory: set it to an "
        f"absolute path, or give --state-dir DIR"
    )


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, (text or "").split(","))))


def _origin(text: str) -> str:
    """An origin as browsers send it: scheme, host and port, and no path behind them."""
    if not _ORIGIN.fullmatch(text) or "*" in text:
        raise SettingsError(f"{text!r} is not an origin, such as http://localhost:5173")
    return text.removesuffix("/").lower()


def _switch(name: str, text: str) -> bool:
    if text not in ("on", "off"):
        raise SettingsError(f"{PREFIX}{name} is {text!r}, not on or off")
    return text == "on"


def _port(text: str | None) -> int:
    if text is None:
        return DEFAULT_PORT
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port <= 65535:
        raise SettingsError(f"{PREFIX}PORT is {text!r}, not a port number")
    return port


def _lease_seconds(text: str | None) -> float:
    if text is None:
        return DEFAULT_LEASE_SECONDS
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not MIN_LEASE_SECONDS <= seconds <= MAX_LEASE_SECONDS:
        raise SettingsError(
            f"{PREFIX}LEASE_SECONDS is {text!r}, not from {MIN_LEASE_SECONDS:g} to "
            f"{MAX_LEASE_SECONDS:g} seconds"
        )
    return seconds


def _days(environ: Mapping[str, str], variable: str, flag: float | None) -> float:
    return _amount(environ, variable, flag, MIN_DAYS, MAX_DAYS)


def _amount(
    environ: Mapping[str, str], variable: str, flag: float | None, least: float, most: float
) -> float:
    """A length of time; 0, and what is not given, mean "never"."""
    text = environ.get(variable, "0") if flag is None else str(flag)
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if amount != 0 and not least <= amount <= most:
        raise SettingsError(f"{variable} is {text!r}, not 0 or from {least:g} to {most:g}")
    return amount


def _count(
    environ: Mapping[str, str], variable: str, flag: float | None, default: int, most: int
) -> int:
    text = environ.get(variable, str(default)) if flag is None else f"{flag:g}"
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise SettingsError(f"{variable} is {text!r}, not a number from 1 to {most}")
    return int(text)


def _token(text: str) -> str:
    if text and (len(text) < MIN_TOKEN_CHARS or not text.isascii() or not text.isprintable()):
        raise SettingsError(
            f"{PREFIX}TOKEN must be at least {MIN_TOKEN_CHARS} printable ASCII characters"
        )
    return text
