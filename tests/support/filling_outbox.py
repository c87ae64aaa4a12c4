"""Add events to an outbox: `filling_outbox.py PATH COUNT [BYTES [LIMIT]]`, one word per line.

Prints the number of each event that is on the disk. With BYTES, the size of each event, it
continues until the disk is full and prints `refused`. Then it removes the file `ballast` next to
the outbox to free space, and adds COUNT more. With LIMIT, no file of the process may grow beyond
that size until then: a substitute for a small disk where none can be mounted.
"""

from __future__ import annotations

import resource
import sys
from itertools import count
from pathlib import Path

from agent_orchestrator.outbox.outbox import Outbox, OutboxError, Run


def say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def limit_files(limit: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))


def main() -> None:
    path, total, size, limit = Path(sys.argv[1]), *(int(text) for text in sys.argv[2:5])
    outbox = Outbox(path, Run(session_id="s", run=1, url="http://127.0.0.1:1"))
    numbers = count(1)
    if size:
        if limit:
            limit_files(limit)
        try:
            for number in numbers:
                outbox.add({"event_id": str(number), "text": "x" * size})
                say(number)
        except OutboxError as exc:
            say(f"refused: {exc}")
        if limit:
            limit_files(resource.RLIM_INFINITY)
        path.with_name("ballast").unlink(missing_ok=True)
    for _ in range(total):
        number = next(numbers)
        outbox.add({"event_id": str(number)})
        say(number)
    batch = outbox.next_batch()
    say(f"waiting {outbox.count_waiting()} from {batch[0].item['event_id']}")
    sys.stdin.read()


if __name__ == "__main__":
    main()
