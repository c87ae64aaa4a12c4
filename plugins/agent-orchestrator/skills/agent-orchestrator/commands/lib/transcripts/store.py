"""The Agent SDK's `SessionStore`: the manager keeps the transcripts of Claude Code.

Pass a `TranscriptStore` to the SDK as `session_store`. Appends go through the given `Appends` one
after the other: directly to the manager, or to a local disk first. A read returns all entries that
were appended before. The server does not depend on the SDK, and this module only on its types.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self, cast
from uuid import uuid4

from ..client.manager import ManagerClient
from ..session_client import SessionNotFoundError
from .appends import Appends, DirectAppends
from .batch import Batch, to_line

if TYPE_CHECKING:
    from claude_agent_sdk.types import (
        SessionKey,
        SessionListSubkeysKey,
        SessionStoreEntry,
        SessionStoreListEntry,
        SessionSummaryEntry,
    )

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TranscriptStore:
    """A `SessionStore`, from construction until `close`, which waits for running appends.

    Every failure is a `SessionClientError`, or an error of the given `Appends`. The caller closes
    the client. Its timeout should allow for a page of a transcript: 30 seconds.
    """

    def __init__(
        self, manager: ManagerClient, *, namespace: str = "", appends: Appends | None = None
    ) -> None:
        """Read with `manager`. Stores with different namespaces do not see each other."""
        self._manager = manager
        self._prefix = f"{namespace}/" if namespace else ""
        self._appends = appends or DirectAppends(manager)
        # One thread: appends keep their order, even if a caller stopped waiting for one.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="transcript")
        self._failed: Batch | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Wait for the running appends, and accept no more."""
        self._thread.shutdown()

    async def append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        """Append entries in the order of calls. Cancelling a call does not undo it."""
        if not entries:
            return
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._thread, self._append, key, list(entries))
        await asyncio.shield(work)

    async def load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        """Return all entries of a transcript in order, or None if it does not exist."""
        return await asyncio.to_thread(self._load, key)

    async def list_sessions(self, project_key: str) -> list[SessionStoreListEntry]:
        """List the sessions that have a main transcript, each with its last change."""
        where = {"project_key": self._prefix + project_key, "main": "true"}
        return [
            {"session_id": found["session_id"], "mtime": _milliseconds(found["updated_at"])}
            for found in await asyncio.to_thread(self._list_transcripts, where)
        ]

    async def list_session_summaries(self, project_key: str) -> list[SessionSummaryEntry]:
        """List the summaries. A summary that lacks entries is older than its session."""
        return await asyncio.to_thread(self._list_summaries, project_key)

    async def delete(self, key: SessionKey) -> None:
        """Delete a transcript; with a main one, those of its subagents too. It need not exist."""
        await asyncio.to_thread(self._delete, key)

    async def list_subkeys(self, key: SessionListSubkeysKey) -> list[str]:
        """List the subpaths of a session's transcripts, without the main one."""
        where = {**self._named(key), "main": "false"}
        found = await asyncio.to_thread(self._list_transcripts, where)
        return [transcript["subpath"] for transcript in found]

    def _append(self, key: SessionKey, entries: Sequence[SessionStoreEntry]) -> None:
        batch = Batch(
            batch_id=str(uuid4()),
            project_key=self._prefix + key["project_key"],
            session_id=key["session_id"],
            subpath=key.get("subpath"),
            lines=tuple(to_line(entry) for entry in entries),
        )
        # The SDK tries again after an error, although the lines may have been stored. In the same
        # batch they are not added twice, with a `uuid` or without.
        failed = self._failed
        if failed is not None and dataclasses.replace(batch, batch_id=failed.batch_id) == failed:
            batch = failed
        self._failed = batch
        self._appends.append(batch)
        self._failed = None

    def _load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        self._appends.drain()
        pages = self._manager.iterate_entries(self._named(key))
        try:
            entries = [entry for page in pages for entry in page]
        except SessionNotFoundError:
            return None
        return cast("list[SessionStoreEntry]", entries)  # an entry of the SDK is any object

    def _list_transcripts(self, where: dict[str, str]) -> list[dict[str, Any]]:
        self._appends.drain()
        return self._manager.list_transcripts(where)

    def _list_summaries(self, project_key: str) -> list[SessionSummaryEntry]:
        self._appends.drain()
        return [
            {
                "session_id": found["session_id"],
                "mtime": _milliseconds(found["updated_at"]),
                "data": found["summary"],
            }
            for found in self._manager.list_summaries({"project_key": self._prefix + project_key})
        ]

    def _delete(self, key: SessionKey) -> None:
        self._appends.drain()
        self._manager.delete_transcript(self._named(key))

    def _named(self, key: SessionKey | SessionListSubkeysKey) -> dict[str, str]:
        named = {**key, "project_key": self._prefix + key["project_key"]}
        return cast("dict[str, str]", named)


def _milliseconds(moment: str) -> int:
    return (datetime.fromisoformat(moment) - _EPOCH) // timedelta(milliseconds=1)
