"""The kinds of lines in a transcript of Claude Code that are not messages."""

from __future__ import annotations

from ...items import TitleRank

TITLES = {
    "custom-title": (TitleRank.CHOSEN, "customTitle"),
    "ai-title": (TitleRank.GENERATED, "aiTitle"),
    "summary": (TitleRank.SUMMARY, "summary"),
}
"""Lines with a title of the session: its rank, and the name of its field."""

EVENTLESS = frozenset(
    {
        *("progress", "last-prompt", "mode", "permission-mode"),
        *("agent-name", "agent-setting", "agent-color", "tag", "pr-link", "worktree-state"),
        *("file-history-snapshot", "file-history-delta", "content-replacement", "atis-latch"),
        *("tools-used", "api-request", "api-request-shape", "api-request-blob", "cost-state"),
        *("bridge-session", "relocated", "frame-link", "fork-context-ref"),
    }
)
"""Types of lines that have no event. The transcript in the manager keeps them."""
