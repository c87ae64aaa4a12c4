"""The program of the index process: `python -m agent_session_manager.sql.search.index_program`.

The first line of stdin is a JSON object: the `url` of the database, and `idle_seconds`. Each
further line asks for one step. The answer is a line of JSON: the outcome of the step, or why it
`failed` or is `paused`. The program ends when stdin ends, also after a kill of the manager, and if
it was not asked for `idle_seconds`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from dataclasses import asdict
from queue import Empty, SimpleQueue
from typing import Any

from agent_session_manager.domain.errors import OrchestratorError
from agent_session_manager.sql.search.open import opened_to_index
from agent_session_manager.store.search import IndexPausedError, SearchIndex
from agent_shared.log import write_lines_to

NICENESS = 10
"""Commits need the processor first."""
END_SECONDS = 5.0
"""Time for a step to end after stdin has ended. SQLite takes back a step that does not."""


def main() -> None:
    write_lines_to(sys.stderr)
    os.nice(NICENESS)
    given = json.loads(sys.stdin.readline())
    asked: SimpleQueue[bool] = SimpleQueue()
    threading.Thread(target=_listen, args=(asked,), name="stdin", daemon=True).start()
    with opened_to_index(given["url"]) as index:
        while _is_asked(asked, given["idle_seconds"]):
            sys.stdout.write(json.dumps(_step(index)) + "\n")
            sys.stdout.flush()


def _listen(asked: SimpleQueue[bool]) -> None:
    for _ in sys.stdin:
        asked.put(True)
    asked.put(False)
    time.sleep(END_SECONDS)
    os._exit(1)


def _is_asked(asked: SimpleQueue[bool], seconds: float) -> bool:
    try:
        return asked.get(timeout=seconds)
    except Empty:
        return False


def _step(index: SearchIndex) -> dict[str, Any]:
    try:
        done = asdict(index.index_some())
    except IndexPausedError as exc:
        return {"paused": str(exc)}
    except OrchestratorError as exc:
        return {"failed": str(exc)}
    del done["is_apart"]
    return done


if __name__ == "__main__":
    main()
