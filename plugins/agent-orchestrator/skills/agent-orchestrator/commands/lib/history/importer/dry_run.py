"""Reads sources as a whole, and counts what an import would add."""

from __future__ import annotations

from collections.abc import Iterable

from ..format import Format, Source
from .distinct import Distinct, distinct
from .importer import Told, report_seen
from .sources.format_table import copies
from .sources.one_source import NotUnderstoodError, OneSource
from .sources.report import Problem, Report, sentence_of
from .sources.state import beginning


def count_sources(sources: Iterable[tuple[Format, Source]], report: Report, told: Told) -> None:
    """Read sources as a whole, and count what an import into an empty manager would add."""
    with distinct() as known:
        for form, source in sources:
            report.add(sources=1)
            _count_one(form, source, report, told, known)


def _count_one(form: Format, source: Source, report: Report, told: Told, known: Distinct) -> None:
    one = OneSource(form, source, beginning(form, source))
    is_copying = copies(form) is not None
    try:
        for batch, read in one.read():
            told(read)
            report.add(bytes=read)
            for part in batch.parts:
                session_id = part.session_id
                if is_copying and known.has("original", session_id):
                    continue
                if not is_copying:
                    known.add("original", [session_id])
                event_ids = (each["event_id"] for each in part.events)
                report.add(
                    sessions=known.add("session", [session_id]),
                    events=known.add(f"event of {session_id}", event_ids),
                    requests=known.add("request", (each["key"] for each in part.requests)),
                    copied=part.copied,
                )
    except NotUnderstoodError as exc:
        report.add(not_understood=1)
        report.add_problem(Problem(str(source.path), source.key, str(exc)))
    except Exception as exc:  # whatever it is, the other sources are read
        report.add_failure(Problem(str(source.path), source.key, sentence_of(exc)))
    else:
        report_seen(one, report)
