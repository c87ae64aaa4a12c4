"""Run the whole suite several times, in a new order each time: `make repeat RUNS=5 BUSY=8`.

BUSY is the number of busy loops that run at the same time, in a session of their own, like the work
of another user: Linux divides the processors among sessions. With SLOW=1 the processes of the suite
are paused for half of the time. Each run prints one line: its seed, exit code, time, and the last
line of pytest. Logs are in `build/repeat`.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
LOGS = ROOT / "build" / "repeat"
SLICE_SECONDS = 0.05


class Slowness:
    """Pauses and continues the descendants of a process in turn, until `end` is called.

    Supervisors are not paused: tests pause them too, and would be disturbed by a SIGCONT from here.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._seen: set[int] = set()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        resumed_at = time.monotonic()
        while not self._ending.wait(SLICE_SECONDS):
            stopped = [process for process in self._family() if _signal(process, signal.SIGSTOP)]
            self._ending.wait(time.monotonic() - resumed_at)  # as long as they have run
            for process in stopped:
                _signal(process, signal.SIGCONT)
            resumed_at = time.monotonic()

    def _family(self) -> list[psutil.Process]:
        """Return all processes ever seen as descendants, also those reparented since."""
        known = ["ppid", "name", "cmdline"]
        alive = {process.pid: process for process in psutil.process_iter(known)}
        self._seen &= alive.keys()
        for pid, process in sorted(alive.items()):
            if pid == self._root or process.info["ppid"] in self._seen:
                self._seen.add(pid)
        return [alive[pid] for pid in self._seen if not _is_supervisor(alive[pid])]


def _is_supervisor(process: psutil.Process) -> bool:
    """Return whether it is a supervisor, started as a program or forked from the zygote."""
    return any(
        "supervisor" in word for word in (process.info["name"], *(process.info["cmdline"] or ()))
    )


def _signal(process: psutil.Process, number: signal.Signals) -> bool:
    with suppress(psutil.Error, OSError):
        if process.is_running():  # false also if the pid was reused
            os.kill(process.pid, number)
            return True
    return False


def run_once(*, is_slow: bool) -> int:
    seed = random.randrange(10**9)
    log = LOGS / f"{seed}.log"
    began = time.monotonic()
    with log.open("wb") as out:
        line = ["make", "--silent", "test", f"PYTEST_OPTIONS=-v --randomly-seed={seed}"]
        run = subprocess.Popen(line, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        slowness = Slowness(run.pid) if is_slow else None
        try:
            code = run.wait()
        finally:
            if slowness is not None:
                slowness.end()
    last = log.read_text(errors="replace").strip().rpartition("\n")[2]
    print(f"seed {seed}: exit {code}, {time.monotonic() - began:.0f} s, {last}", flush=True)
    return code


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument(
        "--busy", type=int, default=0, help="Number of busy loops to run at the same time."
    )
    parser.add_argument(
        "--slow", action="store_true", help="Pause the suite's processes half of the time."
    )
    options = parser.parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    busy = "while :; do :; done & " * options.busy + "wait"
    loops = subprocess.Popen(["sh", "-c", busy], start_new_session=True)
    try:
        codes = [run_once(is_slow=options.slow) for _ in range(options.runs)]
    finally:
        os.killpg(loops.pid, signal.SIGKILL)
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
