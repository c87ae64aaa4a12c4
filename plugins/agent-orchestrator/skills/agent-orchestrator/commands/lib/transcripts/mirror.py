"""Transcript lines of a run on their way to the manager: through the outbox, as all events."""

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
    """Transcript lines into the outbox of a run: on the disk when `append` returns."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def append(self, batch: Batch) -> None:
        self._outbox.add({TRANSCRIPT: asdict(batch)}, TRANSCRIPT)

    def drain(self) -> None:
        outbox = self._outbox
        with outbox.changed:
            outbox.changed.wait_for(lambda: outbox.is_given_up or not outbox.count_waiting())
        if outbox.is_given_up:
            raise SessionClientError("the manager takes nothing of this run any more")


class Mirror(TranscriptStore):
    """What the Agent SDK mirrors a run's transcript to: all of it below the run's own session.

    An agent that begins its conversation anew (`/clear`) goes on under another id. Its transcript
    is kept as a part of the session, so that a run writes nothing under an id of somebody else.
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
