"""Follows sessions through the manager's feed, over as many connections as necessary.

A reader keeps its cursor. After a lost connection it continues after the last event that it has. So
each event is yielded once and in order. This module does not read ahead and starts no threads.
Ending the iteration, also by Ctrl-C, closes the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from contextlib import closing
from functools import partial

from ..machine.clock import SYSTEM, Backoff, Time
from ..session_client import SessionClientError, SessionNotFoundError, _path, _query
from .errors import may_pass
from .frames import Deadline, Frame, Frames, TokenRefusedError, read_frames
from .manager import Json, ManagerClient, cursor_of
from .patient_client import TIMEOUT_SECONDS

SILENCE_SECONDS = 40.0
"""A feed sends something every 15 seconds. A connection that is silent for longer is closed."""
LOOK_SECONDS = 1.0
"""Minimum time to read the current state, even if the deadline is closer."""
MAX_PAUSE_SECONDS = 2.0

_STEADY_SECONDS = 1.0
"""A connection that lasted this long counts as good, even if it brought no events."""
_FAILURES_TO_TELL = 3
_NO_EVENTS = str(2**63 - 1)
"""A seq that no event exceeds. A feed from there sends the state of a session, but no events."""

CURSOR_UNKNOWN = "cursor_unknown"
_CHANGES = ("session_created", "session_updated", "session_deleted")
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
    """Yield an `event` frame per event after `after_seq`, and a `session` frame per change.

    The last frame is `end`: the session is finished and all events were read. If the manager is
    unreachable, the function waits for it, and calls `on_outage` once per outage. An event out of
    sequence is not yielded, and its connection counts as lost.

    Raises:
        SessionNotFoundError: the session was deleted, or another session has its id.
        SessionClientError: the manager refuses the request permanently.
    """
    place = _Place(session, after_seq)
    connect = partial(_read_session, manager, place, silence_seconds)
    return _over_connections(manager, connect, _Course(on_outage, time, None), last="end")


def follow_states(
    manager: ManagerClient,
    session_ids: Collection[str],
    *,
    deadline: float | None,
    on_outage: OnOutage,
    time: Time = SYSTEM,
) -> Generator[Json, None, None]:
    """Yield the state of each session, and again after each change, until the deadline.

    `deadline` is a time of `time.monotonic()`. The states are read at least once. The caller may
    remove ids from `session_ids` during the iteration. For outages and errors see `follow_session`.
    """
    course = _Course(on_outage, time, deadline)
    states = _States(manager, session_ids, course.deadline)
    for frame in _over_connections(manager, states.read, course):
        yield frame.session


def follow_list(
    manager: ManagerClient,
    *,
    on_outage: OnOutage,
    deadline: float | None = None,
    time: Time = SYSTEM,
) -> Frames:
    """Yield a frame for each change of any session, with a cursor, until the deadline.

    After a frame `ready` the caller reads the list: each connection begins with one, after the
    changes that were missed. For outages see `follow_session`.
    """
    course = _Course(on_outage, time, deadline)
    return _over_connections(manager, _List(manager, course.deadline).read, course)


class _List:
    """The feed of all sessions, from now on."""

    def __init__(self, manager: ManagerClient, deadline: Deadline) -> None:
        self._manager = manager
        self._deadline = deadline
        self._cursor: str | None = None

    def read(self) -> Frames:
        """Yield the frames of one connection, which is open for `LOOK_SECONDS` at least."""
        seconds = max(LOOK_SECONDS, min(SILENCE_SECONDS, self._deadline.seconds_left()))
        try:
            with closing(
                read_frames(
                    self._manager, "/sessions", self._cursor, seconds, deadline=self._deadline
                )
            ) as frames:
                for frame in frames:
                    self._cursor = frame.cursor or self._cursor
                    if frame.name == "bye":
                        return
                    if frame.name in _CHANGES or frame.name == "ready":
                        yield frame
        except SessionClientError as exc:
            if exc.code != CURSOR_UNKNOWN:
                raise
            self._cursor = None


class _Place:
    """Position of a reader in one session."""

    def __init__(self, session: Json, after_seq: int) -> None:
        self.session_id: str = session["session_id"]
        self.seq = after_seq
        # A cursor cannot be past the last event.
        is_past = after_seq > session.get("last_seq", -1)
        self.cursor = None if is_past else cursor_of(session, after_seq)

    def advance(self, frame: Frame) -> None:
        """Move to the next event.

        Raises:
            SessionClientError: the event is not the next one.
        """
        seq = frame.content.get("seq")
        if seq != self.seq + 1:
            raise SessionClientError(f"event {seq} came after {self.seq}")
        self.seq, self.cursor = seq, frame.cursor


def _read_session(manager: ManagerClient, place: _Place, silence_seconds: float) -> Frames:
    """Yield the frames of one connection; the next connection continues at `place`."""
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
    """States of sessions: of one from its own feed, of several from the feed of all sessions."""

    def __init__(
        self, manager: ManagerClient, session_ids: Collection[str], deadline: Deadline
    ) -> None:
        self._manager = manager
        self._session_ids = session_ids
        self._deadline = deadline
        self._cursor: str | None = None
        self._is_list = False

    def read(self) -> Frames:
        """Yield the frames of one connection. The first one begins with each session's state."""
        if self._cursor is None:
            self._is_list = len(self._session_ids) > 1
            # Taken before the states are read, so later changes are sent again.
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
        """Return the first frame of a feed."""
        patience = min(TIMEOUT_SECONDS, self._manager.timeout)  # it looks again afterwards
        seconds = max(LOOK_SECONDS, min(patience, self._deadline.seconds_left()))
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
    message = f"no session {session_id!r}: it was deleted, or its database was restored"
    return SessionNotFoundError(message, 404, "session_not_found")


def _over_connections(
    manager: ManagerClient,
    connect: Callable[[], Frames],
    course: _Course,
    last: str | None = None,
) -> Frames:
    """Yield frames up to the frame `last`, with a pause before each new connection.

    Raises:
        SessionClientError: the manager refuses permanently, or refuses a token that is still
            current. Without a token the manager may be starting; its discovery file will then
            contain one.
    """
    while True:
        error: SessionClientError | None = None
        course.begin()
        try:
            with closing(connect()) as frames:
                for frame in frames:
                    course.heard(frame)
                    yield frame
                    if frame.name == last:
                        return
        except SessionClientError as exc:
            if not may_pass(exc) or _is_current_token_refused(exc, manager):
                raise
            error = exc
        course.end(error)
        if not course.pause():
            return


def _is_current_token_refused(error: SessionClientError, manager: ManagerClient) -> bool:
    """Return True if the request had a token, and the token is still the manager's.

    The token that was sent counts: another one may have been found before or after.
    """
    if not isinstance(error, TokenRefusedError) or error.token is None:
        return False
    return error.token == manager.find_token()


class _Course:
    """History of the connections: decides when there is an outage, and when to try again."""

    def __init__(self, on_outage: OnOutage, time: Time, deadline: float | None) -> None:
        self.deadline = Deadline(time, deadline)
        self._on_outage = on_outage
        self._time = time
        self._backoff = Backoff(MAX_PAUSE_SECONDS)
        """Its failures are consecutive connections that brought nothing new."""
        self._is_told = False

    def begin(self) -> None:
        self._begun_at = self._time.monotonic()
        self._heard = self._is_good = False

    def heard(self, frame: Frame) -> None:
        self._heard = True
        self._is_good = self._is_good or frame.name not in _GREETINGS

    def end(self, error: SessionClientError | None) -> None:
        """Count a connection that has ended, and report an outage that was not yet reported."""
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
        """Wait before the next attempt. Return False at once if the deadline has passed."""
        left = self.deadline.seconds_left()
        if left > 0:
            self._time.sleep(min(self._backoff.pause_seconds(), left))
        return left > 0
