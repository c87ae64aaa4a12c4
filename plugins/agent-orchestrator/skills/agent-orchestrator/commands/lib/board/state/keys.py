"""The keys of the board. A key changes the board, or starts an act on a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...sessions.question_words import ways_to_answer
from ...sessions.resolve import Session, is_by_hand
from .acts import Act, Answer, Mark, OpenPage, Resume, ShowLogs, Stop, Tell
from .answering import Answering
from .board import Board
from .groups import Place, is_seeable
from .mode import Asking, Help, Mode, Typing

_FAR = 10**9


class Keys:
    """The keys of a board: their mode, and the line that tells what the last one did."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.mode: Mode = None
        self.note = ""
        self.is_error = False
        self.is_over = False
        """True once the person has left the board."""
        self._drafts: Texts = {}
        """Texts that the person did not send, or that could not be sent."""
        self._typed: Texts = {}
        """Texts for the act that the person is about to start."""
        self._looked_at: str | None = None
        """The question on the screen at the last key. A digit decides no other one."""
        self._sent: dict[int, Texts] = {}
        """Texts of acts that are being done, by the identity of the act."""

    def press(self, key: str) -> Act | None:
        """Do what a key means, and return the act that it starts."""
        self.say("")
        act = self._press(key)
        answering = self.board.answering if self.board.is_peeking else None
        self._looked_at = answering.question["question_id"] if answering else None
        return act

    def _press(self, key: str) -> Act | None:
        match self.mode:
            case Asking(act=act):
                self.mode = None
                if key == "y":
                    return act
                self.say("nothing was done")
                return None
            case Help():
                self.mode = None
                return None
            case Typing():  # these keys belong to the line of text
                return None
        if key in _ANYWHERE:
            _ANYWHERE[key](self)
            return None
        place = self.board.chosen
        if place is None:
            return None
        if key.isdecimal():
            return self._choose_answer(place, int(key))
        begin = _ON_A_ROW.get(key)
        return begin(self, place) if begin else None

    def say(self, text: str) -> None:
        """Set the line about the last key."""
        self.note, self.is_error = text, False

    def refuse(self, text: str) -> None:
        """Set the line about the last key, which could do nothing."""
        self.note, self.is_error = text, True

    def succeed(self, act: Act, words: str) -> None:
        """Note that an act was done."""
        self.say(words)
        self._sent.pop(id(act), None)
        if isinstance(act, Mark) and not act.is_seen:
            self.board.unmark(act.session)

    def fail(self, act: Act, error: str) -> None:
        """Note that an act has failed. Its text is there again when the person tries again."""
        self.refuse(error)
        self._drafts |= self._sent.pop(id(act), {})
        if isinstance(act, Mark) and act.is_seen:
            self.board.unmark(act.session)

    # The line of text.

    def typed(self, text: str) -> None:
        """Note the text so far: a filter acts at once."""
        if isinstance(self.mode, Typing) and self.mode.is_filter:
            self.board.filter_by(text)

    def submit(self, text: str) -> Act | None:
        """Take the text of the line, and return the act that it starts."""
        typing, self.mode = self.mode, None
        if not isinstance(typing, Typing):
            return None
        self.say("")
        self._drafts.pop((typing.session_id, typing.kind), None)
        self._typed[typing.session_id, typing.kind] = text
        act = typing.submit(text.strip())
        if act is not None:
            self._sent[id(act)] = self._typed
        if self.mode is None:
            self._typed = {}
        return act

    def cancel(self, text: str = "") -> None:
        """Leave the line of text, which is there again the next time."""
        if isinstance(self.mode, Typing):
            if self.mode.is_filter:
                self.board.filter_by("")
            else:
                self._drafts |= {**self._typed, (self.mode.session_id, self.mode.kind): text}
        self.mode, self._typed = None, {}

    def _type(self, kind: str, label: str, session: Session, submit: Submit) -> None:
        session_id = session["session_id"]
        text = self._drafts.get((session_id, kind), "")
        self.mode = Typing(kind=kind, label=label, submit=submit, text=text, session_id=session_id)

    # Keys that need no row.

    def _filter(self) -> None:
        def submit(text: str) -> None:
            self.board.filter_by(text)

        self.mode = Typing(kind="filter", label="Filter", submit=submit, text=self.board.filter)

    def _help(self) -> None:
        self.mode = Help()

    def _quit(self) -> None:
        self.is_over = True

    def _peek(self) -> None:
        self.board.peek(is_open=not self.board.is_peeking)

    def _leave(self) -> None:
        if self.board.is_peeking:
            self.board.peek(is_open=False)
        else:
            self.board.filter_by("")

    def _scroll(self, steps: int) -> None:
        self.board.peek_top = max(0, self.board.peek_top + steps * self.board.peek_step)

    # Keys of a row.

    def _tell(self, place: Place) -> None:
        session = place.session
        if session["status"] != "running" or is_by_hand(session):
            self.refuse("only a running session takes a message; r resumes one that has ended")
            return

        def submit(text: str) -> Act | None:
            return Tell(session=session, text=text) if text else None

        self._type("tell", f"Tell {session['session_name']}", session, submit)

    def _resume(self, place: Place) -> None:
        session = place.session
        if session["status"] == "running":
            self.refuse("the session runs; t tells its agent something")
            return

        def submit(text: str) -> Act | None:
            return Resume(session=session, text=text) if text else None

        self._type("resume", f"Resume {session['session_name']} with", session, submit)

    def _stop(self, place: Place) -> None:
        session = place.session
        if session["status"] != "running":
            self.refuse("the session does not run")
            return
        self.mode = Asking(label=f"Stop {session['session_name']}?", act=Stop(session=session))

    def _mark(self, place: Place, *, is_seen: bool) -> Act | None:
        if not is_seeable(place.session):
            self.refuse("only the end of a run can be marked as seen")
            return None
        if place.is_seen == is_seen:
            self.say(f"{place.session['session_name']} is {'seen' if is_seen else 'unseen'}")
            return None
        if is_seen:
            self.board.mark(place.session)
        return Mark(session=place.session, is_seen=is_seen)

    # Answers to questions.

    def _answer(self, place: Place) -> Act | None:
        if place.kind != "asks":
            self.refuse("the session asks nothing")
            return None
        answering = self.board.answering
        if not self.board.is_peeking:
            self.board.peek(is_open=True)
        if answering is None:
            self.say("the question is being read")
        elif answering.item is None:
            self.say("press the number of a choice")
        else:
            return self._next_item(answering)
        return None

    def _choose_answer(self, place: Place, number: int) -> Act | None:
        """Take the choice of a number, which must be on the screen before."""
        answering = self.board.answering
        if answering is None or not self.board.is_peeking:
            return self._answer(place) if place.kind == "asks" else None
        if answering.question["question_id"] != self._looked_at:
            self.say("this question is new: read it, then press the number again")
            return None
        if answering.item is None:
            if choice := answering.choice(number):
                return self._permit(answering, choice)
        elif not answering.is_choice:
            return self._next_item(answering)
        elif answered := answering.with_answer(str(number)):
            return self._next_item(answered)
        self.refuse(f"there is no choice {number}")
        return None

    def _permit(self, answering: Answering, choice: Mapping[str, Any]) -> Act | None:
        def act(text: str = "") -> Act:
            payload = {"choice": choice["id"], **({"text": text} if text else {})}
            session, question = answering.session, answering.question
            return Answer(session=session, question=question, payload=payload)

        if choice["kind"] == "deny":
            self._type("deny", "Deny; reason, if any", answering.session, act)
            return None
        if choice["kind"] == "allow_always":  # the agent keeps this rule
            self.mode = Asking(label=f"{choice['label']}?", act=act())
            return None
        return act()

    def _next_item(self, answering: Answering) -> Act | None:
        """Ask for the answer to the next item, or return the act that gives all answers."""
        item = answering.item
        session, question = answering.session, answering.question
        if item is None:
            payload = {"answers": answering.answers}
            return Answer(session=session, question=question, payload=payload)
        kind = f"answer {question['question_id']} {item['id']}"

        def submit(text: str) -> Act | None:
            answered = answering.with_answer(text)
            if answered is not None:
                return self._next_item(answered)
            self._drafts[session["session_id"], kind] = text
            self._next_item(answering)
            self.refuse(f"give {ways_to_answer(item)}")
            return None

        self._type(kind, f"{item['text']} ({ways_to_answer(item)})", session, submit)
        return None


Texts = dict[tuple[str | None, str], str]
"""Texts by the session and the kind of their line."""
Submit = Callable[[str], Act | None]

_ANYWHERE: Mapping[str, Callable[[Keys], None]] = {
    **dict.fromkeys(("j", "down"), lambda keys: keys.board.move(1)),
    **dict.fromkeys(("k", "up"), lambda keys: keys.board.move(-1)),
    **dict.fromkeys(("g", "home"), lambda keys: keys.board.move(-_FAR)),
    **dict.fromkeys(("G", "end"), lambda keys: keys.board.move(_FAR)),
    "pagedown": lambda keys: keys._scroll(1),
    "pageup": lambda keys: keys._scroll(-1),
    "space": Keys._peek,
    "escape": Keys._leave,
    "/": Keys._filter,
    "?": Keys._help,
    "q": Keys._quit,
}
_ON_A_ROW: Mapping[str, Callable[[Keys, Place], Act | None]] = {
    "enter": lambda _, place: ShowLogs(session=place.session),
    "o": lambda _, place: OpenPage(session=place.session),
    "a": Keys._answer,
    "t": lambda keys, place: keys._tell(place),
    "r": lambda keys, place: keys._resume(place),
    "s": lambda keys, place: keys._stop(place),
    "m": lambda keys, place: keys._mark(place, is_seen=True),
    "u": lambda keys, place: keys._mark(place, is_seen=False),
}
PRESSED = (*_ANYWHERE, *_ON_A_ROW, *map(str, range(1, 10)), "y", "n")
"""All keys that mean something while no text is typed."""
