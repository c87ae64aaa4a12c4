"""Exports as bytes: made from a store that has each kind of record, read, imported and refused."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from agent_session_manager.domain.sessions.request import RequestKind, RequestState
from agent_session_manager.domain.transcript import NewEntry, TranscriptKey
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.sql.transfer.exporter import export
from agent_session_manager.sql.transfer.format import ImportRefusedError
from agent_session_manager.sql.transfer.importer import import_export
from agent_session_manager.store.changes import CreateRequest, DeleteSession, OpenRun, SettleRequest
from agent_session_manager.store.transcripts import AppendTranscript, PutTranscriptSummary
from tests.store.promises.changes import append, create, made, update
from tests.store.promises.events import SOME, says
from tests.store.promises.stepped_clock import SteppedClock

KEY = TranscriptKey(project_key="-p", session_id="s")


def exported(url: str, **more: Any) -> bytes:
    to = io.BytesIO()
    export(url, to, now=1, **more)
    return to.getvalue()


def body(text: bytes) -> bytes:
    """Return an export without its header."""
    return text.partition(b"\n")[2]


def parsed(text: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def imported(url: str, text: bytes, **more: Any) -> Any:
    return import_export(url, io.BytesIO(text), **more)


def refused(url: str, text: bytes, **more: Any) -> str:
    with pytest.raises(ImportRefusedError) as caught:
        imported(url, text, **more)
    return str(caught.value)


def fill(store: SqlStore, clock: SteppedClock) -> None:
    """Create at least one record of each kind."""
    spec = {"argv": ["sh", "-c", "é\u2028"], "n": 2**53 + 1, "f": 0.1}
    create(store, "s", unique_name=True, project_dir="/p", host="h", spec=spec, holder="h1")
    create(store, "child", parent_session_id="s", agent_name="a", executor="command")
    create(store, "archived", session_name="s", project_dir="/q", unique_name=True)
    clock.move(1.5)
    append(store, says("é\U0001f600"), {**SOME, "event_id": "e1"})
    append(store, {**SOME, "deep": [[{"a": None}]], "big": 2**63, "float": 1e-7, "t": True})
    asked = CreateRequest(
        session_id="s", run=1, request_id="r", kind=RequestKind.STOP, payload={"why": "because"}
    )
    made(store, asked)
    settled = SettleRequest(
        session_id="s", run=1, request_id="r", state=RequestState.DONE, detail="gone"
    )
    made(store, settled)
    append(store, {"event_type": "session_stop", "exit_code": -9}, session_id="child")
    made(store, OpenRun(session_id="child"))
    append(store, {**SOME, "run": 1}, session_id="child")
    update(store, "archived", archived=True)
    entries = [NewEntry(line='{"a":  1, "u":"\\u0000\\ud800"}', entry_id=f"{n}") for n in range(3)]
    made(store, AppendTranscript(key=KEY, entries=entries))
    other = TranscriptKey(project_key="", session_id="elsewhere", subpath="sub/1")
    made(store, AppendTranscript(key=other, entries=entries[:1]))
    made(store, PutTranscriptSummary(key=KEY, expected_version=0, version=3, text='{"x": 1}'))
    clock.move(1)
    create(store, "gone")
    made(store, DeleteSession(session_id="gone"))
