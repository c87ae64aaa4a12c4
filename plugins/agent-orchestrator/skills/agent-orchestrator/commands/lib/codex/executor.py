"""Executor for Codex, over its app-server.

One run is one process of `codex app-server` and one turn of a thread. The run ends with the turn: a
message to the agent joins the turn, and comes too late after it. What the agent does is read from
the rollout that Codex writes; the app-server tells when to read it.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import Any

from ..events.event import Event
from ..events.prepare import create_event, storable, text_content
from ..executors.base import Execution, ExecutorError
from ..executors.event_reader import EventReader
from ..executors.questions import NOT_ASKED, Decision, Verdict, message_about
from ..machine.processes import Grace, within
from ..rpc.json_rpc import Call, Notification, PeerGoneError, RpcError
from ..rpc.message_reader import MessageReader
from ..transcripts.naming import name_conversation
from . import questions
from .app_server import AppServer
from .ending import session_stop
from .installation import find_codex
from .mcp_servers import notes_on, servers_of, started
from .questions import Asked
from .rollout import Rollout
from .thread import thread_request
from .translation import Translation

END_SECONDS = 5.0
"""Time for Codex to end after its input was closed."""
INTERRUPT_SECONDS = 3.0
"""Time for Codex to end its turn after an interrupt."""
SERVERS_SECONDS = 30.0
"""Time for the MCP servers to start. Codex gives up on each after its own time, 10 s by default."""
_STARTED = frozenset({"ready", "failed", "cancelled"})


class CodexExecutor:
    """Runs Codex once."""

    def __init__(
        self, execution: Execution, *, codex_path: str | None = None, grace: Grace | None = None
    ) -> None:
        """Use `codex_path` instead of the installed Codex; `grace` sets how it is stopped."""
        self._execution = execution
        self._codex_path = codex_path
        self._grace = grace
        self._translation = Translation()
        self._rollout: Rollout | None = None
        self._server: AppServer | None = None
        self._asking: dict[int | str, asyncio.Task[None]] = {}
        """The open questions, by the id of their call."""
        self._is_over = asyncio.Event()
        """Set at the end of the turn, or of Codex."""
        self._configured: set[str] = set()
        """The MCP servers of the person's own configuration."""
        self._starting: set[str] = set()
        """The MCP servers of the run that have not started yet."""
        self._are_started = asyncio.Event()

    async def run(self, prompt: str) -> AsyncGenerator[Event, None]:
        """Run one turn of the thread."""
        prompt, prompt_id = storable(prompt), str(uuid.uuid4())
        yield create_event("message", prompt_id, role="user", content=text_content(prompt))
        self._translation.note_message(prompt_id)
        path = self._codex_path or find_codex(self._execution.environment)
        server = self._server = await AppServer.start(self._execution, path)
        self._messages = MessageReader(server.rpc, self._handle, at_end=self._note_end)
        try:
            async with contextlib.aclosing(self._events(server, prompt, prompt_id)) as events:
                reader = EventReader(events, partial(self._stop, server))
                while (event := await reader.next()) is not None:
                    yield event
        finally:
            self._server = None
            self._withdraw_questions()
            await server.close()
        async for event in self._recorded():
            yield event
        for event in self._translation.last_events():
            yield event
        if reader.is_stopped:
            raise asyncio.CancelledError
        yield session_stop(self._translation, server, self._messages.breakdown)

    async def send(self, text: str, message_id: str, *, may_wait: bool = True) -> bool:
        """Add a message to the running turn."""
        server, translation = self._server, self._translation
        if server is None or translation.turn_id is None or translation.end is not None:
            raise ExecutorError("the agent accepts no messages: it has not started or has finished")
        translation.note_message(message_id)
        try:
            await server.rpc.request("turn/steer", self._steering(text, message_id))
        except RpcError as exc:
            raise ExecutorError(f"Codex did not take the message: {exc.message}") from exc
        except PeerGoneError as exc:
            raise ExecutorError("Codex has ended and takes no message") from exc
        return True

    def _steering(self, text: str, message_id: str) -> dict[str, Any]:
        return {
            "threadId": self._translation.thread_id,
            "expectedTurnId": self._translation.turn_id,
            "input": [{"type": "text", "text": storable(text)}],
            "clientUserMessageId": message_id,
        }

    async def _events(
        self, server: AppServer, prompt: str, prompt_id: str
    ) -> AsyncGenerator[Event, None]:
        """Yield the events until Codex has ended."""
        async with contextlib.aclosing(self._messages) as messages:
            async for event in messages.until(self._initialize(server)):
                yield event
            for note in notes_on(self._execution, self._configured):
                yield create_event("diagnostic", content=text_content(note))
            async for event in messages.until(self._open(server)):
                yield event
            if self._is_new_thread():
                thread_id = self._translation.thread_id
                await name_conversation(self._execution.mirror, thread_id)
                yield create_event("conversation", conversation_id=thread_id)
            async for event in messages.until(self._begin(server, prompt, prompt_id)):
                yield event
            async for event in messages.until(self._is_over.wait()):
                yield event
            server.end_input()
            async for event in messages.until(within(END_SECONDS, server.wait())):
                yield event

    def _is_new_thread(self) -> bool:
        continues = self._execution.continues
        known = continues.conversation_id or self._execution.session_id
        return not continues.resume or self._translation.thread_id != known

    async def _initialize(self, server: AppServer) -> None:
        try:
            await server.initialize()
            spec = self._execution.spec
            if servers_of(self._execution, ()) or not spec.mcp:
                self._configured = await server.configured_servers(spec.project_dir)
        except RpcError as exc:
            raise ExecutorError(f"Codex did not start: {exc.message}") from exc
        except PeerGoneError as exc:
            raise await self._no_start(server) from exc

    async def _open(self, server: AppServer) -> None:
        """Open the thread of the run, and wait for its MCP servers."""
        servers = servers_of(self._execution, self._configured)
        self._starting = started(servers)
        method, params = thread_request(self._execution, servers)
        try:
            opened = await server.rpc.request(method, params)
        except RpcError as exc:
            raise ExecutorError(f"Codex could not open the thread: {_advice(exc)}") from exc
        except PeerGoneError as exc:
            raise await self._no_start(server) from exc
        match opened:
            case {"thread": {"id": str(thread_id), **thread}}:
                self._translation.thread_id = thread_id
                path = thread.get("path")
            case _:
                raise ExecutorError("Codex answered in an unknown form: install another version")
        if isinstance(path, str):
            self._rollout = Rollout(Path(path), thread_id)
            if method == "thread/resume":
                await self._rollout.skip()
        if self._starting:
            await within(SERVERS_SECONDS, self._are_started.wait())

    async def _begin(self, server: AppServer, prompt: str, prompt_id: str) -> None:
        """Give Codex the prompt. From then on it accepts further messages."""
        request = {
            "threadId": self._translation.thread_id,
            "input": [{"type": "text", "text": prompt}],
            "clientUserMessageId": prompt_id,
        }
        try:
            await server.rpc.request("turn/start", request)
        except RpcError as exc:
            raise ExecutorError(f"Codex did not take the prompt: {exc.message}") from exc
        except PeerGoneError as exc:
            raise await self._no_start(server) from exc

    async def _no_start(self, server: AppServer) -> ExecutorError:
        await server.close()
        why = server.last_lines(10) or "it ended without a word"
        return ExecutorError(f"Codex did not start: {why}")

    def _note_end(self) -> None:
        """Note that Codex has ended, for the tasks that wait."""
        self._is_over.set()
        self._are_started.set()

    async def _handle(self, message: Notification | Call) -> AsyncGenerator[Event, None]:
        if not message.method.lower().endswith("delta"):
            async for event in self._recorded():
                yield event
        if isinstance(message, Call):
            async for event in self._answer(message):
                yield event
            return
        for event in self._translation.of_notification(message):
            yield event
        self._note(message)

    def _note(self, message: Notification) -> None:
        """Note what waiting tasks wait for."""
        match message:
            case Notification(
                "mcpServer/startupStatus/updated", {"name": str(name), "status": str(status)}
            ):
                self._starting -= {name} if status in _STARTED else set()
                if not self._starting:
                    self._are_started.set()
            case Notification("serverRequest/resolved", {"requestId": int() | str() as call_id}):
                if task := self._asking.pop(call_id, None):
                    task.cancel()
        if self._translation.end is not None:
            self._is_over.set()

    async def _recorded(self) -> AsyncGenerator[Event, None]:
        """Yield the events that the rollout has now."""
        while self._rollout is not None and (items := await self._rollout.read()):
            for event in self._translation.of_rollout(items):
                yield event

    async def _answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """Answer a request of Codex, or ask a person in a task."""
        assert self._server is not None  # it has sent the request
        rpc = self._server.rpc
        if call.method not in questions.METHODS:
            await rpc.refuse(call)
            return
        asked = questions.asked_by(call, self._translation)
        if self._execution.ask is not None:
            work = self._decide(self._server, call, asked)
            self._asking[call.call_id] = self._messages.answer_later(call, work)
            return
        await self._reply(self._server, call, asked, Decision(verdict=Verdict.DENY))
        yield self._translation.denial(asked.item_id, asked.question.tool_name, NOT_ASKED)

    async def _decide(self, server: AppServer, call: Call, asked: Asked) -> None:
        """Give Codex the decision of a person. Cancelled if Codex no longer asks."""
        assert self._execution.ask is not None  # its caller has checked it
        decision = await self._execution.ask(asked.question)
        self._asking.pop(call.call_id, None)
        if decision.verdict in (Verdict.DENY, Verdict.TIMED_OUT):
            self._translation.was_refused = True
        if text := message_about(asked.question, decision):
            # A refusal of Codex has no text, and reads to the model like one by a person. The text
            # comes first, as the turn could end with the answer.
            with contextlib.suppress(RpcError, PeerGoneError):
                await server.rpc.request("turn/steer", self._steering(text, str(uuid.uuid4())))
        await self._reply(server, call, asked, decision)

    async def _reply(self, server: AppServer, call: Call, asked: Asked, decision: Decision) -> None:
        answer = questions.answer_to(call, asked, decision)
        if answer is None:
            await server.rpc.refuse(call, message="no person has answered")
        else:
            await server.rpc.answer(call, answer)

    def _withdraw_questions(self) -> None:
        for task in self._asking.values():
            task.cancel()
        self._asking.clear()

    async def _stop(self, server: AppServer) -> None:
        """Interrupt the turn, so that Codex records its end, and then stop all processes."""
        self._withdraw_questions()
        turn = {"threadId": self._translation.thread_id, "turnId": self._translation.turn_id}
        if self._translation.turn_id is not None:
            with contextlib.suppress(TimeoutError, RpcError, PeerGoneError):
                async with asyncio.timeout(INTERRUPT_SECONDS):
                    await server.rpc.request("turn/interrupt", turn)
                    await self._is_over.wait()
        server.end_input()
        await server.stop(self._grace)


def _advice(error: RpcError) -> str:
    """Return the message of an error, with what the person can do about it."""
    if "active writer" in error.message:
        return f"{error.message}; another Codex has it open: end it there, or use --fork NAME"
    if "no rollout found" in error.message:
        return f"{error.message}; its files are not on this machine: start another session"
    return error.message
