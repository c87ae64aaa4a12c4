"""The state of the board: its sessions, facts about them, and the chosen one.

It knows neither the terminal nor the manager.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ...client.manager import Json
from ...sessions.resolve import Session
from .answering import Answering
from .groups import Groups, Place, groups_of, is_shown

_SEARCHED = ("session_name", "project_dir", "agent_name", "session_id")


@dataclass
class Board:
    """The sessions of the board, and the one on which the keys act."""

    questions: dict[str, list[Json]] = field(default_factory=dict)
    """Open questions of sessions, the longest waiting first."""
    calls: dict[str, str] = field(default_factory=dict)
    """Words about the newest call of each running session."""
    results: dict[tuple[str, int], str] = field(default_factory=dict)
    """Last answers, by session and run."""
    today: str = ""
    """The cost of today."""
    is_cut: bool = False
    """True if the manager has more sessions than the board."""
    is_loaded: bool = False
    changes: int = 0
    """Number of changes that the manager has told."""
    outage: str = ""
    filter: str = ""
    chosen_id: str | None = None
    is_peeking: bool = False
    peek_top: int = 0
    peek_step: int = 1
    """Lines of the look that the terminal has room for, so that a step skips none."""
    groups: Groups = field(default_factory=lambda: groups_of((), {}))
    """All groups, whatever the filter."""
    shown_groups: list[list[Place]] = field(default_factory=list)
    """The places of each group that pass the filter."""
    _sessions: dict[str, Session] = field(default_factory=dict)
    _seen: dict[str, Session] = field(default_factory=dict)
    """Sessions as they were when the person marked them as seen."""
    _at: int = 0
    """The row of the chosen session, for when the session disappears."""

    def load(self, sessions: Iterable[Session], *, is_cut: bool = False) -> None:
        """Replace all sessions, after each connection to the manager."""
        self._sessions = {each["session_id"]: each for each in sessions if is_shown(each)}
        self.is_cut, self.is_loaded, self.outage = is_cut, True, ""
        self.changes += 1
        self._arrange()

    def learn(self, session: Session) -> None:
        """Note the new state of a session."""
        self.outage = ""
        self.changes += 1
        self._sessions.pop(session["session_id"], None)
        if is_shown(session):
            self._sessions[session["session_id"]] = session
        self._arrange()

    def forget(self, session_id: str) -> None:
        """Note that a session was deleted."""
        self._sessions.pop(session_id, None)
        self._seen.pop(session_id, None)
        self._arrange()

    def mark(self, session: Session) -> None:
        """Keep the row of a session whose end is being marked as seen."""
        self._seen[session["session_id"]] = session
        self._arrange()

    def unmark(self, session: Session) -> None:
        """Show a session as it was before the mark, until the feed tells more."""
        self._seen.pop(session["session_id"], None)
        self._sessions.setdefault(session["session_id"], session)
        self._arrange()

    @property
    def places(self) -> list[Place]:
        """The rows, from the top down."""
        return [place for group in self.shown_groups for place in group]

    @property
    def chosen(self) -> Place | None:
        places = self.places
        return places[self._at] if places else None

    @property
    def answering(self) -> Answering | None:
        """The first open question of the chosen session."""
        place = self.chosen
        questions = self.questions.get(self.chosen_id or "", [])
        if place is None or place.kind != "asks" or not questions:
            return None
        return Answering(session=place.session, question=questions[0])

    def move(self, by: int) -> None:
        """Choose the row that is `by` rows below the chosen one."""
        self._choose(self._at + by)

    def filter_by(self, text: str) -> None:
        """Show only the rows with this text in name, project, agent or id."""
        self.filter = text.strip()
        self._arrange()

    def peek(self, *, is_open: bool) -> None:
        """Open or close the look into the chosen session."""
        self.is_peeking, self.peek_top = is_open and self.chosen is not None, 0

    def _passes(self, place: Place) -> bool:
        words = self.filter.casefold()
        return any(words in str(place.session.get(name) or "").casefold() for name in _SEARCHED)

    def _arrange(self) -> None:
        """Group the sessions again, and keep the chosen one or else its row."""
        self.groups = groups_of(self._sessions.values(), self._seen)
        self.shown_groups = [[p for p in group if self._passes(p)] for group in self.groups.all]
        ids = [place.session["session_id"] for place in self.places]
        self._choose(ids.index(self.chosen_id) if self.chosen_id in ids else self._at)

    def _choose(self, at: int) -> None:
        places = self.places
        self._at = max(0, min(at, len(places) - 1))
        chosen = places[self._at].session["session_id"] if places else None
        if chosen != self.chosen_id:
            self.chosen_id, self.peek_top = chosen, 0
