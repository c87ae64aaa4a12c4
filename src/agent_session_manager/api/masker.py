"""Masking what arrives, before anything else sees it.

All anchors of all rules are looked for at once in the bytes of a body, by an automaton: where none
is, which is nearly always, no text in it is looked at. Where some are, only their rules are tried.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ahocorasick_rs import BytesAhoCorasick, Implementation
from starlette.requests import HTTPConnection

from agent_session_manager.domain.event import NewEvent
from agent_session_manager.domain.masking import ANCHORS, Masking
from agent_session_manager.domain.masking_rules import ANCHORLESS, RULES, Rule

CONTROL_TOKEN = "control-token"

# Characters that an anchor can have, written as escapes: then its bytes say nothing.
_ESCAPED = re.compile(rb"\\u00[2-7]|\\/")
_URL = b"://"


class Masker:
    """Masks by the rules, and the manager's own token by its text."""

    def __init__(self, token: str = "") -> None:
        self._known = {token: CONTROL_TOKEN} if token else {}
        # Searched for in lower case; one that counts in its own case only is compared where found.
        self._anchors = [anchor.encode() for anchor in (*ANCHORS, *self._known)]
        self._automaton = BytesAhoCorasick(
            [anchor.lower() for anchor in self._anchors], implementation=Implementation.DFA
        )
        self._any_case = {
            anchor.encode() for rule in RULES if rule.any_case for anchor in rule.anchors
        }
        self._rules = [
            (rule, frozenset(anchor.encode() for anchor in rule.anchors)) for rule in RULES
        ]
        self._anchorless = re.compile(ANCHORLESS.pattern.pattern.encode())

    def events(self, events: list[NewEvent], body: bytes) -> list[NewEvent]:
        """The events that came in a body, with their texts masked and counted."""
        rules = self._rules_for(body)
        return events if rules is None else [self._event(event, rules) for event in events]

    def value(self, value: Any) -> Any:
        """A JSON value with its texts masked."""
        return Masking(known=self._known).value(value)

    def _event(self, event: NewEvent, rules: Sequence[Rule]) -> NewEvent:
        masking = Masking(rules, self._known)
        fields = masking.event(event.fields)
        if not masking.count:
            return event
        return event._replace(fields=fields, masked_secrets=fields["masked_secrets"])

    def _rules_for(self, body: bytes) -> Sequence[Rule] | None:
        """The rules that may find something in a body; None: it holds no secret."""
        if b"\\" in body and _ESCAPED.search(body):
            return RULES
        found = self._anchors_in(body)
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

    def _anchors_in(self, body: bytes) -> set[bytes]:
        found = set()
        for place, start, _ in self._automaton.find_matches_as_indexes(
            body.lower(), overlapping=True
        ):
            anchor = self._anchors[place]
            if anchor in self._any_case or body.startswith(anchor, start):
                found.add(anchor)
        return found


def masker_of(connection: HTTPConnection) -> Masker:
    masker: Masker = connection.app.state.masker
    return masker
