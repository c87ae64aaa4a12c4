"""Policies of questions: how long a question of an agent waits for a person."""

from __future__ import annotations

import math
import re

DENY = "deny"
FOREVER = "forever"
MAX_DAYS = 365
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd])", re.ASCII)


def parse_policy(text: str) -> str:
    """Return the policy that a person gives as `deny`, `forever`, or a time such as `10m`.

    Raises:
        ValueError: the text has another form, or the time is too long.
    """
    if text in (DENY, FOREVER):
        return text
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not {DENY}, {FOREVER}, or a time such as 90s, 10m, 2h or 1d")
    seconds = int(found[1]) * _SECONDS[found[2]]
    if seconds > MAX_DAYS * _SECONDS["d"]:
        raise ValueError(f"{text!r} is longer than {MAX_DAYS}d; give {FOREVER} for no limit")
    return str(seconds)


def waiting_seconds(policy: str) -> float | None:
    """Return how long a question waits for a person in seconds; None: no person is asked.

    A policy is `deny`, `forever` (infinity), or a number of seconds.

    Raises:
        ValueError: the policy has another form.
    """
    if policy == DENY:
        return None
    if policy == FOREVER:
        return math.inf
    seconds = float(policy)
    if not 0 < seconds < math.inf:
        raise ValueError(f"not a positive number of seconds: {policy}")
    return seconds
