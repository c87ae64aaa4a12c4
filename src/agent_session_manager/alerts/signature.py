"""Signatures of webhooks, by the specification of Standard Webhooks (symmetric, version 1).

Specification: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode, b64encode

PREFIX = "whsec_"
MIN_BYTES, MAX_BYTES = 24, 64
"""Bounds of the length of a key, by the specification."""
_NEW_BYTES = 32


class SecretError(ValueError):
    """A text that is not a key; it does not repeat the text."""


def new_secret() -> str:
    return PREFIX + b64encode(secrets.token_bytes(_NEW_BYTES)).decode()


def check_secret(secret: str) -> None:
    """Raise unless a text is a key.

    Raises:
        SecretError: it is not.
    """
    _key(secret)


def sign(secret: str, *, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a request: its id, its time in seconds since 1970, its signature."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    digest = hmac.digest(_key(secret), signed, "sha256")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{b64encode(digest).decode()}",
    }


def _key(secret: str) -> bytes:
    try:
        key = b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith(PREFIX) or not MIN_BYTES <= len(key) <= MAX_BYTES:
        raise SecretError(
            f"a signing secret is {PREFIX} and {MIN_BYTES} to {MAX_BYTES} bytes in base64"
        )
    return key
