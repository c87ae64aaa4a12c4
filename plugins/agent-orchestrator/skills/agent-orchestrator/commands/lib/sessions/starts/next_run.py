"""The plan of a session's next run, from the spec of the last run and the person's values.

The spec comes from the manager, to which other people and agents write. So the values are taken
from the sealed spec of the last run as a whole, and none from the session. If the seal is not valid
or the session has changed since, the person must give the directory, the agent and the program.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from ...client.manager import Json, ManagerClient
from ...client.read.events import newest_events
from ...config import load_config
from ...executors.ask_policy import DENY
from ...executors.base import Continuation, RunSpec
from ...machine.environment import home, state_dir, variables
from ...machine.wire_text import from_wire
from ...runs.conversations import find_conversation
from ...runs.executor_table import DEFAULT_EXECUTOR, ExecutorKind
from ...runs.seal import CONVERSATION, fingerprint, is_ours
from ...runs.stop import clear_dead, request_stop
from ...shared.masking import is_masked
from ..errors import SessionUsageError
from ..follow import wait_for
from ..resolve import is_by_hand
from .plan import executor_digest, executor_of, load_agent, session_fields, usual_ask

TAKEOVER_SECONDS = 15.0
"""Time for the earlier run to stop in a takeover; then it loses its lease."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """The values that the person gives for the next run; by default, as in the last run."""

    project_dir: Path | None = None
    agents_dir: str | None = None
    agent: str | None = None
    """The name of the agent; an empty text for no agent."""
    program: tuple[str, ...] = ()
    model: str | None = None
    permission_mode: str | None = None
    ask: str | None = None


def plan_next(manager: ManagerClient, session: Json, given: Given) -> RunSpec:
    """Return the spec of the next run.

    Raises:
        SessionUsageError: the last run cannot be repeated unchanged; the message describes it.
    """
    session_id = session["session_id"]
    last = manager.list_runs(session_id)[-1]
    sent: dict[str, Any] = last["spec"] if isinstance(last["spec"], dict) else {}
    spec: dict[str, Any] = from_wire(sent)
    if not is_ours(sent, session_id=session_id, run=last["run"], state_dir=state_dir()):
        doubt = "you did not start its last run on this machine, or the record of it was changed"
        return _confirmed(session, spec, given, doubt)
    if spec["session"] != session_fields(session):
        return _confirmed(session, spec, given, "it was changed since its last run was started")
    executor_of(spec["executor"])
    if executor_digest(spec["executor"]).get("executor_digest") != spec.get("executor_digest"):
        doubt = f"the definition of the executor {spec['executor']} was changed since its last run"
        return _confirmed(session, spec, given, doubt)
    return _repeated(spec, given)


def _repeated(spec: Mapping[str, Any], given: Given) -> RunSpec:
    """Return the spec of the last run, with the person's changes."""
    where = given.project_dir or Path(spec["project_dir"])
    if not where.is_dir():
        raise SessionUsageError(
            f"the session's project {where} is not on this machine: say where it is with "
            "--project-dir"
        )
    plan = _base(spec, given, where, spec["agent"])
    if given.agent is None and fingerprint(plan.agent, state_dir()) != spec["agent_digest"]:
        raise SessionUsageError(
            f"the definition of agent {spec['agent']!r} was changed since the last run: give "
            f"--agent {spec['agent']} to use the new definition"
        )
    if given.agent is None or given.program:
        command = given.program or tuple(spec["command"])
        plan = replace(plan, executor=spec["executor"], command=command)
    if is_masked(plan.command):
        raise SessionUsageError(
            "a credential in the program's arguments was masked and is not kept: give the "
            "program again: … -- PROGRAM ARG…"
        )
    return replace(
        plan,
        model=given.model or spec["model"],
        permission_mode=given.permission_mode or spec["permission_mode"],
        ask=given.ask or (spec.get("ask", DENY) if executor_of(plan.executor).can_ask else DENY),
    )


def _confirmed(session: Json, spec: Mapping[str, Any], given: Given, doubt: str) -> RunSpec:
    """Return a spec made only of the values that the person gives."""
    kind = executor_of(str(spec.get("executor") or session["executor"] or DEFAULT_EXECUTOR))
    agent = spec.get("agent") or session["agent_name"]
    missing = [
        *(["--project-dir DIR"] if given.project_dir is None else []),
        *(["--agent NAME (or '' for none)"] if agent and given.agent is None else []),
        *(["-- PROGRAM ARG…"] if _needs_program(kind, given) else []),
    ]
    if missing or given.project_dir is None:
        where = spec.get("project_dir") or session["project_dir"] or "an unknown directory"
        raise SessionUsageError(
            f"session {session['session_name']!r}: {doubt}. Its record says to run "
            f"{_described(kind, agent, spec.get('command'))} in {where}. To run that or "
            f"something else, give also: {' '.join(missing)}"
        )
    plan = _base({**spec, "executor": kind.name}, given, given.project_dir, None)
    return replace(
        plan,
        model=given.model,
        permission_mode=given.permission_mode,
        ask=given.ask or usual_ask(executor_of(plan.executor)),
    )


def _needs_program(kind: ExecutorKind, given: Given) -> bool:
    return kind.takes_program and not given.program and not given.agent


def _base(spec: Mapping[str, Any], given: Given, where: Path, agent_name: str | None) -> RunSpec:
    """Return a spec for the given agent and program; the default agent is `agent_name`."""
    name = agent_name if given.agent is None else given.agent or None
    agent = load_agent(name, load_config(str(where), None, given.agents_dir))
    command = given.program or (agent.command if agent else ())
    # An agent that names no executor keeps the executor that has the conversation.
    last = executor_of(spec["executor"])
    kept = DEFAULT_EXECUTOR if last.takes_program else last.name
    with_program = last.name if last.takes_program else "command"
    return RunSpec(
        project_dir=where,
        executor=with_program if given.program else (agent and agent.executor) or kept,
        agent=agent,
        command=command,
        # Also taken from a spec without a valid seal: storing less reveals nothing.
        transcripts=spec.get("transcripts") is not False,
        mcp=spec.get("mcp") is not False,
    )


def _described(kind: ExecutorKind, agent: object, command: object) -> str:
    """Return a description of a spec for the person, who must confirm it."""
    what = kind.agent
    if isinstance(command, list) and command:
        what = f"the program `{shlex.join(map(str, command))}`"
    return f"{what} as the agent {agent!r}" if agent else what


def find_continuation(
    manager: ManagerClient, session: Json, executor: str, *, is_fork: bool
) -> Continuation:
    """Return the conversation that the next run of this session, or of its fork, continues.

    Raises:
        SessionUsageError: the executor cannot continue it, here or as another session.
    """
    kind = executor_of(executor)
    if is_fork and not kind.can_fork:
        raise SessionUsageError(
            f"{kind.agent} cannot copy a conversation: resume the session without --fork, or start "
            "another one with ao-new"
        )
    conversation_id = find_conversation(
        manager,
        session["session_id"],
        state_dir=state_dir(),
        is_here=kind.has_conversation,
        keeps_transcript=kind.keeps_transcript,
    )
    is_there = conversation_id is not None or _has_first(manager, session, kind)
    if is_there and kind.continue_with:
        command = kind.continue_with.replace("{id}", conversation_id or session["session_id"])
        raise SessionUsageError(
            f"{kind.agent} loses a conversation that is resumed from outside: continue it in a "
            f"terminal with `{command}`, or start another session with ao-new"
        )
    if is_fork:
        fork_of = session["session_id"] if is_there else None
        return Continuation(fork_of=fork_of, conversation_id=conversation_id)
    return Continuation(resume=is_there, conversation_id=conversation_id)


def _has_first(manager: ManagerClient, session: Json, kind: ExecutorKind) -> bool:
    """Return whether a conversation has the id of the session: an agent that never started has
    none.

    Claude Code stores a conversation from its first prompt on, answered or not. It refuses to begin
    another conversation with the same id.
    """
    if kind.has_conversation is not None and kind.has_conversation(session["session_id"]):
        return True
    if kind.names_conversations:
        if newest_events(manager, session["session_id"], CONVERSATION):
            raise SessionUsageError(
                f"the conversation of session {session['session_name']!r} is not on this machine: "
                f"resume it on {session['host'] or 'the machine of its last run'}"
            )
        return False
    return any(
        event["event_type"] not in ("session_stop", "diagnostic", "stderr")
        and event.get("role") != "user"
        for event in manager.iterate_events(session["session_id"])
    )


def make_room(manager: ManagerClient, session: Json, *, takeover: bool) -> None:
    """Make sure that no agent of an earlier run is left on this machine."""
    clear_dead(manager, session, state_dir())
    if not takeover or session["status"] != "running" or is_by_hand(session):
        return
    if request_stop(manager, session, state_dir()):
        list(
            wait_for(manager, [session], timeout_seconds=TAKEOVER_SECONDS, on_outage=lambda _: None)
        )
        clear_dead(manager, session, state_dir())


def find_process(session: Json, executor: str, continues: Continuation) -> str | None:
    """Return the process in which a person has a conversation open on this machine, if any.

    It waits for a prompt, or works. Claude Code itself lets two processes write to a conversation.
    """
    # Late: only a resume needs it.
    from ...history.importer.sources.format_table import all_formats

    own = continues.conversation_id or session["session_id"]
    form: Any = all_formats().get(executor)
    roots = form.roots(home(), variables()) if hasattr(form, "open_sessions") else []
    for each in chain.from_iterable(form.open_sessions(root) for root in roots):
        if each.session_id == own and not each.is_driven:
            return str(each.process)
    return None
