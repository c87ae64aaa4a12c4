"""A machine of Hypothesis that applies each step to a store and to the model of the record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agent_session_manager.domain.errors import OrchestratorError, SessionNotFoundError
from agent_session_manager.domain.sessions.request import Request, RequestKind, RequestState
from agent_session_manager.domain.sessions.session import Session, State
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store import changes
from agent_session_manager.store.change import Change
from agent_session_manager.store.feeds import ChangedSession
from agent_session_manager.store.queries import (
    QuestionFilter,
    SessionFilter,
    SessionSort,
)
from tests.store.opened_store import OpenedStore
from tests.store.promises.changes import appending
from tests.store.promises.events import decision
from tests.store.promises.stepped_clock import START
from tests.store.record_checks import check_record, check_session, shown_request
from tests.store.record_steps import (
    AGENTS,
    ANSWERS,
    EVENTS,
    FILTERS,
    HOLDERS,
    IDS,
    MAYBE_HOLDER,
    NAMES,
    PROJECTS,
    RUNS,
    TEXT,
)
from tests.support.record_model import Model, Value

MAX_RESTARTS = 2


class RecordMachine(RuleBasedStateMachine):
    """A store along with the model; each step is applied to both."""

    def __init__(self, opened: OpenedStore) -> None:
        super().__init__()
        self._opened = opened
        self._clock = opened.clock
        self._restarts = 0
        self.model = Model()
        self.generations: dict[str, str] = {}
        self.seen_generations: set[str] = set()
        self.told: dict[str, Session] = {}
        """The sessions known to a reader of the feed of all sessions."""
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
            self.store.commit([changes.DeleteSession(session_id=session_id, force=True)])

    def do(self, change: Change[Any], expected: object) -> Any:
        """Commit one change, and check that its outcome matches the model."""
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
        self.do(changes.CreateSession(session_id=session_id, **given), expected)
        if expected is None:
            generation = self.store.get_session(session_id).generation
            assert generation not in self.seen_generations
            self.seen_generations.add(generation)
            self.generations[session_id] = generation

    @rule(session_id=IDS, values=st.lists(EVENTS, min_size=1, max_size=5))
    def append(self, session_id: str, values: list[Value]) -> None:
        self.do(appending(session_id, *values), self.model.append(session_id, values))

    @rule(several=st.lists(st.tuples(IDS, st.lists(EVENTS, max_size=3)), min_size=2, max_size=5))
    def append_together(self, several: list[tuple[str, list[Value]]]) -> None:
        batch = [appending(session_id, *values) for session_id, values in several]
        outcomes = self.store.commit(batch)
        for (session_id, values), change, outcome in zip(several, batch, outcomes, strict=True):
            self.agree(change, outcome, self.model.append(session_id, values))

    @precondition(lambda self: self.model.sessions)
    @rule(data=st.data(), count=st.integers(1, 4))
    def send_again(self, data: st.DataObject, count: int) -> None:
        """Send acknowledged events again, in any order: they get the same seqs."""
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
        seen_run=st.none() | st.just(0) | RUNS,
    )  # fmt: skip
    def update(
        self,
        session_id: str,
        name: str | None,
        project: str | None,
        agent: str | None,
        archived: bool | None,
        resumes: bool,
        seen_run: int | None,
    ) -> None:
        given: Value = {
            "session_name": name, "project_dir": project, "agent_name": agent, "archived": archived,
            "seen_run": seen_run,
        }  # fmt: skip
        expected = self.model.update(session_id, self._clock.now, resumes=resumes, **given)
        moment = START if resumes else None
        self.do(
            changes.UpdateSession(session_id=session_id, last_resumed_at=moment, **given), expected
        )

    @rule(session_id=IDS, force=st.booleans())
    def delete(self, session_id: str, force: bool) -> None:
        expected = self.model.delete(session_id, force=force)
        self.do(changes.DeleteSession(session_id=session_id, force=force), expected)
        if isinstance(expected, int):
            del self.generations[session_id]

    @rule(session_id=IDS, takeover=st.booleans(), holder=MAYBE_HOLDER)
    def open_run(self, session_id: str, takeover: bool, holder: str | None) -> None:
        now = self._clock.now
        expected = self.model.open_run(session_id, now, takeover=takeover, holder=holder)
        change = changes.OpenRun(session_id=session_id, takeover=takeover, host="h", holder=holder)
        self.do(change, expected)

    @rule(session_id=IDS, run=RUNS, holder=HOLDERS)
    def claim(self, session_id: str, run: int, holder: str) -> None:
        expected = self.model.claim(session_id, run, holder, self._clock.now)
        self.do(changes.ClaimLease(session_id=session_id, run=run, holder=holder), expected)

    @precondition(lambda self: any(s.newest.holder for s in self.model.sessions.values()))
    @rule(data=st.data())
    def claim_again(self, data: st.DataObject) -> None:
        """Claim a lease again as its holder, whether the lease is held or lost."""
        self.claim_a_held_lease(data)

    def claim_a_held_lease(self, data: st.DataObject) -> None:
        held = [name for name, session in self.model.sessions.items() if session.newest.holder]
        session_id = data.draw(st.sampled_from(sorted(held)))
        session = self.model.sessions[session_id]
        self.claim(session_id, len(session.runs), str(session.newest.holder))

    @rule(session_id=IDS, run=RUNS, holder=HOLDERS)
    def release(self, session_id: str, run: int, holder: str) -> None:
        expected = self.model.release(session_id, run, holder)
        self.do(changes.ReleaseLease(session_id=session_id, run=run, holder=holder), expected)

    @rule(seconds=st.sampled_from([1.0, 44.0, 46.0]))
    def time_passes_and_leases_expire(self, seconds: float) -> None:
        self._clock.move(seconds)
        expected = self.model.reap(self._clock.now)
        (reaped,) = self.store.commit([changes.ReapLeases()])
        assert isinstance(reaped, list)
        assert set(map(str, reaped)) == expected
        self.touched |= expected

    @rule()
    def leases_get_a_full_term(self) -> None:
        self.model.extend(self._clock.now)
        self.store.commit([changes.ExtendLeases()])

    @rule(
        session_id=IDS, run=RUNS, request_id=st.sampled_from(["r1", "r2", "q1"]),
        kind=st.sampled_from(["stop", "message"]), text=TEXT,
    )  # fmt: skip
    def ask(self, session_id: str, run: int, request_id: str, kind: str, text: str) -> None:
        asked: Value = {"request_id": request_id, "kind": kind, "payload": {"text": text}}
        change = changes.CreateRequest(
            session_id=session_id, run=run, request_id=request_id, kind=RequestKind(kind),
            payload={"text": text},
        )  # fmt: skip
        self.do(change, self.model.ask(session_id, run, asked))

    @rule(
        session_id=IDS, run=RUNS, question=st.sampled_from(["q1", "q2", "r1"]),
        payload=ANSWERS,
    )  # fmt: skip
    def answer(self, session_id: str, run: int, question: str, payload: Value) -> None:
        asked: Value = {"request_id": question, "kind": "answer", "payload": payload}
        change = changes.CreateRequest(
            session_id=session_id, run=run, request_id=question, kind=RequestKind.ANSWER,
            payload=payload,
        )  # fmt: skip
        self.do(change, self.model.ask(session_id, run, asked))

    @precondition(lambda self: any(s.waiting for s in self.model.sessions.values()))
    @rule(data=st.data(), payload=ANSWERS, by=st.sampled_from([None, "person", "policy"]))
    def answer_open_question(self, data: st.DataObject, payload: Value, by: str | None) -> None:
        """Answer a question that is open; `by` decides it at once, if given."""
        open_ones = [
            (session_id, len(session.runs), question)
            for session_id, session in self.model.sessions.items()
            for question in session.waiting
        ]
        session_id, run, question = data.draw(st.sampled_from(open_ones))
        self.answer(session_id, run, question, payload)
        if by is not None:
            self.append(session_id, [decision(question, run=run, by=by)])

    @precondition(lambda self: any(s.newest.holder for s in self.model.sessions.values()))
    @rule(data=st.data())
    def lose_and_claim_again(self, data: st.DataObject) -> None:
        """Lose a run with its open questions, which are open again when its holder returns."""
        self.time_passes_and_leases_expire(46.0)
        self.changed_sessions_match_the_model()
        self.claim_a_held_lease(data)

    @rule(
        session_id=IDS, run=RUNS, request_id=st.sampled_from(["r1", "r2"]),
        state=st.sampled_from(["acknowledged", "done", "refused"]), detail=st.none() | TEXT,
    )  # fmt: skip
    def settle(
        self, session_id: str, run: int, request_id: str, state: str, detail: str | None
    ) -> None:
        expected = self.model.settle(session_id, run, request_id, state, detail)
        change = changes.SettleRequest(
            session_id=session_id, run=run, request_id=request_id, state=RequestState(state),
            detail=detail,
        )  # fmt: skip
        self.do(change, expected)

    @precondition(lambda self: any(s.newest.requests for s in self.model.sessions.values()))
    @rule(data=st.data(), state=st.sampled_from(["acknowledged", "done", "refused"]))
    def settle_existing_request(self, data: st.DataObject, state: str) -> None:
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
        assert self.store.count_sessions(filter_of(where)) == len(found)
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
            (facets.hosts, [session.newest.host for session in kept]),
        ):
            counts = {value: values.count(value) for value in values if value is not None}
            assert {facet.value: facet.count for facet in found} == counts

    @invariant()
    def changed_sessions_match_the_model(self) -> None:
        for session_id in self.touched - {""}:
            session = self.model.sessions.get(session_id)
            if session is None:
                with pytest.raises(SessionNotFoundError):
                    self.store.get_session(session_id)
                assert self.store.get_status(session_id) == "not_existent"
            else:
                assert (
                    self.store.get_session(session_id).generation == (self.generations[session_id])
                )
                check_record(self.store, self.model, session_id)
        self.touched.clear()

    @invariant()
    def reader_of_the_feed_knows_every_session(self) -> None:
        if not hasattr(self, "cursor"):
            return
        more = True
        while more:
            found = self.store.feeds.read_changes(self.cursor, limit=3)
            for change in found.changes:
                if isinstance(change, ChangedSession):
                    self.told[change.session.session_id] = change.session
                else:
                    self.told.pop(change.session_id, None)
            self.cursor, more = found.cursor, found.has_more
        assert self.told.keys() == self.model.sessions.keys()
        for session in self.told.values():
            check_session(self.model, session, with_term=False)

    @invariant()
    def list_of_questions_matches_the_model(self) -> None:
        found = self.store.list_questions(QuestionFilter(), limit=100).questions
        assert sorted((each.session_id, each.question_id) for each in found) == sorted(
            (session_id, question)
            for session_id, session in self.model.sessions.items()
            for question in session.waiting
        )
        for each in found:
            given = self.model.sessions[each.session_id].newest.requests.get(each.question_id)
            is_answered = given is not None and given["kind"] == "answer"
            assert each.answer == (given["payload"] if given and is_answered else None)


def filter_of(where: Value) -> SessionFilter:
    return SessionFilter(
        **{**where, **({"state": (State(where["state"]),)} if "state" in where else {})}
    )
