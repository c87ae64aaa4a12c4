"""The route that exports a session as a document. `export/` has the formats."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import iterate_in_threadpool
from starlette.types import Receive, Scope, Send

from agent_session_manager.api.guard.run_scopes import Reach, for_pages, for_runs
from agent_session_manager.api.http.depends import Id, Served
from agent_session_manager.api.http.responses import refusals
from agent_session_manager.api.wire.events import event_to_json
from agent_session_manager.api.wire.limits import MAX_NUMBER
from agent_session_manager.api.wire.runs import run_body
from agent_session_manager.api.wire.sessions import session_body
from agent_session_manager.domain.errors import OrchestratorError, SessionNotFoundError
from agent_session_manager.domain.sessions.session import Session
from agent_session_manager.export import html
from agent_session_manager.export.document.options import ExportedTools, ExportFormat, Options
from agent_session_manager.export.renderer import Renderer
from agent_session_manager.manager.manager import Manager
from agent_session_manager.store.queries import EventFilter, EventPage
from agent_session_manager.transport.connection import connection_of

logger = logging.getLogger(__name__)

EVENTS_AT_ONCE = 100
"""Events that are read together; their size is bounded as well, as that of any page."""
_MEDIA_TYPES = {
    ExportFormat.MARKDOWN: "text/markdown; charset=utf-8",
    ExportFormat.HTML: "text/html; charset=utf-8",
    ExportFormat.JSONL: "application/jsonl",
}
_ENDINGS = {ExportFormat.MARKDOWN: "md", ExportFormat.HTML: "html", ExportFormat.JSONL: "jsonl"}
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_MAX_NAME_CHARS = 80
_OF_RUNS = {"started_at", "finished_at", "reason"}
_HEADERS = {
    # A browser that opens the answer gives it no origin: it cannot use the manager.
    "Content-Security-Policy": f"{html.POLICY}; sandbox; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}

router = APIRouter(tags=["sessions"])


class ExportQuery(BaseModel):
    """The form and the content of an export. An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    format: ExportFormat = Field(default=ExportFormat.MARKDOWN, description="Form of the document")
    thinking: bool = Field(default=False, description="`true`: also the thinking of models")
    tools: ExportedTools = Field(
        default=ExportedTools.FULL,
        description="Tool calls: `full`, only their `names` and outcomes, or `none`; without calls "
        "the work of subagents is left out, too",
    )
    max_output: int | None = Field(
        default=None,
        ge=0,
        le=MAX_NUMBER,
        description="Maximum of bytes of one tool output; the middle of a longer one is cut, and "
        "the document has the number of bytes that were cut",
    )


_DOCUMENT = {"schema": {"type": "string"}}


@router.get(
    "/sessions/{session_id}/export",
    response_class=StreamingResponse,
    responses={
        **refusals(404, codes=("session_not_found",)),
        200: {
            "description": "The document",
            "content": {kind.partition(";")[0]: _DOCUMENT for kind in _MEDIA_TYPES.values()},
        },
    },
)
@for_runs(Reach.FAMILY)
@for_pages
async def export_session(
    session_id: Id, manager: Served, query: Annotated[ExportQuery, Query()]
) -> Response:
    """Export a session as a document: Markdown, one HTML file, or its events as JSON lines.

    The document has the events that the session has at the time of the request. Credentials in them
    are masked, as in all events. If the session is deleted during the export, the answer ends
    incomplete.
    """
    session = await manager.get_session(session_id)
    runs = {
        run.run: run_body(run).model_dump(mode="json", include=_OF_RUNS)
        for run in await manager.list_runs(session_id)
    }
    first = await _read(manager, session, after=0)
    options = Options(thinking=query.thinking, tools=query.tools, max_output=query.max_output)
    facts = session_body(session).model_dump(mode="json")
    renderer = Renderer(query.format, facts, runs, options)
    name = f"{_file_name(session)}.{_ENDINGS[query.format]}"
    return _Download(
        _document(manager, session, renderer, first),
        media_type=_MEDIA_TYPES[query.format],
        headers={**_HEADERS, "Content-Disposition": f'attachment; filename="{name}"'},
    )


class _Download(StreamingResponse):
    """A document that ends visibly incomplete if the rest of it cannot be read."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(send)
        except OrchestratorError as exc:
            logger.info("an export ended incomplete: %s", exc)
            connection_of(self._scope).abort()


async def _document(
    manager: Manager, session: Session, renderer: Renderer, page: EventPage
) -> AsyncIterator[bytes]:
    """Yield the document, page by page. Threads render it, so the event loop is free.

    Raises:
        SessionNotFoundError: the session was deleted while it was read.
    """
    for piece in renderer.opening(datetime.now(UTC).isoformat()):
        yield piece
    while page.events:
        texts = (event_to_json(event, session.session_id) for event in page.events)
        async for piece in iterate_in_threadpool(renderer.events(texts)):
            yield piece
        if not page.has_more:
            break
        page = await _read(manager, session, after=page.events[-1].seq)
    if (await manager.get_session(session.session_id)).generation != session.generation:
        raise SessionNotFoundError(session.session_id)
    async for piece in iterate_in_threadpool(renderer.ending()):
        yield piece


async def _read(manager: Manager, session: Session, *, after: int) -> EventPage:
    """Read the next events up to the one that was the newest at the time of the request."""
    limit = min(EVENTS_AT_ONCE, session.last_seq - after)
    if limit <= 0:
        return EventPage(events=[], has_more=False)
    where = EventFilter(after_seq=after)
    return await manager.list_events(session.session_id, where, limit=limit)


def _file_name(session: Session) -> str:
    """Return a name that every file system and every header can have."""
    words = _UNSAFE.sub("-", session.session_name).strip("-")[:_MAX_NAME_CHARS]
    return f"session-{words or _UNSAFE.sub('-', session.session_id)}"
