"""Plays the scenario with one agent, as a person does with the commands, and keeps the record.

The first run reads a file, edits it, runs a command, and is refused another one. A person allows
the edit and the command, and sends a message while the command runs. The second run resumes the
conversation and is stopped during a command. The third resumes it again.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import psutil

from agent_orchestrator.history.importer.sources.format_table import all_formats
from agent_orchestrator.machine.processes import has_ended
from agent_orchestrator.runs.registry import list_registered
from tests.agents.agents import Json, RealAgent
from tests.agents.person import Person, PlayError
from tests.commands.shell import USAGE
from tests.support.model_server import ModelServer, script

LOOK_SECONDS = 0.02
SECRET = "heron"
"""A word of the file that is read."""
PROMPT = f"Read the notes. The word of the day is {SECRET}-1."
HINT = "By the way, good morning."
REFUSAL = "Leave that file alone."
READ, LAST, LEFT = "I read the notes.", "All is done.", "I left it alone."
BACK = "I am back."
OUTPUT = "said-by-the-command"


@dataclass
class Resources:
    """Memory and processor time of a run at one moment."""

    supervisor_bytes: int = 0
    """Resident memory of the supervisor."""
    agent_bytes: int = 0
    """Memory of the agent's processes, with shared pages counted by halves, thirds and so on."""
    agent_seconds: float = 0.0
    """Processor time of the agent's processes so far."""
    processes: list[psutil.Process] = field(default_factory=list)


@dataclass
class Seen:
    """The record of one agent, and observations beside it."""

    name: str
    version: str = ""
    missing: str | None = None
    """Why it could not be played at all."""
    trouble: list[str] = field(default_factory=list)
    """Parts of the scenario that could not be played, each with the reason."""
    events: list[Json] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    """Output of `ao-get-result` after each run."""
    resources: Resources = field(default_factory=Resources)
    left: list[str] = field(default_factory=list)
    """Processes that outlived their run."""
    files: Json = field(default_factory=dict)
    """Contents of the project's files after the first run."""
    is_told_in_turn: bool = False
    """True if the model got the message before the refused call."""
    requests: list[int] = field(default_factory=list)
    """Number of requests that offered tools, and whose answers the agent took, by run."""
    resumes: list[str] = field(default_factory=list)
    """How each attempt to resume went."""
    imported: str = "–"
    """What an import of the agent's own files added, if they can be imported."""


def taken(requests: Sequence[Json]) -> list[Json]:
    """Return the requests but for those that the agent cut, to send them again with a message.

    Codex does so if a message arrives before the first word of an answer. It never learns the usage
    of such a request. The next request has the same history, and only messages of the user more.
    """
    return [
        request
        for request, following in pairwise([*requests, {}])
        if not _is_cut(request, following)
    ]


def _is_cut(request: Json, following: Json) -> bool:
    history, longer = request.get("input"), following.get("input", [])
    if not isinstance(history, list):
        return False
    added = longer[len(history) :]
    is_told = bool(added) and all(each.get("role") == "user" for each in added)
    return is_told and longer[: len(history)] == history


class Stage:
    """One agent in its project, and the commands of the person."""

    def __init__(self, agent: RealAgent, person: Person, model: ModelServer, state: Path) -> None:
        """Play with a stand-in `model`; `state` is the state directory of the commands."""
        self._agent = agent
        self._person = person
        self._model = model
        self._state = state
        self._name = f"with-{agent.name}"
        self._run = 0
        self._last_seq = 0
        self.seen = Seen(agent.name)
        self._project = person.directory

    def play(self) -> None:
        """Play all runs. Trouble in one is noted, and the next one is tried."""
        (self._project / "notes.txt").write_text(f"first\n{SECRET}\nlast\n")
        for number, run in enumerate((self._first_run, self._stopped_run, self._last_run), 1):
            self._run = number
            try:
                run()
            except (PlayError, AssertionError) as exc:
                self.seen.trouble.append(f"{run.__name__.strip('_').replace('_', ' ')}: {exc}")
                self._person.try_("ao-stop", self._name)
            if not self._keep():
                break
        if self._agent.name in all_formats():
            self._import()

    def _import(self) -> None:
        """Import the agent's own files, which have the recorded conversations."""
        told = self._person.do("ao-import", "--agent", self._agent.name, "--json")
        counts = json.loads(told)
        kinds = ("sessions", "events", "held", "failed", "not_understood")
        added = [f"{counts[kind]} {kind.replace('_', ' ')}" for kind in kinds if counts[kind]]
        self.seen.imported = ", ".join(added) or "nothing new"
        if counts["sessions"]:
            self.seen.trouble.append(f"import: {self.seen.imported}")

    def _first_run(self) -> None:
        agent, project = self._agent, self._project
        notes = str(project / "notes.txt")
        steps = (
            {"text": READ, **agent.read(notes)},
            agent.edit(notes, "first", "changed"),
            agent.run(self._waiting("go-1")),
            agent.run("echo no > refused.txt"),
            {"text": LAST},
        )
        self._new(f"{PROMPT} {script(*steps)}")
        with self._once_read("go-1", self._tell):
            self._follow(self._decide)
        for path in ("notes.txt", "refused.txt"):
            with suppress(FileNotFoundError):
                self.seen.files[path] = (project / path).read_text()

    def _decide(self, event: Json) -> None:
        if event["event_type"] != "permission_request":
            return
        if "refused.txt" in json.dumps(event["tool_input"]):
            self.seen.is_told_in_turn = any(HINT in json.dumps(each) for each in self._requests())
            self._permit(event, "--deny", "-p", f"{REFUSAL} {script({'text': LEFT})}")
        else:
            self._permit(event, "--allow")

    def _tell(self) -> None:
        self._measure()
        self._person.do("ao-send", self._name, "-p", HINT)

    def _stopped_run(self) -> None:
        steps = (self._agent.run(self._waiting("go-2")), {"text": "It was not stopped."})
        self._resume(f"The second prompt of {SECRET}-2. {script(*steps)}")
        with self._once_read("go-2", lambda: self._person.do("ao-stop", self._name)):
            self._follow(self._decide)

    def _last_run(self) -> None:
        is_resumed = self._resume(f"The third prompt. {script({'text': BACK})}")
        self._follow(self._decide)
        if not is_resumed:
            return
        requests = self._requests()
        knows = bool(requests) and f"{SECRET}-2" in json.dumps(requests[-1])
        self.seen.resumes.append("remembers" if knows else "remembers nothing")

    def _waiting(self, pipe: str) -> str:
        """Return a command that says something once a named pipe was opened and closed.

        It also writes a file, because some agents do not ask for a command that only reads.
        """
        os.mkfifo(self._project / pipe)
        return f"cat {pipe} > {pipe}.txt; echo {OUTPUT}"

    @contextmanager
    def _once_read(self, pipe: str, act: Callable[[], object]) -> Iterator[None]:
        """Call `act` while the command reads the pipe, then let it end; all during the block."""
        is_over = threading.Event()
        troubles: list[Exception] = []

        def wait_and_act() -> None:
            descriptor = self._opened(pipe, is_over)
            try:
                if descriptor is not None:
                    act()
            except (PlayError, psutil.Error) as exc:
                troubles.append(exc)
            finally:
                if descriptor is not None:
                    os.close(descriptor)

        thread = threading.Thread(target=wait_and_act)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
        if troubles:
            raise PlayError(str(troubles[0]))

    def _opened(self, pipe: str, is_over: threading.Event) -> int | None:
        """Return the pipe once a command reads it; None if none does until the end of the run."""
        while True:
            try:
                return os.open(self._project / pipe, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as exc:
                if exc.errno != errno.ENXIO:  # the command has not opened it yet
                    raise
            if is_over.wait(LOOK_SECONDS):
                return None

    def _new(self, prompt: str) -> None:
        """Begin a session."""
        agent = self._agent
        self._model.forget()
        self._last_seq = 0
        options = ("--executor", agent.name, "--permission-mode", agent.mode, "--ask", "forever")
        self._person.do("ao-new", self._name, *options, "--detach", "-p", prompt)

    def _resume(self, prompt: str) -> bool:
        """Resume the session, or begin another one if that is refused; return whether it was not.

        Raises:
            PlayError: the command has failed.
        """
        self._model.forget()
        ended = self._person.try_("ao-resume", self._name, "--detach", "-p", prompt)
        if ended.exit_code == 0:
            return True
        if ended.exit_code != USAGE:
            raise PlayError(f"ao-resume ended with {ended.exit_code}: {ended.stderr.strip()}")
        if self._run == 2:
            self.seen.resumes.append("refused")
            self._continue_in_terminal()
        self._name = f"{self._name}-again"
        self._new(prompt)
        return False

    def _continue_in_terminal(self) -> None:
        """Continue the first conversation without the orchestrator, as the refusal advises."""
        ids = [event for event in self.seen.events if event["event_type"] == "conversation"]
        given = {"id": ids[0]["conversation_id"], "prompt": script({"text": BACK})}
        program, *arguments = (part.format(**given) for part in self._agent.continuing)
        self._person.run_program(program, *arguments)
        knows = any(f"{SECRET}-1" in json.dumps(each) for each in self._requests())
        outcome = "remembers" if knows else "remembers nothing"
        self.seen.resumes.append(f"`{' '.join(self._agent.continuing[:2])}` {outcome}")

    def _follow(self, act: Callable[[Json], None]) -> None:
        """Call `act` with each event of the newest run until it has ended."""
        for event in self._person.follow(self._name):
            if event["seq"] > self._last_seq:
                act(event)

    def _keep(self) -> bool:
        """Keep the record of the run. Return whether there is a session to resume."""
        session = self._person.try_("ao-status", self._name, "--json")
        if session.exit_code != 0:
            return False
        log = self._person.try_("ao-logs", self._name, "--json").stdout
        events = [json.loads(line) for line in log.splitlines()]
        new = [event for event in events if event["seq"] > self._last_seq]
        self.seen.events += ({**event, "run": self._run} for event in new)
        self._last_seq = len(events)
        self.seen.results.append(self._person.try_("ao-get-result", self._name).stdout.strip())
        self.seen.requests.append(len(taken(self._requests())))
        for process in self.seen.resources.processes:
            if not has_ended(process):
                self.seen.left.append(process.name())
        return True

    def _requests(self) -> list[Json]:
        """Return the requests to the model of this run, but for those without tools."""
        return [each["body"] for each in self._model.requests() if each["body"].get("tools")]

    def _measure(self) -> None:
        (entry,) = (each for each in list_registered(self._state) if each.is_supervised)
        supervisor = psutil.Process(entry.run.pid)
        found = self.seen.resources
        found.supervisor_bytes = supervisor.memory_info().rss
        for process in supervisor.children(recursive=True):
            with suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
                if not _is_tool(process):
                    found.agent_bytes += process.memory_full_info().pss
                    found.agent_seconds += sum(process.cpu_times()[:2])
                    found.processes.append(process)

    def _permit(self, event: Json, *options: str) -> None:
        self._person.do("ao-permit", self._name, event["question_id"], *options)


def _is_tool(process: psutil.Process) -> bool:
    """Return whether a process is the allowed command, or a shell that runs it."""
    line = " ".join(process.cmdline())
    return "go-1" in line
