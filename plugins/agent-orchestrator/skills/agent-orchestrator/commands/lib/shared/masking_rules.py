"""Rules that find credentials: at least one for each kind.

A rule looks only where one of its anchors is. From there it reads a bounded piece of text once. Its
match must look random and not like words. So clean text stays unchanged, and no text takes long.

Text has layers: terminal colours, JSON within JSON, URLs. Their escapes end in letters and digits
(`ESC[32m`, `\\n`, `%3D`), so a letter before a credential proves nothing. A rule needs no boundary
before its prefix if that occurs in no word. Other rules ask for more if a word may precede the
prefix.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import log2
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One kind of secret.

    `expression` is matched where an anchor begins. The last group that took part is the secret.
    """

    kind: str
    anchors: tuple[str, ...]
    expression: str
    is_secret: Callable[[re.Match[str], str], bool] = lambda _found, _secret: True
    any_case: bool = False
    """True if the anchors match in any case; they are then in lower case."""
    takes_names: bool = False
    """True if the name of a value can identify it as a secret: `{"password": …}`."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The compiled expression. Few anchors occur in one process, and compiling takes time."""
        return re.compile(self.expression)


_PIECE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_WORDS_ONLY = re.compile(r"\d+\.\d+|^[./~]|://|^\d{4}-\d\d-\d\d|[xX*.]{4}|EXAMPLE|example|^\$")


def fold(text: str) -> str:
    """Return the text in lower case, with each character in its place."""
    return text.replace("\u0130", "I").lower()  # the one character that becomes two


def _entropy(text: str) -> float:
    """Return the bits per character."""
    return -sum(n / len(text) * log2(n / len(text)) for n in Counter(text).values())


def _mixes_cases(text: str) -> bool:
    """Return whether a long text changes case as often as random text does; words do not."""
    changes = sum(a.islower() != b.islower() for a, b in pairwise(text))
    capitals = sum(map(str.isupper, text))
    return len(text) >= 24 and changes >= 0.25 * len(text) and 0.3 <= capitals / len(text) <= 0.7


def looks_random(text: str, *, least: int = 12) -> bool:
    """Return whether a text looks random: digits and letters alternate, and few repeat.

    Names that people choose consist of words. Their pieces of one kind of character are longer.
    """
    if len(text) < least or _WORDS_ONLY.search(text):
        return False
    pieces = _PIECE.findall(text)
    characters = sum(map(len, pieces))
    digits = sum(p[0].isdigit() for p in pieces)
    if digits == len(pieces) or characters < 0.6 * len(text):
        return False
    if not digits or characters > 3.2 * len(pieces):
        return _mixes_cases(text)
    return _entropy(text) >= (2.5 if len(text) < 12 else 3.0)


_IN_A_WORD = re.compile(r"[A-Za-z0-9_-]\Z")
_ESCAPE = re.compile(
    r"(?:\\(?:[abefnrtv]|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[0-7]{1,3})|%[0-9A-Fa-f]{2}"
    r"|\[[0-9;:?]{0,20}[A-Za-z])\Z"
)


def _stands_alone(found: re.Match[str]) -> bool:
    """Return whether no word runs into the match; the end of an escape is not a word."""
    before = found.string[max(0, found.start() - 24) : found.start()]
    return _IN_A_WORD.search(before) is None or _ESCAPE.search(before) is not None


def _alone_or_random(found: re.Match[str], secret: str) -> bool:
    return _stands_alone(found) or looks_random(secret[6:])  # without most of its prefix


def _decodes(text: str) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None


def _is_jwt(_found: re.Match[str], secret: str) -> bool:
    header = _decodes(secret.split(".")[0])
    return header is not None and header.startswith(b'{"') and b'"alg"' in header


def _is_discord(found: re.Match[str], _secret: str) -> bool:
    """Return whether the number of a user, which is not secret, precedes the secret parts."""
    before = found.string[max(0, found.start() - 28) : found.start()]
    users = (_decodes(before[-size:]) for size in range(23, 29) if before[-size:][:1] in "MNO")
    return any(user is not None and user.isdigit() for user in users)


def _has_digit(_found: re.Match[str], secret: str) -> bool:
    return any(map(str.isdigit, secret))


def _is_aws_key(found: re.Match[str], secret: str) -> bool:
    return secret.startswith("AKIA") or _stands_alone(found) or _has_digit(found, secret)


def _is_openai_key(found: re.Match[str], secret: str) -> bool:
    """Return whether it is a key, and not `task-` or `disk-` with a hexadecimal id."""
    if not _has_digit(found, secret):
        return False
    if _stands_alone(found) or secret.startswith("sk-or-v1-"):
        return True
    return secret[3:] not in (secret[3:].lower(), secret[3:].upper()) and looks_random(secret)


_SLACK_APP = re.compile(r"xapp-\d-A[A-Z0-9]{6,14}-\d{8,16}-")


def _is_slack_app_token(found: re.Match[str], secret: str) -> bool:
    if not _stands_alone(found):
        return _SLACK_APP.match(secret) is not None
    return _has_digit(found, secret)


def _is_sendgrid_key(found: re.Match[str], secret: str) -> bool:
    return _stands_alone(found) or list(map(len, secret.split("."))) == [2, 22, 43]


def _is_bearer(_found: re.Match[str], secret: str) -> bool:
    return looks_random(secret, least=16)


def _is_basic(_found: re.Match[str], secret: str) -> bool:
    pair = _decodes(secret.replace("+", "-").replace("/", "_").rstrip("="))
    return pair is not None and b":" in pair[1:-1] and pair.isascii() and b"\0" not in pair


_PLACEHOLDER = re.compile(r"[${<%*\[(]|(?:pass(?:word|wd)?|pw|pwd|secret|x+|\.+)\Z", re.IGNORECASE)


def _is_password(_found: re.Match[str], secret: str) -> bool:
    return not _PLACEHOLDER.match(secret)


def _is_password_of_curl(found: re.Match[str], secret: str) -> bool:
    line = found.string[max(0, found.start() - 300) : found.start()].rpartition("\n")[2]
    return "curl" in line and _is_password(found, secret)


_OPTION = re.compile(r"--[A-Za-z0-9-]{0,30}\Z")


def _is_assigned(found: re.Match[str], secret: str) -> bool:
    if not found["sign"] and not _OPTION.search(
        found.string, max(0, found.start() - 32), found.start()
    ):
        return False
    least = 8 if found[0][:3].lower() in ("pas", "pwd") else 12
    return looks_random(secret, least=least)


# A colour as a terminal gets it, and as JSON, Python and shells write it.
_COLOURS = r"(?:(?:\x1b|\\{0,15}(?:(?:u00|x)1[bB]|0?33|[eE]))\[[0-9;:]{0,20}[A-Za-z]){0,4}+"
_QUOTES = r"[\"'`\\]{0,17}"
_PERCENT = "%(?:25){0,3}"


def _assigned(name: str) -> str:
    """Return an expression of a name, a sign and a value in code, nested JSON, shells or URLs."""
    return (
        name + r"[\"'`\\\]]{0,17}+" + _COLOURS
        + r"(?P<sign>\s{0,4}:\s{0,4}[A-Za-z_]{1,20}\s{0,4}=|\s{0,4}(?:=>|:=|==?|:)|"
        + _PERCENT + "3[AaDd]|)" + _COLOURS + r"[ \t]{0,4}+" + _COLOURS
        + r"(?:\\{0,15}\"([^\"\\\s\x1b]{8,512}+)(?=[\"\\\x1b])|"
        + r"\\{0,15}'([^'\\\s\x1b]{8,512}+)(?=['\\\x1b])|"
        + r"([A-Za-z0-9+/_.~!@#$%^*?-]{8,512}+={0,2}+)(?![A-Za-z0-9(=\[{]))"
    )  # fmt: skip


def _prefixed(kind: str, *prefixes: str, then: str, **more: Any) -> Rule:
    """Return a rule for tokens that begin with one of these prefixes."""
    expression = f"((?:{'|'.join(map(re.escape, prefixes))}){then})"
    return Rule(kind=kind, anchors=prefixes, expression=expression, **more)


RULES: tuple[Rule, ...] = (
    _prefixed(
        "anthropic-key", "sk-ant-", then=r"[A-Za-z0-9_-]{20,400}+", is_secret=_alone_or_random
    ),
    _prefixed(
        "openai-key", "sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-",
        then=r"[A-Za-z0-9_-]{20,400}+", is_secret=_alone_or_random,
    ),
    _prefixed(
        "openai-key", "sk-", then=r"(?:or-v1-)?[A-Za-z0-9]{32,100}+(?![A-Za-z0-9_-])",
        is_secret=_is_openai_key,
    ),
    _prefixed("groq-key", "gsk_", then=r"[A-Za-z0-9]{40,100}+"),
    _prefixed("xai-key", "xai-", then=r"[A-Za-z0-9]{60,200}+"),
    _prefixed(
        "aws-access-key", "AKIA", "ASIA", then=r"[A-Z0-9]{16}(?![A-Za-z0-9+/=])",
        is_secret=_is_aws_key,
    ),
    Rule(
        kind="aws-secret-key",
        anchors=("secret",),
        any_case=True,
        expression=(
            r"(?i:secret_?-?(?:access)?_?-?key)" + _QUOTES + _COLOURS
            + r"\s{0,4}(?:=>|:=|[:=]|" + _PERCENT + r"3[AaDd])" + _COLOURS + r"\s{0,4}" + _COLOURS
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
        "slack-token", "xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe-", "xoxe.xox",
        then=r"[A-Za-z0-9-]{10,400}+", is_secret=_has_digit,
    ),
    _prefixed(
        "slack-token", "xapp-", then=r"[A-Za-z0-9-]{10,400}+", is_secret=_is_slack_app_token
    ),
    Rule(
        kind="slack-webhook",
        anchors=("hooks.slack.com/",),
        expression=r"hooks\.slack\.com/(?:services|workflows|triggers)/([\w/+-]{24,120}+)",
    ),
    _prefixed("google-api-key", "AIza", then=r"[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    _prefixed("google-oauth-token", "ya29.", then=r"[A-Za-z0-9_-]{20,2048}+"),
    _prefixed("google-oauth-secret", "GOCSPX-", then=r"[A-Za-z0-9_-]{28,40}+"),
    _prefixed(
        "stripe-key", "sk_live_", "rk_live_", "sk_test_", "rk_test_", "whsec_",
        then=r"[A-Za-z0-9+/]{16,255}+", is_secret=_alone_or_random,
    ),
    _prefixed(
        "shopify-token", "shpat_", "shpca_", "shppa_", "shpss_",
        then=r"[0-9A-Fa-f]{32}(?![A-Za-z0-9])",
    ),
    _prefixed("npm-token", "npm_", then=r"[A-Za-z0-9]{36}(?![A-Za-z0-9_])"),
    _prefixed("pypi-token", "pypi-AgEI", then=r"[A-Za-z0-9_-]{50,1000}+"),
    _prefixed(
        "huggingface-token", "hf_", then=r"[A-Za-z0-9]{30,60}+(?![A-Za-z0-9_])",
        is_secret=lambda _found, secret: any(map(str.isupper, secret)),
    ),
    _prefixed("databricks-token", "dapi", then=r"[0-9a-f]{32}(?:-\d)?(?![A-Za-z0-9])"),
    _prefixed("linear-key", "lin_api_", then=r"[A-Za-z0-9]{32,64}+"),
    _prefixed("atlassian-token", "ATATT3x", then=r"[A-Za-z0-9_=-]{50,400}+"),
    _prefixed(
        "sendgrid-key", "SG.", then=r"[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{36,64}+",
        is_secret=_is_sendgrid_key,
    ),
    _prefixed("twilio-key", "SK", then=r"[0-9a-f]{32}(?![A-Za-z0-9])"),
    Rule(
        kind="telegram-token",
        anchors=(":AA",),
        expression=r"(?<=\d{8}):(AA[A-Za-z0-9_-]{32,33})(?![A-Za-z0-9_-])",
    ),
    Rule(
        kind="discord-token",
        anchors=(),
        expression=r"\.([A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}+)",
        is_secret=_is_discord,
    ),
    Rule(
        kind="discord-webhook",
        anchors=("/api/webhooks/",),
        expression=r"/api/webhooks/\d{15,22}/([A-Za-z0-9_-]{60,90}+)",
    ),
    _prefixed(
        "jwt", "eyJ",
        then=r"[A-Za-z0-9_-]{10,2000}+\.[A-Za-z0-9_-]{10,9000}+\.[A-Za-z0-9_-]{10,1000}+",
        is_secret=_is_jwt,
    ),
    _prefixed("age-secret-key", "AGE-SECRET-KEY-1", then=r"[A-Z0-9]{58}"),
    _prefixed("digitalocean-token", "dop_v1_", "doo_v1_", then=r"[0-9a-f]{64}"),
    _prefixed(
        "vault-token", "hvs.", then=r"[A-Za-z0-9_-]{24,300}+", is_secret=_alone_or_random
    ),
    _prefixed(
        "run-token", "run-", "agent-", then=r"[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])",
        is_secret=lambda _found, secret: looks_random(secret),
    ),
    _prefixed("docker-token", "dckr_pat_", then=r"[A-Za-z0-9_-]{27,40}+"),
    Rule(
        kind="azure-key",
        anchors=("accountkey", "accesskey"),
        any_case=True,
        expression=(
            r"(?i:accountkey|accesskey)" + _QUOTES + _COLOURS
            + r"\s{0,2}(?:[=:]|" + _PERCENT + r"3[AaDd])" + _COLOURS + r"\s{0,2}" + _COLOURS
            + _QUOTES + r"([A-Za-z0-9+/]{42,86}+={1,2})"
        ),
        takes_names=True,
    ),
    Rule(
        kind="azure-signature",
        anchors=("sig=", "sig%"),
        any_case=True,
        expression=(
            f"(?i:sig)(?:=|{_PERCENT}3[Dd])"
            + f"((?:[A-Za-z0-9+/_-]|{_PERCENT}2[BbFf]){{43}}(?:=|{_PERCENT}3[Dd]))"
        ),
    ),
    Rule(
        kind="bearer-token",
        anchors=("bearer",),
        any_case=True,
        expression=(
            r"(?i:bearer)(?: |\+|%(?:25){0,3}20){1,4}+" + _COLOURS
            + r"([A-Za-z0-9._~+/-]{16,4096}+={0,2}+)"
        ),
        is_secret=_is_bearer,
    ),
    Rule(
        kind="basic-credentials",
        anchors=("basic",),
        any_case=True,
        expression=(
            r"(?i:basic)(?: |\+|%(?:25){0,3}20){1,4}+" + _COLOURS
            + r"([A-Za-z0-9+/]{8,1024}+={0,2}+)"
        ),
        is_secret=_is_basic,
    ),
    Rule(
        kind="url-password",
        anchors=("://",),
        expression=r"://[^\s:/?#@\"'`<>\\]{0,100}+:([^\s/?#\"'`<>\\]{3,200})@[A-Za-z0-9\[$]",
        is_secret=_is_password,
    ),
    Rule(
        kind="url-password",
        anchors=tuple(f"{before}{option}" for option in ("-u", "--user") for before in " \"'"),
        expression=(
            r"[ \"'](?:-u|--user)[\"' ,=\\]{0,9}+[^\s:\"'`<>\\]{1,100}+:([^\s\"'`<>\\]{3,200}+)"
        ),
        is_secret=_is_password_of_curl,
    ),
    Rule(
        kind="assigned-secret",
        anchors=(
            "passw", "secret", "token", "api_key", "api-key", "apikey", "access_key", "accesskey",
            "authorization",
        ),
        any_case=True,
        expression=_assigned(r"[A-Za-z0-9_.-]{0,30}+"),
        is_secret=_is_assigned,
        takes_names=True,
    ),
    Rule(
        kind="assigned-secret",
        anchors=("pass", "pwd"),
        any_case=True,
        expression=_assigned(r"(?i:pass(?:phrase)?|pwd)"),
        is_secret=_is_assigned,
        takes_names=True,
    ),
    Rule(
        kind="assigned-secret",
        anchors=("_KEY",),
        expression=_assigned(r"[A-Za-z0-9_.-]{0,30}+"),
        is_secret=_is_assigned,
        takes_names=True,
    ),
)  # fmt: skip
"""The first rule that finds a secret determines its kind."""

ANCHORLESS = RULES[[rule.kind for rule in RULES].index("discord-token")]
"""The rule without anchors. Its pattern is searched in every text, and fails quickly."""
