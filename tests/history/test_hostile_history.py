"""Files with odd values in every place: each costs at most itself, and no other source."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.events.prepare import UNSTORABLE
from agent_orchestrator.history.format import Format, Source
from agent_orchestrator.history.formats.claude.parser import Parser
from agent_orchestrator.history.importer.dry_run import count_sources
from agent_orchestrator.history.importer.importer import Importer
from agent_orchestrator.history.importer.sources import find, one_source
from agent_orchestrator.history.importer.sources import report as report_module
from agent_orchestrator.history.importer.sources.format_table import all_formats
from agent_orchestrator.history.importer.sources.report import Report
from agent_orchestrator.history.importer.sources.state import open_state
from agent_orchestrator.history.items import BrokenRecordError
from agent_orchestrator.session_client import SessionClientError, SessionNotFoundError
from tests.support.codex_rollouts import THREAD, event, reply, session_meta
from tests.support.opencode_samples import OLD
from tests.support.predecessor_files import META, RUN, SESSION
from tests.support.transcript_files import Transcript

SAMPLES = Path(__file__).parent / "samples"
HOSTILE = (
    *(b'"a\\ud800"', b'"a\xed\xa0\x80"', b'"a\xff"', b'"\\u0000"', b'"a\x00"', b'""'),
    *(b'"%s"' % (b"x" * 5000), b'"0001-01-01T00:00:00+23:59"'),
    *(b"null", b"-1", b"1e400", b"123456789012345678901234567890", b"[7]"),
    *(b"NaN", b'{"a\\ud800":[NaN,123456789012345678901234567890,null]}', b"[" * 1000 + b"]" * 1000),
    *(b'"{\\"a\\":123456789012345678901234567890}"', b"9" * 5000),
)
PLACE = "the hostile value"
_ANY = "*"


class Manager:
    """Accepts JSON that a store accepts, and keeps the events of each session."""

    def __init__(self) -> None:
        self.events: dict[str, dict[str, Any]] = {}
        self.defects: dict[str, Exception] = {}

    def import_history(self, session_id: str, content: bytes) -> dict[str, Any]:
        if defect := self.defects.get(session_id):
            raise defect
        body = orjson.loads(content)
        assert not UNSTORABLE.search(json.dumps(body, ensure_ascii=False))
        is_new = session_id not in self.events
        if is_new and not body["begins"]:
            raise SessionNotFoundError(session_id, status_code=404, code="session_not_found")
        known = self.events.setdefault(session_id, {})
        before = len(known)
        known |= {each["event_id"]: each for each in body["events"]}
        return {"created": is_new, "new_events": len(known) - before, "new_requests": 0}

    def append_entries(self, *_: object, **__: object) -> None:
        pass

    def list_transcripts(self, _where: object) -> list[dict[str, Any]]:
        return []

    def find_sessions(self, **_where: object) -> Iterator[dict[str, Any]]:
        yield from ()

    def get_session(self, session_id: str) -> dict[str, Any]:
        raise SessionNotFoundError(session_id)


@dataclass
class Scene:
    """Imports sources of a home directory, always with a good one at the end."""

    home: Path
    state_dir: Path
    manager: Manager = field(default_factory=Manager)

    def run(self, sources: list[tuple[Format, Source]] | None = None) -> Report:
        report = Report()
        found, failed = find.find_sources((), (), None)
        assert not failed
        good = Transcript(1)
        with open_state(self.state_dir, "g") as state:
            manager = cast(ManagerClient, self.manager)
            importer = Importer(manager, state, report, lambda _read: None)
            found.sort(key=lambda each: good.session_id in str(each[1].path))
            importer.run([*(sources or ()), *found])
        assert self.manager.events[good.session_id]
        return report


@pytest.fixture
def scene(own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    good = Transcript(1)
    good.turn()
    good.write(own_home)
    monkeypatch.chdir(own_home)
    return Scene(own_home, tmp_path / "state")


def variants(lines: list[Any], hostile: bytes) -> list[bytes]:
    """Return each line with the value in one place. Lines of the same form count once."""
    found: dict[tuple[Any, ...], bytes] = {}
    for line in lines:
        kind = line.get("type"), (line.get("payload") or {}).get("type")
        for path in _paths(line):
            form = (*kind, *(_ANY if isinstance(name, int) else name for name in path))
            if form not in found:
                marked = json.dumps(_replaced(line, path)).encode()
                found[form] = marked.replace(json.dumps(PLACE).encode(), hostile)
    return list(found.values())


def _paths(value: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else ()
    for name, part in enumerate(value) if isinstance(value, list) else members:
        yield (*path, name)
        yield from _paths(part, *path, name)


def _replaced(value: Any, path: tuple[Any, ...]) -> Any:
    if not path:
        return PLACE
    copy = value.copy()
    copy[path[0]] = _replaced(value[path[0]], path[1:])
    return copy


def _lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def write_all(home: Path, number: int, hostile: bytes) -> None:
    """Write a source of each format, with the value in every place."""
    session_id = f"00000000-0000-4000-8000-{number:012}"

    def write(path: Path, lines: list[Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps(lines).replace(SESSION, session_id)
        own = json.loads(content)
        whole = [json.dumps(line).encode() for line in own]
        path.write_bytes(b"\n".join([*whole, *variants(own, hostile), b""]))

    claude = next(iter(sorted(SAMPLES.glob("claude/*/c558*.jsonl"))))
    text = claude.read_text().replace(claude.stem, session_id)
    lines = [json.loads(line) for line in text.splitlines()]
    write(home / f".claude/projects/-x/{session_id}.jsonl", lines)
    codex = _lines_of(SAMPLES / "codex/thread.jsonl")
    codex = json.loads(json.dumps(codex).replace(THREAD, session_id))
    name = f"rollout-2026-03-01T10-00-00-{session_id}.jsonl"
    write(home / f".codex/sessions/2026/03/01/{name}", codex)
    copilot = home / f".copilot/session-state/{session_id}/events.jsonl"
    write(copilot, _lines_of(SAMPLES / "copilot/events.jsonl"))
    gemini = sorted(SAMPLES.glob("gemini/session-*.jsonl"))[0]
    write(home / f".gemini/tmp/p/chats/session-{number}.jsonl", _lines_of(gemini))
    earlier = home / f".agent-orchestrator/agent_sessions/s{number}.jsonl"
    write(earlier, RUN)
    earlier.with_suffix(".meta.json").write_bytes(
        json.dumps({**META, "session_id": session_id, "session_name": PLACE})
        .encode()
        .replace(json.dumps(PLACE).encode(), hostile)
    )
    path = home / f".local/share/opencode/opencode-{number}.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(OLD.replace("ses_de", f"ses_{number:02}"))
        for table in ("message", "part"):
            rows = database.execute(f"SELECT data FROM {table} ORDER BY id").fetchall()
            for place, odd in enumerate(variants([json.loads(data) for (data,) in rows], hostile)):
                first = f"SELECT * FROM {table} ORDER BY id LIMIT 1"
                database.execute(f"CREATE TEMP TABLE odd AS {first}")
                change = "UPDATE odd SET id = id || ?, data = CAST(? AS TEXT)"
                database.execute(change, (str(place), odd))
                database.execute(f"INSERT INTO {table} SELECT * FROM odd")
                database.execute("DROP TABLE odd")
        database.commit()
        path.write_bytes(database.serialize())


def test_odd_value_anywhere_costs_no_other_source(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, hostile in enumerate(HOSTILE):
        write_all(scene.home, number, hostile)
    with monkeypatch.context() as patch:
        for module in (one_source, report_module):
            patch.setattr(module, "SHOWN", 10**6)
        report = scene.run()
    defects = [each for each in report.problems if "Error: " in each.reason]
    assert (defects, report.counts["refused"]) == ([], 0)
    stored = {session: len(events) for session, events in scene.manager.events.items()}
    again = scene.run()
    assert (again.counts["events"], again.counts["sessions"]) == (0, 0)
    assert again.counts["failed"] == report.counts["failed"]
    assert {session: len(each) for session, each in scene.manager.events.items()} == stored


def test_number_that_json_cannot_have_becomes_text(scene: Scene) -> None:
    odd = Transcript(2)
    odd.prompt("Go")
    odd.call("Bash", [[{"type": "number", "value": float("nan")}]])
    odd.write(scene.home)
    scene.run()
    found = list(scene.manager.events[odd.session_id].values())[-1]
    assert ('"nan"' in json.dumps(found), found["sanitized"]) == (True, True)


def test_defect_of_a_parser_costs_one_line(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise LookupError("\ud800")

    monkeypatch.setattr(Parser, "_system", fail)
    odd = Transcript(2)
    odd.turn()
    odd.add("system")
    odd.turn()
    odd.write(scene.home)
    report = scene.run()
    assert (report.counts["events"], report.counts["broken"]) == (12, 1)
    assert report.problems[0][1:] == ("line 5", "LookupError: \ufffd")


def test_skipped_record_is_read_again_by_a_newer_parser(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before: a file that has not changed costs nothing."""
    newer = Transcript(2)
    newer.turn()
    newer.write(scene.home)

    def older(*_: object) -> None:
        raise BrokenRecordError("an answer of a new form")

    with monkeypatch.context() as patched:
        patched.setattr(Parser, "_assistant", older)
        counts = scene.run().counts
        assert (counts["events"], counts["broken"]) == (4, 4)
    assert scene.run().counts["unchanged"] == 2
    form = all_formats()["claude"]
    monkeypatch.setattr(form, "version", form.version + 1)
    counts = scene.run().counts
    assert (counts["events"], counts["broken"], counts["unchanged"]) == (4, 0, 0)
    assert scene.run().counts["unchanged"] == 2


class Defective:
    """A format of whole files whose search and reading end with errors that no one expects."""

    name = "gemini"
    version = 1
    about = SimpleNamespace(agent="Gemini CLI")

    def __init__(self, place: Path) -> None:
        self._place = place

    def roots(self, *_: object) -> list[Path]:
        return [self._place]

    def find(self, root: Path) -> Iterator[Source]:
        yield Source(path=root, root=root, stamp="1")
        raise KeyError("\ud800")

    def read(self, _source: Source) -> Iterator[Any]:
        yield from ()
        raise LookupError("\ud800")


def test_defects_are_reported_with_their_source(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    defective = cast(Format, Defective(scene.home))
    source = Source(path=scene.home, root=scene.home, stamp="1")
    others = [Transcript(2), Transcript(3)]
    for each in others:
        each.turn()
        each.write(scene.home)
    unknown, refused = (each.session_id for each in others)
    scene.manager.defects[unknown] = RuntimeError("no one knows")
    scene.manager.defects[refused] = SessionClientError("no", status_code=500, code="defect")
    for _ in range(2):  # the second time as the first one
        report = scene.run([(defective, source)])
        assert report.counts["failed"] == 3
        said = {Path(each.path).stem: each.reason for each in report.problems}
        assert said == {
            scene.home.stem: "LookupError: \ufffd",
            unknown: "RuntimeError: no one knows",
            refused: "no",
        }
    counted = Report()
    count_sources([(defective, source)], counted, lambda _read: None)
    assert [each.reason for each in counted.problems] == ["LookupError: \ufffd"]
    scene.manager.defects = {}
    assert scene.run().counts["events"] == 8

    formats = {"gemini": defective, "claude": all_formats()["claude"]}
    monkeypatch.setattr(find, "all_formats", lambda: formats)
    sources, failed = find.find_sources((), (), None)
    assert len(sources) == 4
    assert list(failed) == ["gemini"]
    assert failed["gemini"].path == "gemini"


def test_manager_that_is_gone_ends_the_import(scene: Scene) -> None:
    scene.manager.defects[Transcript(1).session_id] = SessionClientError("cannot be reached")
    with pytest.raises(SessionClientError, match="cannot be reached"):
        scene.run()


def test_path_that_is_not_utf_8_is_remembered(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = os.fsdecode(b"caf\xe9")
    (scene.home / ".claude").rename(scene.home / home)
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(scene.home / home))
    assert scene.run().counts["events"] == 4
    assert scene.run().counts["unchanged"] == 1


def test_last_line_without_its_break_has_its_own_number(scene: Scene) -> None:
    path = scene.home / f".codex/sessions/rollout-2026-03-01T10-00-00-{THREAD}.jsonl"
    path.parent.mkdir(parents=True)
    records = [session_meta()]
    for text in ("one", "two", "three"):  # their ids have the number of the line
        block = {"type": "input_text", "text": text}
        records.append(reply("message", role="user", content=[block]))
        records.append(event("user_message", message=text))
    lines = [json.dumps(each) for each in records]
    for end in range(2, len(lines) + 1):  # each line is read before its break was written
        path.write_text("\n".join(lines[:end]))
        scene.run()
    whole = Scene(scene.home, scene.state_dir.with_name("other"))
    whole.run()
    assert list(scene.manager.events[THREAD]) == list(whole.manager.events[THREAD])


def test_file_that_comes_back_brings_no_deleted_session(scene: Scene) -> None:
    deleted = Transcript(2)
    deleted.turn()
    path = deleted.write(scene.home)
    scene.run()
    for status in ("gone", "deleted"):
        with open_state(scene.state_dir, "g") as state:
            progress = state.of(path, "")
            assert progress is not None
            state.mark(progress, status)
        scene.manager.events.pop(deleted.session_id, None)
        assert scene.run().counts["unchanged"] == 2
        with open_state(scene.state_dir, "g") as state:
            assert state.known[str(path), ""].status == "deleted"
