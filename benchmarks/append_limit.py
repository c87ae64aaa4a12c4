"""Limit of single appends: a bare handler over the project's own group commit and store.

It has no guard, no framework above Starlette, and no validation. The manager's additional time is
the price of its safety and its documentation.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import cast

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agent_session_manager.concurrency.writer import Writer
from agent_session_manager.domain.events.event import NewEvent
from agent_session_manager.sql.store import open_store
from agent_session_manager.store.changes import AppendEvents, CreateSession
from benchmarks import serving
from benchmarks.workload import all_session_ids


async def serve(database: str) -> None:
    store = open_store(f"sqlite:///{database}", clock=lambda: datetime.now(UTC))
    store.commit(
        [CreateSession(session_id=one, session_name="benchmark") for one in all_session_ids()]
    )
    async with Writer(store, lambda _: None) as writer:

        async def append(request: Request) -> Response:
            fields = orjson.loads(await request.body())
            event = NewEvent(
                event_type=fields.pop("event_type"), event_id=fields.pop("event_id"), fields=fields
            )
            change = AppendEvents(session_id=request.path_params["session_id"], events=[event])
            seqs = cast("list[int]", await writer.commit(change))
            body = orjson.dumps({"ok": True, "seqs": seqs})
            return Response(body, 201, media_type="application/json")

        route = Route("/sessions/{session_id}/events", append, methods=["POST"])
        await serving.serve(Starlette(routes=[route]))
    store.close()


if __name__ == "__main__":
    serving.run(serve(sys.argv[1]))
