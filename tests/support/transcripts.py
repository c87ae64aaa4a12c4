"""Keys, entries and batches for tests of transcripts, and the Agent SDK's summaries of them."""

from __future__ import annotations

from typing import Any

from claude_agent_sdk import fold_session_summary
from claude_agent_sdk.types import SessionKey, SessionSummaryEntry

from agent_orchestrator.transcripts.batch import Batch, to_line
from agent_orchestrator.transcripts.store import TranscriptStore


def key_of(project_key: str, **more: Any) -> SessionKey:
    key: SessionKey = {"project_key": project_key, "session_id": "s", **more}  # type: ignore[typeddict-item]  # a test adds valid keys only
    return key


def entry(n: int, **more: Any) -> Any:
    return {"type": "user", "uuid": f"{n}", "n": n, **more}


def batch_of(project_key: str, *entries: Any, batch_id: str = "b") -> Batch:
    return Batch(
        batch_id=batch_id,
        project_key=project_key,
        session_id="s",
        subpath=None,
        lines=tuple(map(to_line, entries)),
    )


async def summary_of(store: TranscriptStore, project_key: str) -> SessionSummaryEntry:
    (summary,) = await store.list_session_summaries(project_key)
    return summary


def folded(project_key: str, entries: list[Any] | None) -> dict[str, Any]:
    """Return the SDK's summary of a whole transcript, computed at once."""
    assert entries is not None
    return fold_session_summary(None, key_of(project_key), entries)["data"]
