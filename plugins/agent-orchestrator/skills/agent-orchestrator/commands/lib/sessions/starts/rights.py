"""The rights of a session that an agent starts or resumes: never more than those of the agent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...executors.base import RunSpec
from ...executors.permission_modes import UNLIMITED, effective_mode, is_at_most
from ..errors import SessionUsageError
from .plan import executor_of


def limited(spec: RunSpec, parent: RunSpec) -> RunSpec:
    """Return the spec with at most the permission mode of its parent.

    Raises:
        SessionUsageError: the run would start programs that the parent could have chosen.
    """
    limit = effective_mode(parent.executor, parent.permission_mode, parent.agent)
    if limit == UNLIMITED:
        return spec
    _refuse_programs(spec, parent.project_dir)
    mode = effective_mode(spec.executor, spec.permission_mode, spec.agent)
    if spec.executor == "command" or is_at_most(mode, limit):
        return spec
    return replace(spec, permission_mode=limit)


def _refuse_programs(spec: RunSpec, writable: Path) -> None:
    """Refuse programs that come from a directory in which the parent can write.

    An agent that may edit files could write an agent definition, and start the program in it.
    """
    agent = spec.agent
    takes_program = executor_of(spec.executor).takes_program
    if takes_program and (agent is None or spec.command != agent.command):
        raise SessionUsageError(
            "an agent cannot start a program as a session: a person can, with ao-new or ao-resume"
        )
    has_programs = agent is not None and (takes_program or agent.mcp_servers)
    if agent and has_programs and agent.source.resolve().is_relative_to(writable.resolve()):
        raise SessionUsageError(
            f"the agent definition {agent.name!r} starts programs, and is in the project, where an "
            "agent could have written it: ask the person to start this session, or to move the "
            "definition into their own agents directory"
        )
