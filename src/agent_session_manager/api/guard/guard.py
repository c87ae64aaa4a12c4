"""Authentication and origin checks: the outermost layer, for HTTP and WebSocket alike.

Every page in a browser on this machine can reach a service on loopback. The Host list stops DNS
rebinding. Origin and Sec-Fetch-Site stop other pages. The content type stops requests that a page
can send without a preflight. The token stops everyone else. All checks use the raw headers, never
a URL that is built from them.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Iterable, Set

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_session_manager.api.guard.page_tokens import PAGE_PREFIX, PageTokens
from agent_session_manager.api.guard.throttle import TOO_MANY, Failures
from agent_session_manager.api.http.caller import CALLER, PAGE
from agent_session_manager.api.http.errors import Refusal, error_response, refusal_of
from agent_session_manager.domain.errors import OrchestratorError
from agent_session_manager.domain.sessions.run_token import AGENT_PREFIX, RUN_PREFIX, RunCaller

MAX_HEADER_BYTES = 32 * 1024
MAX_PARAMETERS = 100
"""Maximum number of query parameters: refusing an unknown parameter costs time."""
_SINGLE = frozenset(
    (
        *(b"host", b"origin", b"authorization", b"content-type", b"content-encoding"),
        *(b"sec-fetch-site", b"sec-fetch-mode"),
    )
)
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_JSON_LINES = b"application/jsonl"
_LINES_PATHS = frozenset({"/transcripts/entries"})
"""Paths whose body may be JSON lines. A page of another site cannot send this type unasked."""

_OWN_SITE = (b"none", b"same-origin")
_QUESTION = b"access-control-request-method"

_POLICY = b"content-security-policy"
_OF_DATA = (
    (_POLICY, b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
"""Headers of responses that are not pages: browsers neither render nor cache them."""

_BEARER = "Bearer "
_UNAUTHORIZED = (
    401,
    "unauthorized",
    "the manager's token is missing or wrong: clients on this machine find it automatically, "
    "other clients need it in AGENT_ORCHESTRATOR_TOKEN",
)
_UNKNOWN_RUN = (
    401,
    "run_token_unknown",
    "this token of a run is no longer valid: it was revoked, or its session was deleted",
)

_UNKNOWN_PAGE = (
    401,
    "page_token_unknown",
    "this page token is no longer valid: the manager was restarted, or the token was revoked; "
    "run ao-dashboard",
)

FindCaller = Callable[[str], Awaitable[RunCaller | None]]
"""Finds the run that a run token or agent token belongs to."""


def _as_data(send: Send) -> Send:
    """Add the headers for data to each response that has no content security policy."""

    async def send_as_data(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message["headers"]
            if _POLICY not in dict(headers):
                message["headers"] = [*headers, *_OF_DATA]
        await send(message)

    return send_as_data


class Guard:
    """Middleware that passes a request to `app`, or refuses it."""

    def __init__(  # noqa: PLR0913  # a parameter for each rule
        self,
        app: ASGIApp,
        *,
        token: str | None,
        hosts: Iterable[str],
        failures: Failures,
        origins: Iterable[str] = (),
        tls_hosts: Iterable[str] = (),
        open_paths: Set[str] = frozenset(),
        page_paths: Set[str] = frozenset(),
        find_caller: FindCaller | None = None,
        page_tokens: PageTokens | None = None,
    ) -> None:
        """Require `token` on all paths except the open ones; with None, never require a token.

        `find_caller` authenticates runs by their tokens, and `page_tokens` authenticates pages.

        `hosts` are our names. `tls_hosts` are those names whose pages are served over https only.
        Pages of `origins` are accepted as well. Links on other pages may lead to `page_paths`.
        Refused tokens are counted in `failures`.
        """
        self._app = app
        self._authorization = None if token is None else f"Bearer {token}".encode()
        self._failures = failures
        plain, tls = (frozenset(h.lower().encode() for h in each) for each in (hosts, tls_hosts))
        self._hosts = plain | tls
        # A tunnel may terminate TLS in front of us, so https origins of all our names are ours.
        # We serve `tls_hosts` with TLS only, so an http origin of these names is not ours.
        self._origins = frozenset(
            [b"https://" + host for host in self._hosts] + [b"http://" + host for host in plain]
        )
        self._other_origins = frozenset(origin.encode() for origin in origins)
        self._open_paths = open_paths
        self._page_paths = page_paths
        self._find_caller = find_caller
        self._page_tokens = page_tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        headers: dict[bytes, bytes] = {}
        refusal = self._refusal(scope, headers)
        if refusal is None and not self._is_let_in(scope, headers):
            refusal = await self._unless_run_or_page(scope, headers)
        if scope["type"] == "websocket":
            if refusal is None:
                return await self._app(scope, receive, send)
            # The handshake is not accepted yet: the server answers it with 403.
            return await send({"type": "websocket.close", "code": 1008})
        send = _as_data(send)
        if refusal is None and PAGE in scope and self._page_tokens is not None:
            page = scope[PAGE]
            return await self._page_tokens.serve(page, self._app, scope, receive, send)
        if refusal is None:
            return await self._app(scope, receive, send)
        status, code, detail = refusal
        response = error_response(status, code, detail)
        if status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        return await response(scope, receive, send)

    def _refusal(self, scope: Scope, seen: dict[bytes, bytes]) -> Refusal | None:
        """Return why a request is refused for any caller, or None. Fills `seen` with headers."""
        size = 0
        for name, value in scope["headers"]:
            size += len(name) + len(value)
            if name in _SINGLE and name in seen:
                return 400, "duplicate_header", f"send only one {name.decode()} header"
            seen[name] = value
        if size > MAX_HEADER_BYTES:
            return 431, "headers_too_large", f"headers have at most {MAX_HEADER_BYTES} bytes"
        return self._foreign(scope, seen) or self._unusable(scope, seen)

    def _is_let_in(self, scope: Scope, headers: dict[bytes, bytes]) -> bool:
        """Return whether a request has the manager's token, or needs no token."""
        if self._authorization is None or self._is_open(scope, headers):
            return True
        return hmac.compare_digest(headers.get(b"authorization", b""), self._authorization)

    def _is_open(self, scope: Scope, headers: dict[bytes, bytes]) -> bool:
        """Return whether a request needs no token: an open path, or a CORS preflight."""
        is_question = scope.get("method") == "OPTIONS" and _QUESTION in headers
        is_other_page = headers.get(b"origin") in self._other_origins
        return scope["path"] in self._open_paths or (is_question and is_other_page)

    def _foreign(self, scope: Scope, headers: dict[bytes, bytes]) -> Refusal | None:
        if headers.get(b"host", b"").lower() not in self._hosts:
            return (
                403,
                "host_not_allowed",
                "this Host is not one of the manager's: see --allow-host",
            )
        origin = headers.get(b"origin")
        if origin in self._other_origins:
            return None
        if origin is not None and origin not in self._origins:
            return 403, "origin_not_allowed", "this Origin is not allowed: see --allow-origin"
        is_link = (
            headers.get(b"sec-fetch-mode") == b"navigate" and scope["path"] in self._page_paths
        )
        if headers.get(b"sec-fetch-site", b"none") not in _OWN_SITE and not is_link:
            return 403, "origin_not_allowed", "requests from pages of another site are not allowed"
        return None

    def _unusable(self, scope: Scope, headers: dict[bytes, bytes]) -> Refusal | None:
        if scope.get("query_string", b"").count(b"&") >= MAX_PARAMETERS:
            return 422, "invalid_request", f"a query has at most {MAX_PARAMETERS} parameters"
        if scope.get("method") not in _WITH_BODY:
            return None
        kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        may_be_lines = kind == _JSON_LINES and scope["path"] in _LINES_PATHS
        if kind != b"application/json" and not may_be_lines:
            return 415, "json_only", "send Content-Type: application/json"
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            return 415, "no_compression", "a compressed body is not accepted"
        return None

    async def _unless_run_or_page(
        self, scope: Scope, headers: dict[bytes, bytes]
    ) -> Refusal | None:
        """Authenticate a run or a page by its token, and store the caller in the scope."""
        given = headers.get(b"authorization", b"").decode("latin-1")
        token = given.removeprefix(_BEARER)
        is_of_a_page = given.startswith(_BEARER + PAGE_PREFIX)
        page = self._page_tokens.find(token) if is_of_a_page and self._page_tokens else None
        if page is not None:
            scope[PAGE] = page
            return None
        is_of_a_run = given.startswith((_BEARER + RUN_PREFIX, _BEARER + AGENT_PREFIX))
        if is_of_a_run and self._find_caller is not None:
            try:
                caller = await self._find_caller(token)
            except OrchestratorError as exc:
                return refusal_of(exc)
            if caller is not None:
                scope[CALLER] = caller
                return None
        if not self._failures.add():
            return TOO_MANY
        if is_of_a_page:
            return _UNKNOWN_PAGE
        return _UNKNOWN_RUN if is_of_a_run else _UNAUTHORIZED
