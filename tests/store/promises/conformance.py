"""What every store keeps: one function or more for each promise of `store/protocol.py`.

Leases and requests, 9 and 10, are in `lease_promises.py` and `request_promises.py`.
Each takes a store that is empty and the clock that it was opened with.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent_session_manager.domain.errors import (
    InvalidEventError,
    InvalidNameError,
    NameTakenError,
    NoResultError,
    SessionExistsError,
    SessionNotFinishedError,
    SessionNotFoundError,
    SessionRunningError,
)
from agent_session_manager.domain.event import parse_event
from agent_session_manager.domain.session import Reason, Run, Session, Usage
from agent_session_manager.store.change import Change
from agent_session_manager.store.changes import (
    AppendEvents,
    CreateSession,
    DeleteSession,
    OpenRun,
    UpdateSession,
)
from agent_session_manager.store.protocol import Store
from agent_session_manager.store.queries import EventFilter, SessionFilter

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class SteppedClock:
    """A clock that stands still until it is moved, in whichever direction."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


Promise = Callable[[Store, SteppedClock], None]


def made(store: Store, change: Change[Any]) -> Any:
    """Commit one change by itself."""
    (outcome,) = store.commit([change])
    return outcome


def create(store: Store, session_id: str = "s", **fields: Any) -> Session:
    new = CreateSession(**{"session_id": session_id, "session_name": session_id, **fields})
    session = made(store, new)
    assert isinstance(session, Session), session
    return session


def appending(session_id: str, *values: dict[str, Any]) -> AppendEvents:
    events = [parse_event(value, session_id=session_id) for value in values]
    return AppendEvents(session_id=session_id, events=events)


def append(store: Store, *values: dict[str, Any], session_id: str = "s") -> list[int]:
    seqs = made(store, appending(session_id, *values))
    assert isinstance(seqs, list), seqs
    return [int(seq) for seq in seqs]


def open_run(store: Store, session_id: str = "s", **fields: Any) -> Session:
    session = made(store, OpenRun(session_id=session_id, **fields))
    assert isinstance(session, Session), session
    return session


def update(store: Store, session_id: str = "s", **fields: Any) -> Session:
    session = made(store, UpdateSession(session_id=session_id, **fields))
    assert isinstance(session, Session), session
    return session


def stop(**fields: Any) -> dict[str, Any]:
    return {"event_type": "session_stop", **fields}


def says(text: str, **fields: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": text}]
    return {"event_type": "message", "role": "assistant", "content": content, **fields}


def used(tokens: int, **fields: Any) -> dict[str, Any]:
    usage = {"input_tokens": tokens, "cost_microdollars": tokens * 10}
    return {"event_type": "usage", "usage": usage, **fields}


SOME = {"event_type": "some"}


def kinds(outcomes: list[Any]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


def seqs_of(store: Store, session_id: str = "s", **where: Any) -> list[int]:
    page = store.list_events(session_id, EventFilter(**where), limit=1000)
    return [event.seq for event in page.events]


def ids(store: Store, **where: Any) -> list[str]:
    page = store.list_sessions(SessionFilter(**where), limit=1000)
    return [session.session_id for session in page.sessions]


def promise_1_created_session_is_read_back_whole(store: Store, clock: SteppedClock) -> None:
    spec = {"argv": ["x", 1.5, None], "текст": "🦾"}
    created = create(
        store,
        session_name="naïve 🦾",
        project_dir="/p",
        agent_name="a",
        executor="e",
        parent_session_id="parent",
        unique_name=True,
        host="h",
        spec=spec,
    )
    assert re.fullmatch("[0-9a-f]{32}", created.generation)
    assert created == Session(
        session_id="s",
        generation=created.generation,
        session_name="naïve 🦾",
        project_dir="/p",
        agent_name="a",
        created_at=START,
        last_resumed_at=None,
        last_activity_at=START,
        executor="e",
        parent_session_id="parent",
        archived_at=None,
        unique_name=True,
        last_seq=0,
        usage=Usage(),
        newest_run=Run(run=1, started_at=START, host="h"),
        child_count=0,
    )
    assert store.get_session("s") == created
    assert store.get_status("s") == "running"
    assert store.list_runs("s") == [Run(run=1, started_at=START, host="h", spec=spec)]


def promise_1_changes_of_a_batch_take_effect_in_order(store: Store, clock: SteppedClock) -> None:
    outcomes = store.commit(
        [
            appending("s", SOME),
            CreateSession(session_id="s", session_name="first"),
            appending("s", SOME, stop(exit_code=1)),
            OpenRun(session_id="s"),
            UpdateSession(session_id="s", session_name="renamed"),
            appending("s", SOME),
            DeleteSession(session_id="s"),
            appending("s", SOME),
            CreateSession(session_id="s", session_name="second"),
            appending("s", SOME),
        ]
    )
    assert kinds(outcomes) == [
        SessionNotFoundError,
        Session,
        list,
        Session,
        Session,
        list,
        int,
        SessionNotFoundError,
        Session,
        list,
    ]
    assert [outcomes[2], outcomes[5], outcomes[6], outcomes[9]] == [[1, 2], [3], 3, [1]]
    session = store.get_session("s")
    assert (session.session_name, session.newest_run.run, session.last_seq) == ("second", 1, 1)


def promise_1_empty_batch_and_empty_append_change_nothing(
    store: Store, clock: SteppedClock
) -> None:
    create(store)
    before = store.get_session("s")
    clock.move(5)
    assert store.commit([]) == []
    assert append(store) == []
    assert store.get_session("s") == before


def promise_1_event_is_read_back_as_it_came(store: Store, clock: SteppedClock) -> None:
    create(store)
    fields = {
        "tool_name": "Bash",
        "tool_input": {"a": [1, -2.5, 2**63, None, True, {"b": "\u2028\x7f\x1b[31m"}]},
        "tool_output": "日本語 🦾 \ufffe " + "x" * 1_000_000,
        "timestamp": "not even a time",
    }
    clock.move(0.000001)
    append(store, {"event_type": "own type", "event_id": "é", **fields})
    (event,) = store.list_events("s", EventFilter(), limit=10).events
    assert (event.seq, event.event_type, event.event_id, event.run, event.late) == (
        1,
        "own type",
        "é",
        1,
        False,
    )
    assert event.recorded_at == START + timedelta(microseconds=1)
    assert event.fields == fields


def promise_2_refusals_leave_no_trace_and_their_neighbours_untouched(
    store: Store, clock: SteppedClock
) -> None:
    create(store, "held", session_name="name", unique_name=True)
    outcomes = store.commit(
        [
            CreateSession(session_id="first", session_name="first"),
            CreateSession(session_id="held", session_name="again"),
            appending("none", SOME),
            appending("first", SOME),
            appending("first", SOME, {**SOME, "run": 2}, SOME),
            appending("first", SOME),
            CreateSession(session_id="other", session_name="name", unique_name=True),
            OpenRun(session_id="first"),
            OpenRun(session_id="none"),
            UpdateSession(session_id="none", session_name="x"),
            DeleteSession(session_id="none"),
            CreateSession(session_id="last", session_name="last"),
        ]
    )
    assert kinds(outcomes) == [
        Session,
        SessionExistsError,
        SessionNotFoundError,
        list,
        InvalidEventError,
        list,
        NameTakenError,
        SessionRunningError,
        SessionNotFoundError,
        SessionNotFoundError,
        SessionNotFoundError,
        Session,
    ]
    assert [outcomes[3], outcomes[5]] == [[1], [2]]
    assert isinstance(outcomes[4], InvalidEventError)
    assert outcomes[4].index == 1
    assert ids(store) == ["last", "first", "held"]
    assert seqs_of(store, "first") == [1, 2]
    assert store.get_session("first").newest_run.run == 1
    assert store.get_session("held").session_name == "name"


def promise_2_reads_of_an_unknown_session_are_refused(store: Store, clock: SteppedClock) -> None:
    assert store.get_status("none") == "not_existent"
    for read in (
        lambda: store.get_session("none"),
        lambda: store.get_result("none"),
        lambda: store.list_runs("none"),
        lambda: store.list_events("none", EventFilter(), limit=1),
    ):
        with pytest.raises(SessionNotFoundError):
            read()


def promise_3_events_of_each_session_are_numbered_by_themselves(
    store: Store, clock: SteppedClock
) -> None:
    create(store, "a")
    create(store, "b")
    outcomes = store.commit(
        [
            appending("a", SOME, SOME),
            appending("b", SOME),
            appending("a", SOME),
            appending("b", SOME, SOME),
        ]
    )
    assert outcomes == [[1, 2], [1], [3], [2, 3]]
    assert append(store, SOME, session_id="a") == [4]
    assert seqs_of(store, "a") == [1, 2, 3, 4]
    assert store.get_session("a").last_seq == 4


def promise_3_order_is_that_of_commit_when_the_clock_jumps_back(
    store: Store, clock: SteppedClock
) -> None:
    create(store)
    append(store, says("first", timestamp="2030-01-01T00:00:00Z"))
    clock.move(-3 * 24 * 3600)
    append(store, says("second", timestamp="1999-01-01T00:00:00Z"))
    clock.move(-3600)
    append(store, stop(exit_code=0))
    events = store.list_events("s", EventFilter(), limit=10).events
    assert [event.seq for event in events] == [1, 2, 3]
    assert events[0].recorded_at > events[1].recorded_at > events[2].recorded_at
    assert store.get_result("s") == "second"
    create(store, "created later")
    assert ids(store) == ["created later", "s"]


def promise_3_long_session_is_all_in_reach(store: Store, clock: SteppedClock) -> None:
    create(store)
    numbers = range(1, 20_001)
    for start in range(0, 20_000, 1000):
        append(store, *({"event_type": "n", "n": n} for n in numbers[start : start + 1000]))
    read: list[int] = []
    more = True
    while more:
        where = EventFilter(after_seq=read[-1] if read else 0)
        page = store.list_events("s", where, limit=777)
        assert [event.fields["n"] for event in page.events] == [e.seq for e in page.events]
        read += [event.seq for event in page.events]
        more = page.has_more
    assert read == list(numbers)


def promise_4_event_id_counts_once_in_a_list_a_batch_and_later(
    store: Store, clock: SteppedClock
) -> None:
    create(store)
    create(store, "other")
    one, two = {**SOME, "event_id": "1"}, {**SOME, "event_id": "2"}
    assert append(store, one, one, two, SOME) == [1, 1, 2, 3]
    assert store.commit([appending("s", one), appending("s", two, SOME), appending("s", one)]) == [
        [1],
        [2, 4],
        [1],
    ]
    assert store.commit([appending("s", SOME), appending("s", SOME)]) == [[5], [6]]
    three = {**SOME, "event_id": "3"}
    assert store.commit([appending("s", three), appending("other", three, one)]) == [[7], [1, 2]]
    assert append(store, {"event_type": "changed", "event_id": "1", "x": 1}) == [1]
    assert seqs_of(store) == [1, 2, 3, 4, 5, 6, 7]
    assert store.list_events("s", EventFilter(), limit=1).events[0].event_type == "some"


def promise_4_what_is_sent_again_changes_nothing(store: Store, clock: SteppedClock) -> None:
    create(store)
    end = stop(event_id="end", exit_code=1)
    spent = used(5, event_id="used")
    answer = says("answer", event_id="answer")
    append(store, answer, spent, end)
    before = store.get_session("s")
    clock.move(60)
    assert append(store, end, spent, answer) == [3, 2, 1]
    assert store.get_session("s") == before
    open_run(store)
    append(store, says("new"))
    resumed = store.get_session("s")
    clock.move(60)
    assert append(store, end, spent, answer) == [3, 2, 1]
    assert store.get_session("s") == resumed
    assert store.get_status("s") == "running"


def promise_4_refused_list_does_not_take_its_ids(store: Store, clock: SteppedClock) -> None:
    create(store)
    one = {**SOME, "event_id": "1"}
    outcomes = store.commit([appending("s", one, {**SOME, "run": 9}), appending("s", SOME, one)])
    assert kinds(outcomes) == [InvalidEventError, list]
    assert outcomes[1] == [1, 2]


def promise_5_stop_ends_the_run_with_its_code_and_reason(store: Store, clock: SteppedClock) -> None:
    for session_id, end, code, reason in (
        ("a", stop(), None, Reason.COMPLETED),
        ("b", stop(exit_code=0), 0, Reason.COMPLETED),
        ("c", stop(exit_code=2), 2, Reason.FAILED),
        ("d", stop(exit_code=0, reason="timeout"), 0, Reason.TIMEOUT),
        ("e", stop(reason="whatever the caller calls it", exit_code=-9), -9, Reason.FAILED),
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


def promise_5_first_end_of_a_run_stays(store: Store, clock: SteppedClock) -> None:
    create(store)
    append(store, stop(exit_code=0))
    ended = store.get_session("s").newest_run
    clock.move(1)
    append(store, stop(exit_code=1), stop(run=1, exit_code=2))
    assert store.get_session("s").newest_run == ended
    assert store.list_runs("s") == [ended]
    assert seqs_of(store) == [1, 2, 3]


def promise_5_lost_run_takes_its_true_end_from_who_names_it(
    store: Store, clock: SteppedClock
) -> None:
    create(store)
    append(store, stop(reason="lost"))
    append(store, stop(exit_code=3))
    assert store.get_session("s").newest_run.reason is Reason.LOST
    append(store, stop(run=1, exit_code=0))
    newest = store.get_session("s").newest_run
    assert (newest.reason, newest.exit_code) == (Reason.COMPLETED, 0)


def promise_5_older_run_is_kept_and_changes_nothing(store: Store, clock: SteppedClock) -> None:
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


def promise_5_only_one_opens_the_next_run_unless_it_takes_over(
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


def promise_5_resume_by_date_opens_the_next_run_whatever_the_date(
    store: Store, clock: SteppedClock
) -> None:
    create(store)
    append(store, says("old"), stop(exit_code=0))
    for run, given in ((2, START - timedelta(days=999)), (3, START + timedelta(days=999))):
        resumed = update(store, last_resumed_at=given)
        assert (resumed.status, resumed.last_resumed_at) == ("running", given)
        assert resumed.newest_run == Run(run=run, started_at=START)
        with pytest.raises(SessionNotFinishedError):
            store.get_result("s")
    assert [run.reason for run in store.list_runs("s")] == [Reason.COMPLETED, Reason.LOST, None]


def promise_5_stop_and_resume_of_one_batch_leave_it_running(
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


def promise_5_result_is_the_last_answer_with_text_of_the_newest_run(
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


def promise_5_result_of_a_message_in_parts_is_all_of_its_text(
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


def promise_5_usage_is_summed_for_each_run_and_for_all(store: Store, clock: SteppedClock) -> None:
    create(store)
    append(store, used(1), used(2), says("x"))
    append(store, stop())
    open_run(store)
    append(store, used(10), used(100, run=1), {"event_type": "message", "usage": {"input": 1}})
    assert [run.usage.input_tokens for run in store.list_runs("s")] == [103, 10]
    session = store.get_session("s")
    assert session.usage == Usage(input_tokens=113, cost_microdollars=1130)
    assert session.newest_run.usage == Usage(input_tokens=10, cost_microdollars=100)


def asked(request_id: str, tokens: int, **fields: Any) -> dict[str, Any]:
    usage = {"input_tokens": 7, "output_tokens": tokens}
    return {"event_type": "usage", "request_id": request_id, "usage": usage, **fields}


def promise_5_each_request_counts_once_until_a_total_has_it(
    store: Store, clock: SteppedClock
) -> None:
    create(store)

    def usage_of_runs() -> list[tuple[int, int, int, int]]:
        """Input, output, cost and what has no price, of each run."""
        found = [run.usage for run in store.list_runs("s")]
        total = store.get_session("s").usage
        for name in Usage.__dataclass_fields__:
            assert getattr(total, name) == sum(getattr(usage, name) for usage in found)
        counts = [(u.input_tokens, u.output_tokens, u.cost_microdollars) for u in found]
        return [(*c, u.unpriced_tokens) for c, u in zip(counts, found, strict=True)]

    append(store, asked("a", 1), asked("a", 5), asked("b", 1))
    assert usage_of_runs() == [(14, 6, 0, 20)]
    append(store, asked("b", 3), asked("a", 2))  # raised to the maximum, never added, never less
    assert usage_of_runs() == [(14, 8, 0, 22)]
    append(store, used(20), asked("b", 4), asked("c", 9))  # the total has a and b, and not c
    assert usage_of_runs() == [(20 + 7, 9, 200, 16)]
    append(store, used(5))
    assert usage_of_runs() == [(25, 0, 250, 0)]
    append(store, stop())
    open_run(store)
    append(store, asked("d", 2), asked("a", 50), asked("e", 1, run=1))
    assert usage_of_runs() == [(25 + 7, 1, 250, 8), (7, 2, 0, 9)]
    priced = {"output_tokens": 3, "cost_microdollars": 40}
    append(store, asked("d", 1, usage=priced), asked("d", 4))  # a cost that was told stays known
    assert usage_of_runs()[1] == (7, 4, 40, 0)


def promise_5_days_of_usage_are_those_of_the_zones_clock(store: Store, clock: SteppedClock) -> None:
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


def promise_5_update_changes_what_is_given(store: Store, clock: SteppedClock) -> None:
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


def reserve(
    store: Store, session_id: str, name: str = "name", project_dir: str | None = None
) -> Any:
    return made(
        store,
        CreateSession(
            session_id=session_id, session_name=name, project_dir=project_dir, unique_name=True
        ),
    )


def promise_6_reserved_name_has_one_holder_in_each_project(
    store: Store, clock: SteppedClock
) -> None:
    for index, project in enumerate((None, "/a", "/b")):
        assert isinstance(reserve(store, f"holder-{index}", "name", project), Session)
        refused = reserve(store, f"late-{index}", "name", project)
        assert isinstance(refused, NameTakenError)
        assert (refused.session_name, refused.holder_id) == ("name", f"holder-{index}")
    assert isinstance(reserve(store, "no project is one project", "name", ""), NameTakenError)
    assert isinstance(reserve(store, "another", "Name"), Session)
    assert isinstance(create(store, "unreserved", session_name="name"), Session)
    outcomes = store.commit(
        [
            CreateSession(session_id=f"racing-{n}", session_name="racing", unique_name=True)
            for n in range(3)
        ]
    )
    assert kinds(outcomes) == [Session, NameTakenError, NameTakenError]


def promise_6_two_ways_to_write_a_name_are_one_name(store: Store, clock: SteppedClock) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert isinstance(reserve(store, "a", decomposed), Session)
    assert store.get_session("a").session_name == decomposed
    assert isinstance(reserve(store, "b", composed), NameTakenError)
    assert update(store, "a", session_name=composed).session_name == composed
    update(store, "a", session_name="other")
    assert isinstance(reserve(store, "b", composed), Session)
    refused = made(store, UpdateSession(session_id="a", session_name=decomposed))
    assert isinstance(refused, NameTakenError)


def promise_6_name_that_nobody_can_see_is_never_given(store: Store, clock: SteppedClock) -> None:
    create(store, "s")
    for name in ("s\u200b", "s ", "s\n"):
        new = CreateSession(session_id="new", session_name=name)
        assert isinstance(made(store, new), InvalidNameError)
        renamed = made(store, UpdateSession(session_id="s", session_name=name))
        assert isinstance(renamed, InvalidNameError)
    assert store.get_session("s").session_name == "s"


def promise_6_renaming_takes_the_new_name_and_frees_the_old(
    store: Store, clock: SteppedClock
) -> None:
    reserve(store, "a", "one", "/p")
    reserve(store, "b", "two", "/p")
    refused = made(store, UpdateSession(session_id="b", session_name="one"))
    assert isinstance(refused, NameTakenError)
    assert store.get_session("b").session_name == "two"
    assert update(store, "a", session_name="one").session_name == "one"
    assert update(store, "a", session_name="three").session_name == "three"
    assert update(store, "b", session_name="one").session_name == "one"
    moved = made(store, UpdateSession(session_id="a", session_name="one", project_dir="/q"))
    assert isinstance(moved, Session)
    back = made(store, UpdateSession(session_id="a", project_dir="/p"))
    assert isinstance(back, NameTakenError)
    create(store, "free", session_name="x", project_dir="/p")
    assert update(store, "free", session_name="one").session_name == "one"


def promise_6_archiving_frees_and_unarchiving_asks_again(store: Store, clock: SteppedClock) -> None:
    reserve(store, "a")
    update(store, "a", archived=True)
    assert isinstance(reserve(store, "b"), Session)
    refused = made(store, UpdateSession(session_id="a", archived=False))
    assert isinstance(refused, NameTakenError)
    assert refused.holder_id == "b"
    assert store.get_session("a").archived_at == START
    assert update(store, "a", session_name="other").session_name == "other"
    assert update(store, "a", archived=False).archived_at is None
    assert isinstance(reserve(store, "c", "other"), NameTakenError)
    update(store, "b", archived=True)
    both = made(store, UpdateSession(session_id="b", archived=False, session_name="other"))
    assert isinstance(both, NameTakenError)


def promise_6_deleting_frees(store: Store, clock: SteppedClock) -> None:
    reserve(store, "a")
    outcomes = store.commit(
        [
            DeleteSession(session_id="a"),
            CreateSession(session_id="b", session_name="name", unique_name=True),
        ]
    )
    assert kinds(outcomes) == [int, Session]


def promise_7_list_is_newest_first_and_filtered(store: Store, clock: SteppedClock) -> None:
    create(store, "a1", session_name="x", project_dir="/p", agent_name="r")
    create(store, "a2", session_name="x", project_dir="/q", parent_session_id="a1")
    create(store, "b.1", session_name="y", project_dir="/p")
    create(store, "A3", session_name="X")
    create(store, "a_1", session_name="%")
    append(store, stop(), session_id="a1")
    update(store, "b.1", archived=True)
    assert ids(store) == ["a_1", "A3", "b.1", "a2", "a1"]
    for where, expected in (
        ({"session_name": "x"}, ["a2", "a1"]),
        ({"session_name": "x", "project_dir": "/p"}, ["a1"]),
        ({"session_name": "%"}, ["a_1"]),
        ({"project_dir": "/p"}, ["b.1", "a1"]),
        ({"agent_name": "r"}, ["a1"]),
        ({"status": "finished"}, ["a1"]),
        ({"status": "running", "project_dir": "/p"}, ["b.1"]),
        ({"parent_session_id": "a1"}, ["a2"]),
        ({"archived": True}, ["b.1"]),
        ({"archived": False, "project_dir": "/p"}, ["a1"]),
        ({"id_prefix": "a"}, ["a_1", "a2", "a1"]),
        ({"id_prefix": "a_"}, ["a_1"]),
        ({"id_prefix": "a1"}, ["a1"]),
        ({"id_prefix": "%"}, []),
        ({"id_prefix": "b."}, ["b.1"]),
        ({"id_prefix": ""}, ["a_1", "A3", "b.1", "a2", "a1"]),
        ({"session_name": "none"}, []),
    ):
        assert ids(store, **where) == expected, where


def promise_7_pages_hold_each_session_once_whatever_is_created_meanwhile(
    store: Store, clock: SteppedClock
) -> None:
    for number in range(7):
        create(store, f"s{number}", project_dir="/p")
    seen = []
    after = None
    while True:
        page = store.list_sessions(SessionFilter(project_dir="/p"), limit=2, after=after)
        seen += [session.session_id for session in page.sessions]
        if page.next_page is None:
            break
        after = page.next_page
        create(store, f"meanwhile-{after[0]}", project_dir="/p")
        append(store, SOME, session_id="s0")
    assert seen == [f"s{number}" for number in range(6, -1, -1)]


def promise_7_session_deleted_meanwhile_takes_no_other_with_it(
    store: Store, clock: SteppedClock
) -> None:
    for number in range(4):
        create(store, f"s{number}")
    first = store.list_sessions(SessionFilter(), limit=2)
    made(store, DeleteSession(session_id="s2"))
    second = store.list_sessions(SessionFilter(), limit=2, after=first.next_page)
    assert [session.session_id for session in second.sessions] == ["s1", "s0"]
    assert second.next_page is None


def promise_7_full_last_page_has_no_next(store: Store, clock: SteppedClock) -> None:
    create(store, "a")
    create(store, "b")
    assert store.list_sessions(SessionFilter(), limit=2).next_page is None
    assert store.list_sessions(SessionFilter(), limit=1).next_page is not None
    assert store.list_sessions(SessionFilter(), limit=1, after=(1,)).sessions == []


def promise_7_events_are_found_by_place_type_and_run(store: Store, clock: SteppedClock) -> None:
    create(store)
    append(store, *({"event_type": "odd" if n % 2 else "even"} for n in range(1, 7)), stop())
    open_run(store)
    append(store, {"event_type": "odd"}, {"event_type": "odd", "run": 1})
    for where, expected in (
        ({}, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ({"after_seq": 7}, [8, 9]),
        ({"after_seq": 9}, []),
        ({"before_seq": 4}, [3, 2, 1]),
        ({"before_seq": 1}, []),
        ({"before_seq": 0}, []),
        ({"event_type": "odd"}, [1, 3, 5, 8, 9]),
        ({"event_type": "odd", "after_seq": 3}, [5, 8, 9]),
        ({"event_type": "odd", "before_seq": 5}, [3, 1]),
        ({"run": 2}, [8]),
        ({"run": 1, "event_type": "odd", "after_seq": 3}, [5, 9]),
        ({"run": 3}, []),
    ):
        assert seqs_of(store, **where) == expected, where


def promise_7_page_of_events_says_whether_there_are_more(store: Store, clock: SteppedClock) -> None:
    create(store)
    append(store, *[SOME] * 5)
    for where, limit, expected in (
        (EventFilter(), 5, ([1, 2, 3, 4, 5], False)),
        (EventFilter(), 4, ([1, 2, 3, 4], True)),
        (EventFilter(after_seq=3), 2, ([4, 5], False)),
        (EventFilter(before_seq=5), 4, ([4, 3, 2, 1], False)),
        (EventFilter(before_seq=6), 4, ([5, 4, 3, 2], True)),
    ):
        page = store.list_events("s", where, limit=limit)
        assert ([event.seq for event in page.events], page.has_more) == expected


def promise_7_page_of_large_events_is_cut_by_size_and_goes_on(
    store: Store, clock: SteppedClock
) -> None:
    create(store)
    for _ in range(4):
        append(store, *[{"event_type": "large", "text": "x" * 1_000_000}] * 5)
    for going_up in (True, False):
        read: list[int] = []
        pages = 0
        more = True
        while more:
            last = read[-1] if read else (0 if going_up else 21)
            where = EventFilter(after_seq=last) if going_up else EventFilter(before_seq=last)
            page = store.list_events("s", where, limit=1000)
            assert 0 < len(page.events) < 20
            read += [event.seq for event in page.events]
            pages += 1
            more = page.has_more
        assert sorted(read) == list(range(1, 21))
        assert pages == 3


def promise_8_deleting_takes_all_of_a_session_and_nothing_of_another(
    store: Store, clock: SteppedClock
) -> None:
    for session_id in ("a", "b"):
        create(store, session_id)
        append(store, says("x", event_id="1"), stop(), session_id=session_id)
        open_run(store, session_id)
    other = store.get_session("b")
    assert made(store, DeleteSession(session_id="a")) == 2
    assert isinstance(made(store, DeleteSession(session_id="a")), SessionNotFoundError)
    assert store.get_status("a") == "not_existent"
    assert ids(store) == ["b"]
    assert store.get_session("b") == other
    assert (seqs_of(store, "b"), len(store.list_runs("b"))) == ([1, 2], 2)


def promise_8_session_created_anew_knows_nothing_of_the_old(
    store: Store, clock: SteppedClock
) -> None:
    create(store, unique_name=True)
    append(store, says("old", event_id="1"), used(5), stop(exit_code=1))
    update(store, archived=True)
    made(store, DeleteSession(session_id="s"))
    clock.move(9)
    anew = create(store)
    assert anew.newest_run == Run(run=1, started_at=clock.now)
    assert (anew.last_seq, anew.usage, anew.archived_at) == (0, Usage(), None)
    assert seqs_of(store) == []
    assert append(store, {**SOME, "event_id": "1"}, stop()) == [1, 2]
    with pytest.raises(NoResultError):
        store.get_result("s")


PROMISES: list[Promise] = [
    function for name, function in list(globals().items()) if name.startswith("promise_")
]
