"""Promise 5 of `store/protocol.py`: runs, their results and their usage."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from agent_session_manager.domain.errors import (
    NoResultError,
    SessionNotFinishedError,
    SessionRunningError,
)
from agent_session_manager.domain.sessions.session import Reason, Run, Session, Usage
from agent_session_manager.store.changes import OpenRun
from agent_session_manager.store.protocol import Store
from agent_session_manager.store.queries import EventFilter
from tests.store.promises.changes import append, appending, create, kinds, open_run, seqs_of, update
from tests.store.promises.events import SOME, asked, says, stop, used
from tests.store.promises.stepped_clock import START, SteppedClock


def promise_5_stop_event_sets_exit_code_and_reason(store: Store, clock: SteppedClock) -> None:
    for session_id, end, code, reason in (
        ("a", stop(), None, Reason.COMPLETED),
        ("b", stop(exit_code=0), 0, Reason.COMPLETED),
        ("c", stop(exit_code=2), 2, Reason.FAILED),
        ("d", stop(exit_code=0, reason="timeout"), 0, Reason.TIMEOUT),
        ("e", stop(reason="a reason of the caller", exit_code=-9), -9, Reason.FAILED),
        ("f", stop(run=1, reason="stopped"), None, Reason.STOPPED),
    ):
        create(store, session_id)
        clock.move(1)
        append(store, end, session_id=session_id)
        session = store.get_session(session_id)
        run = Run(
            run=1,
            started_at=session.created_at,
            finished_at=clock.now,
            exit_code=code,
            reason=reason,
        )
        assert (session.status, session.newest_run) == ("finished", run)
        assert store.get_status(session_id) == "finished"
        assert store.list_runs(session_id) == [run]


def promise_5_first_end_of_a_run_is_final(store: Store, clock: SteppedClock) -> None:
    create(store)
    append(store, stop(exit_code=0))
    ended = store.get_session("s").newest_run
    clock.move(1)
    append(store, stop(exit_code=1), stop(run=1, exit_code=2))
    assert store.get_session("s").newest_run == ended
    assert store.list_runs("s") == [ended]
    assert seqs_of(store) == [1, 2, 3]


def promise_5_lost_run_accepts_a_later_end_that_names_it(store: Store, clock: SteppedClock) -> None:
    create(store)
    append(store, stop(reason="lost"))
    append(store, stop(exit_code=3))
    assert store.get_session("s").newest_run.reason is Reason.LOST
    append(store, stop(run=1, exit_code=0))
    newest = store.get_session("s").newest_run
    assert (newest.reason, newest.exit_code) == (Reason.COMPLETED, 0)


def promise_5_events_of_an_older_run_are_stored_as_late(store: Store, clock: SteppedClock) -> None:
    create(store)
    append(store, stop())
    open_run(store)
    before = store.get_session("s")
    append(store, {**SOME, "run": 1}, stop(run=1, exit_code=9), {**SOME, "run": 2}, SOME)
    events = store.list_events("s", EventFilter(after_seq=1), limit=10).events
    assert [(event.run, event.late) for event in events] == [
        (1, True),
        (1, True),
        (2, False),
        (2, False),
    ]
    assert store.get_session("s") == replace(before, last_seq=5)
    assert store.list_runs("s")[0].exit_code is None


def promise_5_next_run_of_a_running_session_needs_takeover(
    store: Store, clock: SteppedClock
) -> None:
    create(store, host="first host")
    (refused,) = store.commit([OpenRun(session_id="s", host="second host")])
    assert isinstance(refused, SessionRunningError)
    assert (refused.run, refused.host) == (1, "first host")
    clock.move(7)
    taken = open_run(store, takeover=True, host="second host", spec={"x": 1})
    assert taken.newest_run == Run(run=2, started_at=clock.now, host="second host")
    assert (taken.status, taken.last_resumed_at) == ("running", clock.now)
    first, second = store.list_runs("s")
    assert (first.reason, first.finished_at, first.exit_code) == (Reason.LOST, clock.now, None)
    assert second.spec == {"x": 1}
    append(store, stop(exit_code=0))
    assert open_run(store).newest_run.run == 3
    assert [run.reason for run in store.list_runs("s")] == [Reason.LOST, Reason.COMPLETED, None]


def promise_5_resume_with_any_date_opens_the_next_run(store: Store, clock: SteppedClock) -> None:
    create(store)
    append(store, says("old"), stop(exit_code=0))
    for run, given in ((2, START - timedelta(days=999)), (3, START + timedelta(days=999))):
        resumed = update(store, last_resumed_at=given)
        assert (resumed.status, resumed.last_resumed_at) == ("running", given)
        assert resumed.newest_run == Run(run=run, started_at=START)
        with pytest.raises(SessionNotFinishedError):
            store.get_result("s")
    assert [run.reason for run in store.list_runs("s")] == [Reason.COMPLETED, Reason.LOST, None]


def promise_5_stop_and_resume_in_one_batch_leave_it_running(
    store: Store, clock: SteppedClock
) -> None:
    create(store)
    outcomes = store.commit(
        [
            appending("s", stop(exit_code=0)),
            OpenRun(session_id="s"),
            appending("s", {**SOME, "run": 1}, {**SOME, "run": 2}),
        ]
    )
    assert kinds(outcomes) == [list, Session, list]
    session = store.get_session("s")
    assert (session.status, session.newest_run.run, session.last_seq) == ("running", 2, 3)


def promise_5_result_is_the_last_text_answer_of_the_newest_run(
    store: Store, clock: SteppedClock
) -> None:
    create(store)
    append(store, says("of run 1"), stop())
    open_run(store)
    append(store, says("late, of run 1", run=1), stop())
    with pytest.raises(NoResultError):
        store.get_result("s")
    open_run(store)
    blocks = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "one"},
        {"type": "tool_use", "name": "Bash"},
        {"type": "text", "text": "two"},
    ]
    append(store, says("not the last"), {**says(""), "content": blocks})
    append(
        store,
        {**says(""), "content": [{"type": "tool_use", "name": "Bash"}]},
        says(""),
        {**says("of the user"), "role": "user"},
        {**says("of another type"), "event_type": "thinking"},
        says("of run 2", run=2),
    )
    with pytest.raises(SessionNotFinishedError):
        store.get_result("s")
    append(store, stop(exit_code=1))
    assert store.get_result("s") == "one\ntwo"


def promise_5_result_of_a_message_in_parts_is_the_whole_text(
    store: Store, clock: SteppedClock
) -> None:
    create(store)
    append(
        store,
        says("earlier", event_id="a"),
        says("not it", event_id="b", continues="a"),
        says("one\n", event_id="c"),
        {"event_type": "stderr", "content": [{"type": "text", "text": "x"}], "continues": "d"},
        says("tw", event_id="d", continues="c"),
    )
    append(store, says("a subagent's", parent_tool_use_id="t"), says("o", continues="c"), stop())
    assert store.get_result("s") == "one\ntwo"
    open_run(store)
    append(store, says("the rest", continues="not here"), says("late", run=1, continues="c"))
    append(store, stop())
    assert store.get_result("s") == "the rest"


def promise_5_usage_is_summed_per_run_and_session(store: Store, clock: SteppedClock) -> None:
    create(store)
    append(store, used(1), used(2), says("x"))
    append(store, stop())
    open_run(store)
    append(store, used(10), used(100, run=1), {"event_type": "message", "usage": {"input": 1}})
    assert [run.usage.input_tokens for run in store.list_runs("s")] == [103, 10]
    session = store.get_session("s")
    assert session.usage == Usage(input_tokens=113, cost_nanodollars=1_130_000)
    assert session.newest_run.usage == Usage(input_tokens=10, cost_nanodollars=100_000)


def promise_5_requests_count_once_until_a_total_includes_them(
    store: Store, clock: SteppedClock
) -> None:
    create(store)

    def usage_of_runs() -> list[tuple[int, int, int, int]]:
        """Return input tokens, output tokens, cost and unpriced tokens of each run."""
        found = [run.usage for run in store.list_runs("s")]
        total = store.get_session("s").usage
        for name in Usage.__dataclass_fields__:
            assert getattr(total, name) == sum(getattr(usage, name) for usage in found)
        counts = [(u.input_tokens, u.output_tokens, u.cost_microdollars) for u in found]
        return [(*c, u.unpriced_tokens) for c, u in zip(counts, found, strict=True)]

    append(store, asked("a", 1), asked("a", 5), asked("b", 1))
    assert usage_of_runs() == [(14, 6, 0, 20)]
    append(store, asked("b", 3), asked("a", 2))  # the maximum counts, not the sum
    assert usage_of_runs() == [(14, 8, 0, 22)]
    append(store, used(20), asked("b", 4), asked("c", 9))  # the total includes a and b, but not c
    assert usage_of_runs() == [(20 + 7, 9, 200, 16)]
    append(store, used(5))
    assert usage_of_runs() == [(25, 0, 250, 0)]
    append(store, stop())
    open_run(store)
    append(store, asked("d", 2), asked("a", 50), asked("e", 1, run=1))
    assert usage_of_runs() == [(25 + 7, 1, 250, 8), (7, 2, 0, 9)]
    priced = {"output_tokens": 3, "cost_microdollars": 40}
    append(store, asked("d", 1, usage=priced), asked("d", 4))  # a reported cost is kept
    assert usage_of_runs()[1] == (7, 4, 40, 0)


def promise_5_days_of_usage_follow_the_time_zone(store: Store, clock: SteppedClock) -> None:
    zones = [ZoneInfo("Europe/Berlin"), ZoneInfo("America/St_Johns"), UTC]
    create(store, agent_name="a")
    begun = [store.list_runs("s")[0].started_at]
    for change in ("2026-03-08T05:30", "2026-03-29T01:00", "2026-10-25T01:00", "2026-11-01T04:30"):
        clock.now = datetime.fromisoformat(change).replace(tzinfo=UTC) - timedelta(hours=26)
        for _ in range(8):
            clock.move(6.5 * 3600)
            append(store, stop())
            begun.append(open_run(store).newest_run.started_at)
    since = begun[1]
    for zone in zones:
        expected = Counter(moment.astimezone(zone).date() for moment in begun)
        found = store.statistics.sum_usage(since=since, bucket=timedelta(days=1), zone=zone)
        days = {row.start.astimezone(zone): row.runs for row in found}
        assert {day.date(): runs for day, runs in days.items()} == expected
        assert {day.time() for day in days} == {time()}
        hours = store.statistics.sum_usage(since=since, bucket=timedelta(hours=1), zone=zone)
        assert sum(row.runs for row in hours) == len(begun)


def promise_5_update_changes_only_the_given_fields(store: Store, clock: SteppedClock) -> None:
    created = create(store, project_dir="/a", agent_name="a")
    clock.move(1)
    assert update(store) == created
    assert update(store, project_dir="/b") == replace(created, project_dir="/b")
    renamed = update(store, session_name="n", agent_name="b")
    assert renamed == replace(created, project_dir="/b", session_name="n", agent_name="b")
    archived = update(store, archived=True)
    assert archived == replace(renamed, archived_at=clock.now)
    clock.move(1)
    assert update(store, archived=True) == archived
    assert update(store, archived=False) == replace(renamed, last_activity_at=clock.now)
