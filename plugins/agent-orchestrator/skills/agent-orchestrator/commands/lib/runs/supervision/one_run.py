"""Supervision of one run, from when the supervisor has taken it over to its end.

It drives the executor, writes every event to the outbox first, renews the lease, and handles
requests to the run. It ends when the manager has the whole record.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from ...claude.sdk import leave_out_mcp
from ...client.connection.connect import client_of, own_token
from ...client.errors import LOST_CODES, RUN_TOKEN_UNKNOWN
from ...client.manager import ManagerClient
from ...events.event import Event
from ...events.prepare import create_event
from ...executors.base import Execution, Executor
from ...executors.mcp_server import McpServer
from ...machine.environment import ENV_SESSION_ID, RUN_MARKER, run_variables, variables_past_proxies
from ...machine.fast_start import keep_imports
from ...outbox.outbox import Outbox, OutboxError
from ...session_client import SessionClientError, SessionNotFoundError
from ...shared.masking import Masking
from ...transcripts.mirror import Mirror
from ..assignment import Assignment
from ..delivery import delivery_of
from ..executor_table import create_executor, find_executor
from ..registry import spared_pids
from ..seal import CONVERSATION, sealed_conversation
from .drive import RunOutcome, StopOrder, beside, drive
from .notice_wait import can_stay, stay
from .notices import Notices
from .questions import Questions
from .requests import Requests
from .stop_signals import STOP_SIGNALS, release_stops

logger = logging.getLogger(__name__)

HEARTBEATS_PER_TERM = 3


def supervise(
    assignment: Assignment, state: Path, *, marker: str, outbox: Outbox, entry: int
) -> RunOutcome:
    """Supervise a run that this process has registered with `marker`, as the file `entry`."""
    for library in ("httpx", "claude_agent_sdk"):
        logging.getLogger(library).setLevel(logging.WARNING)
    leave_out_mcp()
    keep_imports()
    return asyncio.run(Supervisor(assignment, state, marker).run(outbox, entry))


class Supervisor:
    """Owns one run."""

    def __init__(self, assignment: Assignment, state: Path, marker: str) -> None:
        """Take a run that is registered with this marker of its processes."""
        self._assignment = assignment
        self._state = state
        self._marker = marker
        self._order = StopOrder()
        self._is_signalled = False
        self._manager = self._client(assignment.run_token or assignment.control_token)
        self._tokens = _own_tokens(assignment)
        spec = assignment.spec
        self._questions = Questions(spec.ask, directory=spec.project_dir, record=self._record)
        self._notices = Notices(assignment.notice_batch, is_automatic=assignment.is_automatic)

    def _client(self, token: str | None) -> ManagerClient:
        """Return a client with this token; without one, with the token of the local manager."""
        return client_of(self._assignment.url, run_token=token)

    async def run(self, outbox: Outbox, entry: int) -> RunOutcome:
        """Supervise the run to its end, and close its outbox.

        `entry` is the descriptor of its registry entry.

        Raises:
            OutboxError: the events cannot be written to the disk.
        """
        self._outbox = outbox
        with contextlib.closing(self._manager), self._stopped_by_signals():
            stays = False
            with outbox:
                try:
                    outcome = await self._supervise()
                    stays = await asyncio.to_thread(self._can_stay, outcome)
                finally:
                    if not stays:
                        await asyncio.to_thread(self._give_back_token)
            if stays:
                stay(self._assignment, entry, is_stopped=self._is_stopped)
                await asyncio.to_thread(self._revoke_tokens)  # it was stopped
            return outcome

    async def _supervise(self) -> RunOutcome:
        a = self._assignment
        delivery = delivery_of(self._manager, self._outbox)
        delivery.start()
        # Otherwise it gets only the name of the conversation.
        keeps_lines = find_executor(a.spec.executor).keeps_transcript
        is_mirrored = a.spec.transcripts or not keeps_lines
        mirror = Mirror(self._manager, self._outbox) if is_mirrored else None
        executor = create_executor(self._execution(mirror))
        requests = Requests(
            a,
            order=self._order,
            executor=executor,
            questions=self._questions,
            notices=self._notices,
            record=self._record,
        )
        async with beside(self._keep_lease(), self._order), beside(requests.serve(), self._order):
            try:
                await self._restore()
                outcome = await self._drive(executor)
                # From now on a stop ends the wait for the manager.
                self._order.then(delivery.hurry)
                return outcome
            except OutboxError as exc:
                logger.exception("the run was stopped")
                await asyncio.to_thread(self._report_failure, exc)
                raise
            finally:
                if mirror is not None:
                    await asyncio.to_thread(mirror.close)
                await asyncio.to_thread(delivery.finish)

    def _can_stay(self, outcome: RunOutcome) -> bool:
        """Return whether to wait for notices: the run ended well, and the manager has all of it."""
        return (
            outcome.reason == "completed"
            and not self._is_stopped()
            and not self._outbox.count_waiting()
            and not find_executor(self._assignment.spec.executor).continue_with
            and can_stay(self._manager, self._assignment)
        )

    def _is_stopped(self) -> bool:
        return self._is_signalled or self._order.outcome is not None

    async def _restore(self) -> None:
        """Copy the missing parts of the agent's transcript from the manager to this machine.

        If this fails, the agent continues with the local part, or reports that it has none.
        """
        a = self._assignment
        continued = a.session_id if a.continues.resume else a.continues.fork_of
        if continued is None or not find_executor(a.spec.executor).keeps_transcript:
            return
        from ...claude.restore import restore  # late: only some agents' runs that continue

        # A run may not read the transcript of another session: a fork reads it as the user.
        reader = self._manager if a.continues.resume else self._client(a.control_token)
        try:
            count = await asyncio.to_thread(
                restore,
                reader,
                continued,
                conversation_id=a.continues.conversation_id,
                environment=a.environment,
                here=a.spec.project_dir,
            )
        except (SessionClientError, ImportError, OSError) as exc:
            logger.warning("the transcript could not be restored: %s", exc)
        else:
            logger.info("restored %d missing lines of the transcript", count)
        finally:
            if reader is not self._manager:
                reader.close()

    async def _drive(self, executor: Executor) -> RunOutcome:
        a = self._assignment
        timer = None
        if a.timeout_seconds is not None:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(a.timeout_seconds, self._order.time_out, a.timeout_seconds)
        try:
            return await drive(
                executor, a.prompt, self._record, order=self._order, questions=self._questions
            )
        finally:
            if timer is not None:
                timer.cancel()

    def _record(self, event: Event) -> None:
        a = self._assignment
        if event["event_type"] == CONVERSATION:
            event = sealed_conversation(event, a.session_id, a.run, self._state)
        # Masks our own tokens, and all texts that the executor did not prepare.
        masked = Masking(known=self._tokens).event(self._notices.marked(event))
        self._outbox.add({"event_id": str(uuid.uuid4()), **masked, "run": a.run})

    def _execution(self, mirror: Mirror | None) -> Execution:
        a = self._assignment
        return Execution(
            session_id=a.session_id,
            spec=a.spec,
            continues=a.continues,
            environment={
                **a.environment,
                **variables_past_proxies(a.environment, a.url),
                **run_variables(a.agent_token, a.url),
                ENV_SESSION_ID: a.session_id,
                RUN_MARKER: self._marker,
            },
            mirror=mirror,
            spared=lambda: spared_pids(self._state),
            known_secrets=self._tokens,
            ask=self._questions.ask,
            mcp=self._mcp_server(),
        )

    def _mcp_server(self) -> McpServer | None:
        """Return the manager's MCP server for the agent, unless the person leaves it out."""
        a = self._assignment
        if not a.spec.mcp or a.agent_token is None:
            return None
        return McpServer(url=f"{a.url.rstrip('/')}/mcp", token=a.agent_token)

    @contextlib.contextmanager
    def _stopped_by_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()

        def stop(_number: int, _frame: FrameType | None) -> None:
            self._is_signalled = True  # at once: the loop may have no further round
            loop.call_soon_threadsafe(self._order.stop)

        before = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
        release_stops()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def _keep_lease(self) -> None:
        """Renew the lease. Stop the run if the manager responds that it is no longer ours."""
        a = self._assignment
        while True:
            # At once too, as the start of this program has used a part of the first term.
            try:
                await asyncio.to_thread(
                    self._manager.claim_lease, a.session_id, a.run, holder=a.holder
                )
            except SessionClientError as exc:
                is_gone = isinstance(exc, SessionNotFoundError) or exc.code == RUN_TOKEN_UNKNOWN
                if is_gone or exc.code in LOST_CODES:
                    self._order.lose(f"the supervisor has lost the run: {exc}")
                    return
                logger.warning("the lease could not be renewed: %s", exc)
            await asyncio.sleep(a.term_seconds / HEARTBEATS_PER_TERM)

    def _give_back_token(self) -> None:
        """Revoke our token once everything is delivered."""
        with contextlib.suppress(OutboxError):
            if self._assignment.run_token is not None and not self._outbox.count_waiting():
                self._revoke_tokens()

    def _revoke_tokens(self) -> None:
        with contextlib.suppress(SessionClientError):
            self._manager.revoke_run_tokens(self._assignment.session_id, self._assignment.run)

    def _report_failure(self, failure: OutboxError) -> None:
        """Report the failure directly to the manager, as the disk cannot store the event."""
        a = self._assignment
        stop = create_event("session_stop", reason="failed", exit_code=1, error=str(failure))
        with contextlib.suppress(SessionClientError):
            self._manager.append_events(a.session_id, [{**stop, "run": a.run}])


def _own_tokens(assignment: Assignment) -> dict[str, str]:
    """Return our own tokens, each with its kind. An agent can find them as we do."""
    tokens = {
        assignment.run_token: "run-token",
        assignment.agent_token: "run-token",
        assignment.control_token: "control-token",
        own_token(assignment.url): "control-token",
    }
    return {token: kind for token, kind in tokens.items() if token}
