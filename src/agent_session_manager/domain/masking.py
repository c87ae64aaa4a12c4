"""Masking: credentials in what agents say and read, replaced by what kind they are of.

What is masked stays masked: a mask is no secret to any rule. Names stay as they are, and so do the
fields by which an event is told apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from .masking_rules import ANCHORLESS, RULES, Rule, fold

MASK = "[masked: {kind}]"
MAX_SECRET_CHARS = 20_000
"""No secret is longer; a cut that keeps so much around itself cuts none in two unseen."""
MAX_COUNT = 10_000
"""Of one event, as it travels: more are not told apart."""
MAX_DEPTH = 100

_UNCHANGED = frozenset(
    {
        "event_type", "event_id", "session_id", "session_name", "run", "timestamp", "role",
        "tool_use_id", "parent_tool_use_id", "masked_secrets",
    }
)  # fmt: skip
"""Fields by which an event is found, told apart and paired: a mask would make two the same."""


class Span(NamedTuple):
    """A secret in a text."""

    start: int
    end: int
    kind: str


_KEY_BEGIN = "PRIVATE KEY"
_KEY_END = "-----END"
_ARMOUR = re.compile(r"-----BEGIN[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_ARMOURED = re.compile(r"(?:[A-Za-z0-9+/=\s\\:,\"'|→-](?!-----))*+")
_KEY_MATERIAL = re.compile(r"[A-Za-z0-9+/]{40}")
_END_LINE = re.compile(r"-----END[A-Z0-9 ]{0,40}-----")

_NOTHING: Mapping[str, str] = {}
_MAX_NAME_CHARS = 100
_MAX_NAMED_CHARS = 600


ANCHORS: tuple[str, ...] = tuple(
    dict.fromkeys((_KEY_BEGIN, *(anchor for rule in RULES for anchor in rule.anchors)))
)
"""A text with none of them, and nothing for the rule without one, holds no secret that we know."""


def _private_keys(text: str) -> Iterator[Span]:
    """Keys in armour, also with escaped line breaks, and those of which the end is missing."""
    end = -2
    for begin in _ARMOUR.finditer(text):
        if end != -1 and end < begin.end():
            end = text.find(_KEY_END, begin.end())
        closing = None
        if end != -1 and end - begin.end() <= MAX_SECRET_CHARS:
            closing = _END_LINE.match(text, end)
        if closing is not None:
            stop = end
        else:
            body = _ARMOURED.match(text, begin.end(), begin.end() + MAX_SECRET_CHARS)
            stop = begin.end() if body is None else body.end()
        if _KEY_MATERIAL.search(text, begin.end(), stop):
            yield Span(begin.start(), stop if closing is None else closing.end(), "private-key")


def _places(text: str, anchors: Iterable[str]) -> Iterator[int]:
    for anchor in anchors:
        at = text.find(anchor)
        while at != -1:
            yield at
            at = text.find(anchor, at + len(anchor))


def _matches(rule: Rule, text: str) -> Iterator[re.Match[str]]:
    if not rule.anchors:
        yield from rule.pattern.finditer(text)
    searched = fold(text) if rule.any_case else text
    for anchor in rule.anchors:
        end = 0
        for at in _places(searched, (anchor,)):
            # Not again within what was found: a text of nothing but beginnings is read once.
            if at >= end and (found := rule.pattern.match(text, at)) is not None:
                end = found.end()
                yield found


def _found_by(rule: Rule, text: str) -> Iterator[Span]:
    for found in _matches(rule, text):
        group = found.lastindex or 0
        if rule.is_secret(found, found[group]):
            yield Span(*found.span(group), rule.kind)


def rules_for(text: str) -> tuple[Rule, ...]:
    """The rules that may find something in a text."""
    folded = fold(text)
    return tuple(
        rule
        for rule in RULES
        if rule is ANCHORLESS
        or any(anchor in (folded if rule.any_case else text) for anchor in rule.anchors)
    )


@lru_cache(maxsize=1024)
def _rules_of_name(told: str) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules_for(told) if rule.takes_names)


def find_secrets(
    text: str, rules: Sequence[Rule] = RULES, known: Mapping[str, str] = _NOTHING
) -> list[Span]:
    """The secrets in a text, in order and apart from each other.

    `known` are secrets of which not the form but the text is known, each with its kind.
    """
    found = list(_private_keys(text)) if _KEY_BEGIN in text else []
    for secret, kind in known.items():
        found += (Span(at, at + len(secret), kind) for at in _places(text, (secret,)))
    for rule in rules:
        found += _found_by(rule, text)
    if len(found) < 2:
        return found
    # Of those that overlap one is made, of the kind of the first rule that has found a part of it.
    ranks = sorted(range(len(found)), key=lambda rank: found[rank].start)
    apart: list[Span] = []
    best = 0
    for rank in ranks:
        span = found[rank]
        if apart and span.start < apart[-1].end:
            last = apart[-1]
            best = min(best, rank)
            apart[-1] = Span(last.start, max(last.end, span.end), found[best].kind)
        else:
            best = rank
            apart.append(span)
    return apart


def mask_spans(text: str, spans: Iterable[Span]) -> str:
    """A text with a mask in the place of each span."""
    parts: list[str] = []
    at = 0
    for span in spans:
        parts += (text[at : span.start], MASK.format(kind=span.kind))
        at = span.end
    return "".join((*parts, text[at:]))


_MASKED = re.compile(r"\[masked: [a-z-]{1,40}\]")


def is_masked(texts: Iterable[str]) -> bool:
    """Whether there is a mask in one of the texts."""
    return any(_MASKED.search(text) for text in texts)


class Masking:
    """Masks what is in some values, by some rules, and counts."""

    def __init__(
        self, rules: Sequence[Rule] | None = None, known: Mapping[str, str] = _NOTHING
    ) -> None:
        """Try `rules` on every text; without them on each text those that its anchors call for."""
        self._rules = rules
        self._known = known
        self.count = 0

    def text(self, text: str) -> str:
        """The text with a mask in the place of each secret."""
        rules = rules_for(text) if self._rules is None else self._rules
        spans = find_secrets(text, rules, self._known)
        self.count += len(spans)
        return mask_spans(text, spans) if spans else text

    def value(self, value: Any, depth: int = 0) -> Any:
        """A JSON value with all of its texts masked; names stay, and what is nested too deeply."""
        match value:
            case str():
                return self.text(value)
            case dict() if depth < MAX_DEPTH:
                return {name: self._named(name, part, depth) for name, part in value.items()}
            case list() if depth < MAX_DEPTH:
                return [self.value(part, depth + 1) for part in value]
            case _:
                return value

    def _named(self, name: Any, value: Any, depth: int) -> Any:
        if isinstance(value, str) and isinstance(name, str) and len(value) <= _MAX_NAMED_CHARS:
            told = f"{name}="
            rules = _rules_of_name(told) if len(told) <= _MAX_NAME_CHARS else ()
            found = find_secrets(told + value, rules) if rules else []
            if found and found[0].start == len(told) and not any(map(str.isspace, value)):
                self.count += 1
                by_form = find_secrets(value, known=self._known)  # says more than its name does
                return MASK.format(kind=(by_form or found)[0].kind)
        return self.value(value, depth + 1)

    def event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """An event with its texts masked, and how many there were in `masked_secrets`."""
        masked = {
            name: value if name in _UNCHANGED else self._named(name, value, 0)
            for name, value in event.items()
        }
        if self.count:
            masked["masked_secrets"] = min(
                MAX_COUNT, self.count + (event.get("masked_secrets") or 0)
            )
        return masked
