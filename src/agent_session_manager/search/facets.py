"""Facets: words of the index that stand for the values by which texts are filtered.

A facet is a letter and a value of ASCII letters and digits. Texts and filters both use these
functions, so they agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b

from agent_session_manager.search.extract import EventText, Kind

ERROR = "e"
MAX_SUFFIXES = 8
"""Number of names at the end of a path by which its file is found, besides the whole path."""
_DAY, _MONTH = "d%Y%m%d", "m%Y%m"
MAX_DAYS = 62
MAX_MONTHS = 120


def facets_of(session_number: int, text: EventText, occurred_at: datetime) -> list[str]:
    """Return the facets of a text."""
    found = [of_session(session_number), _OF_KINDS[text.kind], *_of_day(occurred_at.date())]
    if text.has_error:
        found.append(ERROR)
    if text.tool_name is not None:
        found.append(of_tool(text.tool_name))
    found += sorted({facet for path in text.files for facet in _of_path(path)})
    return found


@lru_cache(maxsize=1024)
def _of_day(day: date) -> tuple[str, str]:
    return day.strftime(_DAY), day.strftime(_MONTH)


def of_session(number: int) -> str:
    return f"s{number}"


def of_kind(kind: Kind) -> str:
    return "k" + kind.value.replace("_", "")


_OF_KINDS = {kind: of_kind(kind) for kind in Kind}


@lru_cache(maxsize=1024)
def of_tool(tool_name: str) -> str:
    return "t" + _digest(tool_name)


def of_file(path: str) -> str:
    """Return the facet of all paths that are this path or end with it."""
    return "f" + _digest("/".join(_names(path)))


def of_times(since: datetime | None, until: datetime | None, now: datetime) -> list[str] | None:
    """Return the facets of the days or months that cover a period; None if there are too many.

    The first and last day or month can exceed the period.
    """
    if since is None:
        return None
    end = now + timedelta(days=1) if until is None else until
    last = end - timedelta(microseconds=1) if end > since else since
    if last - since <= timedelta(days=MAX_DAYS - 2):
        return sorted(set(_steps(since, last, timedelta(days=1), _DAY)))
    if last - since <= timedelta(days=MAX_MONTHS * 30):
        return sorted(set(_steps(since, last, timedelta(days=20), _MONTH)))
    return None


def _steps(since: datetime, last: datetime, step: timedelta, form: str) -> Iterator[str]:
    moment = since.astimezone(UTC)
    while moment < last:
        yield moment.strftime(form)
        moment += step
    yield last.astimezone(UTC).strftime(form)


def _of_path(path: str) -> Iterator[str]:
    names = _names(path)
    for count in range(1, min(len(names), MAX_SUFFIXES) + 1):
        yield "f" + _digest("/".join(names[-count:]))
    yield "f" + _digest("/".join(names))


def _names(path: str) -> list[str]:
    return [name for name in path.replace("\\", "/").split("/") if name not in ("", ".")]


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
