"""The spec of a run: checked before anything is created, and stored so that it can be repeated."""

from __future__ import annotations

from typing import Any

from ...agents.agent import Agent, AgentError
from ...agents.find import find_agent
from ...client.manager import Json
from ...config import Config
from ...executors.ask_policy import DENY, parse_policy
from ...executors.base import ExecutorError, RunSpec
from ...executors.permission_modes import effective_mode
from ...machine.environment import ENV_ASK, claude_dir, given_ask, given_project_dir, state_dir
from ...machine.ownership import find_doubt_below
from ...runs.executor_table import ExecutorKind, find_executor
from ...runs.seal import Spec, digest, fingerprint, seal
from ...shared.masking import Masking
from ..errors import SessionUsageError


def load_agent(name: str | None, config: Config) -> Agent | None:
    """Return the agent of this name, or None if no name is given.

    Raises:
        SessionUsageError: no agent has this name, or its definition cannot be read.
    """
    if name is None:
        return None
    try:
        return find_agent(
            name,
            agents_dir=config.agents_dir,
            project_dir=config.project_dir,
            claude_dir=claude_dir(),
        )
    except AgentError as exc:
        raise SessionUsageError(str(exc)) from exc


def executor_of(name: str) -> ExecutorKind:
    """Return the executor of this name.

    Raises:
        SessionUsageError: no executor has this name.
    """
    try:
        return find_executor(name)
    except ExecutorError as exc:
        raise SessionUsageError(str(exc)) from exc


def check(spec: RunSpec, prompt: str) -> None:
    """Check that a spec and a prompt can become a run.

    Raises:
        SessionUsageError: the executor is unknown, lacks its program or its prompt, cannot ask, or
            does not have a given limit, a permission mode or the limits of an agent's tools.
    """
    kind = executor_of(spec.executor)
    has_limit = spec.max_cost is not None or spec.max_turns is not None
    if has_limit and not kind.has_limits:
        raise SessionUsageError(
            f"--max-cost and --max-turns are limits of Claude Code: the {kind.name} executor "
            "has only --timeout"
        )
    if spec.ask != DENY and not kind.can_ask:
        raise SessionUsageError(
            f"--ask is for agents that can ask: the {kind.name} executor never asks a person"
        )
    if kind.takes_program and not spec.command:
        raise SessionUsageError(f"the {kind.name} executor needs a program: … -- PROGRAM ARG…")
    if spec.command and not kind.takes_program:
        raise SessionUsageError(f"-- PROGRAM goes with --executor command or acp, not {kind.name}")
    if kind.needs_prompt and not prompt:
        raise SessionUsageError("no prompt: give one with -p TEXT or on stdin")
    _check_permissions(spec, kind)


def _check_permissions(spec: RunSpec, kind: ExecutorKind) -> None:
    agent = spec.agent
    mode = effective_mode(spec.executor, spec.permission_mode, agent)
    if mode not in kind.permission_modes:
        raise SessionUsageError(
            f"{kind.agent} has no permission mode {mode}: choose one with --permission-mode "
            f"{', '.join(kind.permission_modes)}"
        )
    if agent and not kind.can_limit_tools and (agent.tools is not None or agent.disallowed_tools):
        raise SessionUsageError(
            f"agent {agent.name!r} limits its tools, and {kind.agent} cannot: remove `tools` from "
            f"{agent.source}, or use --executor claude"
        )


def usual_ask(kind: ExecutorKind) -> str:
    """Return the person's own default for `RunSpec.ask`.

    Raises:
        SessionUsageError: the environment variable is not valid.
    """
    given = given_ask()
    if given is None or not kind.can_ask:
        return DENY
    try:
        return parse_policy(given)
    except ValueError as exc:
        raise SessionUsageError(f"{ENV_ASK}: {exc}") from exc


def refuse_doubtful(spec: RunSpec, *, is_named: bool) -> None:
    """Refuse a run whose programs another user could have chosen, unless the project was named.

    Raises:
        SessionUsageError: another user can change a file of the project that decides what runs.
    """
    if is_named or given_project_dir() is not None:
        return
    project = spec.project_dir
    paths = [project / name for name in executor_of(spec.executor).trusted_files]
    if spec.agent is not None:
        paths.append(spec.agent.source)
    for path in paths:
        if doubt := find_doubt_below(project, path):
            raise SessionUsageError(
                f"{doubt}, so others can choose programs that run as you; check it, then name the "
                f"project to use it anyway: --project-dir {project}"
            )


def sealed(spec: RunSpec, session: Json, *, asked: str | None = None) -> Spec:
    """Return the sealed spec that is stored with this run, so that a resume can repeat the run.

    Credentials are masked. `session` is the session at the start of this run. If the session has
    changed when it is resumed, the resume asks the person. `asked` is the manager's digest of the
    text for which an agent has asked it to start the run.
    """
    state = state_dir()
    record: Spec = {
        "executor": spec.executor,
        "agent": spec.agent.name if spec.agent else None,
        "project_dir": str(spec.project_dir),
        "model": spec.model,
        "permission_mode": spec.permission_mode,
        "command": list(spec.command),
        **({} if spec.transcripts else {"transcripts": False}),
        **({} if spec.mcp else {"mcp": False}),
        **({} if spec.max_cost is None else {"max_cost": spec.max_cost}),
        **({} if spec.max_turns is None else {"max_turns": spec.max_turns}),
        **({} if spec.ask == DENY else {"ask": spec.ask}),
    }
    record = {
        **Masking().value(record),
        "agent_digest": fingerprint(spec.agent, state),
        **executor_digest(spec.executor),
        "session": session_fields(session),
        **({} if asked is None else {"asked": asked}),
    }
    return seal(record, session_id=session["session_id"], run=session["run"], state_dir=state)


def executor_digest(executor: str) -> dict[str, str]:
    """Return the digest of the definition of an executor that the user has added, for a spec."""
    definition = find_executor(executor).definition
    return {} if definition is None else {"executor_digest": digest(definition, state_dir())}


def session_fields(session: Json) -> dict[str, Any]:
    """Return the fields of a session that affect its runs and that others can change."""
    return {name: session[name] for name in ("agent_name", "executor", "project_dir")}
