"""Questions to a person through HTTP: their events, the list of open ones, and their answers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from tests.api.guard.family import make_family
from tests.api.guard.run_token import NOT_FOR_RUNS, with_token
from tests.store.promises.events import ALLOW_OR_DENY, decision, question
from tests.support.api import Answer, Api
from tests.support.manager import RunningManager
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS

NewId = Callable[[], str]

ITEMS = [
    {
        "id": "env",
        "text": "Which environment?",
        "options": [{"label": "staging"}, {"label": "production", "description": "with care"}],
        "free": False,
    },
    {"id": "why", "text": "Why?", "options": [], "multiple": True},
]
SECRET = "ghp_" + "a1B2" * 9


def answer(api: Api, path: str, payload: dict[str, Any], question_id: str = "q") -> Answer:
    body = {"request_id": question_id, "kind": "answer", "payload": payload}
    return api.post(f"{path}/runs/1/requests", body)


@each_row(
    "changed",
    [
        {"question_id": None},
        {"question_id": ""},
        {"question_id": "a b"},
        {"question_id": "x" * 129},
        {"question_id": "another"},
        {"event_id": None},
        {"event_id": "q"},
        {"event_id": "q:decided"},
        {"title": 1},
        {"expires_at": 17},
        {"diff": []},
        {"choices": None},
        {"choices": []},
        {"choices": [{"id": "yes"}]},
        {"choices": [*ALLOW_OR_DENY, ALLOW_OR_DENY[0]]},
        {"choices": ALLOW_OR_DENY * 60},
        {"items": [{"id": "a"}]},
        {"items": [{"id": "a", "text": "b", "options": "c"}]},
        {"items": "all"},
        {"tool_input": []},
    ],
)
def test_malformed_question_is_refused(api: Api, session_id: str, changed: dict[str, Any]) -> None:
    refused = api.post(f"/sessions/{session_id}/events", question() | changed)
    assert refused.refusal == (422, "invalid_event")
    assert api.get(f"/sessions/{session_id}").json["session"]["waiting_questions"] == 0


def test_malformed_decision_is_refused(api: Api, session_id: str) -> None:
    for changed in ({"decision": None}, {"event_id": "q:asked"}, {"question_id": None}):
        refused = api.post(f"/sessions/{session_id}/events", decision() | changed)
        assert refused.refusal == (422, "invalid_event"), changed


def test_open_question_is_listed_until_it_is_decided(api: Api, session_id: str) -> None:
    path = f"/sessions/{session_id}"
    told = question(tool_input={"command": "rm -rf db"}, cwd="/w", why="to clean up")
    api.post(f"{path}/events", told)
    session = api.get(path).json["session"]
    assert (session["status"], session["state"]) == ("running", "waiting")
    (listed,) = api.get(f"/questions?session_id={session_id}").json["questions"]
    (event,) = api.get(f"{path}/events").json["events"]
    assert listed == {
        "question_id": "q",
        "session_id": session_id,
        "session_name": session["session_name"],
        "project_dir": session["project_dir"],
        "run": 1,
        "seq": 1,
        "event": event,
        "answer": None,
        "answered_at": None,
    }
    assert event.items() >= told.items()
    assert answer(api, path, {"choice": "no", "text": f"use {SECRET}"}).status == 201
    (listed,) = api.get(f"/questions?session_id={session_id}").json["questions"]
    assert listed["answer"] == {"choice": "no", "text": f"use {SECRET}"}
    assert listed["answered_at"]
    api.post(f"{path}/events", decision("q", "deny"))
    assert api.get(f"/questions?session_id={session_id}").json["questions"] == []
    assert api.get(path).json["session"]["state"] == "running"
    settled = api.put(f"{path}/runs/1/requests/q", {"state": "done"}).json["request"]
    assert settled["payload"]["choice"] == "no"
    assert SECRET not in str(settled)  # the agent has it; this is only the record


def test_answer_at_the_end_of_its_run_is_masked(api: Api, session_id: str) -> None:
    path = f"/sessions/{session_id}"
    api.post(f"{path}/events", question())
    answer(api, path, {"choice": "yes", "text": SECRET})
    api.post(f"{path}/events", {"event_type": "session_stop", "exit_code": 0})
    (expired,) = api.get(f"{path}/runs/1/requests").json["requests"]
    assert (expired["state"], expired["kind"]) == ("expired", "answer")
    assert SECRET not in str(expired)


def test_pages_of_questions_have_each_once(api: Api, session_id: str) -> None:
    api.post(f"/sessions/{session_id}/events", [question(f"q{n}") for n in range(5)])
    seen, target = [], f"/questions?session_id={session_id}&limit=2"
    page = api.get(target).json
    while True:
        seen += [each["question_id"] for each in page["questions"]]
        if page["next_page"] is None:
            break
        page = api.get(f"{target}&page={page['next_page']}").json
    assert seen == [f"q{n}" for n in range(5)]
    for wrong in ("page=x", "limit=0", "limit=1001", "unknown=1"):
        assert api.get(f"/questions?{wrong}").refusal == (422, "invalid_request"), wrong


@each_row(
    "payload",
    [
        {},
        {"choice": "maybe"},
        {"choice": None},
        {"choice": ["yes"]},
        {"choice": "yes", "answers": {}},
        {"choice": "yes", "more": 1},
        {"choice": "yes", "text": 1},
        {"answers": {"env": ["staging"], "why": ["x"]}},
    ],
)
def test_wrong_choice_leaves_the_question_open(
    api: Api, session_id: str, new_id: NewId, payload: dict[str, Any]
) -> None:
    path, question_id = f"/sessions/{session_id}", new_id()
    api.post(f"{path}/events", question(question_id))
    assert answer(api, path, payload, question_id).refusal == (422, "invalid_answer")
    assert api.get(path).json["session"]["state"] == "waiting"
    assert answer(api, path, {"choice": "yes"}, question_id).status == 201


@each_row(
    "answers",
    [
        {},
        [],
        {"env": ["staging"]},
        {"env": ["staging"], "why": ["x"], "more": ["y"]},
        {"env": "staging", "why": ["x"]},
        {"env": ["elsewhere"], "why": ["x"]},
        {"env": ["staging", "production"], "why": ["x"]},
        {"env": ["staging"], "why": []},
        {"env": ["staging"], "why": [""]},
        {"env": ["staging"], "why": [1]},
        {"env": ["staging"], "why": ["x"] * 101},
    ],
)
def test_answers_must_fit_each_item(api: Api, session_id: str, new_id: NewId, answers: Any) -> None:
    path, question_id = f"/sessions/{session_id}", new_id()
    api.post(f"{path}/events", question(question_id, choices=[], items=ITEMS))
    wrong = answer(api, path, {"answers": answers}, question_id)
    assert wrong.refusal == (422, "invalid_answer")
    fits = {"answers": {"env": ["production"], "why": ["because", "of that"]}}
    assert answer(api, path, fits, question_id).json["request"]["payload"] == fits


def test_closed_and_unknown_questions_are_told_apart(api: Api, session_id: str) -> None:
    path = f"/sessions/{session_id}"
    yes = {"choice": "yes"}
    api.post(f"{path}/events", [question("a"), question("b"), decision("a", "timed_out")])
    assert answer(api, path, yes, "none").refusal == (404, "question_not_found")
    closed = answer(api, path, yes, "a")
    assert closed.refusal == (409, "question_closed")
    assert "timed_out" in closed.json["detail"]
    api.post(f"{path}/events", {"event_type": "session_stop", "exit_code": 0})
    closed = answer(api, path, yes, "b")
    assert closed.refusal == (409, "question_closed")
    assert "its run has ended" in closed.json["detail"]


def test_only_the_supervisor_asks_and_decides(manager: RunningManager, api: Api) -> None:
    """Every way into the record is tried, with the token of the agent and with the person's own."""
    family = make_family(manager, api)
    path = f"/sessions/{family.own}"
    forged = [question("new"), decision("q"), {"event_type": "x", "event_id": "q:decided"}]
    with with_token(manager, family.agent_token) as agent, family.run as supervisor:
        for event in forged:
            assert agent.post(f"{path}/events", event).refusal == NOT_FOR_RUNS
            assert (
                agent.post(f"{path}/events", [{"event_type": "y"}, event]).refusal == NOT_FOR_RUNS
            )
            earlier = {**event, "session_id": family.own, "session_name": "x", "timestamp": "t"}
            assert agent.post("/events", earlier).refusal == NOT_FOR_RUNS
            assert agent.post(f"{path}/history", {"events": [event]}).refusal == NOT_FOR_RUNS
        for event in forged[:2]:
            earlier = {**event, "session_id": family.own, "session_name": "x", "timestamp": "t"}
            assert api.post("/events", earlier).refusal == (422, "invalid_event")
            history = {"begins": True, "executor": "claude", "host": "h", "events": [event]}
            source = {"format": "claude", "path": "/x"}
            refused = api.post("/sessions/imported/history", {**history, "source": source})
            assert refused.refusal == (422, "invalid_event")
        (listed,) = agent.get(f"/questions?session_id={family.own}").json["questions"]
        assert listed["question_id"] == "q"
        for run in (agent, supervisor):  # neither answers, nor its parent
            for name in ("own", "child"):
                refused = answer(run, f"/sessions/{family.ids[name]}", {"choice": "yes"})
                assert refused.refusal == NOT_FOR_RUNS
        assert supervisor.post(f"{path}/events", [question("b"), decision("q")]).status == 201
        assert api.get(path).json["session"]["waiting_questions"] == 1
        api.post(f"{path}/runs", {"takeover": True})
        assert supervisor.post(f"{path}/events", question("late")).status == 201
        assert api.get(path).json["session"]["waiting_questions"] == 0


def test_one_of_many_answers_at_once_is_stored(
    manager: RunningManager, api: Api, session_id: str
) -> None:
    path = f"/sessions/{session_id}"
    clients = 8
    api.post(f"{path}/events", question())
    together = Barrier(clients)

    def send(number: int) -> dict[str, Any]:
        payload = {"choice": ("yes", "no")[number % 2], "text": str(number)}
        with Api(manager) as own:
            together.wait(WATCHDOG_SECONDS)
            sent = answer(own, path, payload)
        assert sent.status == 201
        found: dict[str, Any] = sent.json["request"]
        return found

    with ThreadPoolExecutor(clients) as threads:
        answers = list(threads.map(send, range(clients)))
    assert all(each == answers[0] for each in answers)


def test_first_answer_stays_after_a_kill(
    start_manager: Callable[..., RunningManager],
) -> None:
    own = start_manager()
    with Api(own) as api:
        api.post("/sessions", {"session_id": "s", "session_name": "s"})
        api.post("/sessions/s/events", question())
        first = answer(api, "/sessions/s", {"choice": "no"}).json
    own.kill()
    own.restart()
    with Api(own) as api:
        assert api.get("/sessions/s").json["session"]["state"] == "waiting"
        assert answer(api, "/sessions/s", {"choice": "yes"}).json == first
        (listed,) = api.get("/questions").json["questions"]
        assert listed["answer"] == {"choice": "no"}
