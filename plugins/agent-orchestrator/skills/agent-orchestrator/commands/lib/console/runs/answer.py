"""The answer of a command that has started a run."""

from __future__ import annotations

import sys

from ...client.manager import Json, ManagerClient
from .next_steps import answer_detached
from .options import RunOptions


def answer_run(manager: ManagerClient, session: Json, options: RunOptions) -> None:
    """Print the session of a detached run; follow another run, and exit as it ends."""
    if options.detach:
        answer_detached(session, as_json=options.as_json)
    else:
        from .watch import watch  # late: a detached run is not watched

        sys.exit(watch(manager, session, as_json=options.as_json))
