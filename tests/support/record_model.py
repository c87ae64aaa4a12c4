"""An in-memory model of the record as the documentation describes it, to compare stores with.

It was written from the document and not from the code of the store. So a defect stays hidden only
if both make the same mistake.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from agent_session_manager.domain import errors
from agent_shared.manager_settings import DEFAULT_LEASE_SECONDS

TERM = timedelta(seconds=DEFAULT_LEASE_SECONDS)
REASONS = ("completed", "failed", "stopped", "timeout", "budget", "lost")
STATES = {"completed": "finished", "stopped": "stopped", "lost": "lost"}
FINAL = ("done", "refused", "expired")
OWN_NAMES = ("event_type", "event_id", "run")

Refusal = type[errors.OrchestratorError]
Value = dict[str, Any]


@dataclass
class ModelRun:
    host: str | None = None
    exit_code: int | None = None
    reason: str | None = None
    """None while the run is open."""
    holder: str | None = None
    """The holder of the lease; kept when the run is lost."""
    expires_at: datetime | None = None
    tokens: int = 0
    requests: dict[str, Value] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        return self.reason is None

    @property
    def lease(self) -> tuple[str, datetime] | None:
        if self.holder is None or self.expires_at is None:
            return None
        return self.holder, self.expires_at

    def end(self, reason: str, exit_code: int | None) -> None:
        self.reason, self.exit_code = reason, exit_code
        self.holder = self.expires_at = None

    def give_up(self) -> None:
        self.reason, self.expires_at = "lost", None

    def expire_requests(self) -> None:
        for request in self.requests.values():
            if request["state"] not in FINAL:
                request["state"] = "done" if request["kind"] == "stop" else "expired"


@dataclass
class ModelSession:
    number: int
    """In the order of creation."""
    session_name: str
    project_dir: str | None
    agent_name: str | None
    parent_session_id: str | None
    unique_name: bool
    archived: bool = False
    seen_run: int = 0
    runs: list[ModelRun] = field(default_factory=list)
    events: list[Value] = field(default_factory=list)
    """Events, each with its `seq`, `run` and `late`."""

    @property
    def newest(self) -> ModelRun:
        return self.runs[-1]

    @property
    def status(self) -> str:
        return "running" if self.newest.is_open else "finished"

    @property
    def state(self) -> str:
        if self.waiting:
            return "waiting"
        return "running" if self.newest.reason is None else STATES.get(self.newest.reason, "failed")

    @property
    def waiting(self) -> list[str]:
        """The ids of the open questions, in the order in which they were asked."""
        if not self.newest.is_open:
            return []
        asked = (e for e in self.events if e["value"]["event_type"] == "permission_request")
        ids = (e["value"]["question_id"] for e in asked if e["run"] == len(self.runs))
        return [question for question in ids if self.has_event(f"{question}:decided") is None]

    @property
    def denied_calls(self) -> int:
        """Number of denied calls of the newest run."""
        kinds = [e["value"]["event_type"] for e in self.events if e["run"] == len(self.runs)]
        return kinds.count("permission_denied")

    @property
    def outcome(self) -> str | None:
        """The last line of the newest run's last answer. Its ends have no error."""
        ran = (e["value"] for e in self.events if e["run"] == len(self.runs))
        answers = [answer for value in ran if (answer := _answer_of(value))]
        return [text for text in answers[-1] if text][-1] if answers else None

    @property
    def reserved(self) -> tuple[str, str] | None:
        if self.archived or not self.unique_name:
            return None
        return self.project_dir or "", self.session_name

    @property
    def result(self) -> str | Refusal:
        if self.newest.is_open:
            return errors.SessionNotFinishedError
        answers = [
            texts
            for event in self.events
            if event["run"] == len(self.runs) and (texts := _answer_of(event["value"]))
        ]
        return "\n".join(answers[-1]) if answers else errors.NoResultError

    def open_next(self, run: ModelRun) -> None:
        if self.newest.is_open:
            self.newest.give_up()
        for older in self.runs:
            older.expire_requests()
        self.runs.append(run)

    def has_event(self, event_id: str | None) -> int | None:
        if event_id is None:
            return None
        return next((e["seq"] for e in self.events if e["value"].get("event_id") == event_id), None)


def _answer_of(value: Value) -> list[str]:
    is_answer = value["event_type"] == "message" and value.get("role") == "assistant"
    if not is_answer or value.get("parent_tool_use_id") is not None:
        return []
    texts = [block["text"] for block in value.get("content", []) if block["type"] == "text"]
    return texts if any(texts) else []


class Model:
    """The expected record. A method that changes it returns the expected outcome of the change."""

    def __init__(self) -> None:
        self.sessions: dict[str, ModelSession] = {}
        self._created = 0

    def create(self, session_id: str, now: datetime, **given: Any) -> Refusal | None:
        holder = given.pop("holder", None)
        host = given.pop("host", None)
        new = ModelSession(number=self._created, **given)
        if session_id in self.sessions:
            return errors.SessionExistsError
        if self._is_taken(new, session_id):
            return errors.NameTakenError
        self._created += 1
        new.runs.append(_run(host, holder, now))
        self.sessions[session_id] = new
        return None

    def update(self, session_id: str, now: datetime, **given: Any) -> Refusal | None:
        session = self.sessions.get(session_id)
        if session is None:
            return errors.SessionNotFoundError
        resumes = given.pop("resumes")
        if resumes and session.newest.is_open and session.newest.holder is not None:
            return errors.SessionRunningError
        if (given["seen_run"] or 0) > len(session.runs):
            return errors.RunNotFoundError
        given = {name: value for name, value in given.items() if value is not None}
        before = {name: getattr(session, name) for name in given}
        vars(session).update(given)
        if self._is_taken(session, session_id):
            vars(session).update(before)
            return errors.NameTakenError
        if resumes:
            session.open_next(ModelRun())
        return None

    def _is_taken(self, session: ModelSession, session_id: str) -> bool:
        return session.reserved is not None and any(
            other.reserved == session.reserved
            for other_id, other in self.sessions.items()
            if other_id != session_id
        )

    def delete(self, session_id: str, *, force: bool) -> Refusal | int:
        session = self.sessions.get(session_id)
        if session is None:
            return errors.SessionNotFoundError
        if session.newest.is_open and session.newest.holder is not None and not force:
            return errors.SessionRunningError
        del self.sessions[session_id]
        return len(session.events)

    def open_run(
        self, session_id: str, now: datetime, *, takeover: bool, holder: str | None
    ) -> Refusal | None:
        session = self.sessions.get(session_id)
        if session is None:
            return errors.SessionNotFoundError
        if session.newest.is_open and not takeover:
            return errors.SessionRunningError
        session.open_next(_run("h", holder, now))
        return None

    def append(self, session_id: str, values: list[Value]) -> Refusal | list[int]:
        session = self.sessions.get(session_id)
        if session is None:
            return errors.SessionNotFoundError
        if any(value.get("run", 1) > len(session.runs) for value in values):
            return errors.InvalidEventError
        return [self._append_one(session, value) for value in values]

    def _append_one(self, session: ModelSession, value: Value) -> int:
        seq = session.has_event(value.get("event_id"))
        if seq is not None:
            return seq
        newest = len(session.runs)
        run = value.get("run", newest)
        session.events.append(
            {"seq": len(session.events) + 1, "run": run, "late": run < newest, "value": value}
        )
        if value["event_type"] == "usage":
            session.runs[run - 1].tokens += value["usage"].get("input_tokens", 0)
        if value["event_type"] == "session_stop":
            _stop(session, value)
        if value["event_type"] == "permission_decided" and value["by"] == "person":
            answer = session.runs[run - 1].requests.get(value["question_id"])
            if answer and answer["kind"] == "answer" and answer["state"] not in FINAL:
                answer["state"] = "done"
        return len(session.events)

    def claim(self, session_id: str, run: int, holder: str, now: datetime) -> Refusal | None:
        session = self.sessions.get(session_id)
        if session is None:
            return errors.SessionNotFoundError
        if run != len(session.runs):
            is_older = run < len(session.runs)
            return errors.RunSupersededError if is_older else errors.RunNotFoundError
        newest = session.newest
        if newest.is_open and newest.holder not in (None, holder):
            return errors.LeaseHeldError
        if not newest.is_open and (newest.reason != "lost" or newest.holder != holder):
            # The document leaves open which of two errors a lost run of another holder gets.
            return errors.OrchestratorError
        newest.reason, newest.holder, newest.expires_at = None, holder, now + TERM
        return None

    def release(self, session_id: str, run: int, holder: str) -> Refusal | None:
        session = self.sessions.get(session_id)
        if session is None:
            return errors.SessionNotFoundError
        if run <= len(session.runs) and session.runs[run - 1].holder == holder:
            session.runs[run - 1].holder = session.runs[run - 1].expires_at = None
        return None

    def reap(self, now: datetime) -> set[str]:
        reaped = set()
        for session_id, session in self.sessions.items():
            lease = session.newest.lease
            if session.newest.is_open and lease is not None and lease[1] <= now:
                session.newest.give_up()
                reaped.add(session_id)
        return reaped

    def extend(self, now: datetime) -> None:
        for session in self.sessions.values():
            if session.newest.lease is not None:
                session.newest.expires_at = now + TERM

    def ask(self, session_id: str, run: int, request: Value) -> Refusal | Value:
        session = self.sessions.get(session_id)
        if session is None:
            return errors.SessionNotFoundError
        if run <= len(session.runs) and request["request_id"] in session.runs[run - 1].requests:
            return session.runs[run - 1].requests[request["request_id"]]
        if run > len(session.runs):
            return errors.RunNotFoundError
        refused = _why_not_answered if request["kind"] == "answer" else _why_not_taken
        if refusal := refused(session, run, request):
            return refusal
        made = {**request, "state": "pending", "detail": None}
        session.newest.requests[request["request_id"]] = made
        return made

    def settle(
        self, session_id: str, run: int, request_id: str, state: str, detail: str | None
    ) -> Refusal | Value:
        session = self.sessions.get(session_id)
        if session is None:
            return errors.SessionNotFoundError
        asked = session.runs[run - 1].requests if run <= len(session.runs) else {}
        if request_id not in asked:
            return errors.RequestNotFoundError
        if asked[request_id]["state"] not in FINAL:
            asked[request_id] |= {"state": state, "detail": detail}
        return asked[request_id]

    def matching(self, where: Value) -> list[str]:
        """Return the ids of the sessions that match a filter, newest first."""
        found = sorted(self.sessions.items(), key=lambda named: -named[1].number)
        return [session_id for session_id, session in found if _matches(session_id, session, where)]


def _why_not_taken(session: ModelSession, run: int, request: Value) -> Refusal | None:
    if run < len(session.runs):
        return errors.RunSupersededError
    if not session.newest.is_open:
        return errors.RunFinishedError
    # The question's id is for its answer.
    return errors.InvalidRequestError if request["request_id"] in session.waiting else None


def _why_not_answered(session: ModelSession, run: int, request: Value) -> Refusal | None:
    question = f"{request['request_id']}:asked"
    asked = [e for e in session.events if e["value"].get("event_id") == question]
    if not asked or asked[0]["run"] != run:
        return errors.QuestionNotFoundError
    if run < len(session.runs) or request["request_id"] not in session.waiting:
        return errors.QuestionClosedError
    is_choice = request["payload"].get("choice") in ("yes", "no")
    return None if is_choice else errors.InvalidAnswerError


def _run(host: str | None, holder: str | None, now: datetime) -> ModelRun:
    return ModelRun(host=host, holder=holder, expires_at=None if holder is None else now + TERM)


def _stop(session: ModelSession, value: Value) -> None:
    named, newest = value.get("run"), session.newest
    if named not in (None, len(session.runs)):
        return
    if newest.is_open:
        ends = named is not None or newest.holder is None
    else:
        ends = newest.reason == "lost" and named is not None
    if ends:
        exit_code = value.get("exit_code")
        by_code = "failed" if exit_code else "completed"
        reason = value.get("reason")
        newest.end(reason if reason in REASONS else by_code, exit_code)
        for run in session.runs:
            run.expire_requests()


def _matches(session_id: str, session: ModelSession, where: Value) -> bool:
    text: str = where.get("text", "")
    names = (session.session_name, session.project_dir, session.agent_name, session_id)
    return all(
        (
            any(text in (name or "").lower() for name in names),
            session_id.startswith(where.get("id_prefix", "")),
            where.get("top_level") in (None, session.parent_session_id is None),
            where.get("denied") in (None, session.denied_calls > 0),
            where.get("host") in (None, session.newest.host),
            *(
                getattr(session, name) == wanted
                for name, wanted in where.items()
                if name not in ("text", "id_prefix", "top_level", "denied", "host")
            ),
        )
    )
