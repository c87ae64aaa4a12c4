"""Handles the requests to a run, which it gets from the manager while the run lasts.

A stop comes from outside, and so does a message. The agent of the run asks for a session below its
own: starting one takes seconds, so it happens beside the other requests.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar
from uuid import uuid4

from ...client.connection.connect import client_of
from ...client.errors import RUN_TOKEN_UNKNOWN, may_pass
from ...client.manager import Json, ManagerClient
from ...events.prepare import create_event, text_content
from ...executors.base import Executor
from ...machine.clock import Backoff
from ...session_client import SessionClientError, SessionNotFoundError
from ..assignment import Assignment
from .drive import Record, StopOrder
from .notices import Notices
from .order import STARTS, carry_out
from .questions import Questions

logger = logging.getLogger(__name__)

POLL_SECONDS = 20.0
POLL_TIMEOUT_SECONDS = POLL_SECONDS + 10.0
MAX_PAUSE_SECONDS = 10.0
STARTS_AT_ONCE = 4

T = TypeVar("T")


class Requests:
    """Requests to one run: stops, messages, answers, notices, and sessions to start below it."""

    def __init__(
        self,
        assignment: Assignment,
        *,
        order: StopOrder,
        executor: Executor,
        questions: Questions,
        notices: Notices,
        record: Record,
    ) -> None:
        self._assignment = assignment
        self._order = order
        self._executor = executor
        self._questions = questions
        self._notices = notices
        self._record = record
        self._done: dict[str, tuple[str, str | None]] = {}
        """Results of requests, for a manager that has lost them and sends the requests again."""
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._starts = asyncio.Semaphore(STARTS_AT_ONCE)

    async def serve(self) -> None:
        """Wait for requests and handle them, until cancelled.

        Returns if the session is deleted or our token is revoked.
        """
        backoff = Backoff(MAX_PAUSE_SECONDS)
        while True:
            try:
                for request in await _wait_aside(self._wait_for_requests):
                    await self._handle(request)
                backoff.succeed()
            except SessionNotFoundError:
                return
            except SessionClientError as exc:
                if exc.code == RUN_TOKEN_UNKNOWN:
                    return
                logger.info("cannot receive requests: %s", exc)
                backoff.fail()
                await asyncio.sleep(backoff.pause_seconds())

    async def _handle(self, request: Json) -> None:
        request_id = request["request_id"]
        is_start = request["kind"] in STARTS
        if is_start and request_id not in (*self._done, *self._starting):
            self._starting[request_id] = asyncio.create_task(self._start(request))
        elif not is_start and request_id not in self._done:
            self._done[request_id] = await self._do(request)
        state, detail = self._done.get(request_id, ("acknowledged", None))
        await asyncio.to_thread(self._settle, request_id, state, detail)

    async def _start(self, request: Json) -> None:
        """Start the session that the agent asks for, and settle the request with its id."""
        request_id = request["request_id"]
        async with self._starts:
            try:
                outcome = await _wait_aside(lambda: carry_out(self._assignment, request))
            except (Exception, SystemExit) as exc:  # the agent waits for an answer
                logger.exception("a session could not be started")
                outcome = "refused", f"the supervisor failed: {exc!r}"
        self._done[request_id] = outcome
        backoff = Backoff(MAX_PAUSE_SECONDS)
        while True:
            try:
                return await asyncio.to_thread(self._settle, request_id, *outcome)
            except SessionClientError as exc:
                if not may_pass(exc):
                    return logger.warning("a request could not be settled: %s", exc)
                backoff.fail()
                await asyncio.sleep(backoff.pause_seconds())

    def _wait_for_requests(self) -> list[Json]:
        a = self._assignment
        with self._connect() as manager:
            return manager.list_requests(
                a.session_id, a.run, state="pending", wait_seconds=POLL_SECONDS
            )

    async def _do(self, request: Json) -> tuple[str, str | None]:
        """Handle a request. Return its new state and, if it is refused, the reason."""
        match request["kind"]:
            case "stop":
                self._order.stop()
                return "acknowledged", None  # done when the run has ended
            case "message":
                return await self._tell(request, str(uuid4()))
            case "notice":
                return await self._tell(request, request["request_id"])
            case "answer":
                state, why = self._questions.answer(request["request_id"], request["payload"])
                # Done when the manager has the decision, so that the session no longer waits.
                return ("acknowledged", None) if state == "done" else (state, why)
            case other:
                return "refused", f"this supervisor does not support the request {other!r}"

    async def _tell(self, request: Json, message_id: str) -> tuple[str, str | None]:
        """Give the agent a message, or notices, which wait for the next run and not here."""
        text, is_notice = str(request["payload"].get("text", "")), request["kind"] == "notice"
        try:
            is_sure = await self._executor.send(text, message_id, may_wait=not is_notice)
        # Any error: an agent that is ending may fail in any way.
        except Exception as exc:
            return "refused", str(exc)
        marks = self._notices.fields_of_message(message_id, is_sure=is_sure) if is_notice else {}
        content = text_content(text)
        self._record(create_event("message", message_id, role="user", content=content, **marks))
        return "done", None

    def _settle(self, request_id: str, state: str, detail: str | None) -> None:
        a = self._assignment
        with self._connect() as manager:
            manager.settle_request(a.session_id, a.run, request_id, state=state, detail=detail)

    def _connect(self) -> ManagerClient:
        """Return a new client for one request: at the run's end, a thread may still use another."""
        a = self._assignment
        token = a.run_token or a.control_token
        return client_of(a.url, run_token=token, timeout_seconds=POLL_TIMEOUT_SECONDS)


async def _wait_aside(work: Callable[[], T]) -> T:
    """Run `work` in a daemon thread, which delays neither the loop's end nor ours if cancelled."""
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as exc:  # it is raised where the outcome is awaited
            outcome.set_exception(exc)

    threading.Thread(target=run, name="requests", daemon=True).start()
    return await asyncio.wrap_future(outcome)
