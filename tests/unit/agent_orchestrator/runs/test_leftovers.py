"""Delivery of the outboxes that dead supervisors have left."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_orchestrator.outbox.files import list_outboxes
from agent_orchestrator.outbox.outbox import Outbox
from agent_orchestrator.runs.delivery import deliver_leftovers
from tests.support.recording import recording
from tests.unit.agent_orchestrator.runs.fake_manager import (
    NO_PATIENCE,
    Events,
    client_of,
    refusing,
    sending,
)
from tests.unit.agent_orchestrator.runs.outboxes import fill, make_outbox, refused, waiting


def leave(directory: Path, name: str, url: str, *numbers: int) -> Path:
    """Create the outbox that a dead supervisor has left."""
    path = directory / f"{name}.db"
    with make_outbox(path, url) as outbox:
        fill(outbox, *numbers)
    return path


def test_only_leftovers_for_this_manager_are_delivered(
    tmp_path: Path,
) -> None:
    events = Events()
    with recording(events) as server, client_of(server) as manager:
        leave(tmp_path, "a", server.url, 1, 2)
        elsewhere = leave(tmp_path, "b", "http://127.0.0.1:1", 3)
        held = leave(tmp_path, "c", server.url, 4)
        broken = tmp_path / "d.db"
        broken.write_text("no outbox")
        broken.with_suffix(".lock").touch()
        leave(tmp_path, "e", server.url, 5)
        with Outbox(held):
            deliver_leftovers(manager, tmp_path)
    assert events.stored == [1, 2, 5]
    assert events.revoked == ["/sessions/s/runs/1/token"] * 2
    assert list_outboxes(tmp_path) == [elsewhere, held, broken]
    with Outbox(elsewhere) as outbox:
        assert waiting(outbox) == [3]


def test_refused_leftovers_are_kept(tmp_path: Path) -> None:
    no = refusing(404, "session_not_found")
    with recording(Events([no, no, no])) as server, client_of(server) as manager:
        path = leave(tmp_path, "a", server.url, 1, 2)
        deliver_leftovers(manager, tmp_path)
    with Outbox(path) as outbox:
        assert (waiting(outbox), refused(outbox)) == ([], [1, 2])


def test_missing_directory_has_no_leftovers(tmp_path: Path) -> None:
    with sending(Events()) as manager:
        deliver_leftovers(manager, tmp_path / "none")


def test_command_waits_only_once_for_an_unreachable_manager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_orchestrator.runs.delivery.LEFTOVER_SECONDS", NO_PATIENCE)
    answer = refusing(503, "store_unavailable")
    events = Events([answer] * 100)
    with recording(events) as server, client_of(server) as manager:
        left = [leave(tmp_path, name, server.url, 1) for name in "abcde"]
        deliver_leftovers(manager, tmp_path)
    assert len(events.requests) == 1
    assert events.revoked == []
    assert list_outboxes(tmp_path) == left
