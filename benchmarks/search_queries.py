"""The queries of the measurement of search: kinds of terms, each with and without filters."""

from __future__ import annotations

from benchmarks.search_corpus import AGENTS, PROJECTS

_TERMS = {
    "0.01 %": "rare",
    "1 %": "seldom",
    "10 %": "common",
    "60 %": "usual",
    "no event": "absent",
    "60 % and 30 %": "usual often",
    "60 % and 0.01 %": "usual rare",
    "60 % without 30 %": "usual -often",
    "impossible": "usual -usual",
    "phrase": '"usual often"',
    "prefix": "usu*",
}
_FILTERS: dict[str, dict[str, str]] = {
    "": {},
    "session": {"session_id": "s7"},
    "project": {"project_dir": f"/p/{PROJECTS - 1}"},
    "agent": {"agent_name": f"agent-{AGENTS - 1}"},
    "a day": {"since": "2026-09-02T00:00:00Z", "until": "2026-09-03T00:00:00Z"},
    "tool": {"tool_name": "Grep"},
    "errors": {"has_error": "true"},
    "thinking": {"kind": "thinking"},
    "by session": {"group": "session"},
    "best": {"sort": "best"},
}
QUERIES = {
    f"{terms}, {filters}".rstrip(", "): {"q": text, **where}
    for terms, text in _TERMS.items()
    for filters, where in _FILTERS.items()
}
"""Parameters of `GET /search`, by the name of the query."""
