"""Following sessions by the manager's feed, over as many connections as it takes.

A reader keeps its cursor: after a cut it goes on behind the last event that it has, so that each
event comes once, in order, and none is left out. Nothing is read ahead, and nothing runs beside the
caller: whatever ends the iteration, a Ctrl-C as well, ends the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from contextlib import closing
from functools import partial

from ..machine.clock import SYSTEM, Backoff, Time
from ..session_client import SessionClientError, SessionNotFoundError, _path, _query
from .errors import may_pass
from .frames import Deadline, Frame, Frames, read_frames
from .manager import Json, ManagerClient, cursor_of

SILENCE_SECONDS = 40.0
"""A feed says something every 15 seconds. One that says nothing for so long is given up."""
LOOK_SECONDS = 1.0
"""So long a look may take at least, however little time is left."""
MAX_PAUSE_SECONDS = 2.0

_STEADY_SECONDS = 1.0
"""A connection that lasted so long was a good one, whatever it has brought."""
_FAILURES_TO_TELL = 3
_NO_EVENTS = str(2**63 - 1)
"""The seq that none is past: of a session from there on, the feed tells how it stands."""

CURSOR_UNKNOWN = "cursor_unknown"
_GREETINGS = ("session", "ready")

OnOutage = Callable[[SessionClientError], None]


def follow_session(
    manager: ManagerClient,
    session: Json,
    *,
    after_seq: int = 0,
    on_outage: OnOutage,
    silence_seconds: float = SILENCE_SECONDS,
    time: Time = SYSTEM,
) -> Frames:
    """Yield `event` for each event past `after_seq`, and `session` where that has changed.

    The last frame is `end`: the session is finished, and everything was read. A manager that is
    away is waited for, and `on_outage` told why, once each time. An event that does not come next
    after the one before it is not yielded: its connection counts as cut.

    Raises:
        SessionNotFoundError: the session is gone, or another one has its id.
        SessionClientError: the manager refuses for good.
    """
    place = _Place(session, after_seq)
    connect = partial(_read_session, manager, place, silence_seconds)
    for frame in _over_connections(manager, connect, _Course(on_outage, time, None)):
        yield frame
        if frame.name == "end":
            return


def follow_states(
    manager: ManagerClient,
    session_ids: Collection[str],
    *,
    deadline: float | None,
    on_outage: OnOutage,
    time: Time = SYSTEM,
) -> Generator[Json, None, None]:
    """Yield how each session stands, and again whenever it has changed, until the deadline.

    That is a time of `time.monotonic()`; one look is always taken. `session_ids` may become fewer
    on the way. For outages and errors see `follow_session`.
    """
    course = _Course(on_outage, time, deadline)
    states = _States(manager, session_ids, course.deadline)
    for frame in _over_connections(manager, states.read, course):
        yield frame.session


class _Place:
    """How far a reader of one session has come."""

    def __init__(self, session: Json, after_seq: int) -> None:
        self.session_id: str = session["session_id"]
        self.seq = after_seq
        # There is no cursor past the head.
        is_past = after_seq > session.get("last_seq", -1)
        self.cursor = None if is_past else cursor_of(session, after_seq)

    def advance(self, frame: Frame) -> None:
        """Go on to the next event.

        Raises:
            SessionClientError: it is another one.
        """
        seq = frame.content.get("seq")
        if seq != self.seq + 1:
            raise SessionClientError(f"event {seq} came after {self.seq}")
        self.seq, self.cursor = seq, frame.cursor


def _read_session(manager: ManagerClient, place: _Place, silence_seconds: float) -> Frames:
    """What one connection brings, up to its end; `place` is where the next one goes on."""
    path = _path(place.session_id) + "/events"
    if place.cursor is None:
        path += _query({"after_seq": str(place.seq)})
    try:
        with closing(read_frames(manager, path, place.cursor, silence_seconds)) as frames:
            for frame in frames:
                match frame.name:
                    case "event":
                        place.advance(frame)
                        yield frame
                    case "session" | "end":
                        yield frame
                    case "deleted":
                        raise _gone(place.session_id)
                    case "bye":
                        return
    except SessionClientError as exc:
        if exc.code != CURSOR_UNKNOWN:
            raise
        raise _gone(place.session_id) from exc


class _States:
    """How some sessions stand: of one by its own feed, of several by that of all sessions."""

    def __init__(
        self, manager: ManagerClient, session_ids: Collection[str], deadline: Deadline
    ) -> None:
        self._manager = manager
        self._session_ids = session_ids
        self._deadline = deadline
        self._cursor: str | None = None
        self._is_list = False

    def read(self) -> Frames:
        """What one connection brings, up to its end; before the first, how each one stands."""
        if self._cursor is None:
            self._is_list = len(self._session_ids) > 1
            # Before the looks: what changes after it comes again.
            head = self._look("/sessions").cursor if self._is_list else None
            for session_id in list(self._session_ids):
                yield self._look(_states_path(session_id))
            self._cursor = head
        if self._deadline.seconds_left() <= 0 or not self._session_ids:
            return
        path = "/sessions" if self._is_list else _states_path(next(iter(self._session_ids)))
        try:
            yield from self._read_changes(path)
        except SessionClientError as exc:
            if exc.code != CURSOR_UNKNOWN:
                raise
            self._cursor = None

    def _look(self, path: str) -> Frame:
        """The first frame of a feed."""
        seconds = max(LOOK_SECONDS, min(self._manager.timeout, self._deadline.seconds_left()))
        with closing(read_frames(self._manager, path, None, seconds)) as frames:
            return next(frames)

    def _read_changes(self, path: str) -> Frames:
        seconds = min(SILENCE_SECONDS, self._deadline.seconds_left())
        opened = read_frames(self._manager, path, self._cursor, seconds, deadline=self._deadline)
        with closing(opened) as frames:
            for frame in frames:
                self._cursor = frame.cursor or self._cursor
                match frame.name:
                    case "session":
                        yield frame
                    case "end":
                        yield frame
                        return
                    case "session_created" | "session_updated":
                        if frame.session["session_id"] in self._session_ids:
                            yield frame
                    case "session_deleted" | "deleted":
                        if frame.content["session_id"] in self._session_ids:
                            raise _gone(frame.content["session_id"])
                    case "bye":
                        return


def _states_path(session_id: str) -> str:
    return _path(session_id) + "/events" + _query({"after_seq": _NO_EVENTS})


def _gone(session_id: str) -> SessionNotFoundError:
    message = f"no session {session_id!r} any more: it was deleted, or its database restored"
    return SessionNotFoundError(message, 404, "session_not_found")


def _over_connections(
    manager: ManagerClient,
    connect: Callable[[], Frames],
    course: _Course,
) -> Frames:
    """Yield what one connection after another brings, with a pause before each but the first.

    Raises:
        SessionClientError: the manager refuses for good, or refuses a token that is still the one
            to send. Without a token it may be starting: its discovery file will tell one.
    """
    while True:
        error: SessionClientError | None = None
        token = manager.find_token()
        course.begin()
        try:
            with closing(connect()) as frames:
                for frame in frames:
                    course.heard(frame)
                    yield frame
        except SessionClientError as exc:
            is_refused = exc.code is not None and exc.status_code in (401, 403)
            if not may_pass(exc) or (is_refused and token and token == manager.find_token()):
                raise
            error = exc
        course.end(error)
        if not course.pause():
            return


class _Course:
    """How it has gone so far, what of it is an outage, and when to try again."""

    def __init__(self, on_outage: OnOutage, time: Time, deadline: float | None) -> None:
        self.deadline = Deadline(time, deadline)
        self._on_outage = on_outage
        self._time = time
        self._backoff = Backoff(MAX_PAUSE_SECONDS)
        """Its failures are connections in a row that have brought nothing new."""
        self._is_told = False

    def begin(self) -> None:
        self._begun_at = self._time.monotonic()
        self._heard = self._is_good = False

    def heard(self, frame: Frame) -> None:
        self._heard = True
        self._is_good = self._is_good or frame.name not in _GREETINGS

    def end(self, error: SessionClientError | None) -> None:
        """Count the connection that has ended, and tell of an outage that is not told yet."""
        lasted_seconds = self._time.monotonic() - self._begun_at
        if self._is_good or (self._heard and lasted_seconds >= _STEADY_SECONDS):
            self._backoff.succeed()
            self._is_told = False
        else:
            self._backoff.fail()
        if error is None:
            return
        is_outage = not self._heard or self._backoff.failures >= _FAILURES_TO_TELL
        if is_outage and not self._is_told:
            self._is_told = True
            self._on_outage(error)

    def pause(self) -> bool:
        """Wait before the next try; return False, at once, where the deadline has passed."""
        left = self.deadline.seconds_left()
        if left > 0:
            self._time.sleep(min(self._backoff.pause_seconds(), left))
        return left > 0
