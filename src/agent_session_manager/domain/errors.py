"""Errors of the domain. `api/http/errors.py` assigns an HTTP status to each."""

from __future__ import annotations


class OrchestratorError(Exception):
    """Base of every error that a caller can act on."""

    @property
    def facts(self) -> dict[str, str]:
        """Data that a program needs to recover, in addition to the error code."""
        return {}


class InvalidRequestError(OrchestratorError):
    """The request is not valid."""


class InvalidQueryError(OrchestratorError):
    """A search query is malformed. `position` is the place of the problem, from 0."""

    def __init__(self, position: int, problem: str) -> None:
        super().__init__(f"query, position {position + 1}: {problem}")
        self.position = position

    @property
    def facts(self) -> dict[str, str]:
        return {"position": str(self.position)}


class InvalidEventError(OrchestratorError):
    """An event does not have the shape of an event."""

    def __init__(self, problem: str, *, index: int | None = None) -> None:
        super().__init__(problem if index is None else f"event {index}: {problem}")
        self.problem = problem
        self.index = index


class InvalidEntryError(OrchestratorError):
    """An entry of a transcript does not have the shape of one."""

    def __init__(self, problem: str, *, index: int) -> None:
        super().__init__(f"entry {index}: {problem}")
        self.problem = problem
        self.index = index


class SessionNotFoundError(OrchestratorError):
    """No session has this id."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"no session {session_id!r}")
        self.session_id = session_id


class SessionExistsError(OrchestratorError):
    """A session with this id exists already."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"a session with the id {session_id!r} exists already")
        self.session_id = session_id


class InvalidNameError(OrchestratorError):
    """A new name has an invisible character, or whitespace at an end."""

    def __init__(self, at: int, character: str, why: str) -> None:
        super().__init__(f"session_name has {character} at position {at + 1}: {why}; remove it")


class NameTakenError(OrchestratorError):
    """Another session of the project holds this name."""

    def __init__(self, session_name: str, holder_id: str | None) -> None:
        by = f" by session {holder_id}" if holder_id else ""
        super().__init__(f"the name {session_name!r} is taken in this project{by}")
        self.session_name = session_name
        self.holder_id = holder_id


class TooDeepError(OrchestratorError):
    """A run starts a session too many levels below the session that a person started."""

    def __init__(self, levels: int) -> None:
        super().__init__(
            f"sessions that agents start are at most {levels} levels deep: start it from a "
            "session further up"
        )


class SessionRunningError(OrchestratorError):
    """The newest run of the session is still open."""

    def __init__(self, session_id: str, run: int, host: str | None) -> None:
        where = f" on {host}" if host else ""
        super().__init__(f"session {session_id!r} is running (run {run}{where})")
        self.session_id = session_id
        self.run = run
        self.host = host


class RunNotFoundError(OrchestratorError):
    """The session has no run of this number."""

    def __init__(self, session_id: str, run: int) -> None:
        super().__init__(f"session {session_id!r} has no run {run}")
        self.session_id = session_id
        self.run = run


class RunSupersededError(OrchestratorError):
    """A newer run of the session exists, so the older run can no longer change the session."""

    def __init__(self, session_id: str, run: int, newest: int) -> None:
        super().__init__(f"run {run} of session {session_id!r} was superseded by run {newest}")
        self.session_id = session_id
        self.run = run
        self.newest = newest


class NotAutomaticError(OrchestratorError):
    """The session does not continue automatically now."""

    def __init__(self, session_id: str, why: str) -> None:
        super().__init__(f"session {session_id!r} does not continue automatically: {why}")


class RunNotNextError(OrchestratorError):
    """The run that the caller wants to open is not the next run of the session."""

    def __init__(self, session_id: str, run: int, newest: int) -> None:
        super().__init__(
            f"run {run} of session {session_id!r} cannot be opened: the newest is run {newest}; "
            "read the session again"
        )


class RunFinishedError(OrchestratorError):
    """The run has ended: it accepts no leases and no requests."""

    def __init__(self, session_id: str, run: int) -> None:
        super().__init__(f"run {run} of session {session_id!r} has ended")
        self.session_id = session_id
        self.run = run


class RunNotDrivenError(OrchestratorError):
    """A person works in the run, in a program that takes no requests."""

    def __init__(self, session_id: str, run: int, host: str | None) -> None:
        where = f" on {host}" if host else ""
        super().__init__(
            f"run {run} of session {session_id!r} takes no requests: a person works in it{where}, "
            "in a program that was started by hand"
        )
        self.session_id = session_id
        self.run = run


class LeaseHeldError(OrchestratorError):
    """Another process holds the lease on the run."""

    def __init__(self, session_id: str, run: int, holder: str) -> None:
        super().__init__(f"run {run} of session {session_id!r} is held by {holder}")
        self.session_id = session_id
        self.run = run
        self.holder = holder


class RequestNotFoundError(OrchestratorError):
    """The run has no request of this id."""

    def __init__(self, session_id: str, request_id: str) -> None:
        super().__init__(f"session {session_id!r} has no request {request_id!r}")
        self.session_id = session_id
        self.request_id = request_id


class SessionNotFinishedError(OrchestratorError):
    """A caller asked for the result while the newest run is open."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"session {session_id!r} is still running; its result comes when it ends")
        self.session_id = session_id


class NoResultError(OrchestratorError):
    """The newest run ended without an answer from the assistant."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"session {session_id!r} finished without an answer")
        self.session_id = session_id


class TranscriptNotFoundError(OrchestratorError):
    """No transcript has this key: it never existed, or it was deleted."""

    def __init__(self, project_key: str, session_id: str, subpath: str | None) -> None:
        of = f"{subpath!r} of " if subpath else ""
        super().__init__(f"no transcript {of}session {session_id!r} in {project_key!r}")
        self.project_key = project_key
        self.session_id = session_id
        self.subpath = subpath


class TranscriptsOffError(OrchestratorError):
    """This manager does not store transcripts."""

    def __init__(self) -> None:
        super().__init__("this manager does not store transcripts (--no-transcripts)")


class VersionConflictError(OrchestratorError):
    """The stored summary has another version than the caller expected."""

    def __init__(self, session_id: str, expected: int, version: int) -> None:
        super().__init__(f"the summary of {session_id!r} has version {version}, not {expected}")
        self.session_id = session_id
        self.expected = expected
        self.version = version


class QuestionNotFoundError(OrchestratorError):
    """A run has no question with this id."""

    def __init__(self, session_id: str, question_id: str) -> None:
        super().__init__(f"no question {question_id!r} in this run of session {session_id!r}")
        self.session_id = session_id
        self.question_id = question_id


class QuestionClosedError(OrchestratorError):
    """A question was decided, or its run has ended, before anybody answered it."""

    def __init__(self, question_id: str, decision: str | None) -> None:
        why = "its run has ended" if decision is None else f"decision: {decision}"
        super().__init__(f"question {question_id!r} is closed ({why}): no answer reaches the agent")
        self.question_id = question_id


class InvalidAnswerError(OrchestratorError):
    """An answer does not fit its question, which stays open."""


class RecordBehindError(OrchestratorError):
    """The record ends before data that the server acknowledged: an older state was restored."""

    def __init__(self, what: str, known: str, reached: str) -> None:
        super().__init__(
            f"{what} ends at {reached}, before {known}: an older state of the record was "
            f"restored. Send everything after {reached} again"
        )
        self.known = known
        self.reached = reached


class CursorUnknownError(OrchestratorError):
    """A cursor belongs to another record, or is too old."""

    def __init__(self, head: str) -> None:
        super().__init__(
            "the cursor belongs to another record or is too old: read everything again, "
            "then continue from head"
        )
        self.head = head

    @property
    def facts(self) -> dict[str, str]:
        return {"head": self.head}


class VacuumNotPossibleError(OrchestratorError):
    """This database cannot free space while it is served; the text says what to do."""


class CodeNotValidError(OrchestratorError):
    """A code was used already, has expired, or was never issued."""

    def __init__(self) -> None:
        super().__init__("this code is no longer valid: open the dashboard again with ao-dashboard")


_REACH_OF_RUNS = (
    "a run token does not allow this: a run may append to its own session, create sessions "
    "below it, and read those"
)


class NotForRunsError(OrchestratorError):
    """The token of a run does not allow the request."""

    def __init__(self, what: str = _REACH_OF_RUNS) -> None:
        super().__init__(what)


class NotForPagesError(OrchestratorError):
    """The token of a dashboard page does not allow the request."""

    def __init__(self, what: str = "a page token does not allow this") -> None:
        super().__init__(what)


class PageTokenNotFoundError(OrchestratorError):
    """No valid page token has this id."""

    def __init__(self, token_id: str) -> None:
        super().__init__(f"no valid page token has the id {token_id!r}")
        self.token_id = token_id


class StoreUnavailableError(OrchestratorError):
    """The database cannot be used right now; no part of the request was stored."""


class DiskFullError(OrchestratorError):
    """The disk has no space for a change; no part of the request was stored."""

    def __init__(self) -> None:
        super().__init__("the disk of the database is full; nothing was stored")


class EventDamagedError(OrchestratorError):
    """The requested data is in an event that was damaged on the disk."""

    def __init__(self, session_id: str, seq: int) -> None:
        super().__init__(f"event {seq} of session {session_id!r} was damaged on the disk")
        self.session_id = session_id
        self.seq = seq


class OverloadedError(OrchestratorError):
    """The queue of writes is full; nothing was stored."""

    def __init__(self) -> None:
        super().__init__("too many writes are waiting; try again in a second")
