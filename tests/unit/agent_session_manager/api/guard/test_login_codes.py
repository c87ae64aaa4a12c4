"""Codes for the dashboard: each is good once, and for a minute."""

from __future__ import annotations

import pytest

from agent_session_manager.api.guard.login_codes import LIFETIME_SECONDS, MAX_CODES, Codes
from agent_session_manager.domain.errors import CodeNotValidError, OverloadedError


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_code_is_good_once() -> None:
    codes = Codes(monotonic=Clock())
    first, second = codes.create(), codes.create()
    assert first != second
    codes.use(first, peer="x")
    for used in (first, "", "other", second[:-1], "\u00e9"):
        with pytest.raises(CodeNotValidError):
            codes.use(used, peer="x")
    codes.use(second, peer="x")


def test_code_is_good_for_a_minute() -> None:
    clock = Clock()
    codes = Codes(monotonic=clock)
    early, late = codes.create(), codes.create()
    clock.now += LIFETIME_SECONDS - 0.1
    codes.use(early, peer="x")
    clock.now += 0.1
    with pytest.raises(CodeNotValidError):
        codes.use(late, peer="x")


def test_only_so_many_codes_wait_and_old_ones_make_room() -> None:
    clock = Clock()
    codes = Codes(monotonic=clock)
    for _ in range(MAX_CODES):
        codes.create()
    with pytest.raises(OverloadedError):
        codes.create()
    clock.now += LIFETIME_SECONDS
    codes.use(codes.create(), peer="x")
