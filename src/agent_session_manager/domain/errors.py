"""What can go wrong, as facts. The HTTP status of each is decided in `api/http/errors.py`."""

from __future__ import annotations


class OrchestratorError(Exception):
    """Base of every error that a caller can act on."""

    @property
    def facts(self) -> dict[str, str]:
        """What a program needs to go on, beside the code."""
        return {}


class InvalidRequestError(OrchestratorError):
    """The request means something that cannot be."""


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
    """A session with this id is there already."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"a session with the id {session_id!r} exists already")
        self.session_id = session_id


class InvalidNameError(OrchestratorError):
    """A new name has a character that people cannot see."""

    def __init__(self, at: int, character: str, why: str) -> None:
        super().__init__(f"session_name has {character} at position {at + 1}: {why}; leave it out")


class NameTakenError(OrchestratorError):
    """Another session of the project holds this name."""

    def __init__(self, session_name: str, holder_id: str | None) -> None:
        by = f" by session {holder_id}" if holder_id else ""
        super().__init__(f"the name {session_name!r} is taken in this project{by}")
        self.session_name = session_name
        self.holder_id = holder_id


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
    """A newer run of the session exists: the older one changes nothing any more."""

    def __init__(self, session_id: str, run: int, newest: int) -> None:
        super().__init__(f"run {run} of session {session_id!r} was superseded by run {newest}")
        self.session_id = session_id
        self.run = run
        self.newest = newest


class RunNotNextError(OrchestratorError):
    """The next run of the session has another number than the one that is to be opened."""

    def __init__(self, session_id: str, run: int, newest: int) -> None:
        super().__init__(
            f"run {run} of session {session_id!r} cannot be opened: the newest is run {newest}; "
            "read the session again"
        )


class RunFinishedError(OrchestratorError):
    """The run has ended: nobody can hold it, and nobody is there to be asked for something."""

    def __init__(self, session_id: str, run: int) -> None:
        super().__init__(f"run {run} of session {session_id!r} has ended")
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
    """The result was asked for while the newest run is open."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"session {session_id!r} is still running; its result comes when it ends")
        self.session_id = session_id


class NoResultError(OrchestratorError):
    """The newest run ended without an answer from the assistant."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"session {session_id!r} finished without an answer")
        self.session_id = session_id


class TranscriptNotFoundError(OrchestratorError):
    """No transcript has this key: nothing was ever appended to it, or it was deleted."""

    def __init__(self, project_key: str, session_id: str, subpath: str | None) -> None:
        of = f"{subpath!r} of " if subpath else ""
        super().__init__(f"no transcript {of}session {session_id!r} in {project_key!r}")
        self.project_key = project_key
        self.session_id = session_id
        self.subpath = subpath


class TranscriptsOffError(OrchestratorError):
    """This manager keeps no transcripts."""

    def __init__(self) -> None:
        super().__init__("this manager keeps no transcripts (--no-transcripts)")


class VersionConflictError(OrchestratorError):
    """The summary is not of the version that the caller expected."""

    def __init__(self, session_id: str, expected: int, version: int) -> None:
        super().__init__(f"the summary of {session_id!r} is at {version} and not at {expected}")
        self.session_id = session_id
        self.expected = expected
        self.version = version


class RecordBehindError(OrchestratorError):
    """The record does not reach as far as the sender was told: an older state was put back."""

    def __init__(self, what: str, known: str, reached: str) -> None:
        super().__init__(
            f"{what} is at {reached} and not at {known} or later: an older state of the record "
            "was put back. Send again what it lacks, from there on"
        )
        self.known = known
        self.reached = reached


class CursorUnknownError(OrchestratorError):
    """A cursor is not one of this feed, or no longer."""

    def __init__(self, head: str) -> None:
        super().__init__(
            "the cursor is of another record or too old: read anew, and go on from head"
        )
        self.head = head

    @property
    def facts(self) -> dict[str, str]:
        return {"head": self.head}


class VacuumNotPossibleError(OrchestratorError):
    """This database gives no space back while it is served; the text says what to do."""


class CodeNotValidError(OrchestratorError):
    """A code was used already, is too old, or was never given."""

    def __init__(self) -> None:
        super().__init__(
            "this code is not valid any more: open the dashboard anew with ao-dashboard"
        )


_REACH_OF_RUNS = (
    "a run's token is not for this: with it a run appends to its own session, creates sessions, "
    "and reads those"
)


class NotForRunsError(OrchestratorError):
    """A run asked for what its token does not allow."""

    def __init__(self, what: str = _REACH_OF_RUNS) -> None:
        super().__init__(what)


class NotForPagesError(OrchestratorError):
    """A dashboard page asked for what its token does not allow."""

    def __init__(self, what: str = "a page token does not allow this") -> None:
        super().__init__(what)


class PageTokenNotFoundError(OrchestratorError):
    """No valid page token has this id."""

    def __init__(self, token_id: str) -> None:
        super().__init__(f"no valid page token has the id {token_id!r}")
        self.token_id = token_id


class StoreUnavailableError(OrchestratorError):
    """The database cannot be used right now; nothing of the request was stored."""


class DiskFullError(OrchestratorError):
    """There is no room for a change; nothing of the request was stored."""

    def __init__(self) -> None:
        super().__init__("the disk of the database is full; nothing of this was stored")


class EventDamagedError(OrchestratorError):
    """What was asked for is in an event that was damaged on the disk."""

    def __init__(self, session_id: str, seq: int) -> None:
        super().__init__(f"event {seq} of session {session_id!r} was damaged on the disk")
        self.session_id = session_id
        self.seq = seq


class OverloadedError(OrchestratorError):
    """More writes are waiting than the manager is willing to hold; nothing was stored."""

    def __init__(self) -> None:
        super().__init__("too many writes are waiting; try again in a second")
