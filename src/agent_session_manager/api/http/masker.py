"""Masking of secrets in request bodies, before any other code sees them.

An automaton searches the bytes of a body for all anchors of all rules at once. Most bodies contain
no anchor, and their texts are not examined. Otherwise only the rules of the found anchors are
tried.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ahocorasick_rs import BytesAhoCorasick, Implementation
from starlette.requests import HTTPConnection, Request

from agent_session_manager.api.http.off_loop import Pause, in_turn
from agent_session_manager.domain.events.event import NewEvent
from agent_shared.masking import ANCHORS, CHARACTERS_A_STEP, Candidates, Effort, Masking
from agent_shared.masking_rules import ANCHORLESS, RULES, Rule

CONTROL_TOKEN = "control-token"

# Escaped characters of anchors. In a body with these, the bytes of an anchor may differ.
_ESCAPED = re.compile(rb"\\u00[2-7]|\\/")
_URL = b"://"
SEARCHED_AT_ONCE = 64 * 1024


class Masker:
    """The masking of texts that match a rule, and of the manager's own token."""

    def __init__(self, token: str = "") -> None:
        self._known = {token: CONTROL_TOKEN} if token else {}
        # The search is in lower case. Case-sensitive anchors are compared again where found.
        self._anchors = [anchor.encode() for anchor in (*ANCHORS, *self._known)]
        self._automaton = BytesAhoCorasick(
            [anchor.lower() for anchor in self._anchors], implementation=Implementation.DFA
        )
        self._longest = max(map(len, self._anchors))
        self._any_case = {
            anchor.encode() for rule in RULES if rule.any_case for anchor in rule.anchors
        }
        self._rules = [
            (rule, frozenset(anchor.encode() for anchor in rule.anchors)) for rule in RULES
        ]
        self._anchorless = re.compile(ANCHORLESS.expression.encode())

    def events(
        self, events: list[NewEvent], body: bytes, pause: Pause | None = None
    ) -> list[NewEvent]:
        """Return the events of a body with their secrets masked and counted."""
        effort = Effort(pause)
        rules = self._rules_for(body, effort)
        if rules is None:
            return events
        candidates = Candidates(rules)
        return [self._event(event, candidates, effort) for event in events]

    def value(self, value: Any, pause: Pause | None = None) -> Any:
        """Return a JSON value with its secrets masked."""
        return Masking(known=self._known, effort=Effort(pause)).value(value)

    def _event(self, event: NewEvent, candidates: Candidates, effort: Effort) -> NewEvent:
        masking = Masking(candidates, self._known, effort)
        fields = masking.event(event.fields)
        if not masking.count:
            return event
        return event._replace(fields=fields, masked_secrets=fields["masked_secrets"])

    def _rules_for(self, body: bytes, effort: Effort) -> Sequence[Rule] | None:
        """Return the rules that may match in a body, or None if it contains no secret."""
        if b"\\" in body and _ESCAPED.search(body):
            return RULES
        found = self._anchors_in(body, effort)
        if _URL in found and b"@" not in body:
            found.remove(_URL)
        is_anchorless = self._anchorless.search(body) is not None
        if not found and not is_anchorless:
            return None
        return [
            rule
            for rule, anchors in self._rules
            if not anchors.isdisjoint(found) or (is_anchorless and rule is ANCHORLESS)
        ]

    def _anchors_in(self, body: bytes, effort: Effort) -> set[bytes]:
        """Return the anchors in a body, which is searched in pieces: the search lists each match.

        The pieces overlap, so that no anchor is cut.
        """
        found: set[bytes] = set()
        for start in range(0, len(body), SEARCHED_AT_ONCE):
            piece = body[start : start + SEARCHED_AT_ONCE + self._longest]
            effort.spend(1 + len(piece) // CHARACTERS_A_STEP)
            matches = self._automaton.find_matches_as_indexes(piece.lower(), overlapping=True)
            for place, at, _ in matches:
                anchor = self._anchors[place]
                if anchor in self._any_case or piece.startswith(anchor, at):
                    found.add(anchor)
        return found


async def masked(request: Request, value: Any) -> Any:
    """Return a part of a request's body with its secrets masked."""
    masker = masker_of(request)
    size = len(await request.body())
    return await in_turn(request, size, lambda pause: masker.value(value, pause))


def masker_of(connection: HTTPConnection) -> Masker:
    masker: Masker = connection.app.state.masker
    return masker
