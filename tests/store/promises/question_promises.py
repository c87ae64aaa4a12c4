"""Promise 16 of `store/protocol.py`: open questions and their answers."""

from __future__ import annotations

from typing import Any

import pytest

from agent_session_manager.domain.errors import (
    InvalidAnswerError,
    InvalidRequestError,
    QuestionClosedError,
    QuestionNotFoundError,
    RunNotFoundError,
)
from agent_session_manager.domain.sessions.request import Request, RequestKind, RequestState
from agent_session_manager.domain.sessions.run_token import RunCaller
from agent_session_manager.domain.sessions.session import State
from agent_session_manager.store.changes import DeleteSession, ReleaseLease
from agent_session_manager.store.protocol import Store
from agent_session_manager.store.queries import QuestionFilter
from tests.store.promises.changes import append, appending, create, ids, made, open_run
from tests.store.promises.events import ALLOW_OR_DENY, SOME, decision, question, stop
from tests.store.promises.lease_promises import claim, lose
from tests.store.promises.request_promises import settle, try_ask
from tests.store.promises.stepped_clock import SteppedClock


def waiting(store: Store, session_id: str = "s") -> tuple[State, int]:
    """Return the state and the number of open questions; both views of them must agree."""
    session = store.get_session(session_id)
    listed = open_questions(store, session_id=session_id)
    assert len(listed) == session.waiting_questions
    assert (session_id in ids(store, state=(State.WAITING,))) == (session.state is State.WAITING)
    assert session_id in ids(store, state=(session.state,))
    return session.state, session.waiting_questions


def open_questions(store: Store, **where: Any) -> list[str]:
    page = store.list_questions(QuestionFilter(**where), limit=100)
    assert page.next_page is None
    return [each.question_id for each in page.questions]


def answer(store: Store, payload: dict[str, Any], question_id: str = "q", **fields: Any) -> Any:
    return try_ask(store, question_id, kind=RequestKind.ANSWER, payload=payload, **fields)


def promise_16_session_waits_until_all_questions_are_decided(
    store: Store, clock: SteppedClock
) -> None:
    create(store)
    create(store, "other")
    append(store, question("a"), session_id="other")
    assert waiting(store) == (State.RUNNING, 0)
    append(store, SOME, question("a", run=1), question("b"))
    append(store, question("a", run=1))  # sent again
    assert waiting(store) == (State.WAITING, 2)
    assert store.get_status("s") == "running"
    append(store, decision("a", "timed_out"))
    assert waiting(store) == (State.WAITING, 1)
    append(store, decision("b"), decision("unknown"))
    assert waiting(store) == (State.RUNNING, 0)
    append(store, question("c"), decision("c"))  # within one batch
    assert waiting(store) == (State.RUNNING, 0)
    append(store, decision("d"))
    append(store, question("d"))  # out of order: it is decided already
    assert waiting(store) == (State.RUNNING, 0)
    append(store, question("e"), stop(), question("f"))
    assert waiting(store) == (State.FINISHED, 0)
    append(store, question("g"))
    assert waiting(store) == (State.FINISHED, 0)
    assert open_run(store).state is State.RUNNING
    append(store, question("h", run=1))  # late
    assert waiting(store) == (State.RUNNING, 0)
    assert waiting(store, "other") == (State.WAITING, 1)


def promise_16_questions_are_those_of_the_newest_run(store: Store, clock: SteppedClock) -> None:
    create(store)
    append(store, question("a"))
    assert open_run(store, takeover=True).state is State.RUNNING
    assert waiting(store) == (State.RUNNING, 0)
    append(store, question("b"))
    append(store, decision("a", run=1))
    assert waiting(store) == (State.WAITING, 1)
    assert store.get_session("s").newest_run.run == 2


def promise_16_lost_run_keeps_its_questions(store: Store, clock: SteppedClock) -> None:
    """The supervisor of a lost run may be alive: then it still waits for the answers."""
    create(store, holder="me")
    append(store, question("a"), question("b"))
    lose(store, clock)
    assert waiting(store) == (State.LOST, 0)
    assert isinstance(answer(store, {"choice": "yes"}, "a"), QuestionClosedError)
    append(store, decision("b", "timed_out", run=1), question("c", run=1))  # delivered late
    assert waiting(store) == (State.LOST, 0)
    assert claim(store).state is State.WAITING
    assert waiting(store) == (State.WAITING, 2)
    assert open_questions(store) == ["a", "c"]
    assert isinstance(answer(store, {"choice": "yes"}, "a"), Request)
    lose(store, clock)
    append(store, stop(run=1, reason="failed"))  # its true end
    assert waiting(store) == (State.FAILED, 0)
    open_run(store)
    assert waiting(store) == (State.RUNNING, 0)


def promise_16_run_that_cannot_return_has_no_questions(store: Store, clock: SteppedClock) -> None:
    """Without its lease a lost run is over: another command has recorded its end, for example."""
    create(store, holder="me")
    append(store, question("a"), stop(run=1, reason="lost"), question("b", run=1))
    assert waiting(store) == (State.LOST, 0)
    assert isinstance(answer(store, {"choice": "yes"}, "a"), QuestionClosedError)
    create(store, "released", holder="me")
    append(store, question("a"), session_id="released")
    lose(store, clock)
    made(store, ReleaseLease(session_id="released", run=1, holder="me"))
    append(store, question("b", run=1), session_id="released")
    assert waiting(store, "released") == (State.LOST, 0)


def promise_16_first_answer_is_stored(store: Store, clock: SteppedClock) -> None:
    create(store)
    append(store, question("q", tool_input={"x": 1}))
    first = answer(store, {"choice": "no", "text": "not now"})
    assert isinstance(first, Request) and first.kind is RequestKind.ANSWER
    (shown,) = store.list_questions(QuestionFilter(), limit=10).questions
    assert (shown.answer, shown.answered_at) == (first.payload, first.created_at)
    assert (shown.session_id, shown.event.seq, shown.event.run) == ("s", 1, 1)
    assert shown.event.fields["tool_input"] == {"x": 1}
    clock.move(1)
    assert answer(store, {"choice": "yes"}) == first
    assert answer(store, {"choice": "wrong"}) == first
    append(store, decision("q", "deny"))
    done = settle(store, RequestState.DONE, "q")
    append(store, stop())
    assert answer(store, {"choice": "yes"}) == done
    assert done.payload == first.payload


def promise_16_answer_is_done_with_its_decision(store: Store, clock: SteppedClock) -> None:
    create(store)
    secret = "ghp_" + "aB3dE5" * 6
    append(store, question("a"), question("b"), question("c"))
    for question_id in ("a", "b", "c"):
        given = answer(store, {"choice": "yes", "text": secret}, question_id)
        assert given.state is RequestState.PENDING
    settle(store, RequestState.ACKNOWLEDGED, "c")
    clock.move(1)
    append(store, decision("a"), decision("b", "timed_out", by="policy"), decision("c"))
    found = {each.request_id: each for each in store.list_requests("s", 1)}
    states = [found[name].state for name in ("a", "b", "c")]
    # The supervisor refuses an answer that came too late, and says when it was decided.
    assert states == [RequestState.DONE, RequestState.PENDING, RequestState.DONE]
    assert [secret in str(found[name].payload) for name in ("a", "b", "c")] == [False, True, False]
    assert found["a"].settled_at is not None
    assert waiting(store) == (State.RUNNING, 0)
    append(store, stop(run=1))
    after = {each.request_id: each.state for each in store.list_requests("s", 1)}
    assert after == {
        "a": RequestState.DONE,
        "b": RequestState.EXPIRED,
        "c": RequestState.DONE,
    }


def promise_16_answer_must_fit_an_open_question(store: Store, clock: SteppedClock) -> None:
    create(store)
    create(store, "other")
    append(store, question("q"), question("old"), {**SOME, "event_id": "some:asked"})
    append(store, decision("old", "timed_out"))
    append(store, question("of-other"), session_id="other")
    yes = {"choice": "yes"}
    for question_id, payload, run, error in (
        ("none", yes, 1, QuestionNotFoundError),
        ("some", yes, 1, QuestionNotFoundError),
        ("of-other", yes, 1, QuestionNotFoundError),
        ("q", yes, 2, RunNotFoundError),
        ("old", yes, 1, QuestionClosedError),
        ("q", {"choice": "maybe"}, 1, InvalidAnswerError),
        ("q", {}, 1, InvalidAnswerError),
    ):
        assert isinstance(answer(store, payload, question_id, run=run), error), question_id
    assert "timed_out" in str(answer(store, yes, "old"))
    # A request with the id of a question would keep its answer out.
    for kind in (RequestKind.STOP, RequestKind.MESSAGE):
        assert isinstance(try_ask(store, "q", kind=kind), InvalidRequestError)
    assert waiting(store) == (State.WAITING, 1)
    assert isinstance(answer(store, yes), Request)
    open_run(store, takeover=True)
    append(store, question("new"))
    assert isinstance(answer(store, yes, "new", run=1), QuestionNotFoundError)
    assert isinstance(answer(store, yes, "new", run=2), Request)


def promise_16_questions_are_listed_longest_waiting_first(
    store: Store, clock: SteppedClock
) -> None:
    for name in ("s", "child", "other"):
        create(store, name, parent_session_id="s" if name == "child" else None)
    for name in ("other", "child", "s"):
        append(store, question(f"{name}-1"), question(f"{name}-2"), session_id=name)
        clock.move(1)
    expected = ["other-1", "other-2", "child-1", "child-2", "s-1", "s-2"]
    seen, mark = [], None
    for _ in expected:
        page = store.list_questions(QuestionFilter(), limit=1, after=mark)
        seen += [each.question_id for each in page.questions]
        mark = page.next_page
    assert (seen, mark) == (expected, None)
    assert open_questions(store, session_id="child") == ["child-1", "child-2"]
    family = RunCaller(session_id="s", session_number=1, run=1)
    assert open_questions(store, family_of=family) == ["child-1", "child-2", "s-1", "s-2"]
    for wrong in ((), (1, 2), ("a", 1, 2)):
        with pytest.raises(InvalidRequestError):
            store.list_questions(QuestionFilter(), limit=1, after=wrong)
    made(store, DeleteSession(session_id="child"))
    assert open_questions(store) == ["other-1", "other-2", "s-1", "s-2"]
    create(store, "child")
    assert waiting(store, "child") == (State.RUNNING, 0)


def promise_16_steps_of_one_batch_are_taken_in_order(store: Store, clock: SteppedClock) -> None:
    create(store)
    create(store, "t")
    outcomes = store.commit(
        [
            appending("s", question("a")),
            appending("t", question("a", choices=ALLOW_OR_DENY[:1])),
            appending("s", decision("a")),
            appending("s", question("b"), stop()),
        ]
    )
    assert outcomes == [[1], [1], [2], [3, 4]]
    assert (waiting(store), waiting(store, "t")) == ((State.FINISHED, 0), (State.WAITING, 1))
