"""Promise 15 of `store/protocol.py`: imported history."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from typing import Any

from agent_session_manager.domain.errors import (
    InvalidNameError,
    RunNotDrivenError,
    SessionNotFoundError,
    SessionRunningError,
)
from agent_session_manager.domain.events.event import moment_of, parse_event
from agent_session_manager.domain.events.model_request import ModelRequest
from agent_session_manager.domain.sessions.request import RequestKind
from agent_session_manager.domain.sessions.session import ForkPoint, Reason, Source, State, Usage
from agent_session_manager.store.changes import CreateRequest, DeleteSession, OpenRun, ReapLeases
from agent_session_manager.store.history import ImportedHistory, ImportHistory, PlacedRequest
from agent_session_manager.store.protocol import Store
from agent_session_manager.store.queries import EventFilter, SessionFilter
from tests.store.promises.changes import append, create, made, open_run, update
from tests.store.promises.events import asked, says, stop, used
from tests.store.promises.lease_promises import TERM, lease_until
from tests.store.promises.stepped_clock import START, SteppedClock


def prompt(event_id: str, minute: int = 0) -> dict[str, Any]:
    timestamp = (START - timedelta(days=30) + timedelta(minutes=minute)).isoformat()
    return says(event_id, event_id=event_id, timestamp=timestamp) | {"role": "user"}


def answer(event_id: str, minute: int = 0) -> dict[str, Any]:
    return prompt(event_id, minute) | {"role": "assistant"}


def request(key: str, tokens: int = 5, *, inherited: bool = False) -> ModelRequest:
    return ModelRequest(
        key=f"claude:{key}",
        counts={"output_tokens": tokens},
        cost_nanodollars=tokens,
        is_inherited=inherited,
    )


def history(
    *events: dict[str, Any], session_id: str = "s", begins: bool = True, **fields: Any
) -> ImportHistory:
    parsed = [parse_event(event, session_id=session_id) for event in events]
    requests = fields.pop("requests", ())
    return ImportHistory(
        session_id=session_id,
        is_beginning=begins,
        executor="claude",
        events=parsed,
        moments=[moment_of(event.fields.get("timestamp")) for event in parsed],
        requests=[PlacedRequest(request=each, place=len(parsed)) for each in requests],
        **fields,
    )


def events_of(store: Store, session_id: str = "s") -> list[tuple[str | None, int]]:
    page = store.list_events(session_id, EventFilter(after_seq=0), limit=1000)
    return [(event.event_id, event.run) for event in page.events]


def output_of(store: Store, session_id: str) -> int:
    session = store.get_session(session_id)
    runs = [run.usage for run in store.list_runs(session_id)]
    assert session.usage.output_tokens == sum(usage.output_tokens for usage in runs)
    return session.usage.output_tokens


def promise_15_import_creates_a_finished_session(store: Store, clock: SteppedClock) -> None:
    change = history(
        prompt("a", 0),
        answer("b", 7),
        project_dir="/p",
        title="Fix the login",
        host="here",
        source=Source(format="claude", path="/x.jsonl"),
        forked_from=ForkPoint(session_id="t", event_id="e"),
        requests=[request("r")],
        reason=Reason.COMPLETED,
    )
    assert made(store, change) == ImportedHistory(is_new=True, events=2, requests=1, last_seq=2)
    session = store.get_session("s")
    begin = START - timedelta(days=30)
    assert (session.created_at, session.last_activity_at) == (begin, begin + timedelta(minutes=7))
    assert (session.state, session.status) == (State.FINISHED, "finished")
    assert (session.session_name, session.title) == ("Fix the login", "Fix the login")
    assert (session.project_dir, session.executor) == ("/p", "claude")
    assert session.source == Source(format="claude", path="/x.jsonl")
    assert session.forked_from == ForkPoint(session_id="t", event_id="e")
    assert session.usage == Usage(output_tokens=5, cost_nanodollars=5)
    run = session.newest_run
    assert (run.started_at, run.finished_at) == (begin, begin + timedelta(minutes=7))
    assert (run.is_imported, run.host, run.reason) == (True, "here", Reason.COMPLETED)
    assert events_of(store) == [("a", 1), ("b", 1)]
    assert store.get_result("s") == "b"
    assert [facet.value for facet in store.statistics.list_facets(limit=9).projects] == ["/p"]


def promise_15_import_can_be_repeated(store: Store, clock: SteppedClock) -> None:
    parts = [
        history(prompt("a"), answer("b", 1), requests=[request("r"), request("q")]),
        history(answer("b", 1), answer("c", 9), begins=False, requests=[request("r", 8)]),
    ]
    for part in parts:
        made(store, part)
    before = store.get_session("s")
    assert output_of(store, "s") == 13
    for part in (*parts, *reversed(parts)):
        again = made(store, part)
        assert (again.is_new, again.events, again.requests) == (False, 0, 0)
    after = store.get_session("s")
    assert (after.usage, after.newest_run, after.last_seq) == (before.usage, before.newest_run, 3)
    assert after.created_at == before.created_at


def promise_15_import_after_a_deletion_needs_the_beginning(
    store: Store, clock: SteppedClock
) -> None:
    made(store, history(prompt("a")))
    made(store, DeleteSession(session_id="s"))
    refused = made(store, history(answer("b"), begins=False))
    assert isinstance(refused, SessionNotFoundError)
    made(store, history(prompt("a")))


def promise_15_import_is_refused_while_a_run_is_open(store: Store, clock: SteppedClock) -> None:
    create(store)
    assert isinstance(made(store, history(prompt("a"))), SessionRunningError)
    assert events_of(store) == []


def running(store: Store) -> list[str]:
    page = store.list_sessions(SessionFilter(state=(State.RUNNING,)), limit=9)
    return [session.session_id for session in page.sessions]


def turn(*events: dict[str, Any], end: Reason = Reason.LOST, **fields: Any) -> ImportHistory:
    return history(*events, begins=False, reason=end, **fields)


def promise_15_import_with_a_holder_opens_its_run(store: Store, clock: SteppedClock) -> None:
    holder = "claude, pid 7"
    made(store, history(prompt("a"), answer("b", 1), reason=Reason.COMPLETED))
    opened = made(store, turn(prompt("c", 2), holder=holder))
    assert opened.lease_seconds == TERM
    session = store.get_session("s")
    assert (session.state, session.status) == (State.RUNNING, "running")
    assert (session.newest_run.finished_at, session.newest_run.reason) == (None, None)
    assert session.newest_run.lease == lease_until(clock, holder)
    assert running(store) == ["s"]

    clock.move(TERM - 1)
    assert made(store, turn(answer("b", 1))).lease_seconds is None  # of one that follows nothing
    position = store.feeds.head()
    assert made(store, turn(holder=holder)).lease_seconds == TERM
    assert store.feeds.head() == position  # a renewal is no news
    made(store, turn(answer("d", 3)))
    made(store, history(answer("e", 4), begins=False))  # of a subagent: its source has no turns
    assert store.get_session("s").newest_run.lease == lease_until(clock, holder)

    asked = CreateRequest(session_id="s", run=1, request_id="q", kind=RequestKind.STOP, payload={})
    assert isinstance(made(store, asked), RunNotDrivenError)
    refused = (made(store, OpenRun(session_id="s")), made(store, DeleteSession(session_id="s")))
    assert all(isinstance(each, SessionRunningError) for each in refused)

    clock.move(TERM)
    assert made(store, ReapLeases()) == ["s"]
    assert (store.get_session("s").state, running(store)) == (State.LOST, [])
    made(store, turn(answer("f", 5)))
    assert store.get_session("s").state is State.LOST
    made(store, turn(holder=holder))
    assert store.get_session("s").state is State.RUNNING
    made(store, turn(answer("g", 6), end=Reason.STOPPED))
    run = store.get_session("s").newest_run
    assert (run.run, run.reason, run.lease) == (1, Reason.STOPPED, None)
    assert made(store, turn(holder=holder)).lease_seconds is None  # sent before the end was known
    assert store.get_session("s").state is State.STOPPED
    assert [each for each in events_of(store) if each[1] != 1] == []


def promise_15_end_without_an_event_closes_an_open_run(store: Store, clock: SteppedClock) -> None:
    made(store, history(prompt("a"), reason=Reason.LOST, holder="h"))
    clock.move(5)
    made(store, turn(end=Reason.COMPLETED))
    run = store.get_session("s").newest_run
    assert (run.reason, run.finished_at) == (Reason.COMPLETED, clock.now)


def promise_15_true_end_of_a_lost_run_has_its_own_time(store: Store, clock: SteppedClock) -> None:
    made(store, history(prompt("a"), reason=Reason.LOST, holder="h"))
    clock.move(TERM)
    made(store, ReapLeases())
    assert store.get_session("s").newest_run.finished_at == clock.now
    clock.move(9 * 3600)  # perhaps the machine was asleep
    end = answer("b", 3)
    made(store, turn(end, end=Reason.COMPLETED))
    run = store.get_session("s").newest_run
    assert (run.reason, run.finished_at) == (Reason.COMPLETED, moment_of(end["timestamp"]))
    made(store, turn(answer("b", 1), end=Reason.COMPLETED))  # sent again
    assert store.get_session("s").newest_run.finished_at == run.finished_at


def promise_15_holder_opens_no_run_that_a_client_drove(store: Store, clock: SteppedClock) -> None:
    create(store)
    append(store, prompt("a"), answer("b"), stop())
    assert made(store, turn(answer("b"), holder="h")).lease_seconds is None
    assert store.get_session("s").state is State.FINISHED
    made(store, turn(prompt("c"), holder="h"))
    assert (running(store), store.get_session("s").newest_run.run) == (["s"], 2)
    made(store, OpenRun(session_id="s", takeover=True, holder="me"))
    assert isinstance(made(store, turn(holder="h")), SessionRunningError)
    ends = [run.reason for run in store.list_runs("s")]
    assert ends == [Reason.COMPLETED, Reason.LOST, None]


def promise_15_import_of_an_invalid_title_changes_nothing(
    store: Store, clock: SteppedClock
) -> None:
    assert isinstance(made(store, history(prompt("a"), title="a\nb")), InvalidNameError)
    assert store.get_status("s") == "not_existent"


def promise_15_import_of_recorded_events_adds_nothing(store: Store, clock: SteppedClock) -> None:
    create(store)
    append(store, prompt("a"), answer("b"), asked("m", 9, request_key="claude:m"), stop())
    before = store.get_session("s")
    added = made(store, history(prompt("a"), answer("b"), requests=[request("m", 9)]))
    assert (added.is_new, added.events, added.requests) == (False, 0, 0)
    after = store.get_session("s")
    assert (after.newest_run.reason, after.last_seq) == (Reason.COMPLETED, before.last_seq)
    assert output_of(store, "s") == 9


def promise_15_recorded_fork_gets_no_copied_events(store: Store, clock: SteppedClock) -> None:
    create(store)
    append(store, prompt("c"), answer("d"), stop())
    copied = [{**event, "inherited": True} for event in (prompt("a"), answer("b"))]
    requests = [request("m", inherited=True)]
    added = made(store, history(*copied, prompt("c"), answer("d"), requests=requests))
    assert added.events == 0
    assert [run.is_imported for run in store.list_runs("s")] == [False]


def promise_15_later_prompts_of_a_person_open_an_imported_run(
    store: Store, clock: SteppedClock
) -> None:
    create(store)
    append(store, prompt("a"), answer("b"), used(50), stop())
    made(
        store,
        history(
            *(prompt("a"), answer("x"), answer("b")),
            *(prompt("c"), answer("d")),
            requests=[request("m", 9)],
            reason=Reason.STOPPED,
        ),
    )
    runs = store.list_runs("s")
    assert [(run.run, run.is_imported, run.reason) for run in runs] == [
        (1, False, Reason.COMPLETED),
        (2, True, Reason.STOPPED),
    ]
    assert sorted(events_of(store)[4:]) == [("c", 2), ("d", 2), ("x", 1)]
    assert store.get_session("s").state is State.STOPPED
    assert [run.usage.output_tokens for run in runs] == [0, 9]
    made(store, history(begins=False))
    assert store.get_session("s").state is State.STOPPED
    made(store, history(begins=False, reason=Reason.LOST))
    assert store.get_session("s").state is State.LOST
    open_run(store)
    append(store, stop())
    made(store, history(answer("d"), answer("e"), begins=False))
    assert events_of(store)[-1] == ("e", 2)
    assert store.get_session("s").newest_run.reason is Reason.COMPLETED


def promise_15_requests_within_a_total_are_its_details(store: Store, clock: SteppedClock) -> None:
    create(store)
    append(store, prompt("a"), answer("b"), used(50), stop())
    made(store, history(prompt("a"), answer("b"), requests=[request("m", 9)]))
    assert store.get_session("s").usage == Usage(input_tokens=50, cost_nanodollars=500_000)


def promise_15_copied_requests_count_for_their_own_session(
    store: Store, clock: SteppedClock
) -> None:
    copies = {
        "first": [request("1")],
        "second": [request("1", inherited=True), request("2")],
        "third": [request("1", inherited=True), request("2", inherited=True), request("3")],
    }
    for number, order in enumerate(permutations(copies)):
        for name in order:
            requests = [
                ModelRequest(
                    key=f"{each.key}-{number}",
                    counts=each.counts,
                    cost_nanodollars=each.cost_nanodollars,
                    is_inherited=each.is_inherited,
                )
                for each in copies[name]
            ]
            session_id = f"{name}-{number}"
            made(store, history(prompt("a"), session_id=session_id, requests=requests))
        assert [output_of(store, f"{name}-{number}") for name in copies] == [5, 5, 5]


def promise_15_name_follows_the_title_until_it_is_changed(
    store: Store, clock: SteppedClock
) -> None:
    made(store, history(prompt("a")))
    assert store.get_session("s").session_name == "s"
    made(store, history(begins=False, title="one"))
    made(store, history(begins=False, title="two"))
    assert store.get_session("s").session_name == "two"
    update(store, "s", session_name="mine")
    made(store, history(begins=False, title="three"))
    session = store.get_session("s")
    assert (session.session_name, session.title) == ("mine", "three")


def promise_15_lists_are_in_the_order_of_creation(store: Store, clock: SteppedClock) -> None:
    create(store, "new")
    for name, minute in (("old", 0), ("older", -9), ("oldest", -99)):
        made(store, history(prompt("a", minute), session_id=name))
    found: list[str] = []
    after = None
    while True:
        page = store.list_sessions(SessionFilter(), limit=1, after=after)
        found += [session.session_id for session in page.sessions]
        after = page.next_page
        if after is None:
            break
    assert found == ["new", "old", "older", "oldest"]
