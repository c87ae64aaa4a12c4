"""The times at which a watcher imports: with a clock of the test, and a manager that fails."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import pytest

from agent_orchestrator.client.errors import SESSION_RUNNING
from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.history.format import Format, OpenSession
from agent_orchestrator.history.formats.claude import FORMAT
from agent_orchestrator.history.importer.changes import NOTHING, Changes
from agent_orchestrator.history.importer.delivery.pace import Pace
from agent_orchestrator.history.importer.notes import Notes
from agent_orchestrator.history.importer.sources.report import Report
from agent_orchestrator.history.importer.sources.state import State, open_state
from agent_orchestrator.history.importer.watcher import Scope, Watcher
from agent_orchestrator.machine.environment import host
from agent_orchestrator.session_client import SessionClientError, SessionNotFoundError
from agent_orchestrator.transcripts.names import CONVERSATIONS
from tests.support.claude_registry import register
from tests.support.moved_time import MovedTime
from tests.support.transcript_files import PROJECT, Transcript


class Manager:
    """Refuses the parts of some sessions, and notes the times at which it was asked."""

    def __init__(self, time: MovedTime) -> None:
        self.time = time
        self.refused: dict[str, str] = {}
        self.asked: list[tuple[str, float]] = []
        self.running: list[dict[str, Any]] = []
        self.recorded: list[dict[str, Any]] = []
        self.leased: list[tuple[str, float]] = []
        self.reasons: list[str | None] = []

    def import_history(self, session_id: str, content: bytes) -> dict[str, Any]:
        self.asked.append((session_id, self.time.now))
        if code := self.refused.get(session_id):
            raise SessionClientError("refused", status_code=409, code=code)
        body = json.loads(content)
        self.reasons.append(body["reason"])
        if body["lease"] is not None:
            self.leased.append((session_id, self.time.now))
        return {
            "created": True,
            "new_events": len(body["events"]),
            "new_requests": 0,
            "lease_seconds": None if body["lease"] is None else 45.0,
        }

    def append_entries(self, *_: object, **__: object) -> None:
        pass

    def list_transcripts(self, where: dict[str, str]) -> list[dict[str, Any]]:
        return [each for each in self.recorded if each["subpath"] == where["subpath"]]

    def find_sessions(self, **where: str) -> list[dict[str, Any]]:
        assert where == {"status": "running", "executor": "claude", "project_dir": PROJECT}
        return self.running

    def get_session(self, session_id: str) -> dict[str, Any]:
        raise SessionNotFoundError(session_id)


class Shown:
    def __init__(self) -> None:
        self.report = Report()

    def progress(self, sources: object) -> Any:
        return nullcontext(lambda _read: None)


class Scene:
    """A watcher of one home directory. `tick` is a second without a change."""

    def __init__(self, home: Path, state: State) -> None:
        self.home = home
        self.time = MovedTime()
        self.manager = Manager(self.time)
        formats = [cast(Format, FORMAT)]
        self.watcher = Watcher(
            cast(ManagerClient, self.manager),
            state,
            Scope(formats),
            Shown(),
            notes=Notes(home, time=self.time),
            time=self.time,
        )

    def see(self, *added: Path, is_beginning: bool = False) -> None:
        changes = Changes(frozenset(added), NOTHING, NOTHING, is_beginning, False)
        list(self.watcher.run([changes]))

    def tick(self, seconds: int) -> None:
        for _ in range(seconds):
            self.time.now += 1
            self.see()

    def pauses(self, session_id: str) -> list[float]:
        """Return the times between the attempts to send a session."""
        times = [moment for each, moment in self.manager.asked if each == session_id]
        return [later - earlier for earlier, later in zip(times, times[1:], strict=False)]


@pytest.fixture
def scene(own_home: Path, tmp_path: Path) -> Iterator[Scene]:
    with open_state(tmp_path / "state", "g") as state:
        made = Scene(own_home, state)
        made.see(is_beginning=True)
        yield made


def written(home: Path, number: int) -> tuple[Transcript, Path]:
    transcript = Transcript(number)
    transcript.turn()
    return transcript, transcript.write(home)


@pytest.fixture
def lingering() -> Iterator[subprocess.Popen[bytes]]:
    """A process in the place of Claude Code."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def test_pauses_of_a_failing_source_double_to_a_limit(scene: Scene) -> None:
    failing, path = written(scene.home, 1)
    held, other = written(scene.home, 2)
    scene.manager.refused = {failing.session_id: "defect", held.session_id: SESSION_RUNNING}
    scene.see(path, other)
    scene.tick(1300)
    assert scene.pauses(failing.session_id) == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert set(scene.pauses(held.session_id)) == {2, 4, 8, 16, 30}
    scene.manager.refused = {}
    before = len(scene.manager.asked)
    scene.tick(300)
    assert len(scene.manager.asked) == before + 2


def test_conversation_of_an_open_run_waits_for_the_record(scene: Scene) -> None:
    moved = Transcript(1)
    moved.prompt("<command-name>/clear</command-name>", entrypoint="sdk-py")
    moved.prompt("Go", entrypoint="sdk-py")
    by_hand = Transcript(2)
    by_hand.prompt("Go", entrypoint="cli")
    earlier = Transcript(3)
    earlier.prompt("Go", entrypoint="sdk-py", timestamp="2026-02-01T10:00:00Z")
    run = {"host": host(), "started_at": "2026-02-02T10:00:00Z", "imported": False}
    others = [{**run, "host": "another"}, {**run, "imported": True}]
    scene.manager.running = [run, *others]
    scene.see(*(each.write(scene.home) for each in (moved, by_hand, earlier)))
    scene.tick(100)
    sent = {by_hand.session_id, earlier.session_id}
    assert {session_id for session_id, _ in scene.manager.asked} == sent
    subpath = f"{CONVERSATIONS}/{moved.session_id}"
    scene.manager.recorded = [{"session_id": "recorded", "subpath": subpath}]
    scene.manager.running = others
    another = Transcript(4)  # driven by another program
    another.prompt("Go", entrypoint="sdk-py")
    scene.see(another.write(scene.home))
    scene.tick(31)
    expected = {*sent, "recorded", another.session_id}
    assert {session_id for session_id, _ in scene.manager.asked} == expected


def test_lease_is_renewed_while_a_process_works(scene: Scene) -> None:
    transcript = Transcript(1)
    transcript.prompt("Go")
    register(scene.home, transcript.session_id)
    began = scene.time.now
    scene.see(transcript.write(scene.home))
    scene.tick(50)  # a tool that takes long
    moments = [moment - began for _, moment in scene.manager.leased]
    assert moments == [0, 15, 30, 45]
    register(scene.home, transcript.session_id, status="idle")
    scene.tick(50)
    assert len(scene.manager.leased) == 4

    transcript.answer({"type": "text", "text": "Done."})
    register(scene.home, transcript.session_id)  # the next turn, whose prompt is not written yet
    scene.see(transcript.write(scene.home))
    scene.tick(50)
    assert len(scene.manager.leased) == 4
    transcript.prompt("More")
    scene.see(transcript.write(scene.home))
    assert len(scene.manager.leased) == 5


def test_turn_without_news_is_opened_at_the_start(
    scene: Scene, lingering: subprocess.Popen[bytes]
) -> None:
    """As after a restart of the watcher, or if the process says late that it works."""
    transcript, ended = Transcript(1), Transcript(2)
    transcript.prompt("Go")
    ended.turn()
    scene.see(*(each.write(scene.home) for each in (transcript, ended)))
    assert scene.manager.leased == []
    register(scene.home, transcript.session_id)
    register(scene.home, ended.session_id, pid=lingering.pid)
    scene.manager.refused = {transcript.session_id: SESSION_RUNNING}
    scene.tick(1)
    scene.manager.refused = {}
    scene.tick(14)
    assert scene.manager.leased == []
    scene.tick(5)
    assert [session_id for session_id, _ in scene.manager.leased] == [transcript.session_id]


def test_looks_at_processes_leave_most_of_the_time_to_others(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []

    def open_sessions(_root: Path) -> Iterator[OpenSession]:
        looks.append(scene.time.now)
        scene.time.now += 2  # perhaps on a slow disk
        return iter(())

    monkeypatch.setattr(FORMAT, "open_sessions", open_sessions)
    scene.tick(50)
    assert [each - looks[0] for each in looks] == [0, 2, 44, 46]  # at both roots


def test_end_without_an_event_is_sent(scene: Scene) -> None:
    transcript = Transcript(1)
    transcript.prompt("<command-name>/cost</command-name>")
    scene.see(transcript.write(scene.home))
    output = "<local-command-stdout>$1</local-command-stdout>"
    transcript.add("system", subtype="local_command", content=output)
    scene.see(transcript.write(scene.home))
    assert scene.manager.reasons == ["unknown", "completed"]


def test_noted_session_is_followed_while_a_process_works(scene: Scene) -> None:
    transcript, place = Transcript(1), scene.home / "elsewhere"
    transcript.prompt("Go")
    note = scene.home / "notes" / transcript.session_id
    note.parent.mkdir()
    note.write_text(json.dumps(str(transcript.write(place))))
    register(place, transcript.session_id)
    scene.tick(400)  # a tool that takes long
    assert len(scene.manager.leased) == 1 + 399 // 15
    register(place, transcript.session_id, status="idle")
    scene.tick(100)
    assert note.with_name(f"{note.name}.taken").exists()
    scene.tick(100)
    assert list(note.parent.iterdir()) == []


def test_growth_does_not_shorten_a_pause(scene: Scene) -> None:
    transcript, path = written(scene.home, 1)
    scene.manager.refused = {transcript.session_id: "defect"}
    for _ in range(31):
        transcript.turn()
        path.write_text(transcript.text())
        scene.see(path)
        scene.time.now += 1
    assert scene.pauses(transcript.session_id) == [2, 4, 8, 16]


def test_change_costs_only_the_file_that_it_names(scene: Scene) -> None:
    transcript, path = written(scene.home, 1)
    written(scene.home, 2)  # its change is not reported
    scene.see(path)
    scene.tick(50)
    assert {session_id for session_id, _ in scene.manager.asked} == {transcript.session_id}
    scene.tick(20)  # the search of everything finds the other
    assert len(scene.manager.asked) == 2


def test_new_directory_is_searched_twice(scene: Scene) -> None:
    _, first = written(scene.home, 1)
    scene.see(first.parent)
    written(scene.home, 2)  # before the directory was watched
    scene.tick(1)
    assert len(scene.manager.asked) == 2
    written(scene.home, 3)
    scene.tick(10)
    assert len(scene.manager.asked) == 2


def test_pace_leaves_most_of_the_time_to_others() -> None:
    pace = Pace(60, 100)
    assert pace.is_due(0)
    pace.note(0, 0.1)
    assert (pace.is_due(60), pace.is_due(60.2)) == (False, True)
    pace.note(100, 103)
    assert (pace.is_due(402), pace.is_due(403.1)) == (False, True)
