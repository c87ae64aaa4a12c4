"""Routes about the manager itself: its identity, whether it can serve, and its metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

import agent_session_manager
from agent_session_manager.api.http.depends import Served
from agent_session_manager.api.http.responses import answer, refusals
from agent_session_manager.api.wire.common import HealthAnswer, ReadyAnswer
from agent_session_manager.store.search import IndexState

SERVICE = "agent-session-manager"
OPEN_PATHS = ("/health", "/ready")
"""Paths that need no token."""

router = APIRouter(tags=["service"])


@router.get("/health", response_model=HealthAnswer, responses=refusals())
async def get_health(request: Request) -> Response:
    """Identify the service. Needs no token, and reveals nothing about the stored data."""
    manager = request.app.state.manager
    return answer(
        HealthAnswer(
            service=SERVICE,
            version=agent_session_manager.__version__,
            instance=request.app.state.instance,
            search_index=IndexState.BEHIND if manager is None else manager.indexing.state,
        )
    )


@router.get("/ready", response_model=ReadyAnswer, responses=refusals())
async def get_ready(manager: Served) -> Response:
    """Tell whether the manager can serve: 503 if not. Needs no token.

    It cannot if it is stopping, has too many requests, its disk has failed, or its database does
    not answer.
    """
    await manager.metrics.check_ready()
    return answer(ReadyAnswer(ready=True))


@router.get(
    "/metrics",
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **refusals(),
    },
    response_class=Response,
)
async def get_metrics(request: Request, manager: Served) -> Response:
    """Return the metrics of the manager in the text format of Prometheus."""
    # Imported late: most managers are never asked.
    from agent_session_manager.api.http import exposition

    content = await exposition.expose(manager, request.app.state.requests)
    return Response(content, media_type=exposition.CONTENT_TYPE)
