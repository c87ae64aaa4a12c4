"""Prints the usage of each model by ccusage and by `ao-usage`, for one home directory.

    npm install --prefix DIR ccusage
    .venv/bin/python scripts/compare_ccusage.py DIR/node_modules/.bin/ccusage HOME

Both read a copy of the agents' directories in HOME. ccusage reads only lines of Claude Code that
are written without blanks, as Claude Code does, so the lines of the copy have this form. Our
figures are from a manager that serves a new, temporary record. ccusage uses the prices that are
built into it. docs/explanation/usage-and-cost.md explains the differences.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BIN = Path(sys.executable).parent
DIRECTORIES = (".claude", ".codex", ".gemini", ".copilot", ".local/share/opencode")
COUNTS = ("input", "output", "cache read", "cache write", "dollars")
TIMEOUT_SECONDS = 3600.0
Row = tuple[int | float, ...]
"""The values of `COUNTS`. The cost is NaN if the model has no price."""
NOTHING: Row = (0, 0, 0, 0, 0.0)
Figures = dict[str, Row]


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: compare_ccusage.py CCUSAGE HOME")
    ccusage, home = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "home"
        copy.mkdir()
        copy_agents(home, copy)
        environment = {
            "HOME": str(copy),
            "PATH": os.environ["PATH"],
            "TZ": "UTC",
            "LANG": "C.UTF-8",
        }
        version = output_of([str(ccusage), "--version"], environment).strip()
        theirs = figures_of_ccusage(ccusage, environment)
        ours = our_figures(Path(directory), environment)
    show(version, theirs, ours)


def copy_agents(home: Path, copy: Path) -> None:
    for name in DIRECTORIES:
        if (home / name).is_dir():
            shutil.copytree(home / name, copy / name)
    for path in (copy / ".claude").rglob("*.jsonl"):
        lines = map(json.loads, path.read_text("utf-8").splitlines())
        compact = (json.dumps(line, separators=(",", ":"), ensure_ascii=False) for line in lines)
        path.write_text("".join(f"{line}\n" for line in compact), "utf-8")


def figures_of_ccusage(ccusage: Path, environment: dict[str, str]) -> Figures:
    report = json.loads(output_of([str(ccusage), "monthly", "--json", "--offline"], environment))
    found: Figures = {}
    for month in report["monthly"]:
        for row in month["modelBreakdowns"]:
            names = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheCreationTokens")
            cost = float("nan") if row.get("missingPricing") else row["cost"]
            add(found, row["modelName"], (*(row[name] for name in names), float(cost)))
    return found


def our_figures(directory: Path, environment: dict[str, str]) -> Figures:
    with serving(directory / "state", environment) as ours:
        output_of([str(BIN / "ao-import"), "--json"], ours)
        by_model = [str(BIN / "ao-usage"), "--by", "model", "--since", "all", "--json"]
        report = json.loads(output_of(by_model, ours))
    found: Figures = {}
    for row in report["rows"]:
        usage = row["usage"]
        names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")
        cost = float("nan") if usage["unpriced_tokens"] else usage["cost_nanodollars"] / 10**9
        if row["requests"]:
            add(found, row["model"] or "unknown", (*(usage[name] for name in names), float(cost)))
    return found


def add(found: Figures, model: str, figures: Row) -> None:
    before = found.get(model, NOTHING)
    found[model] = tuple(old + new for old, new in zip(before, figures, strict=True))


@contextmanager
def serving(state_dir: Path, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Serve a new record on a free port; yield the environment of its clients."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    ours = environment | {
        "AGENT_ORCHESTRATOR_STATE_DIR": str(state_dir),
        "AGENT_ORCHESTRATOR_PORT": port,
        "PATH": os.pathsep.join([str(BIN), environment["PATH"]]),
    }
    try:
        yield ours  # the first command starts the manager
    finally:
        output_of([str(BIN / "agent-session-manager"), "stop"], ours)


def output_of(command: list[str], environment: dict[str, str]) -> str:
    ended = subprocess.run(
        command,
        env=environment,
        cwd=environment["HOME"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if ended.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {ended.returncode}: {ended.stderr}")
    return ended.stdout


def show(version: str, theirs: Figures, ours: Figures) -> None:
    print(f"{version} and ao-usage, by model\n")
    for model in sorted(theirs.keys() | ours.keys()):
        print(model)
        their_row, our_row = theirs.get(model, NOTHING), ours.get(model, NOTHING)
        for name, their, our in zip(COUNTS, their_row, our_row, strict=True):
            sign = "" if shown(their) == shown(our) else "  differs"
            print(f"  {name:<12}{shown(their):>16}{shown(our):>16}{sign}")


def shown(figure: int | float) -> str:
    if figure != figure:
        return "no price"
    return f"{figure:,.5f}" if isinstance(figure, float) else f"{figure:,}"


if __name__ == "__main__":
    main()
