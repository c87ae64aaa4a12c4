"""Page tokens: their limit, and the token that is revoked when the limit is reached."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agent_session_manager.api.guard.page_tokens import MAX_TOKENS, PageTokens
from agent_session_manager.domain.errors import PageTokenNotFoundError


class Clock:
    now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def test_unused_page_token_is_revoked_at_the_limit() -> None:
    clock = Clock()
    tokens = PageTokens(clock=clock)
    made = [tokens.create() for _ in range(MAX_TOKENS)]
    streaming, used, unused = (tokens.find(token) for token in made[:3])
    assert streaming and used and unused
    streaming.open_requests = 1
    used.last_used_at = clock()
    tokens.create()
    assert unused.revoked.is_set() and tokens.find(made[2]) is None
    assert tokens.find(made[0]) is streaming and tokens.find(made[1]) is used
    assert len(tokens.list()) == MAX_TOKENS


def test_revoked_page_token_is_unknown() -> None:
    tokens = PageTokens(clock=Clock())
    first, second = tokens.create(), tokens.create()
    listed = [token.token_id for token in tokens.list()]
    tokens.revoke(listed[0])
    assert tokens.find(first) is None and tokens.find(second) is not None
    for unknown in (listed[0], first, second, ""):
        with pytest.raises(PageTokenNotFoundError):
            tokens.revoke(unknown)
