"""Executor for any agent that speaks version 1 of the Agent Client Protocol.

One run is one process of the agent. A message that comes while the agent works joins its turn, or
is its next turn, as its preset says. The run ends with the last turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Iterable
from functools import partial
from typing import cast

from ..events.event import Event
from ..events.prepare import create_event, storable, text_content
from ..executors.base import Execution, ExecutorError
from ..executors.event_reader import EventReader
from ..executors.permission_modes import effective_mode
from ..executors.questions import NOT_ASKED, Decision, Verdict, message_about
from ..machine.processes import Grace, within
from ..rpc.json_rpc import Call, Notification, PeerGoneError, RpcError
from ..rpc.message_reader import MessageReader
from ..transcripts.naming import name_conversation
from . import questions
from .connection import Connection
from .ending import death, session_stop, turn_failure
from .mcp_servers import McpServers
from .presets.preset import Grant, MidTurn, Mode, Preset
from .questions import CANCELLED, Asked, form_asked, granted, permission_asked
from .tool_calls import tool_name_in
from .translation import Translation

logger = logging.getLogger(__name__)

END_SECONDS = 5.0
"""Time for the agent to end after its input was closed."""
CANCEL_SECONDS = 3.0
"""Time for the agent to end its turn after it was cancelled."""
_CANCEL = Decision(verdict=Verdict.CANCELLED)
_DENIALS = {
    Verdict.DENY: "a person denied the call",
    Verdict.TIMED_OUT: "no person answered in time",
    Verdict.CANCELLED: "the question was cancelled",
}
"""Error of a call that was not allowed, if the decision gives no reason."""


class AcpExecutor:
    """Runs one agent once."""

    def __init__(self, execution: Execution, preset: Preset, *, grace: Grace | None = None) -> None:
        """Drive the agent of `preset`; `grace` sets how it is stopped."""
        self._execution = execution
        self._preset = preset
        self._grace = grace
        self._mode = Mode()
        """Set at the beginning of the run."""
        self._allowed: frozenset[str] = frozenset()
        """Names of tools whose calls need no permission."""
        self._connection: Connection | None = None
        self._asking: dict[asyncio.Task[None], tuple[Call, Asked]] = {}
        """The open questions, by the task that answers them: an agent can use an id twice."""
        self._kept: deque[tuple[str, str]] = deque()
        """Messages for the next turn, each with its id."""
        self._joined: set[asyncio.Task[None]] = set()
        """Prompts that have joined the running turn."""
        self._is_prompted = False
        """True from the prompt to the end of the last turn."""
        self._is_stopping = False
        self._turn_over = asyncio.Event()
        self._failure: str | None = None
        self._is_dead = False

    async def run(self, prompt: str) -> AsyncGenerator[Event, None]:
        """Run the turn of the prompt, and those of messages that came during it."""
        prompt, prompt_id = storable(prompt), str(uuid.uuid4())
        yield create_event("message", prompt_id, role="user", content=text_content(prompt))
        self._mode = _mode_of(self._execution, self._preset)
        self._translation = Translation(
            self._preset,
            prompt_id,
            known=self._execution.known_secrets,
            is_resume=self._execution.continues.resume,
        )
        servers = McpServers(self._execution, self._preset)
        self._allowed = servers.allowed
        connection = await Connection.start(self._execution, self._preset, self._mode, servers)
        self._connection = connection
        self._messages = MessageReader(connection.rpc, self._handle)
        try:
            async with contextlib.aclosing(self._events(connection, prompt)) as events:
                reader = EventReader(events, partial(self._begin_stop, connection))
                while (event := await reader.next()) is not None:
                    yield event
        finally:
            self._connection = None
            self._drop_questions()
            await connection.close()
        for event in (*self._translation.last_events(), *connection.notes()):
            yield event
        for event in self._untold():
            yield event
        if reader.is_stopped:
            raise asyncio.CancelledError
        if self._is_dead:
            self._failure = death(self._preset, connection, self._messages.breakdown)
        yield session_stop(connection, self._failure)

    async def send(self, text: str, message_id: str, *, may_wait: bool = True) -> bool:
        """Add a message to the running turn, or keep it for the next one.

        The agent answers a prompt that joins a turn only at the end of the turn, or refuses it.
        """
        connection = self._connection
        if connection is None or not self._is_prompted or self._is_stopping:
            raise ExecutorError("the agent accepts no messages: it has not started or has finished")
        if self._preset.mid_turn is MidTurn.JOIN and not self._turn_over.is_set():
            joining = asyncio.create_task(self._join(connection, storable(text), message_id))
            self._joined.add(joining)
            joining.add_done_callback(self._joined.discard)
            self._translation.usage.note_joined()
        elif not may_wait:
            raise ExecutorError("the agent takes a message only as its next turn")
        else:
            self._kept.append((storable(text), message_id))
        return False

    async def _join(self, connection: Connection, text: str, message_id: str) -> None:
        """Give the agent a second prompt. If it refuses it, the message is the next turn."""
        try:
            await connection.prompt(text)
        except Exception as exc:  # any error: the message must not be lost with its task
            if not isinstance(exc, RpcError | PeerGoneError):
                logger.exception("a message could not join the turn")
            self._kept.append((text, message_id))

    async def _events(self, connection: Connection, prompt: str) -> AsyncGenerator[Event, None]:
        """Yield the events until the agent has ended."""
        async with contextlib.aclosing(self._messages) as messages:
            try:
                self._translation.is_replaying = self._execution.continues.resume
                async for event in messages.until(connection.open(self._mode)):
                    yield event
                self._translation.is_replaying = False
                self._translation.session_id = connection.session_id
                if note := connection.note_on_servers():
                    yield create_event("diagnostic", content=text_content(note))
                await name_conversation(self._execution.mirror, connection.session_id)
                if connection.session_id != self._execution.continues.conversation_id:
                    yield create_event("conversation", conversation_id=connection.session_id)
                texts = self._first_texts(prompt)
                while texts:
                    async for event in self._turn(connection, texts):
                        yield event
                    texts = self._next_texts()
                self._is_prompted = False
                connection.end_input()
                async for event in messages.until(within(END_SECONDS, connection.wait())):
                    yield event
            finally:
                self._is_prompted = False

    def _first_texts(self, prompt: str) -> list[str]:
        """Return the texts of the first prompt. The protocol has no place for instructions."""
        agent = self._execution.spec.agent
        is_new = not self._execution.continues.resume
        instructions = agent.system_prompt if agent and is_new else None
        return [instructions, prompt] if instructions else [prompt]

    def _next_texts(self) -> list[str]:
        if self._is_stopping or self._is_dead or self._failure is not None:
            return []
        texts = [text for text, _ in self._kept]
        self._kept.clear()
        return texts

    async def _turn(self, connection: Connection, texts: list[str]) -> AsyncGenerator[Event, None]:
        """Yield the events of one turn, and note why it failed."""
        self._translation.begin_turn()
        self._turn_over.clear()
        self._is_prompted = True
        work = asyncio.ensure_future(connection.prompt(*texts))
        work.add_done_callback(lambda _: self._turn_over.set())
        answer = None
        try:
            async for event in self._messages.until(work):
                yield event
            answer = work.result()
            while self._joined:  # the agent answers them with the turn that they have joined
                async for event in self._messages.until(_all_of(self._joined)):
                    yield event
        except RpcError as exc:
            self._failure = f"{self._preset.agent} failed: {connection.advice(exc)}"
        except PeerGoneError:
            self._is_dead = True
        self._drop_questions()
        if answer is None:
            for event in self._translation.last_events():
                yield event
            return
        for event in self._translation.end_turn(answer):
            yield event
        failure = turn_failure(self._preset, self._translation, answer)
        # A refusal with a text ends a turn too: the text is the next one.
        if not (self._kept and self._translation.was_refused):
            self._failure = failure

    async def _handle(self, message: Notification | Call) -> AsyncGenerator[Event, None]:
        translation = self._translation
        match message:
            case Notification("session/update", params):
                for event in translation.of_update(params):
                    yield event
            case Notification(method, params):
                for event in translation.of_notification(method, params):
                    yield event
            case Call(_, questions.PERMISSION, _):
                async for event in self._answer(message):
                    yield event
            case Call(_, questions.FORM, {"mode": "form"}) if self._can_ask:
                async for event in self._show_form(message):
                    yield event
            case Call():
                assert self._connection is not None  # it has sent the request
                await self._connection.rpc.refuse(message)

    async def _answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """Answer a request for permission, or ask a person in a task."""
        connection = self._connection
        assert connection is not None  # it has sent the request
        told = call.params.get("toolCall")
        told = told if isinstance(told, dict) else {}
        for event in self._translation.flush():
            yield event
        tool_call, events = self._translation.calls.asked(told)
        for event in events:
            yield event
        asked = permission_asked(call.params, tool_call)
        if self._is_stopping:
            await connection.rpc.answer(call, CANCELLED)
            return
        is_own = tool_name_in(told, self._preset.tool_names) in self._allowed
        grant = Grant.ALL if is_own else self._mode.grant
        project = self._execution.spec.project_dir
        answer = granted(asked.question.choices, tool_call, grant, project)
        if answer is not None:
            await connection.rpc.answer(call, answer)
        elif self._can_ask:
            self._ask(connection, call, asked)
        else:
            tool_call.denial = NOT_ASKED
            await self._reply(connection, call, asked, Decision(verdict=Verdict.DENY))
            yield create_event(
                "permission_denied",
                tool_name=tool_call.name,
                tool_use_id=tool_call.tool_use_id or None,
                error=NOT_ASKED,
            )

    async def _show_form(self, call: Call) -> AsyncGenerator[Event, None]:
        """Ask a person in a task to fill a form."""
        connection = self._connection
        assert connection is not None  # it has sent the request
        for event in self._translation.flush():
            yield event
        tool_call, call_id = None, call.params.get("toolCallId")
        if isinstance(call_id, str) and call_id:
            tool_call, events = self._translation.calls.asked({"toolCallId": call_id})
            for event in events:
                yield event
        asked = form_asked(call.params, tool_call)
        if self._is_stopping:
            await connection.rpc.answer(call, asked.answer(_CANCEL))
        else:
            self._ask(connection, call, asked)

    @property
    def _can_ask(self) -> bool:
        return self._mode.asks and self._execution.ask is not None

    def _ask(self, connection: Connection, call: Call, asked: Asked) -> None:
        task = self._messages.answer_later(call, self._decide(connection, call, asked))
        self._asking[task] = call, asked
        task.add_done_callback(lambda done: self._asking.pop(done, None))

    async def _decide(self, connection: Connection, call: Call, asked: Asked) -> None:
        """Give the agent the decision of a person. Cancelled if the question is dropped."""
        assert self._execution.ask is not None  # its caller has checked it
        decision = await self._execution.ask(asked.question)
        self._asking.pop(cast("asyncio.Task[None]", asyncio.current_task()), None)
        if text := message_about(asked.question, decision):
            # A refusal has no text, and reads to the model like one by a person.
            self._kept.append((text, str(uuid.uuid4())))
        if asked.call is not None and decision.verdict in _DENIALS:
            asked.call.denial = decision.text or _DENIALS[decision.verdict]
        await self._reply(connection, call, asked, decision)

    async def _reply(
        self, connection: Connection, call: Call, asked: Asked, decision: Decision
    ) -> None:
        answer = asked.answer(decision)
        if decision.verdict not in (Verdict.ALLOW, Verdict.ANSWERED):
            self._translation.refuse()
        await connection.rpc.answer(call, answer or CANCELLED)
        if answer is None:  # the agent has no option to refuse one call only
            self._translation.calls.is_cancelled = True
            await connection.cancel()

    def _drop_questions(self) -> list[tuple[Call, Asked]]:
        """End all open questions; return those that have no answer."""
        dropped = [*self._asking.values()]
        for task in self._asking:
            task.cancel()
        self._asking.clear()
        return dropped

    def _begin_stop(self, connection: Connection) -> Awaitable[None]:
        self._is_stopping = True
        return self._stop(connection)

    async def _stop(self, connection: Connection) -> None:
        """Cancel the turn, so that the agent records its end, and then stop all processes."""
        self._translation.calls.is_cancelled = True
        # An agent that waits for an answer does not see that its turn is cancelled.
        for call, asked in self._drop_questions():
            await connection.rpc.answer(call, asked.answer(_CANCEL))
        if self._is_prompted:
            await connection.cancel()
            await within(CANCEL_SECONDS, self._turn_over.wait())
            connection.end_input()
            await within(CANCEL_SECONDS, connection.wait())
        await connection.stop(self._grace)

    def _untold(self) -> list[Event]:
        """Return an event for each message that the agent never got."""
        return [
            create_event(
                "diagnostic",
                content=text_content(f"the run ended before the agent got the message: {text}"),
            )
            for text, _ in self._kept
        ]


def _mode_of(execution: Execution, preset: Preset) -> Mode:
    spec = execution.spec
    name = effective_mode(spec.executor, spec.permission_mode, spec.agent)
    mode = preset.modes.get(name)
    if mode is None:
        known = ", ".join(preset.modes)
        raise ExecutorError(f"{preset.agent} has no permission mode {name!r}; it has {known}")
    return mode


async def _all_of(tasks: Iterable[asyncio.Task[None]]) -> None:
    await asyncio.wait(set(tasks))
