"""A session as a sequence of parts, which do not depend on the format of the document.

Events are taken in order, and their parts are yielded as soon as no later event can belong to them.
So the memory that a document needs does not grow with its session.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agent_session_manager.export.document import entries
from agent_session_manager.export.document.grouping import Entry, Grouping
from agent_session_manager.export.document.nodes import (
    Anchor,
    Border,
    CloseFold,
    Fact,
    Node,
    OpenFold,
)
from agent_session_manager.export.document.options import Event, ExportedTools, Options, string
from agent_session_manager.export.document.text import moment_text, one_line

Facts = Mapping[str, Any]
"""A session or a run, with the fields that any client of the manager gets."""


class Document:
    """The parts of one session, for `opening`, then `add` for each event, then `ending`."""

    def __init__(self, session: Facts, runs: Mapping[int, Facts], options: Options) -> None:
        self._session = session
        self._runs = runs
        self._options = options
        self._grouping = Grouping()
        self._run: int | None = None
        self._is_run_ended = False
        self._is_copy = False

    @property
    def title(self) -> str:
        return one_line(str(self._session.get("session_name") or "session"))

    def opening(self, exported_at: str) -> Iterator[Fact]:
        """Yield the facts of the session, and what the document leaves out."""
        for name, value in self._facts(exported_at):
            if value:
                yield name, one_line(value)

    def add(self, event: Event, size: int) -> Iterator[Node]:
        """Take the next event, whose JSON has `size` bytes."""
        run = event.get("run")
        if run != self._run and isinstance(run, int) and not event.get("late"):
            yield from self._begin_run(run)
        is_copy = event.get("inherited") is True
        if is_copy is not self._is_copy:
            yield from self._rest()
            self._is_copy = is_copy
            yield OpenFold(f"Copied from {self._origin()}") if is_copy else CloseFold()
        if self._options.leaves_out(event):
            yield Anchor(event["seq"])  # at once, as it belongs to no part
        elif event.get("event_type") == "session_stop":
            yield from self._rest()
            yield entries.end_of_run(event)
            self._is_run_ended = self._is_run_ended or (run == self._run and not is_copy)
        else:
            yield from self._nodes(self._grouping.add(event, size))

    def ending(self) -> Iterator[Node]:
        """Yield the rest, and the state of the newest run."""
        yield from self._end_run()

    def _begin_run(self, run: int) -> Iterator[Node]:
        yield from self._end_run()
        self._run, self._is_run_ended = run, False
        facts = self._runs.get(run, {})
        yield Border(f"Run {run}", moment=moment_text(facts.get("started_at")))

    def _end_run(self) -> Iterator[Node]:
        """Yield the end of a run that has no event for it: it was lost, or is open."""
        yield from self._rest()
        if self._is_copy:
            self._is_copy = False
            yield CloseFold()
        if self._run is None or self._is_run_ended:
            return
        facts = self._runs.get(self._run, {})
        if facts.get("finished_at") is None:
            yield Border(f"Run {self._run} was still running at the time of this export")
        else:
            reason = facts.get("reason") or "finished"
            yield Border(f"Run {self._run}: {reason}", moment=moment_text(facts["finished_at"]))

    def _rest(self) -> Iterator[Node]:
        return self._nodes(self._grouping.rest())

    def _nodes(self, found: Iterator[Entry]) -> Iterator[Node]:
        for entry in found:
            yield from entries.nodes(entry, self._options)

    def _origin(self) -> str:
        """Return the words for the session whose history was copied."""
        forked_from = self._session.get("forked_from")
        found = forked_from.get("session_id") if isinstance(forked_from, Mapping) else None
        return f"session {found}" if string(found) else "another session"

    def _facts(self, exported_at: str) -> Iterator[Fact]:
        session = self._session

        def text(name: str) -> str:
            return string(session.get(name)) or ""

        yield "Session", text("session_id")
        yield "Project", text("project_dir")
        yield "Agent", " · ".join(filter(None, (text("agent_name"), text("executor"))))
        yield "Created", moment_text(session.get("created_at"))
        yield "State", text("state")
        yield "Runs", str(session.get("run") or "")
        yield "Usage", usage_text(session.get("usage"))
        yield "Exported", moment_text(exported_at)
        masked = session.get("masked_secrets")
        yield "Masked credentials", str(masked) if masked else ""
        yield "Left out", "; ".join(self._left_out())

    def _left_out(self) -> Iterator[str]:
        options = self._options
        if not options.thinking:
            yield "thinking"
        if options.tools is ExportedTools.NONE:
            yield "tool calls, with the work of subagents"
        if options.tools is ExportedTools.NAMES:
            yield "inputs and outputs of tools"
        elif options.tools is ExportedTools.FULL and options.max_output is not None:
            yield f"the middle of tool outputs of more than {options.max_output:,} bytes"


def usage_text(usage: Any) -> str:
    """Return the tokens and the cost of a session; a cost that is not known is not shown as 0."""
    if not isinstance(usage, Mapping):
        return ""
    counts = {name: usage.get(name) for name in ("input_tokens", "output_tokens")}
    cached = (usage.get("cache_read_tokens"), usage.get("cache_creation_tokens"))
    numbers = [n for n in (*counts.values(), *cached) if isinstance(n, int)]
    if not any(numbers):
        return ""
    cost, unpriced = usage.get("cost_microdollars"), usage.get("unpriced_tokens")
    words = f"{sum(numbers):,} tokens, {counts['output_tokens'] or 0:,} of them output"
    if not isinstance(cost, int) or (unpriced and not cost):
        return f"{words}; cost unknown"
    return f"{words}; {'at least ' if unpriced else ''}${cost / 1_000_000:,.2f}"
