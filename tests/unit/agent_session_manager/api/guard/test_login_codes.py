"""Codes for the dashboard: each is valid once, and for one minute."""

from __future__ import annotations

import pytest

from agent_session_manager.api.guard.login_codes import LIFETIME_SECONDS, MAX_CODES, Codes
from agent_session_manager.domain.errors import CodeNotValidError, OverloadedError


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_code_is_valid_once() -> None:
    codes = Codes(monotonic=Clock())
    first, second = codes.create(), codes.create()
    assert first != second
    codes.use(first, peer="x")
    for used in (first, "", "other", second[:-1], "\u00e9"):
        with pytest.raises(CodeNotValidError):
            codes.use(used, peer="x")
    codes.use(second, peer="x")


def test_code_is_valid_for_one_minute() -> None:
    clock = Clock()
    codes = Codes(monotonic=clock)
    early, late = codes.create(), codes.create()
    clock.now += LIFETIME_SECONDS - 0.1
    codes.use(early, peer="x")
    clock.now += 0.1
    with pytest.raises(CodeNotValidError):
        codes.use(late, peer="x")


def test_number_of_codes_is_limited_until_old_ones_expire() -> None:
    clock = Clock()
    codes = Codes(monotonic=clock)
    for _ in range(MAX_CODES):
        codes.create()
    with pytest.raises(OverloadedError):
        codes.create()
    clock.now += LIFETIME_SECONDS
    codes.use(codes.create(), peer="x")
