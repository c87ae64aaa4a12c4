"""The promises of `store/alerts.py`, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, text

from agent_session_manager.domain.sessions.alert import (
    FIRST_PAUSE_SECONDS,
    KEPT_FOR,
    MAX_AGE,
    MAX_ASKED_PAUSE_SECONDS,
    MAX_PAUSE_SECONDS,
    AlertKind,
    AlertState,
    Interest,
)
from agent_session_manager.domain.sessions.session import Reason, State
from agent_session_manager.sql.read.alerts import AlertSummary, summarize_alerts
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.sql.write import alerts as written
from agent_session_manager.store.alerts import DropAlerts, DueAlerts, GiveUpAlerts, SettleAlert
from agent_session_manager.store.changes import DeleteSession, ReapLeases
from tests.store.conftest import OpenStores
from tests.store.promises.changes import append, appending, create, made, open_run
from tests.store.promises.events import SOME, decision, question, stop
from tests.store.promises.history_promises import answer, history, prompt
from tests.store.promises.lease_promises import claim, lose
from tests.store.promises.stepped_clock import SteppedClock
from tests.support.rows import each_row

ALL = frozenset(AlertKind)
EVERYTHING = Interest(target_id="t", kinds=ALL)


class Targets(list[Interest]):
    """The interests of a store, which a test can change."""

    def __call__(self) -> list[Interest]:
        return self


@pytest.fixture
def targets() -> Targets:
    return Targets([EVERYTHING])


@pytest.fixture
def store(database_url: str, open_stores: OpenStores, targets: Targets) -> Iterator[SqlStore]:
    yield open_stores(database_url, interests=targets)


def due(store: SqlStore, *target_ids: str) -> DueAlerts:
    return store.alerts.read_due(target_ids or ("t",))


def settle(store: SqlStore, error: str | None = None, **fields: Any) -> AlertState:
    """Settle the alert that is due."""
    (alert,) = due(store).alerts
    state = made(store, SettleAlert(alert_id=alert.alert_id, error=error, **fields))
    assert isinstance(state, AlertState)
    return state


def deliver_all(store: SqlStore, target_id: str = "t") -> list[tuple[str, str]]:
    """Deliver all alerts that are due; return their sessions and kinds in order."""
    delivered = []
    while found := due(store, target_id).alerts:
        delivered.append((str(found[0].facts["session_id"]), found[0].kind.value))
        assert made(store, SettleAlert(alert_id=found[0].alert_id)) is AlertState.DELIVERED
    return delivered


def summary(store: SqlStore, target_id: str = "t") -> AlertSummary:
    with store._database.reading.connect() as connection:
        return summarize_alerts(connection).get(target_id, AlertSummary())


def test_alert_has_the_facts_of_its_moment(store: SqlStore, clock: SteppedClock) -> None:
    create(store, "s", session_name="fix", project_dir="/p", agent_name="reviewer")
    append(store, question("q", title="Run make?", tool_name="Bash", why="x" * 999))
    append(store, stop(exit_code=3, reason="timeout"))
    create(store, "child", parent_session_id="s", executor="codex")
    append(store, stop(), session_id="child")
    (first,) = due(store).alerts
    facts = {
        "session_id": "s",
        "session_name": "fix",
        "project_dir": "/p",
        "agent": "reviewer",
        "executor": None,
        "parent_session_id": None,
        "status": "running",
        "state": "waiting",
        "run": 1,
        "reason": None,
        "exit_code": None,
    }
    asked = {
        "question_id": "q",
        "kind": "tool",
        "title": "Run make?",
        "tool_name": "Bash",
        "why": "x" * written.MAX_TEXT_CHARS,
    }
    assert (first.kind, first.created_at) == (AlertKind.WAITING, clock.now)
    assert first.facts == {**facts, "question": asked}
    settle(store)
    (second,) = due(store).alerts
    ended = {"status": "finished", "state": "failed", "reason": "timeout", "exit_code": 3}
    assert second.facts == facts | ended
    settle(store)
    (third,) = due(store).alerts
    of_child = third.facts["parent_session_id"], third.facts["agent"], third.facts["reason"]
    assert of_child == ("s", "codex", "completed")


@each_row(
    "interest, wanted",
    [
        (EVERYTHING, ["waiting", "failed", "stopped", "finished", "lost"]),
        (Interest(target_id="t", kinds=frozenset({AlertKind.LOST})), ["lost"]),
        (Interest(target_id="t", kinds=ALL, project_dir="/p/"), ["failed", "stopped"]),
        (Interest(target_id="t", kinds=ALL, top_level=True), ["waiting", "failed", "lost"]),
        (Interest(target_id="t", kinds=ALL, project_dir="/"), ["failed", "stopped", "finished"]),
    ],
)
def test_target_gets_what_it_wants(interest: Interest, wanted: list[str]) -> None:
    sessions = {
        "waiting": (None, False),
        "failed": ("/p", False),
        "stopped": ("/p/q", True),
        "finished": ("/pq", True),
        "lost": (None, False),
    }
    found = [
        kind
        for kind, (directory, is_child) in sessions.items()
        if interest.covers(AlertKind(kind), project_dir=directory, is_child=is_child)
    ]
    assert found == wanted


def test_each_target_has_its_own_alerts(store: SqlStore, targets: Targets) -> None:
    targets.append(Interest(target_id="u", kinds=frozenset({AlertKind.FAILED})))
    create(store, "a")
    create(store, "b")
    changes = [appending("a", stop()), appending("b", stop(exit_code=1))]
    store.commit(changes)
    assert len({alert.alert_id for alert in due(store, "t", "u").alerts}) == 2
    assert deliver_all(store) == [("a", "finished"), ("b", "failed")]
    assert deliver_all(store, "u") == [("b", "failed")]
    targets.clear()
    append(store, question("q"), session_id="b")
    open_run(store, "b")
    append(store, stop(), session_id="b")
    targets.append(EVERYTHING)
    assert deliver_all(store) == []


def test_refused_and_repeated_changes_cause_no_alert(store: SqlStore) -> None:
    create(store)
    asked = question("q")
    append(store, asked, asked)
    append(store, asked)
    append(store, question("closed"), decision("closed"))
    append(store, SOME, stop(event_id="end"))
    append(store, SOME, stop(event_id="end"))
    append(store, stop(), question("late"))
    store.commit([appending("missing", stop())])
    assert deliver_all(store) == [("s", "waiting"), ("s", "finished")]


def test_lost_run_causes_an_alert_and_so_does_its_true_end(
    store: SqlStore, clock: SteppedClock
) -> None:
    create(store, holder="me")
    lose(store, clock)
    store.commit([ReapLeases()])
    assert deliver_all(store) == [("s", "lost")]
    claim(store)
    append(store, stop(run=1))
    assert deliver_all(store) == [("s", "finished")]


def test_taken_over_and_imported_runs_cause_no_alert(store: SqlStore, clock: SteppedClock) -> None:
    create(store, holder="me")
    open_run(store, takeover=True, holder="you")
    made(store, history(prompt("a"), answer("b"), session_id="i", reason=Reason.COMPLETED))
    made(store, history(prompt("c"), session_id="j", holder="claude"))
    lose(store, clock)
    assert store.get_session("j").state is State.LOST
    assert deliver_all(store) == [("s", "lost")]


def test_alerts_are_deleted_with_their_session(store: SqlStore) -> None:
    create(store)
    store.commit([appending("s", stop()), DeleteSession(session_id="s")])
    create(store)
    append(store, stop())
    made(store, DeleteSession(session_id="s"))
    assert (deliver_all(store), summary(store)) == ([], AlertSummary())


def test_failed_alert_holds_back_only_its_session(store: SqlStore, clock: SteppedClock) -> None:
    create(store, "a")
    create(store, "b")
    append(store, question("q"), session_id="a")
    append(store, stop(), session_id="a")
    append(store, stop(), session_id="b")
    (first,) = due(store).alerts
    assert settle(store, "refused") is AlertState.WAITING
    assert deliver_all(store) == [("b", "finished")]
    clock.move(FIRST_PAUSE_SECONDS)
    (again,) = due(store).alerts
    assert again == first
    assert deliver_all(store) == [("a", "waiting"), ("a", "finished")]
    assert made(store, SettleAlert(alert_id=first.alert_id, error="late")) is None


def test_pauses_grow_up_to_a_maximum(store: SqlStore, clock: SteppedClock) -> None:
    create(store)
    append(store, stop())
    pauses = []
    for asked in (0, 0, 0, 60.0, 1e9, *[0] * 8):
        settle(store, "down", asked_seconds=asked)
        next_at = due(store).next_at
        assert next_at is not None
        pauses.append((next_at - clock.now).total_seconds())
        clock.move(pauses[-1])
    doubled = [FIRST_PAUSE_SECONDS * 2**n for n in range(20)]
    assert pauses[:5] == [*doubled[:3], 60.0, MAX_ASKED_PAUSE_SECONDS]
    assert pauses[5:] == [min(pause, MAX_PAUSE_SECONDS) for pause in doubled[5:13]]


def test_clock_that_is_set_back_delays_no_alert(store: SqlStore, clock: SteppedClock) -> None:
    create(store)
    append(store, stop())
    settle(store, "down")
    assert due(store).alerts == []
    clock.move(-2 * MAX_ASKED_PAUSE_SECONDS)
    assert settle(store) is AlertState.DELIVERED


def test_old_alerts_are_given_up_and_later_deleted(store: SqlStore, clock: SteppedClock) -> None:
    create(store)
    append(store, stop())
    clock.move(MAX_AGE.total_seconds())
    assert settle(store, "down " * 999) is AlertState.GIVEN_UP
    told = summary(store)
    assert (told.waiting, told.given_up, told.failed_at) == (0, 1, clock.now)
    assert told.error is not None
    assert told.error.startswith("down down")
    assert len(told.error) == 500
    open_run(store)
    append(store, stop())
    clock.move(KEPT_FOR.total_seconds() - MAX_AGE.total_seconds() + 1)
    assert settle(store) is AlertState.DELIVERED
    assert summary(store) == AlertSummary(delivered_at=clock.now)


def test_queue_is_bounded_and_keeps_the_newest(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(written, "MAX_WAITING", 3)
    monkeypatch.setattr(written, "MAX_KEPT", 2)
    sessions = [f"s{n}" for n in range(5)]
    for session_id in sessions:
        create(store, session_id)
    for changes in ([question("q")], [decision("q"), question("p")]):
        store.commit([appending(session_id, *changes) for session_id in sessions])
    told = summary(store)
    assert (told.waiting, told.given_up) == (3, 2)
    assert told.error == "3 alerts wait for this target already"
    assert made(store, GiveUpAlerts(target_id="t", error="gone")) == 3
    assert (summary(store).waiting, summary(store).given_up) == (0, 2)
    store.commit([appending(session_id, question("r")) for session_id in sessions[:3]])
    assert len(deliver_all(store)) == 3
    with store._database.reading.connect() as connection:
        kept = connection.scalar(text("SELECT count(*) FROM alerts WHERE state = 'delivered'"))
    assert kept == 1


def test_session_has_one_waiting_alert_for_its_open_questions(
    store: SqlStore, targets: Targets
) -> None:
    targets.append(Interest(target_id="u", kinds=ALL))
    create(store, "s")
    create(store, "other")
    append(store, question("a"), question("b"))
    append(store, question("c"))
    append(store, question("d"), session_id="other")
    assert deliver_all(store, "u") == [("s", "waiting"), ("other", "waiting")]
    append(store, question("e"))  # for u only, which has no waiting alert
    assert deliver_all(store, "u") == [("s", "waiting")]
    append(store, decision("a"))  # its person may not look again
    append(store, question("f"))
    append(store, question("g"))
    told = [("s", "waiting"), ("other", "waiting"), ("s", "waiting")]
    assert deliver_all(store) == told
    assert deliver_all(store, "u") == [("s", "waiting")]


def test_sessions_of_agents_leave_places_for_others(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(written, "MAX_WAITING", 4)
    monkeypatch.setattr(written, "RESERVED_PLACES", 2)
    create(store, "lead")
    for session_id in ("a", "b", "c"):
        create(store, session_id, parent_session_id="lead")
        append(store, question("q"), session_id=session_id)
    told = summary(store)
    assert (told.waiting, told.given_up) == (2, 1)
    append(store, question("q"), session_id="lead")
    append(store, stop(), session_id="lead")
    told = summary(store)
    assert (told.waiting, told.given_up) == (4, 1)


def test_alerts_of_removed_targets_are_deleted(
    store: SqlStore, targets: Targets, clock: SteppedClock
) -> None:
    targets.append(Interest(target_id="u", kinds=ALL))
    create(store)
    append(store, question("q"))
    made(store, DropAlerts(target_ids=["t"]))
    assert (summary(store, "t"), summary(store, "u").waiting) == (AlertSummary(), 1)
    clock.move(KEPT_FOR.total_seconds() + 1)
    made(store, DropAlerts())
    assert summary(store, "u") == AlertSummary()


def test_alerts_survive_a_restart(
    database_url: str, open_stores: OpenStores, targets: Targets
) -> None:
    first = open_stores(database_url, interests=targets)
    create(first)
    append(first, question("q"))
    append(first, stop())
    alert = due(first).alerts
    first.close()
    second = open_stores(database_url)
    assert due(second).alerts == alert
    assert deliver_all(second) == [("s", "waiting"), ("s", "finished")]


def test_commit_fails_with_its_alerts(
    store: SqlStore, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An end without its alert, or an alert without the end, cannot be stored."""
    create(store)
    noticed: list[None] = []
    store.alerts.watch(lambda: noticed.append(None))

    def cut(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if statement.startswith("INSERT INTO alerts"):
            raise RuntimeError("cut")

    event.listen(store._database.writing, "before_cursor_execute", cut)
    with pytest.raises(RuntimeError, match="cut"):
        append(store, stop())
    event.remove(store._database.writing, "before_cursor_execute", cut)
    assert (store.get_status("s"), noticed) == ("running", [])
    append(store, stop())
    assert (deliver_all(store), len(noticed)) == ([("s", "finished")], 1)


def test_append_without_an_alert_needs_no_statement(store: SqlStore, targets: Targets) -> None:
    def statements_of(*values: dict[str, Any]) -> list[str]:
        seen: list[str] = []

        def note(_c: object, _cursor: object, statement: str, *_more: object) -> None:
            seen.append(statement)

        event.listen(store._database.writing, "before_cursor_execute", note)
        append(store, *values)
        event.remove(store._database.writing, "before_cursor_execute", note)
        return seen

    create(store)
    assert not any("alerts" in statement for statement in statements_of(SOME, SOME))
    with_target = statements_of(question("a"))
    assert any("alerts" in statement for statement in with_target)
    targets.clear()
    without = statements_of(question("b"))
    assert not any("alerts" in statement for statement in without)
    # The session, the question, the length of the queue, and the insert.
    assert len(with_target) == len(without) + 4
    targets.append(Interest(target_id="t", kinds=frozenset({AlertKind.LOST})))
    assert len(statements_of(question("c"))) == len(without)
