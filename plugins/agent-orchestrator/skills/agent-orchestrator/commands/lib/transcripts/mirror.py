"""Mirrors the transcript of a run to the manager, through the outbox like all events."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from ..client.manager import ManagerClient
from ..outbox.outbox import Outbox
from ..session_client import SessionClientError
from .batch import Batch
from .names import PROJECT_KEY, conversation_subpath
from .sender import TRANSCRIPT
from .store import TranscriptStore

if TYPE_CHECKING:
    from claude_agent_sdk.types import SessionKey, SessionStoreEntry


class OutboxAppends:
    """Adds transcript lines to the outbox of a run. They are on the disk when `append` returns."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def append(self, batch: Batch) -> None:
        self._outbox.add({TRANSCRIPT: asdict(batch)}, TRANSCRIPT)

    def drain(self) -> None:
        outbox = self._outbox
        with outbox.changed:
            outbox.changed.wait_for(lambda: outbox.is_given_up or not outbox.count_waiting())
        if outbox.is_given_up:
            raise SessionClientError("the delivery of this run to the manager has stopped")


class Mirror(TranscriptStore):
    """Store to which the Agent SDK mirrors a run's transcript, all of it below the run's session.

    An agent that begins a new conversation (`/clear`) continues under another id. That transcript
    is stored as a part of the session. So a run writes nothing under the id of another session.
    """

    def __init__(self, manager: ManagerClient, outbox: Outbox) -> None:
        super().__init__(manager, appends=OutboxAppends(outbox))
        self._session_id = outbox.run.session_id

    async def append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        await super().append(self._own(key), entries)

    async def load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        return await super().load(self._own(key))

    def _own(self, key: SessionKey) -> SessionKey:
        own: SessionKey = {"project_key": PROJECT_KEY, "session_id": self._session_id}
        subpath = key.get("subpath")
        if key["session_id"] != self._session_id:
            subpath = conversation_subpath(key["session_id"], subpath)
        return {**own, "subpath": subpath} if subpath else own
