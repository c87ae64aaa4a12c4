"""The grammar of queries: words, "phrases", prefix*, -excluded, and file:PATH.

All terms must match, except the excluded ones. The text of a query never reaches a database: it
becomes terms, and each database builds its own query from their words, which are only letters and
digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent_session_manager.domain.errors import InvalidQueryError
from agent_session_manager.search.words import MAX_WORD_CHARS, is_unspaced, pairs, segments

MAX_QUERY_CHARS = 1000
MAX_TERMS = 32
MIN_PREFIX_CHARS = 3
"""Shorter prefixes have too many words. One character of Chinese, for example, is enough."""

_NOTHING = "this has no letter or digit, so it cannot be searched"

_TERM = re.compile(
    r"""
    (?P<excluded>-(?!-))?
    (?P<file>file:(?!//))?
    (?: "(?P<phrase>[^"]*)(?P<closed>"?) (?P<star>\*?) | (?P<word>[^\s"]+) )?
    """,
    re.VERBOSE,
)
_SPACE = re.compile(r"\s*")
_PREFIX = re.compile(r".*[^\W_]\*", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Term:
    """A condition on the words of a text: these words, one after the other."""

    words: tuple[str, ...]
    """Words of the index. The last one is the beginning of a word if `is_prefix`."""
    shown: tuple[str, ...]
    """The same words as they stand in texts, without pairs of characters."""
    is_prefix: bool = False
    is_excluded: bool = False


@dataclass(frozen=True, kw_only=True)
class FileTerm:
    """A condition on the files that a tool call names: this path, or one that ends with it."""

    path: str
    is_excluded: bool = False


@dataclass(frozen=True, kw_only=True)
class Query:
    """The terms of a query; at least one is not excluded."""

    terms: tuple[Term, ...]
    files: tuple[FileTerm, ...] = ()

    @property
    def wanted(self) -> tuple[Term, ...]:
        return tuple(term for term in self.terms if not term.is_excluded)


def parse_query(text: str) -> Query:
    """Parse a query.

    Raises:
        InvalidQueryError: the query is malformed; the error has the position.
    """
    if len(text) > MAX_QUERY_CHARS:
        raise InvalidQueryError(
            MAX_QUERY_CHARS, f"a query has at most {MAX_QUERY_CHARS} characters"
        )
    found = list(_terms(text))
    if len(found) > MAX_TERMS:
        raise InvalidQueryError(len(text), f"a query has at most {MAX_TERMS} terms")
    if not found and text.strip():
        raise InvalidQueryError(0, _NOTHING)
    if all(term.is_excluded for term in found):
        raise InvalidQueryError(0, "a query needs a word that is not excluded")
    return Query(
        terms=tuple(term for term in found if isinstance(term, Term)),
        files=tuple(term for term in found if isinstance(term, FileTerm)),
    )


def _terms(text: str) -> Iterator[Term | FileTerm]:
    at = 0
    while at < len(text):
        spaced = _SPACE.match(text, at)
        assert spaced is not None
        at = spaced.end()
        found = _TERM.match(text, at)
        assert found is not None
        if at < len(text):
            term = _term(found, at)
            if term is not None:
                yield term
        at = found.end()


def _term(found: re.Match[str], at: int) -> Term | FileTerm | None:
    phrase, word = found["phrase"], found["word"]
    if phrase is None and word is None:
        what = "-" if found["excluded"] else "file:"
        raise InvalidQueryError(at, f"a word or a phrase must follow {what}")
    if phrase is not None and not found["closed"]:
        raise InvalidQueryError(
            found.start("phrase") - 1, "this quotation mark begins a phrase that does not end"
        )
    is_excluded = found["excluded"] is not None
    given = word if phrase is None else phrase
    if found["file"] is not None:
        return FileTerm(path=given, is_excluded=is_excluded)
    is_prefix = bool(found["star"]) or (phrase is None and _PREFIX.fullmatch(given) is not None)
    start = found.start("word" if phrase is None else "phrase")
    shown = segments(given)
    if not shown:
        if phrase is None and not is_excluded:
            return None  # punctuation between the words of a query
        raise InvalidQueryError(start, _NOTHING)
    _check(shown, start, is_prefix=is_prefix)
    words = list(_indexed(shown))
    is_one_character = is_unspaced(shown[-1]) and len(shown[-1]) == 1
    return Term(
        words=tuple(words),
        shown=tuple(shown),
        is_prefix=is_prefix or is_one_character,
        is_excluded=is_excluded,
    )


def _check(shown: list[str], at: int, *, is_prefix: bool) -> None:
    if any(len(word) > MAX_WORD_CHARS and not is_unspaced(word) for word in shown):
        raise InvalidQueryError(at, f"words of more than {MAX_WORD_CHARS} characters are not found")
    last = shown[-1]
    if is_prefix and len(last) < MIN_PREFIX_CHARS and not is_unspaced(last):
        raise InvalidQueryError(
            at, f"a word needs {MIN_PREFIX_CHARS} characters or more before its *"
        )


def _indexed(shown: list[str]) -> Iterator[str]:
    """Yield the words that the index has in this place, for a text that can continue.

    The last character of a run is a word of its own only where the run ends. At the end of a term
    the run can continue.
    """
    *others, last = shown
    for word in others:
        yield from pairs(word) if is_unspaced(word) else [word]
    if not is_unspaced(last):
        yield last
    else:
        yield from pairs(last)[:-1] or [last]
