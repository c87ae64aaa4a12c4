"""Masking: replaces credentials in the texts of agents by masks with their kind.

Masking a masked text changes nothing: no rule takes a mask for a secret. Names stay unchanged, and
so do the fields that identify an event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .masking_rules import RULES, Rule, fold

MASK = "[masked: {kind}]"
MAX_SECRET_CHARS = 20_000
"""Maximum length of a secret. With this much text around a cut, no cut secret is missed."""
MAX_COUNT = 10_000
"""Maximum of `masked_secrets` in one event; a higher count is reported as this."""
MAX_DEPTH = 100
MAX_NAMES = 5_000
"""Names like `password` that are checked in one body. The values of further ones are masked."""
CHARACTERS_A_STEP = 16 * 1024
RULES_A_STEP = 16
STEPS_AT_ONCE = 512
"""Steps of masking between two pauses: a few milliseconds."""

_UNCHANGED = frozenset(
    {
        "event_type", "event_id", "session_id", "session_name", "run", "timestamp", "role",
        "tool_use_id", "parent_tool_use_id", "masked_secrets",
    }
)  # fmt: skip
"""Fields that identify and pair events. Masks could make two events identical."""


class Effort:
    """The steps that masking a body has taken. They grow at most linearly with the body."""

    def __init__(self, pause: Callable[[], None] | None = None) -> None:
        """Call `pause` regularly, so that only a few steps are made without a pause."""
        self.steps = 0
        self.names = 0
        self._pause = pause
        self._next_pause = STEPS_AT_ONCE

    def spend(self, steps: int = 1) -> None:
        self.steps += steps
        if self.steps >= self._next_pause and self._pause is not None:
            self._next_pause = self.steps + STEPS_AT_ONCE
            self._pause()


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
MIN_SECRET_CHARS = 8
"""No rule finds anything in a shorter text."""
_MAX_NAME_CHARS = 100
_MIN_NAMED_CHARS, _MAX_NAMED_CHARS = 8, 600


ANCHORS: tuple[str, ...] = tuple(
    dict.fromkeys((_KEY_BEGIN, *(anchor for rule in RULES for anchor in rule.anchors)))
)
"""Only the rule without anchors can find a secret in a text that contains none of these."""


def _private_keys(text: str, effort: Effort) -> Iterator[Span]:
    """Yield armoured keys, also with escaped line breaks or without their end."""
    end = -2
    for begin in _ARMOUR.finditer(text):
        effort.spend(8)
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


def _matches(rule: Rule, text: str, searched: str, effort: Effort) -> Iterator[re.Match[str]]:
    effort.spend(len(text) // CHARACTERS_A_STEP)
    if not rule.anchors:
        yield from rule.pattern.finditer(text)
    for anchor in rule.anchors:
        end = 0
        for at in _places(searched, (anchor,)):
            effort.spend()
            # Not again within a match: a text that consists of beginnings only is read once.
            if at >= end and (found := rule.pattern.match(text, at)) is not None:
                end = found.end()
                yield found


def _found_by(rule: Rule, text: str, searched: str, effort: Effort) -> Iterator[Span]:
    for found in _matches(rule, text, searched, effort):
        group = found.lastindex or 0
        if rule.is_secret(found, found[group]):
            yield Span(*found.span(group), rule.kind)


class Candidates:
    """Rules that may find something in the texts of one body."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        anchors = dict.fromkeys(anchor.lower() for rule in rules for anchor in rule.anchors)
        self._anchors = tuple(anchors)
        self._without_anchor = tuple(rule for rule in rules if not rule.anchors)

    def for_text(self, text: str) -> tuple[Rule, ...]:
        """Return the rules that may find something in a text."""
        folded = fold(text)
        if not any(map(folded.__contains__, self._anchors)):
            return self._without_anchor
        return tuple(
            rule
            for rule in self.rules
            if not rule.anchors
            or any(anchor in (folded if rule.any_case else text) for anchor in rule.anchors)
        )


_ALL = Candidates(RULES)


def rules_for(text: str) -> tuple[Rule, ...]:
    """Return the rules that may find something in a text."""
    return _ALL.for_text(text)


_RULES_OF_NAMES = tuple(rule for rule in RULES if rule.takes_names)
_TELLING = re.compile(
    "|".join(
        f"(?i:{re.escape(anchor)})" if rule.any_case else re.escape(anchor)
        for rule in _RULES_OF_NAMES
        for anchor in rule.anchors
    )
)
"""Matches names that can identify their value as a secret."""


def find_secrets(
    text: str,
    rules: Sequence[Rule] = RULES,
    known: Mapping[str, str] = _NOTHING,
    effort: Effort | None = None,
) -> list[Span]:
    """Return the secrets in a text, in order and without overlaps.

    `known` maps the text of known secrets to their kind.
    """
    effort = effort or Effort()
    found = list(_private_keys(text, effort)) if _KEY_BEGIN in text else []
    for secret, kind in known.items():
        found += (Span(at, at + len(secret), kind) for at in _places(text, (secret,)))
    folded = fold(text)
    for rule in rules:
        found += _found_by(rule, text, folded if rule.any_case else text, effort)
    if len(found) < 2:
        return found
    # Overlapping secrets are merged, and get the kind of the first rule that found a part.
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
    """Return a text with a mask in the place of each span."""
    parts: list[str] = []
    at = 0
    for span in spans:
        parts += (text[at : span.start], MASK.format(kind=span.kind))
        at = span.end
    return "".join((*parts, text[at:]))


_MASKED = re.compile(r"\[masked: [a-z-]{1,40}\]")


def is_masked(texts: Iterable[str]) -> bool:
    """Return whether one of the texts contains a mask."""
    return any(_MASKED.search(text) for text in texts)


class Masking:
    """Masks the secrets in values by some rules, and counts them."""

    def __init__(
        self,
        candidates: Candidates | None = None,
        known: Mapping[str, str] = _NOTHING,
        effort: Effort | None = None,
    ) -> None:
        """Try only the candidates, if they are given; all of them on a long text."""
        self._candidates = candidates
        self._known = known
        self._least_chars = min((MIN_SECRET_CHARS, *map(len, known)))
        self._effort = effort or Effort()
        self.count = 0

    def text(self, text: str) -> str:
        """Return the text with a mask in the place of each secret."""
        if len(text) < self._least_chars:  # some values have very many short texts
            return text
        candidates = self._candidates or _ALL
        is_short = len(text) < CHARACTERS_A_STEP or self._candidates is None
        rules = candidates.for_text(text) if is_short else candidates.rules
        self._effort.spend(1 + len(rules) // RULES_A_STEP)
        spans = find_secrets(text, rules, self._known, self._effort)
        self.count += len(spans)
        return mask_spans(text, spans) if spans else text

    def value(self, value: Any, depth: int = 0) -> Any:
        """Return a JSON value with its texts masked. Names and very deep parts stay unchanged."""
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
        if (
            isinstance(value, str)
            and isinstance(name, str)
            and len(name) < _MAX_NAME_CHARS
            and _MIN_NAMED_CHARS <= len(value) <= _MAX_NAMED_CHARS
            and _TELLING.search(name)
            and not any(map(str.isspace, value))
        ):
            kind = self._kind_told_by(name, value)
            if kind is not None:
                self.count += 1
                return MASK.format(kind=kind)
        return self.value(value, depth + 1)

    def _kind_told_by(self, name: str, value: str) -> str | None:
        """Return the kind of secret that the name indicates for its value, or None."""
        self._effort.names += 1
        if self._effort.names > MAX_NAMES:
            return "assigned-secret"
        self._effort.spend(2)
        told = f"{name}="
        found = find_secrets(told + value, _RULES_OF_NAMES, effort=self._effort)
        if not found or found[0].start != len(told):
            return None
        # The form of the value is more specific than its name.
        by_form = find_secrets(value, rules_for(value), self._known, self._effort)
        return (by_form or found)[0].kind

    def event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return an event with its texts masked, and the number of masks in `masked_secrets`."""
        masked = {
            name: value if name in _UNCHANGED else self._named(name, value, 0)
            for name, value in event.items()
        }
        if self.count:
            masked["masked_secrets"] = min(
                MAX_COUNT, self.count + (event.get("masked_secrets") or 0)
            )
        return masked
