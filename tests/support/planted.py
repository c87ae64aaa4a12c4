"""Random secrets with the alphabet and length of each kind, and texts that contain them."""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Callable, Iterator
from random import Random

ALPHANUMERIC = string.ascii_letters + string.digits
URLSAFE = ALPHANUMERIC + "-_"
BASE64 = ALPHANUMERIC + "+/"
HEX = "0123456789abcdef"


def drawn(chance: Random, alphabet: str, length: int) -> str:
    return "".join(chance.choices(alphabet, k=length))


def _jwt(chance: Random) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = {"sub": drawn(chance, HEX, 12), "iat": chance.randrange(10**9)}
    return f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}.{drawn(chance, URLSAFE, 43)}"


def _private_key(chance: Random) -> str:
    lines = "\n".join(drawn(chance, BASE64, 64) for _ in range(chance.choice((4, 25))))
    kind = chance.choice(("RSA ", "EC ", "OPENSSH ", ""))
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{lines}\n-----END {kind}PRIVATE KEY-----"


def _discord(chance: Random) -> str:
    user = base64.urlsafe_b64encode(str(chance.randrange(10**17, 10**18)).encode()).decode()
    return f"{user.rstrip('=')}.{drawn(chance, URLSAFE, 6)}.{drawn(chance, URLSAFE, 38)}"


def _prefixed(prefix: str, alphabet: str, length: int) -> Callable[[Random], str]:
    return lambda chance: prefix + drawn(chance, alphabet, length)


KINDS: dict[str, Callable[[Random], str]] = {
    "anthropic": _prefixed("sk-ant-api03-", URLSAFE, 95),
    "openai": _prefixed("sk-", ALPHANUMERIC, 48),
    "openai project": _prefixed("sk-proj-", URLSAFE, 120),
    "aws key": _prefixed("AKIA", string.ascii_uppercase + "234567", 16),
    "github": _prefixed("ghp_", ALPHANUMERIC, 36),
    "github fine": lambda c: (
        f"github_pat_{drawn(c, ALPHANUMERIC, 22)}_{drawn(c, ALPHANUMERIC, 59)}"
    ),
    "gitlab": _prefixed("glpat-", URLSAFE, 20),
    "slack": lambda c: f"xoxb-{drawn(c, '123456789', 12)}-{drawn(c, ALPHANUMERIC, 24)}",
    "slack app": lambda c: (
        f"xapp-1-A{drawn(c, 'ABC123', 10)}-{drawn(c, '123456789', 13)}-{drawn(c, HEX, 64)}"
    ),
    "groq": _prefixed("gsk_", ALPHANUMERIC, 52),
    "xai": _prefixed("xai-", ALPHANUMERIC, 80),
    "openrouter": _prefixed("sk-or-v1-", HEX, 64),
    "shopify": _prefixed("shpat_", HEX, 32),
    "databricks": _prefixed("dapi", HEX, 32),
    "linear": _prefixed("lin_api_", ALPHANUMERIC, 40),
    "atlassian": lambda c: f"ATATT3xFfGF0{drawn(c, URLSAFE, 170)}=ABCDEF12",
    "vault": _prefixed("hvs.", URLSAFE, 90),
    "docker": _prefixed("dckr_pat_", URLSAFE, 27),
    "digitalocean": _prefixed("dop_v1_", HEX, 64),
    "run token": _prefixed("run-", URLSAFE, 43),
    "agent token": _prefixed("agent-", URLSAFE, 43),
    "google": _prefixed("AIza", URLSAFE, 35),
    "google oauth": _prefixed("ya29.", URLSAFE, 130),
    "stripe": _prefixed("sk_live_", ALPHANUMERIC, 24),
    "npm": _prefixed("npm_", ALPHANUMERIC, 36),
    "pypi": _prefixed("pypi-AgEIcHlwaS5vcmc", URLSAFE, 150),
    "hugging face": _prefixed("hf_", string.ascii_letters, 34),
    "sendgrid": lambda c: f"SG.{drawn(c, URLSAFE, 22)}.{drawn(c, URLSAFE, 43)}",
    "twilio": _prefixed("SK", HEX, 32),
    "telegram": _prefixed("AA", URLSAFE, 33),
    "discord": _discord,
    "jwt": _jwt,
    "private key": _private_key,
    "age": _prefixed("AGE-SECRET-KEY-1", "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58),
    "aws secret": _prefixed("", BASE64, 40),
    "azure": lambda c: drawn(c, BASE64, 86) + "==",
    "url password": _prefixed("", ALPHANUMERIC, 16),
    "bearer": _prefixed("", URLSAFE, 43),
    "azure signature": lambda c: drawn(c, ALPHANUMERIC, 43) + "%3D",
    "short password": lambda c: (
        f"{drawn(c, string.ascii_letters, 3)}4{drawn(c, ALPHANUMERIC, 5)}7x"
    ),
    "curl": _prefixed("", ALPHANUMERIC, 16),
    "basic": lambda c: base64.b64encode(f"me:{drawn(c, ALPHANUMERIC, 16)}".encode()).decode(),
    "assigned": _prefixed("", ALPHANUMERIC, 32),
}
"""The generator of each kind of secret, by name."""

# Secrets that are recognised only by the text around them.
_AROUND: dict[str, tuple[str, ...]] = {
    "telegram": ("bot token 1234567890:{} set", "https://api.telegram.org/bot1234567890:{}/getMe"),
    "aws secret": ("aws_secret_access_key = {}\n", '"SecretAccessKey": "{}",'),
    "azure": ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey={};Suffix=core",),
    "azure signature": ("https://a.blob.core.windows.net/c?sv=2024&sig={}", "se=2027%26sig%3D{}"),
    "url password": (
        "postgres://app:{}@db.internal:5432/app",
        "git clone https://me:{}@git/x",
        "redis://u:p@ss{}@h/0",
    ),
    "curl": (
        "curl -u me:{} https://x",
        "curl -s https://x --user 'me:{}'",
        '["curl", "-u", "me:{}"]',
    ),
    "basic": ("authorization: basic {}", "-H 'Authorization: Basic {}'", "AUTHORIZATION: BASIC {}"),
    "bearer": (
        "curl -H 'Authorization: Bearer {}' https://x",
        '"Authorization": "Bearer {}"',
        "authorization: BEARER {}",
        "authorization%3A%20bearer%20{}",
    ),
    "short password": ("DB_PASS={}\n", "pwd={};", "PassWord={}", "passwd: {}", "--pass {}"),
    "assigned": (
        "export DB_PASSWORD={}\n",
        'api_key: "{}"',
        '{{"client_secret": "{}"}}',
        "x?api_Key%3D{}",
        '\x1b[34;1m"token"\x1b[0m\x1b[1;39m:\x1b[0m \x1b[0;32m"{}"\x1b[0m',
    ),
}
_SURROUNDINGS = (
    "export KEY={}\n",
    '{{"id": 7, "value": "{}", "more": [1, 2]}}',
    "$ printenv | grep KEY\nKEY={}\n$ ",
    "https://service.example/v1/items?key={}&page=2",
    'client = Client("{}", timeout=30)  # connect',
    "the value is {}, please use it",
    "  key: {}\n  other: 1\n",
    "|{}|",
)


def shown(chance: Random, kind: str) -> Iterator[tuple[str, str]]:
    """Yield a secret and the shortest text that identifies it, for each form of a kind."""
    for around in _AROUND.get(kind, ("{}",)):
        secret = KINDS[kind](chance)
        yield secret, around.format(secret)


def planted(chance: Random, kind: str) -> tuple[str, str]:
    """Return a secret of a kind, and a text with it as in files, code or output."""
    secret = KINDS[kind](chance)
    around = chance.choice(_AROUND.get(kind, _SURROUNDINGS))
    text = around.format(secret)
    if kind == "private key" and chance.random() < 0.5:  # as in a JSON file
        text = json.dumps({"type": "service_account", "private_key": secret})
    before = "".join(f"line {number} of a file\n" for number in range(chance.randrange(6)))
    return secret, f"{before}{text}\nand the rest\n"


def traces(secret: str) -> list[bytes]:
    """Return the bytes to search for: the secret, or its first line if it has several."""
    parts = [part for part in secret.splitlines() if not part.startswith("-----")]
    return [part.encode() for part in parts[:1]]
