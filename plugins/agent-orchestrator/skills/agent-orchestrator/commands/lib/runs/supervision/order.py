"""Carries out the order of an agent: to start or resume a session below its own.

A program of its own does that, in the environment in which the agent would have called `ao-new`.
So a supervisor stays small, and a session can start even if the run of its parent ends.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from ...client.manager import Json
from ...machine.environment import ENV_SESSION_ID, ENV_STATE_DIR, run_variables, state_dir
from ..assignment import Assignment
from ..launch import open_log

logger = logging.getLogger(__name__)

STARTS = ("start", "resume")
"""Kinds of the requests that are orders of the agent."""
_PROGRAM = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
# Without PYTHONPATH: the new agent inherits the environment of the program.


def carry_out(assignment: Assignment, request: Json) -> tuple[str, str]:
    """Return the new state of the request, and its detail: the session's id, or the error."""
    package_root = Path(__file__).parents[3]
    module = f"{__package__.partition('.')[0]}.sessions.starts.order"
    order = {
        "url": assignment.url,
        "parent": asdict(assignment.spec),
        "kind": request["kind"],
        "payload": request["payload"],
    }
    log = open_log()
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(package_root), module],
            input=json.dumps(order, default=str),
            stdout=subprocess.PIPE,
            stderr=log,
            cwd="/",
            env={
                **assignment.environment,
                **run_variables(assignment.agent_token, assignment.url),
                ENV_SESSION_ID: assignment.session_id,
                ENV_STATE_DIR: str(state_dir()),
            },
            start_new_session=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        answer = json.loads(done.stdout)
        return str(answer["state"]), str(answer["detail"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        logger.exception("an order of the agent failed")
        return "refused", f"not_started: the program that starts sessions failed: {exc}"
    finally:
        os.close(log)
