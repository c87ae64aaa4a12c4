"""What an executor is: code that drives one kind of coding agent for one run.

An executor turns an agent's own output into events. It knows nothing of the manager, of names or
of leases: whoever drives it records what it yields.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..agents.agent import Agent
from ..events.event import Event

if TYPE_CHECKING:  # who only names an executor needs nothing of processes
    from ..machine.processes import Spared


class ExecutorError(Exception):
    """The agent cannot be started; the text says what the person can do about it."""


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """What is to be run, by the person's choice: all that a resume repeats."""

    executor: str
    project_dir: Path
    agent: Agent | None = None
    model: str | None = None
    permission_mode: str | None = None
    command: tuple[str, ...] = ()
    """Program and arguments; only the `command` executor has one."""
    transcripts: bool = True
    """Whether the manager is to keep the agent's own record."""


@dataclass(frozen=True, kw_only=True)
class Continuation:
    """Which conversation a run goes on with; by default with none."""

    resume: bool = False
    """Whether it is that of an earlier run of this session."""
    fork_of: str | None = None
    """The session whose conversation this one begins with, and which stays as it is."""
    conversation_id: str | None = None
    """The agent's own id of the conversation, where it is not the session's."""


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What an executor needs for one run, beside the prompt."""

    session_id: str
    spec: RunSpec
    continues: Continuation = Continuation()
    environment: dict[str, str] = field(default_factory=dict)
    """The whole environment of the agent, not additions to ours.

    An executor adds only what its agent or the stopping of its processes needs; nothing of our own
    environment is inherited.
    """
    mirror: object | None = None
    """What takes the agent's own record as it grows: a `SessionStore` of the Agent SDK."""
    spared: Spared = frozenset
    """Tells the pids that stopping this run must not touch."""
    known_secrets: Mapping[str, str] = field(default_factory=dict)
    """Secrets of which the text is known, each with its kind: masked in what the agent writes."""


class Executor(Protocol):
    """Drives one agent through one run. The promises, which the executor tests carry by number.

    1. The first event is the `message` with `role` `user` that holds the prompt.
    2. Events are yielded as they happen, in the order in which they happened.
    3. Each has an `event_id`, unique over all runs of the session and made by the agent where the
       fact has an id there, a `timestamp` (UTC, ISO 8601), and is fit to be sent and stored.
    4. A tool call is one `pre_tool` and one `post_tool`, paired by `tool_use_id`; a failed, denied
       or unfinished call has its `error` in the `post_tool`.
    5. The last event is `session_stop` with `exit_code` and `reason` (`completed`, `failed` or
       `budget`), and with `error` where it failed. Nothing comes after it.
    6. An agent that cannot be started raises `ExecutorError`; what was yielded before stands.
    7. Closing the iterator early (`aclose()`, or cancelling the task that waits for the next event)
       stops the agent: when it returns, no process of the run is left. A wait that is cancelled may
       yield what the agent had said until then before it raises `CancelledError`.
    8. A message in several events has one id in all but its first: `continues`, which is the
       `event_id` of the first. Their texts are one text.
    """

    def run(self, prompt: str) -> AsyncGenerator[Event, None]:
        """Run one turn and yield its events; an executor serves one run."""
        ...

    async def send(self, text: str, message_id: str) -> None:
        """Give the agent one more message while it works; it takes it up when it can.

        Raises:
            ExecutorError: it takes none, or none any more.
        """
        ...
