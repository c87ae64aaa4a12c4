"""A target of alerts: a webhook or a command, as a person has added it."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import SplitResult, urlsplit
from uuid import uuid4

from agent_session_manager.alerts.signature import check_secret
from agent_session_manager.domain.sessions.alert import AlertKind, Interest

MAX_URL_CHARS = 2000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_NOT_IN_URLS = re.compile(r"[\x00-\x20\x7f\\]")
ENDED = frozenset({AlertKind.FINISHED, AlertKind.FAILED, AlertKind.STOPPED})
KINDS_BY_WORD: Mapping[str, frozenset[AlertKind]] = {
    "waiting": frozenset({AlertKind.WAITING}),
    "ended": ENDED,
    "lost": frozenset({AlertKind.LOST}),
    **{kind.value: frozenset({kind}) for kind in sorted(ENDED)},
}


class TargetError(ValueError):
    """A target that cannot be used; the text states the value and a valid one."""


class BodyFormat(StrEnum):
    """The form of the body that a webhook gets."""

    JSON = "json"
    SLACK = "slack"


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """A URL that gets each alert as a POST request."""

    url: str = field(repr=False)
    """Often a secret in itself."""
    format: BodyFormat = BodyFormat.JSON
    secret: str | None = field(default=None, repr=False)
    """Key of the signatures; None: requests are not signed."""
    allow_http: bool = False
    """True to send unencrypted requests to other machines."""

    @property
    def shown_url(self) -> str:
        """The URL without its path, which can be a secret."""
        parts = urlsplit(self.url)
        has_more = parts.path not in ("", "/") or parts.query
        return f"{parts.scheme}://{parts.netloc}{'/…' if has_more else ''}"

    @property
    def is_local(self) -> bool:
        return _is_loopback(urlsplit(self.url).hostname or "")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A webhook or a command, and the alerts that it wants."""

    name: str
    interest: Interest
    webhook: Webhook | None = None
    command: tuple[str, ...] = ()
    """The program and its arguments. No shell interprets them."""
    disabled: str | None = None
    """The reason why the target gets no alerts, if it does not."""

    @property
    def target_id(self) -> str:
        return self.interest.target_id

    @property
    def shown(self) -> str:
        """The webhook or the command, without secrets."""
        return shlex.join(self.command) if self.webhook is None else self.webhook.shown_url

    def to_json(self) -> dict[str, Any]:
        webhook = self.webhook
        return {
            "target_id": self.target_id,
            "name": self.name,
            "on": sorted(self.interest.kinds),
            "project_dir": self.interest.project_dir,
            "top_level": self.interest.top_level,
            "webhook": None
            if webhook is None
            else {
                "url": webhook.url,
                "format": webhook.format.value,
                "secret": webhook.secret,
                "allow_http": webhook.allow_http,
            },
            "command": list(self.command),
            "disabled": self.disabled,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Target:
        """Return the target in a JSON value.

        Raises:
            TargetError, KeyError, TypeError, ValueError: the value is not a target.
        """
        webhook = value["webhook"]
        interest = Interest(
            target_id=str(value["target_id"]),
            kinds=frozenset(map(AlertKind, value["on"])),
            project_dir=value["project_dir"],
            top_level=bool(value["top_level"]),
        )
        target = cls(
            name=value["name"],
            interest=interest,
            webhook=webhook
            and Webhook(
                url=webhook["url"],
                format=BodyFormat(webhook["format"]),
                secret=webhook["secret"],
                allow_http=bool(webhook["allow_http"]),
            ),
            command=tuple(map(str, value["command"])),
            disabled=value["disabled"],
        )
        check_target(target)
        return target


def new_target_id() -> str:
    return uuid4().hex


def parse_kinds(text: str) -> frozenset[AlertKind]:
    """Return the kinds of a list of words, such as `waiting,ended`.

    Raises:
        TargetError: a word is unknown.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in KINDS_BY_WORD]
    if unknown or not words:
        raise TargetError(f"{text!r} is not a list of: {', '.join(KINDS_BY_WORD)}")
    return frozenset().union(*(KINDS_BY_WORD[word] for word in words))


def parse_command(text: str) -> tuple[str, ...]:
    """Split a command as a shell would; nothing else in it is interpreted.

    Raises:
        TargetError: the command is empty, or has an open quotation mark.
    """
    try:
        words = tuple(shlex.split(text))
    except ValueError as exc:
        raise TargetError(f"the command {text!r} cannot be split: {exc}") from None
    if not words or not words[0]:
        raise TargetError("the command is empty: give a program and its arguments")
    return words


def check_target(target: Target) -> None:
    """Raise unless a target can be used.

    Raises:
        TargetError: the target is not valid.
    """
    if _NAME.fullmatch(target.name) is None:
        raise TargetError(
            f"{target.name!r} is not a name of 1 to 40 letters, digits and . _ -, such as `phone`"
        )
    if (target.webhook is None) == (not target.command):
        raise TargetError("give either a webhook or a command")
    if any("\0" in word for word in target.command):
        raise TargetError("the command has a NUL character")
    if target.webhook is not None:
        _check_url(target.webhook)
        if target.webhook.secret is not None:
            check_secret(target.webhook.secret)


def _check_url(webhook: Webhook) -> None:
    parts = _split(webhook.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TargetError("the URL of a webhook must begin with https://HOST or http://HOST")
    if parts.username is not None or parts.password is not None:
        raise TargetError("the URL of a webhook must not have a user name or a password")
    if parts.scheme == "http" and not webhook.allow_http and not _is_loopback(parts.hostname):
        raise TargetError(
            f"http://{parts.netloc} is another machine, and the request is not encrypted: use "
            "https://, or confirm it with --allow-http"
        )


def _split(url: str) -> SplitResult:
    if len(url) > MAX_URL_CHARS or _NOT_IN_URLS.search(url) or not url.isascii():
        raise TargetError(
            f"the URL of a webhook must have up to {MAX_URL_CHARS} ASCII characters without spaces"
        )
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:  # its text can quote a part of a password
        raise TargetError(
            "the URL of the webhook is not valid: its port is not a number up to 65535, or its "
            "IPv6 address is not complete"
        ) from None
    if not all(map(_is_label, (parts.hostname or "").split("."))):
        raise TargetError("the host in the URL of the webhook is not a valid name")
    return parts


def _is_label(label: str) -> bool:
    """Return whether a part of a host can be a name, if it is an encoded international one."""
    if not label.startswith("xn--"):
        return True
    try:
        name = label.removeprefix("xn--").encode("ascii").decode("punycode")
    except UnicodeError:
        return False
    return name.isprintable() and not name.isascii()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
