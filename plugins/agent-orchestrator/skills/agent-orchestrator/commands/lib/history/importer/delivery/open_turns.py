"""The turns on which agents work now, so that their runs are open in the manager.

A file whose newest turn has no end does not show whether an agent works on it, or has crashed. So a
run is open only while a running process of the agent has the session open and is not idle. The
process is the holder of the lease, which we renew for it while we follow its files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ....client.manager import ManagerClient
from ....machine.clock import SYSTEM, Time
from ....machine.environment import host
from ....session_client import SessionClientError
from ...format import Format, LiveFormat, OpenSession
from ..sources.one_source import UNKNOWN, has_open_turn
from ..sources.parts import Part
from ..sources.state import State
from .pace import Pace
from .sender import Sender

LOOK = (1.0, 10.0)
"""Least seconds and factor of looking at the processes."""
RENEWALS_PER_TERM = 3
REFUSED_SECONDS = 15.0
"""Pause after a turn whose run cannot be opened, for example because a client drives another."""

Root = tuple[Format, Path]


@dataclass
class _Turn:
    """A turn whose run is open in the manager, or could not be opened."""

    session_id: str
    """The session in the manager. A conversation after `/clear` belongs to an earlier one."""
    due: float


class OpenTurns:
    """Opens runs, and renews their leases. Several threads may use it."""

    def __init__(
        self, manager: ManagerClient, state: State, roots: Iterable[Root], *, time: Time = SYSTEM
    ) -> None:
        self._sender = Sender(manager, host=host())
        self._state = state
        self._roots: dict[Path, LiveFormat] = {}
        self._time = time
        self._turns: dict[str, _Turn] = {}
        """By the agent's own id of the session."""
        self._looks = Pace(*LOOK)
        for form, root in roots:
            self.follow(form, root)

    def follow(self, form: Format, root: Path) -> None:
        """Look at the processes whose files are below a root, if the format knows them."""
        if hasattr(form, "open_sessions"):
            self._roots.setdefault(root, cast(LiveFormat, form))

    def holder_of(self, root: Path, session_id: str) -> str | None:
        """Return the process that works in a session, if any does."""
        at_work = (each for _, each in self._at_work(root) if each.session_id == session_id)
        return next((each.process for each in at_work), None)

    def is_open(self, session_id: str) -> bool:
        return session_id in self._turns

    def note(self, own_id: str, session_id: str, lease_seconds: float | None) -> None:
        """Note the answer to a part of a session: its lease, or None if its run is not open."""
        if lease_seconds is None:
            self._turns.pop(own_id, None)
        else:
            due = self._time.monotonic() + lease_seconds / RENEWALS_PER_TERM
            self._turns[own_id] = _Turn(session_id, due)

    def keep(self) -> None:
        """Renew the leases of turns on which a process works, and open the runs of others.

        Raises:
            SessionClientError: the manager cannot be reached, or no longer knows our token.
        """
        now = self._time.monotonic()
        if not self._looks.is_due(now):
            return
        found = [each for root in self._roots for each in self._at_work(root)]
        self._looks.note(now, self._time.monotonic())
        for own_id in set(self._turns) - {each.session_id for _, each in found}:
            self._turns.pop(own_id, None)  # its lease expires, unless its end is imported before
        for form, each in found:
            turn = self._turns.get(each.session_id)
            if turn is None and self._has_open_turn(each.session_id):
                turn = _Turn(each.session_id, now)
            if turn is not None and turn.due <= now:
                self._renew(form, each, turn.session_id)

    def _at_work(self, root: Path) -> Iterator[tuple[LiveFormat, OpenSession]]:
        form = self._roots.get(root)
        if form is not None:
            yield from ((form, each) for each in form.open_sessions(root) if not each.is_idle)

    def _has_open_turn(self, session_id: str) -> bool:
        """Return whether the newest turn that was imported of a session has no end."""
        reasons = (
            json.loads(each.parser).get("reasons", {})
            for each in self._state.of_session(session_id)
        )
        return any(has_open_turn(each, session_id) for each in reasons)

    def _renew(self, form: Format, opened: OpenSession, session_id: str) -> None:
        seconds = None
        try:
            seconds = self._sender.send(
                Part(session_id, holder=opened.process),
                executor=form.name,
                begins=False,
                source=None,
                reason=UNKNOWN,
            ).lease_seconds
        except SessionClientError as exc:
            # Anything else is a matter of this session: it was deleted, or a client drives it.
            if exc.status_code in (None, 401, 403):
                raise
        pause = REFUSED_SECONDS if seconds is None else seconds / RENEWALS_PER_TERM
        self._turns[opened.session_id] = _Turn(session_id, self._time.monotonic() + pause)
