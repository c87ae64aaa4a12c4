"""The assignment of a supervisor: all data for one run, passed on its stdin.

Other users or the agent could read it in the arguments or the environment.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..agents.agent import Agent
from ..executors.base import Continuation, RunSpec

if TYPE_CHECKING:  # needed for the type only
    from .registry import RegisteredRun

READY = "ready"
"""Answer of a supervisor that has taken over the run. Any other answer says why it has not."""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One run, created at the manager and leased to `holder` for `term_seconds` at a time."""

    url: str
    session_id: str
    session_name: str
    run: int
    holder: str
    term_seconds: float
    prompt: str
    spec: RunSpec
    environment: dict[str, str]
    continues: Continuation = Continuation()
    cursor: str | None = None
    """Cursor of the session when the run was opened. All events of the run come after it."""
    timeout_seconds: float | None = None
    parent_session_id: str | None = None
    run_token: str | None = field(default=None, repr=False)
    """Token of the supervisor; None if an older manager issued no token."""
    agent_token: str | None = field(default=None, repr=False)
    """Token of the agent."""
    notice_batch: str | None = None
    """The notices before the prompt, by the id of their batch."""
    is_automatic: bool = False
    """True if the run was opened for its notices only."""
    control_token: str | None = field(default=None, repr=False)
    """Token that the user has set for a remote manager. A supervisor does not inherit it."""

    def registration(self, marker: str, *, waits: bool = False) -> RegisteredRun:
        """Return the entry of the run in the registry, for a supervisor that is this process."""
        from .registry import RegisteredRun  # late: a command only makes the assignment

        return RegisteredRun(
            session_id=self.session_id,
            session_name=self.session_name,
            project_dir=str(self.spec.project_dir),
            run=self.run,
            pid=os.getpid(),
            marker=marker,
            parent_session_id=self.parent_session_id,
            waits=waits,
        )

    def to_json(self) -> str:
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Assignment:
        fields = json.loads(text)
        continues = Continuation(**fields.pop("continues"))
        return cls(**fields | {"spec": spec_from(fields["spec"]), "continues": continues})


def spec_from(fields: dict[str, Any]) -> RunSpec:
    """Return the spec whose fields were sent as JSON."""
    return RunSpec(
        **{
            **fields,
            "project_dir": Path(fields["project_dir"]),
            "agent": _agent(fields["agent"]),
            "command": tuple(fields["command"]),
        }
    )


def _agent(fields: dict[str, Any] | None) -> Agent | None:
    if fields is None:
        return None
    tools = fields["tools"]
    return Agent(
        **{
            **fields,
            "source": Path(fields["source"]),
            "command": tuple(fields["command"]),
            "tools": None if tools is None else tuple(tools),
            "disallowed_tools": tuple(fields["disallowed_tools"]),
        }
    )
