"""Finding the sources of an import: by agent, by path and by the time of their last change."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from ....machine.environment import home as home_dir
from ....machine.environment import variables
from ....machine.time_zone import to_local
from ...format import Format, LineFormat, Source
from .format_table import all_formats, copies
from .report import Problem, sentence_of

_SPAN = re.compile(r"(\d{1,4})([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_LEVELS = 2
"""Levels above a file at which the root of its agent is searched, if no directory is named so."""

Found = list[tuple[Format, Source]]


class Search(NamedTuple):
    """The result of a search. The sources of a format that failed may not be complete."""

    sources: Found
    failed: dict[str, Problem]
    """The problem of each format whose search has failed, by its name."""


class NoSuchAgentError(ValueError):
    """No format has this name."""


class TimeError(ValueError):
    """A text is neither a date nor a span of time."""


def find_sources(paths: Sequence[Path], agents: Sequence[str], since: str | None) -> Search:
    """Find the sources to import: those that changed longest ago first, copies last.

    Raises:
        NoSuchAgentError: an agent is not known.
        TimeError: `since` is not a time.
    """
    formats = named_formats(agents)
    earliest = None if since is None else moment_of(since).timestamp()
    found: dict[tuple[str, str], tuple[tuple[float, str], Format, Source]] = {}
    failed: dict[str, Problem] = {}
    for form in formats:
        for source in _all_of(form, paths, failed):
            changed = _changed_at(source.path)
            if changed is not None and (earliest is None or changed >= earliest):
                order = (changed, str(source.path))
                found.setdefault((str(source.path), source.key), (order, form, source))
    ordered = sorted(found.values(), key=lambda each: each[0])
    placed = _parents_first(ordered)
    # A copy follows the original, from which the session is taken.
    placed.sort(key=lambda each: copies(each[1]) is not None)
    return Search([(form, source) for _, form, source in placed], failed)


def _all_of(form: Format, paths: Sequence[Path], failed: dict[str, Problem]) -> Iterator[Source]:
    """Yield the sources of a format, and note if its search has failed."""
    home, environ = home_dir(), variables()
    try:
        if paths:
            yield from _below(form, paths, home, environ)
        else:
            yield from sources_of(form, form.roots(home, environ))
    except Exception as exc:  # whatever it is, the other formats are searched
        where = getattr(exc, "filename", None) or form.name
        failed[form.name] = Problem(str(where), "", sentence_of(exc))


def _parents_first(
    ordered: list[tuple[tuple[float, str], Format, Source]],
) -> list[tuple[tuple[float, str], Format, Source]]:
    """Move each file behind the file of the session whose directory it is in."""
    places = {str(source.path.with_suffix("")): order for order, _, source in ordered}

    def key(each: tuple[tuple[float, str], Format, Source]) -> tuple[tuple[float, str], str]:
        order, _, source = each
        parents = (places[str(up)] for up in source.path.parents if str(up) in places)
        return next(parents, order), str(source.path)

    return sorted(ordered, key=key)


def named_formats(agents: Sequence[str]) -> list[Format]:
    """Return the formats of agents; of all agents if none is named.

    Raises:
        NoSuchAgentError: an agent is not known.
    """
    formats = all_formats()
    for name in agents:
        if name not in formats:
            known = ", ".join(formats)
            raise NoSuchAgentError(f"no format is named {name!r}; known are {known}")
    return [formats[name] for name in (agents or formats)]


def sources_below(form: LineFormat, root: Path, directory: Path) -> Iterator[Source]:
    """Yield the sources in one directory below a root, without a search of the root."""
    for place, _, names in os.walk(directory):
        for name in sorted(names):
            if source := form.source_at(Path(place, name), root):
                yield source


def sources_of(form: Format, roots: Iterable[Path]) -> Iterator[Source]:
    """Yield the sources below the roots that exist, each once."""
    seen: set[tuple[str, str]] = set()
    for root in roots:
        if not root.exists():
            continue
        for source in form.find(root):
            key = (str(source.path), source.key)
            if key not in seen:
                seen.add(key)
                yield source


def _below(
    form: Format, paths: Sequence[Path], home: Path, environ: Mapping[str, str]
) -> Iterator[Source]:
    """Yield the sources at or below paths.

    A path can be a place of the agent's sessions, a directory that contains one, or a part of one.
    """
    roots = form.roots(home, environ)
    for path in paths:
        whole = path.absolute()
        for root in _roots_for(whole, roots, home):
            sources = [
                source
                for source in sources_of(form, [root])
                if source.path == whole or whole in source.path.parents
            ]
            if sources:
                yield from sources
                break


def _roots_for(path: Path, roots: Sequence[Path], home: Path) -> Iterator[Path]:
    """Yield the directories that may be the root of the sources at or below a path."""
    if path.is_file():
        names = {root.name for root in roots}
        yield from (up for up in path.parents if up.name in names)
        yield from path.parents[:_LEVELS]
        return
    for root in roots:
        yield path / root.name
        with suppress(ValueError):
            yield path / root.relative_to(home)
    yield path
    names = {root.name for root in roots}
    yield from (up for up in path.parents if up.name in names)


def _changed_at(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def moment_of(text: str) -> datetime:
    """Return the moment of a date, or of a span of time before now.

    Raises:
        TimeError: the text is neither.
    """
    span = _SPAN.fullmatch(text)
    if span is not None:
        return datetime.now(UTC) - int(span[1]) * _UNITS[span[2]]
    try:
        return to_local(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise TimeError(
            f"{text!r} is not a time: give a date such as 2026-03-01, or a span such as 30d"
        ) from None
