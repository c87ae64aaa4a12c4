"""Lines: the one line of a prompt, an answer or an error that lists of sessions show."""

from __future__ import annotations

from agent_session_manager.domain.events.event import NewEvent, is_prompt, joined_text
from agent_session_manager.domain.sessions.session import Reason

MAX_LINE_CHARS = 200
_SEARCHED_CHARS = 16 * 1024
_SPACES_AND_MARKDOWN = " \t*_`#>~=-"


def prompt_of(event: NewEvent) -> str | None:
    """Return the first line of a person's prompt; None for any other event, or a copied one."""
    if not is_prompt(event) or event.fields.get("inherited") is True:
        return None
    return first_line(joined_text(event.fields))


def answer_of(event: NewEvent) -> str | None:
    """Return the last line of an answer, without the marks of Markdown around it."""
    return last_line(joined_text(event.fields))


def failure_of(event: NewEvent) -> str | None:
    """Return the first line of the error with which a run ended; None if it ended otherwise."""
    error = event.fields.get("error")
    if event.end is None or event.end.reason in (Reason.COMPLETED, Reason.STOPPED):
        return None
    return first_line(error) if isinstance(error, str) else None


def first_line(text: str) -> str | None:
    """Return the first line that is not blank, cut at its end."""
    for line in text[:_SEARCHED_CHARS].splitlines():
        if found := line.strip():
            return found if len(found) <= MAX_LINE_CHARS else found[: MAX_LINE_CHARS - 1] + "…"
    return None


def last_line(text: str) -> str | None:
    """Return the last line with words, cut at its begin: the end is what the reader must know."""
    for line in reversed(text[-_SEARCHED_CHARS:].splitlines()):
        if found := line.strip(_SPACES_AND_MARKDOWN):
            return found if len(found) <= MAX_LINE_CHARS else "…" + found[1 - MAX_LINE_CHARS :]
    return None
