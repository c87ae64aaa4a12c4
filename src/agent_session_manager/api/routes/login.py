"""Login of dashboard pages: one-time codes, and the page tokens that they are exchanged for."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from agent_session_manager.api.guard.login_codes import LIFETIME_SECONDS, Codes
from agent_session_manager.api.guard.page_tokens import PageTokens
from agent_session_manager.api.guard.redirect_pages import RedirectPages
from agent_session_manager.api.guard.run_scopes import for_pages
from agent_session_manager.api.guard.throttle import TOO_MANY, Failures
from agent_session_manager.api.http.body import JsonRoute
from agent_session_manager.api.http.caller import page_of
from agent_session_manager.api.http.errors import RequestError
from agent_session_manager.api.http.responses import answer, refusals
from agent_session_manager.api.wire.dashboard import (
    CodeAnswer,
    CodeBody,
    CodeRequestBody,
    GivenPlace,
    PageTokenBody,
    PageTokenRevokedAnswer,
    PageTokensAnswer,
    TokenAnswer,
)
from agent_session_manager.domain.errors import CodeNotValidError
from agent_shared.page_path import page_path

logger = logging.getLogger(__name__)
TOKEN_PATH = "/dashboard/token"

router = APIRouter(route_class=JsonRoute, tags=["dashboard"])


@router.post(
    "/dashboard/codes",
    status_code=201,
    response_model=CodeAnswer,
    responses=refusals(413, 415, 503, codes=("overloaded",)),
)
async def create_code(request: Request, body: CodeRequestBody | None = None) -> Response:
    """Create a code that a page can exchange for a token, once and within a minute.

    With `file`, also write a file that redirects a browser to the dashboard. The file is removed
    once the code is void. The page at `/#code=CODE/sessions/ID/seq/SEQ` opens at this event.
    """
    codes: Codes = request.app.state.codes
    code = codes.create()
    name = _create_file(request, code, body.place) if body and body.file else None
    found = CodeAnswer(code=code, expires_in_seconds=LIFETIME_SECONDS, file=name)
    return answer(found, 201)


def _create_file(request: Request, code: str, place: GivenPlace | None) -> str | None:
    """Write the file of a code; return None if that fails, for example on a full disk."""
    pages: RedirectPages | None = request.app.state.redirect_pages
    if pages is None:
        return None
    path = "" if place is None else page_path(place.session_id, place.seq)
    try:
        name = pages.create(code, path)
    except OSError as exc:
        logger.warning("the dashboard's redirect file could not be written: %s", exc)
        return None
    asyncio.get_running_loop().call_later(LIFETIME_SECONDS, pages.remove, code)
    return name


@router.post(
    TOKEN_PATH,
    response_model=TokenAnswer,
    responses=refusals(413, 415, codes=("code_not_valid", "too_many_failures")),
)
async def exchange_code(body: CodeBody, request: Request) -> Response:
    """Exchange a code for a page token; the request needs no token."""
    codes: Codes = request.app.state.codes
    failures: Failures = request.app.state.failures
    pages: RedirectPages | None = request.app.state.redirect_pages
    peer = "{}:{}".format(*request.client) if request.client else "a client"
    try:
        codes.use(body.code, peer=peer)
    except CodeNotValidError:
        if failures.add():
            raise
        raise RequestError(*TOO_MANY) from None
    if pages is not None:
        pages.remove(body.code)
    return answer(TokenAnswer(token=page_tokens_of(request).create()))


@router.get("/dashboard/tokens", response_model=PageTokensAnswer, responses=refusals())
async def list_page_tokens(request: Request) -> Response:
    """List the valid page tokens, oldest first; each signed-in browser has one."""
    found = page_tokens_of(request).list()
    return answer(PageTokensAnswer(tokens=[PageTokenBody.model_validate(each) for each in found]))


@router.delete(
    "/dashboard/tokens/own",
    response_model=PageTokenRevokedAnswer,
    responses=refusals(404, codes=("page_token_not_found",)),
)
@for_pages
async def sign_out(request: Request) -> Response:
    """Revoke the page token of this request; this signs out all tabs of the browser.

    404 `page_token_not_found` if the request has another kind of token.
    """
    page = page_of(request)
    page_tokens_of(request).revoke("own" if page is None else page.token_id)
    return answer(PageTokenRevokedAnswer())


@router.delete(
    "/dashboard/tokens/{token_id}",
    response_model=PageTokenRevokedAnswer,
    responses=refusals(404, codes=("page_token_not_found",)),
)
async def revoke_page_token(
    token_id: Annotated[str, Path(description="The `token_id` of a page token")], request: Request
) -> Response:
    """Revoke a page token, and end the feeds that are open with it."""
    page_tokens_of(request).revoke(token_id)
    return answer(PageTokenRevokedAnswer())


def page_tokens_of(request: Request) -> PageTokens:
    tokens: PageTokens = request.app.state.page_tokens
    return tokens
