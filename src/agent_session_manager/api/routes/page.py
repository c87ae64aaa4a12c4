"""The dashboard: its files, how its page gets a token, and what is summed up for it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import mimetypes
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, FastAPI, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from agent_session_manager.api.guard.login_codes import LIFETIME_SECONDS, Codes
from agent_session_manager.api.guard.page_tokens import PageTokens
from agent_session_manager.api.guard.run_scopes import for_pages
from agent_session_manager.api.guard.throttle import TOO_MANY, Failures
from agent_session_manager.api.http.body import JsonRoute
from agent_session_manager.api.http.caller import page_of
from agent_session_manager.api.http.depends import Served
from agent_session_manager.api.http.errors import RequestError
from agent_session_manager.api.http.responses import answer, refusals
from agent_session_manager.api.routes.redirect_pages import RedirectPages
from agent_session_manager.api.wire.common import GivenMoment
from agent_session_manager.api.wire.dashboard import (
    AgentFacet,
    CodeAnswer,
    CodeBody,
    CodeRequestBody,
    FacetsAnswer,
    PageTokenBody,
    PageTokenRevokedAnswer,
    PageTokensAnswer,
    ProjectFacet,
    TokenAnswer,
    UsageAnswer,
    UsageRowBody,
)
from agent_session_manager.domain.errors import CodeNotValidError, InvalidRequestError

logger = logging.getLogger(__name__)

STATIC = Path(__file__).parents[2] / "static"
TOKEN_PATH = "/dashboard/token"
MAX_FACETS = 200
_BUCKETS = {
    "day": (timedelta(days=1), timedelta(days=400)),
    "hour": (timedelta(hours=1), timedelta(days=14)),
}
_MAX_OFFSET_MINUTES = 24 * 60
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
}
_FOR_EVER = "public, max-age=31536000, immutable"

router = APIRouter(route_class=JsonRoute, tags=["dashboard"])


@router.post(
    "/dashboard/codes",
    status_code=201,
    response_model=CodeAnswer,
    responses=refusals(413, 415, 503),
)
async def create_code(request: Request, body: CodeRequestBody | None = None) -> Response:
    """Give out a code with which a page gets a token: once, and within a minute.

    With `file` also write a file that leads a browser there, until the code is void.
    """
    codes: Codes = request.app.state.codes
    code = codes.create()
    name = _create_file(request, code) if body and body.file else None
    found = CodeAnswer(code=code, expires_in_seconds=LIFETIME_SECONDS, file=name)
    return answer(found, 201)


def _create_file(request: Request, code: str) -> str | None:
    """Write the file of a code; None where the state directory takes none, as on a full disk."""
    pages: RedirectPages | None = request.app.state.redirect_pages
    if pages is None:
        return None
    try:
        name = pages.create(code)
    except OSError as exc:
        logger.warning("the dashboard's redirect file could not be written: %s", exc)
        return None
    asyncio.get_running_loop().call_later(LIFETIME_SECONDS, pages.remove, code)
    return name


@router.post(TOKEN_PATH, response_model=TokenAnswer, responses=refusals(413, 415))
async def exchange_code(body: CodeBody, request: Request) -> Response:
    """Exchange a code for a page token; needs no token. 401 `code_not_valid` for any other code."""
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
    """List the valid page tokens, oldest first: one for each browser that was let in."""
    found = page_tokens_of(request).list()
    return answer(PageTokensAnswer(tokens=[PageTokenBody.model_validate(each) for each in found]))


@router.delete(
    "/dashboard/tokens/own", response_model=PageTokenRevokedAnswer, responses=refusals(404)
)
@for_pages
async def sign_out(request: Request) -> Response:
    """Revoke the page token that this request is made with: all tabs of the browser are out."""
    page = page_of(request)
    page_tokens_of(request).revoke("own" if page is None else page.token_id)
    return answer(PageTokenRevokedAnswer())


@router.delete(
    "/dashboard/tokens/{token_id}", response_model=PageTokenRevokedAnswer, responses=refusals(404)
)
async def revoke_page_token(token_id: str, request: Request) -> Response:
    """Revoke a page token, and end the feeds that are open with it."""
    page_tokens_of(request).revoke(token_id)
    return answer(PageTokenRevokedAnswer())


def page_tokens_of(request: Request) -> PageTokens:
    tokens: PageTokens = request.app.state.page_tokens
    return tokens


class UsageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    bucket: Literal["day", "hour"]
    since: GivenMoment
    utc_offset_minutes: int = Field(
        default=0,
        ge=-_MAX_OFFSET_MINUTES,
        le=_MAX_OFFSET_MINUTES,
        description="By how much the clock is ahead of UTC at whose midnight days begin",
    )
    time_zone: str | None = Field(
        default=None,
        max_length=100,
        description="The zone whose days are summed up, by its IANA name, such as Europe/Berlin; "
        "instead of an offset, which is another one after the clock was changed",
    )

    @property
    def zone(self) -> tzinfo:
        """The zone; the offset where none is given, or the machine does not know it."""
        if self.time_zone is not None:
            with contextlib.suppress(ZoneInfoNotFoundError, ValueError, OSError):
                return ZoneInfo(self.time_zone)
        return timezone(timedelta(minutes=self.utc_offset_minutes))


@router.get("/usage", response_model=UsageAnswer, responses=refusals())
@for_pages
async def sum_usage(query: Annotated[UsageQuery, Query()], manager: Served) -> Response:
    """Sum up the runs that began since a moment, for each day or hour and each agent."""
    bucket, furthest = _BUCKETS[query.bucket]
    if datetime.now(UTC) - query.since > furthest:
        raise InvalidRequestError(f"since: at most {furthest.days} days ago, by {query.bucket}")
    found = await manager.sum_usage(since=query.since, bucket=bucket, zone=query.zone)
    return answer(UsageAnswer(rows=[UsageRowBody.model_validate(row) for row in found]))


@router.get("/facets", response_model=FacetsAnswer, responses=refusals())
@for_pages
async def list_facets(manager: Served) -> Response:
    """List the projects and agents of sessions that are not archived, the most frequent first."""
    found = await manager.list_facets(limit=MAX_FACETS)
    return answer(
        FacetsAnswer(
            projects=[ProjectFacet(project_dir=f.value, count=f.count) for f in found.projects],
            agents=[AgentFacet(agent_name=f.value, count=f.count) for f in found.agents],
        )
    )


def page_paths() -> frozenset[str]:
    """The paths of the page's files: whoever opens the page has no token yet."""
    names = (path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file())
    return frozenset({"/", *(f"/{name}" for name in names)})


def add_page(app: FastAPI) -> None:
    """Serve the page's files as they are now, each at its own path and nothing beside them.

    They are kept in memory: the files of another build, which may take their place on the disk
    while the manager serves, have other names and speak to another manager.
    """
    files = {path: (STATIC / (path[1:] or "index.html")) for path in page_paths()}
    contents = {path: file.read_bytes() for path, file in files.items() if file.is_file()}
    tags = {path: f'"{sha256(content).hexdigest()}"' for path, content in contents.items()}

    async def serve(request: Request) -> Response:
        path = request.url.path
        if path not in contents:
            raise RequestError(
                404,
                "not_built",
                "the dashboard was not built when the manager started: run make dashboard, and "
                "start the manager again",
            )
        is_page = files[path].name == "index.html"
        caching = "no-cache" if is_page else _FOR_EVER
        headers = {**_HEADERS, "Cache-Control": caching, "ETag": tags[path]}
        if request.headers.get("if-none-match") == tags[path]:
            return Response(status_code=304, headers=headers)
        media_type, _ = mimetypes.guess_type(files[path].name)
        return Response(contents[path], headers=headers, media_type=media_type)

    for path in sorted(files):
        app.add_route(path, serve, methods=["GET"], include_in_schema=False)
    app.state.page_paths = frozenset(files)
