"""The time that an agent's questions wait for a person."""

from __future__ import annotations

import math

import pytest

from agent_orchestrator.executors.ask_policy import parse_policy, waiting_seconds
from tests.support.rows import each_row


@each_row(
    "given, policy, seconds",
    [
        ("deny", "deny", None),
        ("forever", "forever", math.inf),
        ("90s", "90", 90),
        ("10m", "600", 600),
        ("2h", "7200", 7200),
        ("365d", "31536000", 31_536_000),
    ],
)
def test_policy_is_a_word_or_a_time(given: str, policy: str, seconds: float | None) -> None:
    assert parse_policy(given) == policy
    assert waiting_seconds(policy) == seconds


@each_row("given", ["", "600", "0s", "1.5h", "10 m", "-1m", "10M", "٣m", "366d", "999999999d"])
def test_other_texts_are_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"90s, 10m, 2h|give forever"):
        parse_policy(given)


@each_row("policy", ["0", "-1", "nan", "inf", "10m", ""])
def test_policy_of_a_spec_must_be_in_seconds(policy: str) -> None:
    with pytest.raises(ValueError):
        waiting_seconds(policy)
