"""The interface of executors: code that drives one kind of coding agent for one run.

An executor turns an agent's own output into events. It does not depend on the manager, on names or
on leases. Its caller records the events that it yields.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..agents.agent import Agent
from ..events.event import Event
from .ask_policy import DENY
from .mcp_server import McpServer

if TYPE_CHECKING:  # needed for the types only
    from ..machine.processes import Spared
    from .questions import Ask


class ExecutorError(Exception):
    """The agent cannot be started; the text says what the user can do about it."""


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """The user's choices for a run. A resume repeats all of them but the limits."""

    executor: str
    project_dir: Path
    agent: Agent | None = None
    model: str | None = None
    permission_mode: str | None = None
    command: tuple[str, ...] = ()
    """Program and arguments, for the `command` executor only."""
    transcripts: bool = True
    """True if the manager should keep the agent's transcript."""
    max_cost: float | None = None
    """Limit of the cost of this run in US dollars; only Claude Code has one."""
    max_turns: int | None = None
    """Limit of the answers of the model in this run; only Claude Code has one."""
    ask: str = DENY
    """How long the agent's questions wait for a person: see `waiting_seconds`."""
    mcp: bool = True
    """True if the agent gets the orchestrator's MCP server."""


@dataclass(frozen=True, kw_only=True)
class Continuation:
    """The conversation that a run continues; by default it begins a new one."""

    resume: bool = False
    """True to continue the conversation of an earlier run of this session."""
    fork_of: str | None = None
    """The session whose conversation is copied to begin with; it stays unchanged itself."""
    conversation_id: str | None = None
    """The agent's own id of the conversation, if it differs from the session's id."""


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Everything that an executor needs for one run, except the prompt."""

    session_id: str
    spec: RunSpec
    continues: Continuation = Continuation()
    environment: dict[str, str] = field(default_factory=dict)
    """The whole environment of the agent; nothing of our own environment is inherited.

    An executor adds only the variables that its agent or the stopping of its processes needs.
    """
    mirror: object | None = None
    """Receives the agent's transcript as it grows: a `SessionStore` of the Agent SDK."""
    spared: Spared = frozenset
    """Returns the process ids that stopping this run must not signal."""
    known_secrets: Mapping[str, str] = field(default_factory=dict)
    """Secrets whose text is known, each with its kind. They are masked in the agent's output."""
    ask: Ask | None = None
    """Asks a person; None: no person is asked, and what needs a permission is denied at once."""
    mcp: McpServer | None = None
    """The orchestrator's MCP server for this agent; None: the agent does not get it."""


class Executor(Protocol):
    """Drives one agent through one run. The executor tests refer to these promises by number.

      1. The first event is the `message` with `role` `user` that holds the prompt.
     2. Events are yielded as they happen, in the order in which they happened.
     3. Each event has a `timestamp` (UTC, ISO 8601) and an `event_id`, and can be sent and stored.
        The id is unique over all runs of the session. If the agent has an id for the fact, the
        `event_id` is made from it.
     4. A tool call is one `pre_tool` and one `post_tool`, paired by `tool_use_id`; a failed, denied
        or unfinished call has its `error` in the `post_tool`.
     5. The last event is `session_stop` with `exit_code` and `reason` (`completed`, `failed` or
        `budget`), and with `error` if it failed. Nothing comes after it.
     6. If the agent cannot be started, `ExecutorError` is raised. Events yielded before it stay
        valid.
     7. Closing the iterator early (`aclose()`, or cancelling the task that waits for the next
        event) stops the agent. When it returns, no process of the run is left. A cancelled wait may
        first yield the earlier output of the agent, before it raises `CancelledError`.
     8. If a message is in several events, all but the first have `continues`, the `event_id` of the
        first. Their texts are one text.
     9. With `Execution.ask`, each question of the agent is asked once, and the agent gets each
        decision once. Events continue while a question is open. Without it, what would be asked is
        denied, with a `permission_denied`. An executor allows nothing more than the permission mode
        does.
    10. If the agent gives its conversation an id of its own, a `conversation` event with it comes
        before the agent has the prompt.
    """

    def run(self, prompt: str) -> AsyncGenerator[Event, None]:
        """Run one turn and yield its events. An executor serves one run."""
        ...

    async def send(self, text: str, message_id: str, *, may_wait: bool = True) -> bool:
        """Send the agent one more message while it works. The agent handles it when it can.

        Returns whether it is sure that the agent has it. If not, it has it if the run is completed.

        Raises:
            ExecutorError: the agent does not accept messages, or no longer accepts them; or the
                message would have to wait here for the next turn, and `may_wait` is false.
        """
        ...
