"""Whatever is done to the record, in whatever order: it shows what the document says it must.

Hypothesis draws the steps and looks for the fewest that fail; it prints them, and how to play them
again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from agent_session_manager.domain.errors import OrchestratorError, SessionNotFoundError
from agent_session_manager.domain.event import parse_event
from agent_session_manager.domain.request import Request, RequestKind, RequestState
from agent_session_manager.domain.session import Session, State
from agent_session_manager.sql.store import SqlStore, open_store
from agent_session_manager.store.change import Change
from agent_session_manager.store.changes import (
    AppendEvents,
    ClaimLease,
    CreateRequest,
    CreateSession,
    DeleteSession,
    ExtendLeases,
    OpenRun,
    ReapLeases,
    ReleaseLease,
    SettleRequest,
    UpdateSession,
)
from agent_session_manager.store.feeds import ChangedSession
from agent_session_manager.store.queries import EventFilter, SessionFilter, SessionSort
from tests.store.promises.conformance import START, SteppedClock
from tests.support.campaign import Campaign
from tests.support.record_model import OWN_NAMES, Model, ModelSession, Value

pytestmark = pytest.mark.stress

BATCH = 250
MAX_RESTARTS = 2
IDS = st.sampled_from(["a", "a", "b", "b", "c", "a.1"])
"""The first two are there when a run begins: most of what is asked of them is done."""
HOLDERS = st.sampled_from(["h1", "h2"])
MAYBE_HOLDER = st.none() | HOLDERS
NAMES = st.sampled_from(["one", "Two"])
PROJECTS = st.none() | st.sampled_from(["/p", "/q"])
AGENTS = st.none() | st.sampled_from(["x", "y"])
RUNS = st.sampled_from([1, 1, 1, 2, 2, 3, 4])
TEXT = st.sampled_from(["", "text", "mehr 🦾"])
KINDS = {
    kind.__name__
    for kind in (
        CreateSession, AppendEvents, UpdateSession, DeleteSession, OpenRun, ClaimLease,
        ReleaseLease, CreateRequest, SettleRequest,
    )
}  # fmt: skip
"""What a caller can ask for: a long campaign sees each of them done and refused."""

OPTIONAL = {"event_id": st.sampled_from(["e1", "e2", "e3", "e4"]), "run": RUNS}
BLOCKS = st.lists(
    st.builds(lambda text: {"type": "text", "text": text}, TEXT) | st.just({"type": "other"}),
    max_size=2,
)
EVENTS = st.one_of(
    st.fixed_dictionaries({"event_type": st.just("some")}, optional=OPTIONAL),
    st.fixed_dictionaries(
        {
            "event_type": st.just("message"),
            "role": st.sampled_from(["assistant", "assistant", "user"]),
            "content": BLOCKS,
        },
        optional={**OPTIONAL, "parent_tool_use_id": st.sampled_from([None, "t"])},
    ),
    st.fixed_dictionaries(
        {
            "event_type": st.just("usage"),
            "usage": st.builds(lambda tokens: {"input_tokens": tokens}, st.integers(0, 9)),
        },
        optional=OPTIONAL,
    ),
    st.fixed_dictionaries(
        {"event_type": st.just("session_stop")},
        optional={
            **OPTIONAL,
            "exit_code": st.none() | st.sampled_from([0, 1]),
            "reason": st.sampled_from(["stopped", "budget", "lost", "completed", "of theirs"]),
        },
    ),
)
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "session_name": NAMES,
        "project_dir": st.sampled_from(["/p", "/q"]),
        "agent_name": st.sampled_from(["x", "y"]),
        "parent_session_id": IDS,
        "status": st.sampled_from(["running", "finished"]),
        "state": st.sampled_from(["running", "finished", "failed", "stopped", "lost"]),
        "archived": st.booleans(),
        "top_level": st.booleans(),
        "id_prefix": st.sampled_from(["a", "a.", "c"]),
        "text": st.sampled_from(["two", "p", "x"]),
    },
)


class Opened:
    """The store on one database, which every run finds empty; it is opened once for many."""

    def __init__(self, url: str, clock: SteppedClock) -> None:
        self._url = url
        self.clock = clock
        self.store = open_store(url, clock=clock)
        self.outcomes: Counter[tuple[str, bool]] = Counter()
        """How often each kind of change was done, and how often it was refused."""

    def reopen(self) -> None:
        self.store.close()
        self.store = open_store(self._url, clock=self.clock)


class RecordMachine(RuleBasedStateMachine):
    """A store beside the model; each step is done to both."""

    def __init__(self, opened: Opened) -> None:
        super().__init__()
        self._opened = opened
        self._clock = opened.clock
        self._restarts = 0
        self.model = Model()
        self.generations: dict[str, str] = {}
        self.seen_generations: set[str] = set()
        self.told: dict[str, Session] = {}
        """What a reader of the feed of all sessions knows."""
        self.touched: set[str] = set()

    @property
    def store(self) -> SqlStore:
        return self._opened.store

    @initialize(holder=MAYBE_HOLDER)
    def begin(self, holder: str | None) -> None:
        self.cursor = self.store.feeds.head()
        for session_id in ("a", "b"):
            self.create(session_id, "one", "/p", "x", None, unique=False, holder=holder)

    def teardown(self) -> None:
        for session_id in self.model.sessions:
            self.store.commit([DeleteSession(session_id=session_id, force=True)])

    def do(self, change: Change[Any], expected: object) -> Any:
        """Commit one change, which must come to what the model says."""
        (outcome,) = self.store.commit([change])
        self.agree(change, outcome, expected)
        return outcome

    def agree(self, change: Change[Any], outcome: Any, expected: object) -> None:
        is_done = not isinstance(outcome, OrchestratorError)
        self._opened.outcomes[type(change).__name__, is_done] += 1
        self.touched.add(getattr(change, "session_id", ""))
        if isinstance(expected, type):
            assert isinstance(outcome, expected), (change, outcome, expected)
        else:
            assert not isinstance(outcome, OrchestratorError), (change, outcome)
        if isinstance(expected, (list, int)):
            assert outcome == expected, (change, outcome, expected)
        if isinstance(expected, dict):
            assert isinstance(outcome, Request)
            assert shown_request(outcome) == expected

    @rule(
        session_id=IDS, name=NAMES, project=PROJECTS, agent=AGENTS, parent=st.none() | IDS,
        unique=st.booleans(), holder=MAYBE_HOLDER,
    )  # fmt: skip
    def create(
        self,
        session_id: str,
        name: str,
        project: str | None,
        agent: str | None,
        parent: str | None,
        unique: bool,
        holder: str | None,
    ) -> None:
        given: Value = {
            "session_name": name, "project_dir": project, "agent_name": agent,
            "parent_session_id": parent, "unique_name": unique, "host": "h", "holder": holder,
        }  # fmt: skip
        expected = self.model.create(session_id, self._clock.now, **given)
        self.do(CreateSession(session_id=session_id, **given), expected)
        if expected is None:
            generation = self.store.get_session(session_id).generation
            assert generation not in self.seen_generations
            self.seen_generations.add(generation)
            self.generations[session_id] = generation

    @rule(session_id=IDS, values=st.lists(EVENTS, min_size=1, max_size=5))
    def append(self, session_id: str, values: list[Value]) -> None:
        self.do(appending(session_id, values), self.model.append(session_id, values))

    @rule(several=st.lists(st.tuples(IDS, st.lists(EVENTS, max_size=3)), min_size=2, max_size=5))
    def append_together(self, several: list[tuple[str, list[Value]]]) -> None:
        changes = [appending(session_id, values) for session_id, values in several]
        outcomes = self.store.commit(changes)
        for (session_id, values), change, outcome in zip(several, changes, outcomes, strict=True):
            self.agree(change, outcome, self.model.append(session_id, values))

    @precondition(lambda self: self.model.sessions)
    @rule(data=st.data(), count=st.integers(1, 4))
    def send_again(self, data: st.DataObject, count: int) -> None:
        """What was acknowledged before, in whatever order: it has the seqs that it had."""
        session_id = data.draw(st.sampled_from(sorted(self.model.sessions)))
        stored = [event["value"] for event in self.model.sessions[session_id].events]
        known = [value for value in stored if "event_id" in value]
        if known:
            values = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=count))
            last = len(stored)
            self.append(session_id, values)
            assert len(self.model.sessions[session_id].events) == last

    @rule(
        session_id=IDS, name=st.none() | NAMES, project=PROJECTS, agent=AGENTS,
        archived=st.none() | st.booleans(), resumes=st.booleans(),
    )  # fmt: skip
    def update(
        self,
        session_id: str,
        name: str | None,
        project: str | None,
        agent: str | None,
        archived: bool | None,
        resumes: bool,
    ) -> None:
        given: Value = {
            "session_name": name, "project_dir": project, "agent_name": agent, "archived": archived,
        }  # fmt: skip
        expected = self.model.update(session_id, self._clock.now, resumes=resumes, **given)
        moment = START if resumes else None
        self.do(UpdateSession(session_id=session_id, last_resumed_at=moment, **given), expected)

    @rule(session_id=IDS, force=st.booleans())
    def delete(self, session_id: str, force: bool) -> None:
        expected = self.model.delete(session_id, force=force)
        self.do(DeleteSession(session_id=session_id, force=force), expected)
        if isinstance(expected, int):
            del self.generations[session_id]

    @rule(session_id=IDS, takeover=st.booleans(), holder=MAYBE_HOLDER)
    def open_run(self, session_id: str, takeover: bool, holder: str | None) -> None:
        now = self._clock.now
        expected = self.model.open_run(session_id, now, takeover=takeover, holder=holder)
        change = OpenRun(session_id=session_id, takeover=takeover, host="h", holder=holder)
        self.do(change, expected)

    @rule(session_id=IDS, run=RUNS, holder=HOLDERS)
    def claim(self, session_id: str, run: int, holder: str) -> None:
        expected = self.model.claim(session_id, run, holder, self._clock.now)
        self.do(ClaimLease(session_id=session_id, run=run, holder=holder), expected)

    @precondition(lambda self: any(s.newest.holder for s in self.model.sessions.values()))
    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        """A holder asks for its lease: one that it has, or one that it had and lost."""
        held = [name for name, session in self.model.sessions.items() if session.newest.holder]
        session_id = data.draw(st.sampled_from(sorted(held)))
        session = self.model.sessions[session_id]
        self.claim(session_id, len(session.runs), str(session.newest.holder))

    @rule(session_id=IDS, run=RUNS, holder=HOLDERS)
    def release(self, session_id: str, run: int, holder: str) -> None:
        expected = self.model.release(session_id, run, holder)
        self.do(ReleaseLease(session_id=session_id, run=run, holder=holder), expected)

    @rule(seconds=st.sampled_from([1.0, 44.0, 46.0]))
    def time_passes_and_leases_expire(self, seconds: float) -> None:
        self._clock.move(seconds)
        expected = self.model.reap(self._clock.now)
        (reaped,) = self.store.commit([ReapLeases()])
        assert isinstance(reaped, list)
        assert set(map(str, reaped)) == expected
        self.touched |= expected

    @rule()
    def leases_get_a_full_term(self) -> None:
        self.model.extend(self._clock.now)
        self.store.commit([ExtendLeases()])

    @rule(
        session_id=IDS, run=RUNS, request_id=st.sampled_from(["r1", "r2"]),
        kind=st.sampled_from(["stop", "message"]), text=TEXT,
    )  # fmt: skip
    def ask(self, session_id: str, run: int, request_id: str, kind: str, text: str) -> None:
        asked: Value = {"request_id": request_id, "kind": kind, "payload": {"text": text}}
        change = CreateRequest(
            session_id=session_id, run=run, request_id=request_id, kind=RequestKind(kind),
            payload={"text": text},
        )  # fmt: skip
        self.do(change, self.model.ask(session_id, run, asked))

    @rule(
        session_id=IDS, run=RUNS, request_id=st.sampled_from(["r1", "r2"]),
        state=st.sampled_from(["acknowledged", "done", "refused"]), detail=st.none() | TEXT,
    )  # fmt: skip
    def settle(
        self, session_id: str, run: int, request_id: str, state: str, detail: str | None
    ) -> None:
        expected = self.model.settle(session_id, run, request_id, state, detail)
        change = SettleRequest(
            session_id=session_id, run=run, request_id=request_id, state=RequestState(state),
            detail=detail,
        )  # fmt: skip
        self.do(change, expected)

    @precondition(lambda self: any(s.newest.requests for s in self.model.sessions.values()))
    @rule(data=st.data(), state=st.sampled_from(["acknowledged", "done", "refused"]))
    def settle_one_that_was_asked(self, data: st.DataObject, state: str) -> None:
        asked = [
            (session_id, len(session.runs), request_id)
            for session_id, session in self.model.sessions.items()
            for request_id in session.newest.requests
        ]
        self.settle(*data.draw(st.sampled_from(asked)), state, None)

    @precondition(lambda self: self._restarts < MAX_RESTARTS)
    @rule()
    def restart(self) -> None:
        self._restarts += 1
        self._opened.reopen()
        self.touched |= set(self.model.sessions)

    @rule(where=FILTERS, sort=st.sampled_from(SessionSort), limit=st.integers(1, 3))
    def list_some(self, where: Value, sort: SessionSort, limit: int) -> None:
        wanted = self.model.matching(where)
        whole = self.store.list_sessions(filter_of(where), limit=1000, sort=sort)
        found = [session.session_id for session in whole.sessions]
        assert sorted(found) == sorted(wanted), where
        assert whole.next_page is None
        if sort is SessionSort.CREATED:
            assert found == wanted
        assert list(self.pages(where, sort, limit)) == found

    def pages(self, where: Value, sort: SessionSort, limit: int) -> Iterator[str]:
        after = None
        while True:
            page = self.store.list_sessions(filter_of(where), limit=limit, sort=sort, after=after)
            assert len(page.sessions) <= limit
            yield from (session.session_id for session in page.sessions)
            after = page.next_page
            if after is None:
                return

    @rule()
    def count(self) -> None:
        facets = self.store.statistics.list_facets(limit=100)
        kept = [session for session in self.model.sessions.values() if not session.archived]
        for found, values in (
            (facets.projects, [session.project_dir for session in kept]),
            (facets.agents, [session.agent_name for session in kept]),
        ):
            counts = {value: values.count(value) for value in values if value is not None}
            assert {facet.value: facet.count for facet in found} == counts

    @invariant()
    def what_was_touched_is_as_the_model_has_it(self) -> None:
        for session_id in self.touched - {""}:
            session = self.model.sessions.get(session_id)
            if session is None:
                with pytest.raises(SessionNotFoundError):
                    self.store.get_session(session_id)
                assert self.store.get_status(session_id) == "not_existent"
            else:
                self.check(session_id, session)
        self.touched.clear()

    @invariant()
    def a_reader_of_the_feed_knows_everything(self) -> None:
        if not hasattr(self, "cursor"):
            return
        more = True
        while more:
            changes = self.store.feeds.read_changes(self.cursor, limit=3)
            for change in changes.changes:
                if isinstance(change, ChangedSession):
                    self.told[change.session.session_id] = change.session
                else:
                    self.told.pop(change.session_id, None)
            self.cursor, more = changes.cursor, changes.has_more
        assert self.told.keys() == self.model.sessions.keys()
        for session_id, session in self.told.items():
            self.check_session(session, self.model.sessions[session_id], with_term=False)

    def check(self, session_id: str, wanted: ModelSession) -> None:
        session = self.store.get_session(session_id)
        assert session.generation == self.generations[session_id]
        self.check_session(session, wanted)
        runs = self.store.list_runs(session_id)
        assert [(run.run, run.exit_code, run.reason, run.usage.input_tokens) for run in runs] == [
            (number, run.exit_code, run.reason, run.tokens)
            for number, run in enumerate(wanted.runs, 1)
        ]
        assert self.store.get_status(session_id) == wanted.status
        self.check_events(session_id, wanted)
        for number, run in enumerate(wanted.runs, 1):
            asked = self.store.list_requests(session_id, number)
            assert [shown_request(request) for request in asked] == [*run.requests.values()]
        result = wanted.result
        if isinstance(result, str):
            assert self.store.get_result(session_id) == result
        else:
            with pytest.raises(result):
                self.store.get_result(session_id)

    def check_session(
        self, session: Session, wanted: ModelSession, *, with_term: bool = True
    ) -> None:
        newest, lease = session.newest_run, wanted.newest.lease
        children = [s for s in self.model.sessions.values() if s.parent_session_id]
        assert (
            session.session_name, session.project_dir, session.agent_name, session.unique_name,
            session.archived_at is not None, session.last_seq, session.status, session.state,
            newest.run, newest.exit_code, newest.reason, newest.host,
            session.usage.input_tokens, session.child_count,
        ) == (
            wanted.session_name, wanted.project_dir, wanted.agent_name, wanted.unique_name,
            wanted.archived, len(wanted.events), wanted.status, wanted.state,
            len(wanted.runs), wanted.newest.exit_code, wanted.newest.reason, wanted.newest.host,
            sum(run.tokens for run in wanted.runs),
            sum(child.parent_session_id == session.session_id for child in children),
        )  # fmt: skip
        shown = None if newest.lease is None else (newest.lease.holder, newest.lease.expires_at)
        assert shown == lease if with_term else (shown or [None])[0] == (lease or [None])[0]

    def check_events(self, session_id: str, wanted: ModelSession) -> None:
        expected = [
            (e["seq"], e["run"], e["late"], e["value"]["event_type"], e["value"].get("event_id"),
             {name: value for name, value in e["value"].items() if name not in OWN_NAMES})
            for e in wanted.events
        ]  # fmt: skip
        up, down = [*self.walk(session_id, 1)], [*self.walk(session_id, -1)]
        assert up == expected
        assert down == expected[::-1]

    def walk(self, session_id: str, direction: int) -> Iterator[tuple[Any, ...]]:
        """All events page by page, going up or down."""
        at = 0 if direction > 0 else 2**31
        more = True
        while more:
            where = EventFilter(after_seq=at) if direction > 0 else EventFilter(before_seq=at)
            page = self.store.list_events(session_id, where, limit=7)
            for event in page.events:
                assert (event.seq - at) * direction > 0
                at = event.seq
                yield (
                    event.seq, event.run, event.late, event.event_type, event.event_id, event.fields
                )  # fmt: skip
            more = page.has_more


def appending(session_id: str, values: Sequence[Value]) -> AppendEvents:
    events = [parse_event(value, session_id=session_id) for value in values]
    return AppendEvents(session_id=session_id, events=events)


def filter_of(where: Value) -> SessionFilter:
    return SessionFilter(
        **{**where, **({"state": State(where["state"])} if "state" in where else {})}
    )


def shown_request(request: Request) -> Value:
    return {
        "request_id": request.request_id,
        "kind": request.kind.value,
        "payload": request.payload,
        "state": request.state.value,
        "detail": request.detail,
    }


def play(
    campaign: Campaign,
    machine: type[RecordMachine],
    url: str,
    *,
    runs: int,
    steps: int,
) -> None:
    """Let hypothesis play so many runs of so many steps on one database.

    In batches: it remembers all that it drew in one.
    """
    opened = Opened(url, SteppedClock())
    chance = Random(campaign.seed)

    class Machine(machine):  # type: ignore[valid-type, misc]  # Hypothesis makes it by itself
        def __init__(self) -> None:
            super().__init__(opened)

    try:
        for done in range(0, runs, BATCH):
            run_state_machine_as_test(
                seed(chance.getrandbits(32))(Machine),
                settings=settings(
                    max_examples=min(BATCH, runs - done),
                    stateful_step_count=steps,
                    database=None,
                    print_blob=True,
                    verbosity=Verbosity.normal,
                    phases=[Phase.generate, Phase.shrink],
                    suppress_health_check=list(HealthCheck),
                ),
            )
    finally:
        opened.store.close()
    changes = opened.outcomes
    refused = sum(times for (_, is_done), times in changes.items() if not is_done)
    campaign.tell(
        f"{runs} runs of up to {steps} steps, {changes.total() - refused} changes done and "
        f"{refused} refused: all as the model"
    )
    if campaign.is_long:
        assert changes.keys() == set(product(KINDS, [True, False]))


def test_record_on_sqlite_is_that_of_the_model(campaign: Campaign, sqlite_url: str) -> None:
    runs, steps = campaign.count(short=20, long=5000), campaign.count(short=30, long=50)
    play(campaign, RecordMachine, sqlite_url, runs=runs, steps=steps)


@pytest.mark.xdist_group("postgresql")
def test_record_on_postgresql_is_that_of_the_model(campaign: Campaign, postgresql_url: str) -> None:
    runs, steps = campaign.count(short=10, long=1000), campaign.count(short=30, long=50)
    play(campaign, RecordMachine, postgresql_url, runs=runs, steps=steps)


class Backward(RecordMachine):
    """The model of a record that would number a list from its end."""

    def agree(self, change: Change[Any], outcome: Any, expected: object) -> None:
        if isinstance(expected, list):
            expected = expected[::-1]
        super().agree(change, outcome, expected)


def test_machine_finds_a_record_that_differs(sqlite_url: str) -> None:
    """These steps are given: what is left to chance does not come every time."""
    opened = Opened(sqlite_url, SteppedClock())
    right, wrong = RecordMachine(opened), Backward(opened)
    two = [{"event_type": "some", "event_id": event_id} for event_id in ("e1", "e2")]
    right.begin(None)
    right.append("a", two)
    right.teardown()
    wrong.begin(None)
    with pytest.raises(AssertionError):
        wrong.append("a", two)
    opened.store.close()
