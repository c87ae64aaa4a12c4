"""Questions of one run that wait for a person, each until its one decision.

A question lives only in this process, as its agent does. The manager knows it from its events.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ...events.event import Event
from ...executors.ask_policy import waiting_seconds
from ...executors.questions import Ask, ChoiceKind, Decision, Question, Verdict
from .open_question import OpenQuestion, choice_of, is_repeatable

MAX_OPEN = 20
"""Limit of the questions of a run that are open at the same time."""
PERSON = "person"
POLICY = "policy"
_RULED = "an earlier answer allows it for this run"
_FULL = f"{MAX_OPEN} questions wait for a person already: ask again once one of them has its answer"
_ENDING = "the run is ending"
_WITHDRAWN = "the agent no longer asks"
_WORDS = {
    Verdict.ALLOW: "allowed",
    Verdict.DENY: "denied",
    Verdict.ANSWERED: "answered",
    Verdict.TIMED_OUT: "timed out",
    Verdict.CANCELLED: "cancelled",
}
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


class Questions:
    """Questions of one run, and the rules that a person has made for it."""

    def __init__(self, policy: str, *, directory: Path, record: Callable[[Event], None]) -> None:
        """Wait as long as the policy says; `record` receives the events of the questions."""
        self._seconds = waiting_seconds(policy)
        self._directory = directory
        self._record = record
        self._open: dict[str, OpenQuestion] = {}
        self._closed: dict[str, str] = {}
        """By question: how and when it was decided, for an answer that comes too late."""
        self._rules: set[str] = set()
        self._is_ending = False

    @property
    def ask(self) -> Ask | None:
        """The function for the executor; None if no person is asked."""
        return None if self._seconds is None else self._ask

    async def _ask(self, question: Question) -> Decision:
        if self._is_ending:
            return Decision(verdict=Verdict.CANCELLED, text=_ENDING)
        if is_repeatable(question) and _rule_of(question) in self._rules:
            return self._decide_alone(question, Verdict.ALLOW, ChoiceKind.ALLOW, _RULED)
        if len(self._open) >= MAX_OPEN:
            return self._decide_alone(question, Verdict.DENY, ChoiceKind.DENY, _FULL)
        opened = OpenQuestion(question)
        self._record(opened.asked(directory=str(self._directory), expires_at=self._expiry()))
        self._open[opened.question_id] = opened
        try:
            async with asyncio.timeout(self._limit):
                # Shielded: a time limit or a cancelled wait must not replace a decision.
                return await asyncio.shield(opened.decided)
        except TimeoutError:
            self._decide(opened, Decision(verdict=Verdict.TIMED_OUT, text=self._late()), POLICY)
            return opened.decided.result()
        finally:
            self._decide(opened, Decision(verdict=Verdict.CANCELLED, text=_WITHDRAWN), POLICY)

    def answer(self, question_id: str, payload: Mapping[str, Any]) -> tuple[str, str | None]:
        """Decide a question as a person answers it.

        Returns the new state of the request: `done`, or `refused` with the reason.
        """
        opened = self._open.get(question_id)
        if opened is None:
            return "refused", self._closed.get(question_id, "this run has no such question")
        try:
            decision = opened.chosen(payload)
        except ValueError as exc:
            return "refused", str(exc)
        if decision.choice is not None and decision.choice.kind is ChoiceKind.ALLOW_FOR_RUN:
            self._rules.add(_rule_of(opened.question))
        self._decide(opened, decision, PERSON)
        return "done", None

    def end(self) -> None:
        """Cancel the open questions. From now on no question is opened."""
        self._is_ending = True
        for opened in [*self._open.values()]:
            self._decide(opened, Decision(verdict=Verdict.CANCELLED, text=_ENDING), POLICY)

    def _decide(self, opened: OpenQuestion, decision: Decision, by: str) -> None:
        """Decide a question and record the decision, unless it is decided already."""
        if self._open.pop(opened.question_id, None) is None:
            return
        moment = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        self._closed[opened.question_id] = f"{_WORDS[decision.verdict]} at {moment}"
        try:
            self._record(opened.closed(decision, by))
        finally:
            opened.decided.set_result(opened.for_agent(decision))

    def _decide_alone(
        self, question: Question, verdict: Verdict, kind: ChoiceKind, text: str
    ) -> Decision:
        """Decide at once. Only the decision is recorded, because no person is needed."""
        decision = Decision(verdict=verdict, choice=choice_of(question, kind), text=text)
        self._record(OpenQuestion(question).closed(decision, POLICY))
        return decision

    @property
    def _limit(self) -> float | None:
        is_limited = self._seconds is not None and math.isfinite(self._seconds)
        return self._seconds if is_limited else None

    def _expiry(self) -> str | None:
        """Return the moment at which a question of now expires."""
        if self._limit is None:
            return None
        return (datetime.now(UTC) + timedelta(seconds=self._limit)).isoformat()

    def _late(self) -> str:
        waited = in_words(self._limit or 0.0)
        return (
            f"no person answered within {waited}; this is not a refusal by a person: continue "
            "without it, or stop"
        )


def _rule_of(question: Question) -> str:
    """Return a digest of the exact call; an input can be large."""
    call = [question.kind.value, question.tool_name, question.tool_input]
    text = json.dumps(call, sort_keys=True, default=str)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def in_words(seconds: float) -> str:
    """Return a time in the largest unit that divides it: `90 s`, `10 min`, `2 h`, `1 d`."""
    for size, unit in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size:g} {unit}"
    return f"{seconds:g} s"
