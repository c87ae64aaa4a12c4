"""Limit of appends in lists: a minimal server with the same guarantees for an append.

It uses Starlette and one thread with the standard library's sqlite3. It has group commit, WAL with
`synchronous=FULL`, seqs per session without gaps, unique event ids, and the manager's response. It
has no runs, no states, no validation, and supports one kind of database.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks import serving
from benchmarks.workload import all_session_ids

SCHEMA = """
CREATE TABLE sessions (number INTEGER PRIMARY KEY, session_id TEXT UNIQUE, last_seq INTEGER);
CREATE TABLE events (
  number INTEGER PRIMARY KEY, session INTEGER NOT NULL, seq INTEGER NOT NULL, event_id TEXT,
  event_type TEXT NOT NULL, recorded_at INTEGER NOT NULL, fields TEXT NOT NULL,
  UNIQUE (session, seq));
CREATE UNIQUE INDEX event_ids ON events (session, event_id) WHERE event_id IS NOT NULL;
"""
FIND = "SELECT number, last_seq FROM sessions WHERE session_id = ?"
KNOWN = """
SELECT event_id, seq FROM events
WHERE session = ? AND event_id IN (SELECT value FROM json_each(?))
"""
INSERT = """
INSERT INTO events (session, seq, event_id, event_type, recorded_at, fields)
VALUES (?, ?, ?, ?, ?, ?)
"""

Events = list[dict[str, Any]]
Seqs = list[int] | None
Waiting = tuple[str, Events, "asyncio.Future[Seqs]"]


class Writer:
    """A thread that commits all waiting appends together, and then informs their callers."""

    def __init__(self, path: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Waiting] = SimpleQueue()
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.executescript(SCHEMA)
        ids = [(session_id,) for session_id in all_session_ids()]
        self._database.executemany("INSERT INTO sessions VALUES (NULL, ?, 0)", ids)
        Thread(target=self._run, daemon=True).start()

    async def append(self, session_id: str, events: Events) -> Seqs:
        committed: asyncio.Future[Seqs] = self._loop.create_future()
        self._queue.put((session_id, events, committed))
        return await committed

    def _run(self) -> None:
        while True:
            batch = [self._queue.get()]
            with suppress(Empty):
                while True:
                    batch.append(self._queue.get_nowait())
            self._database.execute("BEGIN IMMEDIATE")
            outcomes = [self._append(session_id, events) for session_id, events, _ in batch]
            self._database.execute("COMMIT")
            self._loop.call_soon_threadsafe(_settle, batch, outcomes)

    def _append(self, session_id: str, events: Events) -> Seqs:
        found = self._database.execute(FIND, (session_id,)).fetchone()
        if found is None:
            return None
        session, last_seq = found
        ids = orjson.dumps([event.get("event_id") for event in events]).decode()
        known = dict(self._database.execute(KNOWN, (session, ids)))
        seqs, fresh, now = [], [], time.time_ns()
        for event in events:
            event_id = event.pop("event_id", None)
            seq = known.get(event_id)
            if seq is None:
                last_seq = seq = last_seq + 1
                if event_id is not None:
                    known[event_id] = seq
                kind = event.pop("event_type")
                fresh.append((session, seq, event_id, kind, now, orjson.dumps(event).decode()))
            seqs.append(seq)
        self._database.executemany(INSERT, fresh)
        self._database.execute(
            "UPDATE sessions SET last_seq = ? WHERE number = ?", (last_seq, session)
        )
        return seqs


def _settle(batch: list[Waiting], outcomes: list[Seqs]) -> None:
    for (_, _, committed), seqs in zip(batch, outcomes, strict=True):
        if not committed.cancelled():
            committed.set_result(seqs)


async def serve(path: str) -> None:
    writer = Writer(path)

    async def append(request: Request) -> Response:
        seqs = await writer.append(
            request.path_params["session_id"], orjson.loads(await request.body())
        )
        if seqs is None:
            return Response(b'{"detail":"no session"}', 404, media_type="application/json")
        body = orjson.dumps({"ok": True, "seqs": seqs})
        return Response(body, 201, media_type="application/json")

    route = Route("/sessions/{session_id}/events", append, methods=["POST"])
    await serving.serve(Starlette(routes=[route]))


if __name__ == "__main__":
    serving.run(serve(sys.argv[1]))
