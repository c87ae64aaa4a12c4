"""Tokens of dashboard pages: a token opens the routes of the page while this manager runs.

A page sends its token to the program that listens on the manager's port. After the manager has
ended, this may be another program. So a page never gets the manager's own token, and its page
token is void by then.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable
from datetime import datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_session_manager.api.http.caller import PageToken
from agent_session_manager.domain.errors import PageTokenNotFoundError

logger = logging.getLogger(__name__)

PAGE_PREFIX = "page-"
MAX_TOKENS = 50


class PageTokens:
    """The valid tokens, by their digests, in memory only.

    Beyond `MAX_TOKENS` a new token replaces the least recently used one.
    """

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._tokens: dict[bytes, PageToken] = {}

    def create(self) -> str:
        """Create a token and return it; only its digest is kept."""
        if len(self._tokens) >= MAX_TOKENS:
            oldest = min(self._tokens.values(), key=lambda t: (t.open_requests, t.last_used_at))
            logger.warning("page token %s was revoked to make room for a new one", oldest.token_id)
            self.revoke(oldest.token_id)
        token = PAGE_PREFIX + secrets.token_urlsafe(32)
        now = self._clock()
        self._tokens[_digest(token)] = PageToken(
            token_id=secrets.token_hex(8), created_at=now, last_used_at=now
        )
        return token

    def find(self, token: str) -> PageToken | None:
        return self._tokens.get(_digest(token))

    def list(self) -> list[PageToken]:
        """Return the valid tokens, oldest first."""
        return sorted(self._tokens.values(), key=lambda token: token.created_at)

    def revoke(self, token_id: str) -> None:
        """Revoke a token at once, and end the feeds that are open with it.

        Raises:
            PageTokenNotFoundError: no valid token has this id.
        """
        for digest, token in self._tokens.items():
            if token.token_id == token_id:
                del self._tokens[digest]
                token.revoked.set()
                return
        raise PageTokenNotFoundError(token_id)

    async def serve(
        self, token: PageToken, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve a request of a page; when its token is revoked, `app` sees a disconnect."""
        is_open = False

        async def send_noting(message: Message) -> None:
            nonlocal is_open
            is_open = bool(message.get("more_body", message["type"] == "http.response.start"))
            await send(message)

        token.open_requests += 1
        try:
            await app(scope, _until_revoked(receive, token), send_noting)
            if is_open:
                await send({"type": "http.response.body", "body": b""})
        finally:
            token.open_requests -= 1
            token.last_used_at = self._clock()


def _until_revoked(receive: Receive, token: PageToken) -> Receive:
    async def receive_until_revoked() -> Message:
        incoming = asyncio.ensure_future(receive())
        revoked = asyncio.ensure_future(token.revoked.wait())
        try:
            await asyncio.wait({incoming, revoked}, return_when=asyncio.FIRST_COMPLETED)
            return await incoming if incoming.done() else {"type": "http.disconnect"}
        finally:
            incoming.cancel()
            revoked.cancel()

    return receive_until_revoked


def _digest(token: str) -> bytes:
    # A lookup by digest: its duration reveals nothing about a token.
    return hashlib.sha256(token.encode()).digest()
