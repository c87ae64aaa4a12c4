"""What credentials look like: a rule for each kind.

This file and `masking.py` are in both houses, which share nothing but the wire; a test holds them
equal. A rule looks only where one of its anchors is, from there it reads a bounded piece of text
once, and what it found must look like chance and not like words. So clean text stays as it is and
no text takes long.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import log2
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One kind of secret.

    `pattern` is tried where an anchor begins, and its last group that took part is the secret.
    """

    kind: str
    anchors: tuple[str, ...]
    pattern: re.Pattern[str]
    is_secret: Callable[[re.Match[str], str], bool] = lambda _found, _secret: True
    takes_names: bool = False
    """The name of a value can be what gives it away: `{"password": …}`."""


# What may not stand before a token: then it is a part of something longer.
_BEGIN = r"(?<![A-Za-z0-9_-])"
_PIECE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_WORDS_ONLY = re.compile(r"\d+\.\d+|^[./~]|://|^\d{4}-\d\d-\d\d|[xX*.]{4}|EXAMPLE|example|^\$")


def _entropy(text: str) -> float:
    """Bits per character."""
    return -sum(n / len(text) * log2(n / len(text)) for n in Counter(text).values())


def looks_random(text: str, *, least: int = 12) -> bool:
    """Whether a text was made by chance: digits and letters change all the time, and few repeat.

    Names that people give consist of words: their pieces of one kind of character are longer.
    """
    if len(text) < least or _WORDS_ONLY.search(text):
        return False
    pieces = _PIECE.findall(text)
    characters = sum(map(len, pieces))
    if not any(p[0].isdigit() for p in pieces) or all(p[0].isdigit() for p in pieces):
        return False
    if characters > 3.2 * len(pieces) or characters < 0.6 * len(text):
        return False
    return _entropy(text) >= (2.5 if len(text) < 12 else 3.0)


def _decodes(text: str) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None


def _is_jwt(_found: re.Match[str], secret: str) -> bool:
    header = _decodes(secret.split(".")[0])
    return header is not None and header.startswith(b'{"') and b'"alg"' in header


_DISCORD_USER = re.compile(r"[MNO][A-Za-z0-9_-]{22,27}\Z")


def _is_discord(found: re.Match[str], _secret: str) -> bool:
    """Before its secret parts a token has the number of its user, which is in no way secret."""
    user = _DISCORD_USER.search(found.string, max(0, found.start() - 28), found.start())
    number = None if user is None else _decodes(user[0])
    return number is not None and number.isdigit()


def _has_digit(_found: re.Match[str], secret: str) -> bool:
    return any(map(str.isdigit, secret))


def _is_bearer(_found: re.Match[str], secret: str) -> bool:
    return looks_random(secret, least=16)


def _is_basic(_found: re.Match[str], secret: str) -> bool:
    pair = _decodes(secret.replace("+", "-").replace("/", "_").rstrip("="))
    return pair is not None and b":" in pair[1:-1] and pair.isascii() and b"\0" not in pair


_PLACEHOLDER = re.compile(r"[${<%*\[(]|(?:pass(?:word|wd)?|pw|pwd|secret|x+|\.+)\Z", re.IGNORECASE)


def _is_password(_found: re.Match[str], secret: str) -> bool:
    return not _PLACEHOLDER.match(secret)


_OPTION = re.compile(r"--[A-Za-z0-9-]{0,30}\Z")


def _is_assigned(found: re.Match[str], secret: str) -> bool:
    if not found["sign"] and not _OPTION.search(
        found.string, max(0, found.start() - 32), found.start()
    ):
        return False
    least = 8 if found[0][:5].lower() == "passw" else 12
    return looks_random(secret, least=least)


def _spellings(*names: str) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            spelling for name in names for spelling in (name, name.capitalize(), name.upper())
        )
    )


_QUOTES = r"[\"'`\\]{0,4}"
_ASSIGNED = re.compile(
    r"[A-Za-z0-9_.-]{0,30}+[\"'`\\\]]{0,4}+"
    r"(?P<sign>\s{0,4}:\s{0,4}[A-Za-z_]{1,20}\s{0,4}=|\s{0,4}(?:=>|:=|==?|:)|)[ \t]{0,4}+(?:"
    r"\\{0,3}\"([^\"\\\s]{8,512}+)(?=[\"\\])|\\{0,3}'([^'\\\s]{8,512}+)(?=['\\])|"
    r"([A-Za-z0-9+/_.~!@#$%^*?-]{8,512}+={0,2}+)(?![A-Za-z0-9(=\[{]))"
)


def _prefixed(kind: str, *prefixes: str, then: str, **more: Any) -> Rule:
    """A token that says by how it begins what it is."""
    pattern = re.compile(f"{_BEGIN}((?:{'|'.join(map(re.escape, prefixes))}){then})")
    return Rule(kind=kind, anchors=prefixes, pattern=pattern, **more)


RULES: tuple[Rule, ...] = (
    _prefixed("anthropic-key", "sk-ant-", then=r"[A-Za-z0-9_-]{20,400}+"),
    _prefixed(
        "openai-key", "sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-",
        then=r"[A-Za-z0-9_-]{20,400}+",
    ),
    Rule(
        kind="openai-key",
        anchors=("sk-",),
        pattern=re.compile(_BEGIN + r"(sk-(?:or-v1-)?[A-Za-z0-9]{32,100}+)(?![A-Za-z0-9_-])"),
        is_secret=_has_digit,
    ),
    Rule(
        kind="aws-access-key",
        anchors=("AKIA", "ASIA"),
        pattern=re.compile(r"(?<![A-Za-z0-9])(A[KS]IA[A-Z0-9]{16})(?![A-Za-z0-9+/=])"),
    ),
    Rule(
        kind="aws-secret-key",
        anchors=_spellings("secret"),
        pattern=re.compile(
            r"(?i:secret_?-?(?:access)?_?-?key)" + _QUOTES + r"\s{0,4}(?:=>|:=|[:=])\s{0,4}"
            + _QUOTES + r"([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"
        ),
        is_secret=_has_digit,
        takes_names=True,
    ),
    _prefixed(
        "github-token", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", then=r"[A-Za-z0-9]{36,255}+"
    ),
    _prefixed("github-token", "github_pat_", then=r"[A-Za-z0-9_]{22,255}+"),
    _prefixed(
        "gitlab-token", "glpat-", "gldt-", "glrt-", "glcbt-", "glptt-",
        then=r"[A-Za-z0-9_.-]{20,300}+",
    ),
    _prefixed(
        "slack-token", "xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe-", "xoxe.xox", "xapp-",
        then=r"[A-Za-z0-9-]{10,400}+", is_secret=_has_digit,
    ),
    Rule(
        kind="slack-webhook",
        anchors=("hooks.slack.com/",),
        pattern=re.compile(r"hooks\.slack\.com/(?:services|workflows|triggers)/([\w/+-]{24,120}+)"),
    ),
    _prefixed("google-api-key", "AIza", then=r"[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    _prefixed("google-oauth-token", "ya29.", then=r"[A-Za-z0-9_-]{20,2048}+"),
    _prefixed("google-oauth-secret", "GOCSPX-", then=r"[A-Za-z0-9_-]{28,40}+"),
    _prefixed(
        "stripe-key", "sk_live_", "rk_live_", "sk_test_", "rk_test_", "whsec_",
        then=r"[A-Za-z0-9+/]{16,255}+",
    ),
    _prefixed("npm-token", "npm_", then=r"[A-Za-z0-9]{36}(?![A-Za-z0-9_])"),
    _prefixed("pypi-token", "pypi-AgEI", then=r"[A-Za-z0-9_-]{50,1000}+"),
    _prefixed(
        "huggingface-token", "hf_", then=r"[A-Za-z0-9]{30,60}+(?![A-Za-z0-9_])",
        is_secret=lambda _found, secret: any(map(str.isupper, secret)),
    ),
    _prefixed("sendgrid-key", "SG.", then=r"[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{36,64}+"),
    _prefixed("twilio-key", "SK", then=r"[0-9a-f]{32}(?![A-Za-z0-9])"),
    Rule(
        kind="telegram-token",
        anchors=(":AA",),
        pattern=re.compile(r"(?<=\d{8}):(AA[A-Za-z0-9_-]{32,33})(?![A-Za-z0-9_-])"),
    ),
    Rule(
        kind="discord-token",
        anchors=(),
        pattern=re.compile(r"\.([A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}+)"),
        is_secret=_is_discord,
    ),
    Rule(
        kind="discord-webhook",
        anchors=("/api/webhooks/",),
        pattern=re.compile(r"/api/webhooks/\d{15,22}/([A-Za-z0-9_-]{60,90}+)"),
    ),
    Rule(
        kind="jwt",
        anchors=("eyJ",),
        pattern=re.compile(
            _BEGIN
            + r"(eyJ[A-Za-z0-9_-]{10,2000}+\.[A-Za-z0-9_-]{10,9000}+\.[A-Za-z0-9_-]{10,1000}+)"
        ),
        is_secret=_is_jwt,
    ),
    _prefixed("age-secret-key", "AGE-SECRET-KEY-1", then=r"[A-Z0-9]{58}"),
    _prefixed("digitalocean-token", "dop_v1_", "doo_v1_", then=r"[0-9a-f]{64}"),
    _prefixed("vault-token", "hvs.", then=r"[A-Za-z0-9_-]{24,300}+"),
    _prefixed(
        "run-token", "run-", "agent-", then=r"[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])",
        is_secret=lambda _found, secret: looks_random(secret),
    ),
    _prefixed("docker-token", "dckr_pat_", then=r"[A-Za-z0-9_-]{27,40}+"),
    Rule(
        kind="azure-key",
        anchors=("AccountKey=", "AccessKey=", "accountKey", "AccountKey\""),
        pattern=re.compile(
            r"[A-Za-z]{6,7}Key" + _QUOTES + r"\s{0,2}[=:]\s{0,2}" + _QUOTES
            + r"([A-Za-z0-9+/]{42,86}+={1,2})"
        ),
        takes_names=True,
    ),
    Rule(
        kind="bearer-token",
        anchors=("Bearer ", "bearer "),
        pattern=re.compile(r"[Bb]earer +([A-Za-z0-9._~+/-]{16,4096}+={0,2}+)"),
        is_secret=_is_bearer,
    ),
    Rule(
        kind="basic-credentials",
        anchors=("Basic ",),
        pattern=re.compile(r"Basic +([A-Za-z0-9+/]{8,1024}+={0,2}+)"),
        is_secret=_is_basic,
    ),
    Rule(
        kind="url-password",
        anchors=("://",),
        pattern=re.compile(
            r"://[^\s:/?#@\"'`<>\\]{0,100}+:([^\s/?#@\"'`<>\\]{3,200}+)@[A-Za-z0-9\[$]"
        ),
        is_secret=_is_password,
    ),
    Rule(
        kind="assigned-secret",
        anchors=(
            *_spellings("passw", "secret", "token", "api_key", "api-key", "apikey", "access_key"),
            "apiKey", "ApiKey", "Api-Key", "API-Key", "accessKey", "AccessKey", "_KEY",
        ),
        pattern=_ASSIGNED,
        is_secret=_is_assigned,
        takes_names=True,
    ),
)  # fmt: skip
"""The first that finds something says of what kind it is."""

ANCHORLESS = RULES[[rule.kind for rule in RULES].index("discord-token")]
"""Every text may hold something for it: its pattern is searched for, and is quick to fail."""
