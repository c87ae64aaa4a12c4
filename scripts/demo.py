"""`make demo`: real sessions of real programs, shown as a person would type them.

It needs no API key, and works in a separate project, `.demo/`. It uses the default manager; the
first command starts it if necessary. It deletes only the sessions of an earlier demo in `.demo/`.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
STEP_TIMEOUT_SECONDS = 300.0

NAMES = ("count", "sum", "broken", "notes", "hello")
NOTES = "One word per thing.\nOrder is seq and nothing else.\n"
AGENT = {
    "description": "Counts the words of its prompt.",
    "executor": "command",
    "command": ["wc", "-w"],
}


class DemoError(Exception):
    """A step of the demo failed; the text names the step and the failure."""


class Shell:
    """Runs command lines in one project directory, with the installed commands on PATH."""

    def __init__(self, project_dir: Path) -> None:
        self._project_dir = project_dir
        # The person's own settings for a project must not apply to this project.
        not_ours = ("PROJECT_DIR", "SESSIONS_DIR", "AGENTS_DIR")
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if name.removeprefix("AGENT_ORCHESTRATOR_") not in not_ours
        } | {"PATH": os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)])}

    def show(self, line: str, *, exit_code: int = 0) -> None:
        """Print a command line and run it, with its output shown.

        Raises:
            DemoError: the exit code is not the expected one.
        """
        print(f"\n$ {line}", flush=True)
        ended = self._run(line, capture=False)
        if ended.returncode != exit_code:
            raise DemoError(
                f"`{line}` ended with exit code {ended.returncode}, expected {exit_code}"
            )

    def read(self, line: str) -> str:
        """Run a command line and return its output."""
        ended = self._run(line, capture=True)
        if ended.returncode != 0:
            raise DemoError(f"`{line}` ended with exit code {ended.returncode}: {ended.stderr}")
        return ended.stdout

    def _run(self, line: str, *, capture: bool) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                ["sh", "-c", line],
                cwd=self._project_dir,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=capture,
                text=True,
                timeout=STEP_TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as exc:
            raise DemoError(f"`{line}` did not end within {STEP_TIMEOUT_SECONDS:.0f} s") from exc


def main() -> None:
    project_dir = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / ".demo").resolve()
    try:
        prepare(project_dir)
        shell = Shell(project_dir)
        print(f"$ cd {shlex.quote(str(project_dir))}")
        print(f"$ export PATH={shlex.quote(str(BIN))}:$PATH")
        run_programs(shell)
        run_claude(shell)
    except (DemoError, OSError) as exc:
        sys.exit(f"\ndemo: {exc}")
    print(NEXT)


def prepare(project_dir: Path) -> None:
    """Create the project: a file to work on, and an agent definition."""
    agent = project_dir / ".agent-orchestrator" / "agents" / "word-counter"
    agent.mkdir(parents=True, exist_ok=True)
    (agent / "agent.json").write_text(json.dumps(AGENT, indent=2) + "\n", "utf-8")
    (project_dir / "notes.txt").write_text(NOTES, "utf-8")


def run_programs(shell: Shell) -> None:
    shell.show("ao-list-sessions --here")
    remove_earlier(shell)
    shell.show("ao-new count --executor command -p 'how many words are these' -- wc -w")
    shell.show("ao-new sum --executor command -- python3 -c 'print(sum(range(11)))'")
    shell.show("ao-new broken --executor command -- ls no-such-file", exit_code=1)
    shell.show("ao-new notes --agent word-counter < notes.txt")
    shell.show("ao-list-sessions --here")
    shell.show("ao-status count")
    shell.show("ao-resume count -p 'the same program and another prompt'")
    shell.show("ao-get-result count")


def remove_earlier(shell: Shell) -> None:
    """Delete the sessions of an earlier demo, so that their names are free again."""
    sessions = json.loads(shell.read("ao-list-sessions --here --json"))
    left = [s["session_id"] for s in sessions if s["session_name"] in NAMES]
    if left:
        shell.show(f"ao-clean --force {' '.join(session_id[:8] for session_id in left)}")


def run_claude(shell: Shell) -> None:
    missing = missing_for_claude()
    if missing:
        print(f"\nNo Claude Code session in this demo: {missing}")
        return
    shell.show("ao-new hello -p 'Say hello in five words.'")
    shell.show("ao-resume hello -p 'Now in French.'")


def missing_for_claude() -> str | None:
    """Return the missing requirement of a Claude Code session, or None."""
    if find_spec("claude_agent_sdk") is None:
        return "its SDK is not installed; install it with: make setup"
    credentials = Path.home() / ".claude" / ".credentials.json"
    if os.environ.get("ANTHROPIC_API_KEY") or credentials.exists():
        return None
    return "no credentials; set ANTHROPIC_API_KEY, or run `claude` and /login there, and try again"


NEXT = """
Next, in the same directory:
  ao-dashboard                         watch all sessions live in a browser
  ao-list-agents                       the agent that `notes` used
  ao-status count --json               all details of a session
  ao-new mine --executor command -p 'your text' -- tr a-z A-Z
  ao-clean --all                       delete the sessions of this project; asks first
  ao-import --dry-run                  count the sessions of your agents on this machine
  ao-import --watch                    import them, and follow the agents until Ctrl-C

The manager continues to serve in the background:
  agent-session-manager status         show its address, its database, its log
  agent-session-manager stop           stop it; the sessions stay on disk"""

if __name__ == "__main__":
    main()
