"""Orders to start or resume a session, as tools get them, and the program that carries out one.

The program is for the order of an agent. It reads it as JSON on stdin and prints the outcome. Its
environment is that of the agent, so it has only the rights of the agent, and the new session
inherits what `ao-new` would pass on.
"""

from __future__ import annotations

from ...machine import fast_start as fast_start

# Before anything imports httpx:
# isort: split
import json
import logging
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...client.connection.connect import client_of
from ...client.manager import Json, ManagerClient
from ...client.patient_client import PATIENCE_SECONDS
from ...config import load_config
from ...executors.ask_policy import DENY
from ...executors.base import RunSpec
from ...machine.environment import parent_session_id
from ...runs.assignment import spec_from
from ...session_client import SessionClientError
from ...shared.inherited_state import begin
from ..errors import NameTakenError, SessionError
from ..resolve import checked_name
from .next_run import Given, find_continuation, find_process, make_room, plan_next
from .plan import check, executor_of, load_agent, refuse_doubtful
from .rights import limited
from .start import NewRun, SessionRunningError, start_next_run, start_session

logger = logging.getLogger(__name__)

Fields = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order to start or to resume a session."""

    url: str
    kind: str
    payload: Fields
    project_dir: Path
    """The directory from which the person or the agent gives the order."""
    parent: RunSpec | None = None
    """The spec of the run whose agent gives the order; None if a person gives it."""

    @classmethod
    def from_json(cls, text: str) -> Order:
        fields = json.loads(text)
        parent = spec_from(fields["parent"])
        return cls(**{**fields, "parent": parent, "project_dir": parent.project_dir})


def carry_out(order: Order) -> tuple[str, str]:
    """Return the state of the request, and its detail: the session's id, or a code and the error.

    The codes are those of the tool's errors.
    """
    try:
        with client_of(order.url, timeout_seconds=PATIENCE_SECONDS) as manager:
            session = (_start if order.kind == "start" else _resume)(manager, order)
        return "done", str(session["session_id"])
    except NameTakenError:
        name = order.payload["name"]
        error = f"name_taken: another session of the project is named {name!r}: choose another name"
    except SessionRunningError as exc:
        error = f"session_running: {exc}: use send_message or stop_session"
    except SessionError as exc:
        error = f"not_started: {exc}"
    except SessionClientError as exc:
        error = f"{exc.code or 'manager_unavailable'}: {exc}"
    except (OSError, ValueError) as exc:
        error = f"not_started: {exc}"
    return "refused", error


def _start(manager: ManagerClient, order: Order) -> Json:
    given, parent = order.payload, order.parent
    project = (order.project_dir / (given["project_dir"] or ".")).resolve()
    config = load_config(str(project), None, None)
    agent = load_agent(given["agent"], config)
    spec = RunSpec(
        executor=given["executor"] or (agent and agent.executor) or _own_kind(parent),
        project_dir=config.project_dir,
        agent=agent,
        model=given["model"],
        command=agent.command if agent else (),
    )
    if parent is not None:
        ask = parent.ask if executor_of(spec.executor).can_ask else DENY
        spec = replace(spec, transcripts=parent.transcripts, ask=ask)
    new = _run_of(order, spec, parent=parent_session_id())
    return start_session(manager, checked_name(given["name"]), new)


def _own_kind(parent: RunSpec | None) -> str:
    return "claude" if parent is None or parent.executor == "command" else parent.executor


def _resume(manager: ManagerClient, order: Order) -> Json:
    session = manager.get_session(order.payload["session_id"])
    if session["run"] + 1 != order.payload["run"]:
        raise SessionError(f"session {session['session_name']!r} has been continued since")
    spec = plan_next(manager, session, Given())
    new = _run_of(order, spec, parent=session["parent_session_id"])
    executor = new.spec.executor
    new = replace(new, continues=find_continuation(manager, session, executor, is_fork=False))
    make_room(manager, session, takeover=False)
    process = find_process(session, executor, new.continues)
    if process is not None:
        raise SessionError(
            f"session {session['session_name']!r} is open in a program that a person has started "
            f"by hand ({process})"
        )
    return start_next_run(manager, session, new, takeover=False)


def _run_of(order: Order, spec: RunSpec, *, parent: str | None) -> NewRun:
    """Return the run with the limits of the agent that orders it, once everything is checked.

    Its end writes a notice if the order comes from `parent`, the session that would get it.
    """
    given = order.payload
    if order.parent is not None:
        spec = limited(spec, order.parent)
    check(spec, given["prompt"])
    is_own_project = order.parent is not None and spec.project_dir == order.project_dir
    refuse_doubtful(spec, is_named=is_own_project)
    return NewRun(
        prompt=given["prompt"],
        spec=spec,
        timeout_seconds=given["timeout_seconds"],
        session_id=given["session_id"],
        asked=given["digest"],
        notify=given["notify"] and parent is not None and parent == parent_session_id(),
    )


def main() -> None:
    """Carry out the order on stdin."""
    begin()
    logging.basicConfig(level=logging.WARNING)
    state, detail = carry_out(Order.from_json(sys.stdin.read()))
    sys.stdout.write(json.dumps({"state": state, "detail": detail}))


if __name__ == "__main__":
    main()
