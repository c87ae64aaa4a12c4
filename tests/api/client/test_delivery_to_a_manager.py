"""Delivery to a real manager: events that it refuses, and delivery while it is down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.outbox.files import list_outboxes
from agent_orchestrator.outbox.outbox import Outbox, Run
from agent_orchestrator.runs.delivery import deliver_leftovers, delivery_of
from tests.support.load import stored_events
from tests.support.manager import RunningManager
from tests.support.manager_command import run
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

NewId = Callable[[], str]


@pytest.fixture
def manager_client(
    manager: RunningManager, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ManagerClient]:
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(manager.state_dir))
    with ManagerClient(manager.url) as opened:
        yield opened


def outbox_of(directory: Path, session_id: str, url: str) -> Outbox:
    path = directory / f"{session_id}.1.db"
    return Outbox(path, Run(session_id=session_id, run=1, url=url))


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {"event_type": "x", "event_id": str(number), "run": 1, **fields}


def test_events_sent_twice_are_stored_once_and_in_order(
    manager: RunningManager, manager_client: ManagerClient, session_id: str, tmp_path: Path
) -> None:
    expected = {number: str(number) for number in range(1, 1201)}
    for _ in range(2):
        with outbox_of(tmp_path, session_id, manager.url) as outbox:
            for number in expected:
                outbox.add(event(number))
            delivery_of(manager_client, outbox, patience_seconds=WATCHDOG_SECONDS).deliver()
        assert list_outboxes(tmp_path) == []
        assert stored_events(manager, session_id) == expected


@pytest.mark.parametrize(
    "poison",
    [
        {"exit_code": "not a number"},
        {"run": 99},
        {"text": "a\0b"},
        {"deep": json.loads("[" * 70 + "]" * 70)},
        {"text": "x" * (5 * 1024 * 1024)},
        {"amount": 2**64},
    ],
    ids=["type", "run", "NUL", "depth", "size", "number"],
)
def test_permanently_refused_event_does_not_block_later_events(
    manager: RunningManager,
    manager_client: ManagerClient,
    session_id: str,
    tmp_path: Path,
    poison: dict[str, Any],
) -> None:
    with outbox_of(tmp_path, session_id, manager.url) as outbox:
        for number in range(1, 6):
            outbox.add(event(number, **(poison if number == 3 else {})))
        delivery_of(manager_client, outbox, patience_seconds=WATCHDOG_SECONDS).deliver()
        (refused,) = outbox.list_refused()
        assert outbox.count_waiting() == 0
    assert refused.item["event_id"] == "3"
    assert stored_events(manager, session_id) == {1: "1", 2: "2", 3: "4", 4: "5"}


def test_events_of_a_deleted_session_are_kept_as_refused(
    manager: RunningManager, manager_client: ManagerClient, session_id: str, tmp_path: Path
) -> None:
    assert manager_client.delete_session(session_id)
    with outbox_of(tmp_path, session_id, manager.url) as outbox:
        outbox.add(event(1))
        outbox.add(event(2))
        delivery_of(manager_client, outbox, patience_seconds=WATCHDOG_SECONDS).deliver()
        assert [each.item["event_id"] for each in outbox.list_refused()] == ["1", "2"]


def test_delivery_survives_kills_of_the_manager(
    start_manager: Callable[..., RunningManager], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = start_manager()
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(own.state_dir))
    with ManagerClient(own.url) as client, outbox_of(tmp_path, "s", own.url) as outbox:
        client.create_session("s", "s")
        delivery = delivery_of(client, outbox)
        delivery.start()
        numbers = iter(range(1, 1000))
        for _ in range(3):
            for _ in range(30):
                outbox.add(event(next(numbers)))
            wait_for(lambda: stored_events(own, "s"), "some are delivered")
            own.kill()
            for _ in range(30):
                outbox.add(event(next(numbers)))
            own.restart()
        outbox.add(event(next(numbers), event_type="session_stop", exit_code=0))
        delivery.finish()
        assert (outbox.count_waiting(), outbox.list_refused()) == (0, [])
        assert client.get_status("s") == "finished"
    assert stored_events(own, "s") == {number: str(number) for number in range(1, 182)}


def test_leftovers_of_a_dead_supervisor_complete_its_run(
    start_manager: Callable[..., RunningManager], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = start_manager(moves_time=True)
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(own.state_dir))
    with ManagerClient(own.url) as client:
        client.create_named_session("s", "s", project_dir="/p", holder="dead")
        with outbox_of(tmp_path, "s", own.url) as outbox:
            outbox.add(event(1))
            outbox.add(event(2, event_type="session_stop", exit_code=0))
        own.time.let_pass(60)
        wait_for(lambda: client.get_session("s")["reason"] == "lost", "the run is lost")
        deliver_leftovers(client, tmp_path)
        session = client.get_session("s")
    assert (session["reason"], session["exit_code"]) == ("completed", 0)
    assert stored_events(own, "s") == {1: "1", 2: "2"}
    assert list_outboxes(tmp_path) == []


def test_events_lost_by_the_manager_are_sent_again_in_order(
    start_manager: Callable[..., RunningManager],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The manager is killed and an older backup is restored during a run."""
    manager = start_manager()
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(manager.state_dir))
    copy = tmp_path / "copy.db"

    def send(outbox: Outbox, *numbers: int) -> None:
        for number in numbers:
            outbox.add(event(number))
        delivery_of(client, outbox, patience_seconds=WATCHDOG_SECONDS).deliver()

    with (
        ManagerClient(manager.url) as client,
        outbox_of(tmp_path / "outbox", "s", manager.url) as outbox,
    ):
        client.create_session("s", "s")
        send(outbox, 1, 2)
        ran = run(manager.home, "backup", str(copy), state=manager.state_dir)
        assert ran.returncode == 0, ran.stderr
        send(outbox, 3, 4)
        manager.kill()
        ran = run(manager.home, "restore", str(copy), state=manager.state_dir)
        assert ran.returncode == 0, ran.stderr
        manager.restart()
        assert stored_events(manager, "s") == {1: "1", 2: "2"}
        send(outbox, 5)
        assert stored_events(manager, "s") == {number: str(number) for number in range(1, 6)}
        assert "the manager has lost confirmed items" in caplog.text
        send(outbox, 6)
        assert outbox.count_waiting() == 0
    assert list_outboxes(tmp_path / "outbox") == []
