"""`make demo`: it can be repeated, and prints the output that the README shows."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.contract.test_docs import ROOT, fences, read
from tests.support.forked_program import forking_environment
from tests.support.network_namespace import in_required_network
from tests.support.waiting import WATCHDOG_SECONDS


def test_demo_runs_twice_and_prints_what_the_readme_shows(tmp_path: Path) -> None:
    demo = f"python -m scripts.demo {tmp_path / 'demo'}"  # its Python has forked commands beside it
    stop = "code=$?; agent-session-manager stop; exit $code"
    # A demo that hangs is ended by its own time limit, so that its manager is stopped.
    limited = f"timeout {4 * WATCHDOG_SECONDS:.0f} {demo}"
    line = in_required_network(["sh", "-c", f"{limited} && {limited}; {stop}"])
    ran = subprocess.run(
        line,
        cwd=ROOT,
        env=forking_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=10 * WATCHDOG_SECONDS,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    (shown,) = fences(read("README.md"), "text")
    exact = [text for text in shown.splitlines() if text.startswith("$") or text.isdigit()]
    printed = ran.stdout.splitlines()
    assert len(exact) > 4
    assert [text for text in exact if text not in printed] == []
    assert printed.count("$ ao-list-sessions --here") == 4
