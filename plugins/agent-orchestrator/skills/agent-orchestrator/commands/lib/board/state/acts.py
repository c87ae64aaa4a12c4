"""Acts of a person on sessions of the board, by the same use cases as the commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...client.manager import Json, ManagerClient
from ...console.open_page import NOT_OPENED, Place, open_page
from ...session_client import _path
from ...sessions.messages import send_message
from ...sessions.question_words import payload_words
from ...sessions.questions import give_answer
from ...sessions.resolve import Session, by_hand, is_by_hand, state_of
from ...sessions.stop import stop_sessions

STOP_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Act:
    """Something to do to a session; `perform` returns what became of it, in words."""

    doing: ClassVar[str] = ""
    """What `perform` does, for an act that can take a while."""

    session: Session

    @property
    def name(self) -> str:
        return str(self.session["session_name"])

    def perform(self, manager: ManagerClient) -> str:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ShowLogs(Act):
    """Show the events in the pager. It needs the terminal, so the application does it."""


@dataclass(frozen=True, kw_only=True)
class OpenPage(Act):
    """Open the page of the session in the browser, as `ao-dashboard SESSION` does."""

    def perform(self, manager: ManagerClient) -> str:
        page = open_page(manager, Place(self.session["session_id"]))
        return f"opened {self.name}" if page.is_opened else f"{NOT_OPENED}: {page.url}"


@dataclass(frozen=True, kw_only=True)
class Answer(Act):
    """Answer a question, as `ao-answer` and `ao-permit` do."""

    doing = "answering"

    question: Json
    payload: Json

    def perform(self, manager: ManagerClient) -> str:
        settled = give_answer(manager, self.session, self.question, self.payload)
        if settled["state"] == "pending":
            return f"{self.name} has not taken the answer yet; it is kept"
        return f"answered {self.name}: {payload_words(self.payload, self.question['event'])}"


@dataclass(frozen=True, kw_only=True)
class Tell(Act):
    """Send a message, as `ao-send` does."""

    doing = "sending to"

    text: str

    def perform(self, manager: ManagerClient) -> str:
        settled = send_message(manager, self.session, self.text)
        if settled["state"] == "pending":
            return f"{self.name} has not taken the message yet; it is kept"
        return f"sent to {self.name}"


@dataclass(frozen=True, kw_only=True)
class Resume(Act):
    """Start the next run with a prompt, as `ao-resume --detach` does."""

    doing = "resuming"

    text: str

    def perform(self, manager: ManagerClient) -> str:
        from ...sessions.starts.resume import resume_as_before  # late: it imports all executors

        session = manager.get_session(self.session["session_id"])
        resume_as_before(manager, session, self.text)
        return f"resumed {self.name}"


@dataclass(frozen=True, kw_only=True)
class Stop(Act):
    """Stop the run, as `ao-stop` does."""

    doing = "stopping"

    def perform(self, manager: ManagerClient) -> str:
        if is_by_hand(self.session):
            return f"{by_hand(self.session)}: end its turn there"
        told: list[str] = []
        ended = stop_sessions(
            manager, [self.session], timeout_seconds=STOP_SECONDS, tell=told.append
        )
        outcome = state_of(ended[0]) if ended else "has not stopped yet; the stop continues"
        return "; ".join([f"{self.name} {outcome}", *told])


@dataclass(frozen=True, kw_only=True)
class Mark(Act):
    """Mark the end of the newest run as seen, or as unseen again."""

    is_seen: bool

    def perform(self, manager: ManagerClient) -> str:
        run = self.session["run"] if self.is_seen else self.session["run"] - 1
        manager._request("PATCH", _path(self.session["session_id"]), {"seen_run": run})
        return f"{self.name}: {'seen' if self.is_seen else 'unseen'}"
