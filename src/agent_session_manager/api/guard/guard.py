"""Who is let in: the outermost layer, in front of every route, for HTTP and WebSocket alike.

A service on loopback is reachable from every page that a browser on this machine shows. The Host
list stops DNS rebinding, Origin and Sec-Fetch-Site stop other pages, the content type stops
requests that a page can send without asking, and the token stops everyone else. All of it is
decided on the raw headers, never on a URL that was put together from them.
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
from agent_session_manager.domain.run_token import AGENT_PREFIX, RUN_PREFIX, RunCaller

MAX_HEADER_BYTES = 32 * 1024
MAX_PARAMETERS = 100
"""In the query, where an unknown one is refused: each costs time."""
_SINGLE = frozenset(
    (
        *(b"host", b"origin", b"authorization", b"content-type", b"content-encoding"),
        *(b"sec-fetch-site", b"sec-fetch-mode"),
    )
)
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

_OWN_SITE = (b"none", b"same-origin")
_QUESTION = b"access-control-request-method"

_POLICY = b"content-security-policy"
_OF_DATA = (
    (_POLICY, b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
"""For what is no page: nobody shows it as one, and nobody keeps it."""

_BEARER = "Bearer "
_UNAUTHORIZED = (
    401,
    "unauthorized",
    "the manager's token is needed: its clients on this machine find it by themselves, "
    "others are given it in AGENT_ORCHESTRATOR_TOKEN",
)
_UNKNOWN_RUN = (
    401,
    "run_token_unknown",
    "this token of a run is not valid any more: it was revoked, or its session deleted",
)

_UNKNOWN_PAGE = (
    401,
    "page_token_unknown",
    "this page token is not valid any more: the manager was restarted, or the token revoked; "
    "run ao-dashboard",
)

FindCaller = Callable[[str], Awaitable[RunCaller | None]]
"""The run whose token this is, if it is one's."""


def _as_data(send: Send) -> Send:
    """Send answers as data, but for those that have a policy of their own."""

    async def send_as_data(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message["headers"]
            if all(name != _POLICY for name, _ in headers):
                message["headers"] = [*headers, *_OF_DATA]
        await send(message)

    return send_as_data


class Guard:
    """Lets a request through to `app`, or answers it."""

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
        """Ask for `token` on all but the open paths; with None on none.

        Whoever has a run's token instead, which `find_caller` knows, is let in as that run, and a
        page with one of `page_tokens` as a page.

        `hosts` are our names, `tls_hosts` those of them whose pages have https alone. `origins` are
        those of other pages that are let in, `page_paths` what links of other pages may lead to.
        Refused tokens are counted in `failures`.
        """
        self._app = app
        self._authorization = None if token is None else f"Bearer {token}".encode()
        self._failures = failures
        plain, tls = (frozenset(h.lower().encode() for h in each) for each in (hosts, tls_hosts))
        self._hosts = plain | tls
        # A tunnel may end TLS in front of us; its own page is then one of https. Nobody but us
        # has a page of ours with TLS: a plain one of such a name is somebody else's.
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
            # Before it is accepted: the server answers 403 to the handshake.
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
        """What is wrong with a request, whoever makes it. Fills in which headers it has."""
        size = 0
        for name, value in scope["headers"]:
            size += len(name) + len(value)
            if name in _SINGLE and name in seen:
                return 400, "duplicate_header", f"there are two {name.decode()} headers"
            seen[name] = value
        if size > MAX_HEADER_BYTES:
            return 431, "headers_too_large", f"headers have at most {MAX_HEADER_BYTES} bytes"
        return self._foreign(scope, seen) or self._unusable(scope, seen)

    def _is_let_in(self, scope: Scope, headers: dict[bytes, bytes]) -> bool:
        """Whether it has the token that controls all, or needs none."""
        if self._authorization is None or self._is_open(scope, headers):
            return True
        return hmac.compare_digest(headers.get(b"authorization", b""), self._authorization)

    def _is_open(self, scope: Scope, headers: dict[bytes, bytes]) -> bool:
        """Whether no token is needed: also to ask, as browsers do, what a page may ask for."""
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
            return 403, "origin_not_allowed", "pages of another origin are not let in"
        is_link = (
            headers.get(b"sec-fetch-mode") == b"navigate" and scope["path"] in self._page_paths
        )
        if headers.get(b"sec-fetch-site", b"none") not in _OWN_SITE and not is_link:
            return 403, "origin_not_allowed", "pages of another site are not let in"
        return None

    def _unusable(self, scope: Scope, headers: dict[bytes, bytes]) -> Refusal | None:
        if scope.get("query_string", b"").count(b"&") >= MAX_PARAMETERS:
            return 422, "invalid_request", f"a query has at most {MAX_PARAMETERS} parameters"
        if scope.get("method") not in _WITH_BODY:
            return None
        kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if kind != b"application/json":
            return 415, "json_only", "send Content-Type: application/json"
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            return 415, "no_compression", "a compressed body is not accepted"
        return None

    async def _unless_run_or_page(
        self, scope: Scope, headers: dict[bytes, bytes]
    ) -> Refusal | None:
        """Let a run or a page in that has a token of its own, and note which one it is."""
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
