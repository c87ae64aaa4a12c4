"""Runs of agents of the Agent Client Protocol whose own files are imported later."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.machine.environment import host
from agent_orchestrator.transcripts.names import PROJECT_KEY, conversation_subpath
from tests.acp.conftest import PROGRAM, text
from tests.commands.shell import Shell
from tests.commands.test_ao_acp import add_preset
from tests.commands.test_ao_import import counts_of, imported
from tests.support.rows import each_row

Json = dict[str, Any]

TOKENS = {"input": 3000, "output": 42, "cached": 2000}
TOTAL = {"inputTokens": 3000, "outputTokens": 42, "cachedReadTokens": 2000}
COUNTED = {"input_tokens": 1000, "output_tokens": 42, "cache_read_tokens": 2000}


class Turn(NamedTuple):
    """A turn in the files of an agent: a prompt and its answer, in the same moment."""

    number: int
    moment: datetime

    @property
    def milliseconds(self) -> int:
        return int(self.moment.timestamp() * 1000)


def write_lines(path: Path, lines: Sequence[Json]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def write_gemini(home: Path, conversation: str, project: Path, turns: Sequence[Turn]) -> None:
    folder = home / ".gemini" / "tmp" / "p"
    lines: list[Json] = [{"sessionId": conversation, "kind": "main"}]
    for number, moment in turns:
        at = {"timestamp": moment.isoformat()}
        ids = f"{conversation}-{number}"
        lines.append({"id": f"{ids}-u", **at, "type": "user", "content": f"Prompt {number}"})
        answer = {"type": "gemini", "content": f"Answer {number}", "model": "gemini-2.5-flash"}
        lines.append({"id": f"{ids}-a", **at, **answer, "tokens": TOKENS})
    write_lines(folder / "chats" / f"session-{conversation}.jsonl", lines)
    (folder / ".project_root").write_text(str(project))


def write_copilot(home: Path, conversation: str, project: Path, turns: Sequence[Turn]) -> None:
    counts = {"inputTokens": 3000, "outputTokens": 42, "cacheReadTokens": 2000}
    start = {"sessionId": conversation, "context": {"cwd": str(project)}}
    lines: list[Json] = [{"id": "start", "type": "session.start", "data": start}]
    for number, moment in turns:
        for kind, data in (
            ("user.message", {"content": f"Prompt {number}"}),
            ("session.usage_record", {"usage": {"apiCallId": f"c{number}", **counts}}),
            ("assistant.message", {"content": f"Answer {number}", "messageId": f"m{number}"}),
        ):
            at = {"timestamp": moment.isoformat()}
            lines.append({"id": f"{number}-{kind}", "type": kind, "data": data, **at})
    write_lines(home / ".copilot/session-state" / conversation / "events.jsonl", lines)


def write_opencode(home: Path, conversation: str, project: Path, turns: Sequence[Turn]) -> None:
    storage = home / ".local/share/opencode/storage"
    times = [turn.milliseconds for turn in turns]
    session = {"id": conversation, "directory": str(project), "version": "1.1.20"}
    files: dict[str, Json] = {
        f"session/x/{conversation}.json": {
            **session,
            "time": {"created": times[0] - 1, "updated": times[-1]},
        }
    }
    tokens = {"input": 1000, "output": 42, "reasoning": 0, "cache": {"read": 2000, "write": 0}}
    for (number, _), time in zip(turns, times, strict=True):
        roles = ("user", "assistant")
        ids = {role: f"msg_{conversation}_{number}{place}" for place, role in enumerate(roles)}
        common = {"time": {"created": time, "completed": time}}
        answer = {"modelID": "m", "providerID": "p", "finish": "stop", "tokens": tokens}
        for role, said, more in (("user", "Prompt", {}), ("assistant", "Answer", answer)):
            message = f"message/{conversation}/{ids[role]}.json"
            files[message] = {"role": role, **common, **more}
            files[f"part/{ids[role]}/prt_{role}.json"] = {
                "type": "text",
                "text": f"{said} {number}",
            }
    for name, value in files.items():
        write_lines(storage / name, [value])


WRITERS: dict[str, Callable[[Path, str, Path, Sequence[Turn]], None]] = {
    "gemini": write_gemini,
    "copilot": write_copilot,
    "opencode": write_opencode,
}


def record(shell: Shell, tmp_path: Path, name: str, conversation: str) -> None:
    """Record a run of a scripted agent that names its conversation so."""
    script = tmp_path / f"{name}.json"
    serve = ["serve", {}, {"session/new": {"sessionId": conversation}}]
    done = ["done", {"stopReason": "end_turn", "usage": TOTAL}]
    script.write_text(json.dumps([serve, [*text("Answer 1"), conversation], done]))
    program = [sys.executable, "-IS", str(PROGRAM), str(script), f"{script}.log"]
    add_preset(
        shell,
        f'[mine]\ncommand = {program}\nusage = "process-total"\nis_cached_in_input = true\n',
    )
    # Without transcripts too: the manager gets only the name of the conversation.
    new = shell.run("ao-new", name, "-p", "Prompt 1", "--executor", "mine", "--no-transcripts")
    assert new.stdout == "Answer 1\n", new


@each_row("agent, how", [(agent, how) for agent in WRITERS for how in ("twice", "at once")])
def test_files_of_a_recorded_agent_add_only_what_is_new(
    shell: Shell, records: ManagerClient, own_home: Path, tmp_path: Path, agent: str, how: str
) -> None:
    """The recorded turn, a turn by hand after it, and another conversation by hand."""
    conversation, write = f"{agent}-{how[:2]}-recorded", WRITERS[agent]
    record(shell, tmp_path, conversation, conversation)
    (session,) = records.find_sessions(session_name=conversation, project_dir=str(shell.directory))
    before = list(records.iterate_events(session["session_id"]))
    begin, end = (datetime.fromisoformat(before[place]["timestamp"]) for place in (0, -1))
    first = Turn(1, begin + (end - begin) / 2)
    options = ("--agent", agent)

    if how == "twice":
        write(own_home, conversation, shell.directory, [first])
        found = imported(shell, *options)
        assert counts_of(found, "sessions", "events", "requests") == [0, 0, 1], found
        assert list(records.iterate_events(session["session_id"])) == before
        after = records.get_session(session["session_id"])
        assert (after["usage"], after["run"]) == (session["usage"], 1)
        assert {name: after["usage"][name] for name in COUNTED} == COUNTED

    by_hand = f"{conversation}-by-hand"
    second = Turn(2, end + timedelta(seconds=1))
    if agent == "gemini":  # it writes all messages again when it is resumed
        first = Turn(1, second.moment)
    write(own_home, conversation, shell.directory, [first, second])
    write(own_home, by_hand, shell.directory, [Turn(3, end + timedelta(seconds=2))])
    found = imported(shell, *options)
    expected = [1, 4, 2 if how == "twice" else 3]
    assert counts_of(found, "sessions", "events", "requests") == expected, found
    events = list(records.iterate_events(session["session_id"]))
    assert events[: len(before)] == before
    texts = [(each["run"], each["content"][0]["text"]) for each in events[len(before) :]]
    assert texts == [(2, "Prompt 2"), (2, "Answer 2")]
    after = records.get_session(session["session_id"])
    assert {name: after["usage"][name] for name in COUNTED} == {
        name: 2 * count for name, count in COUNTED.items()
    }
    assert records.get_session(by_hand)["executor"] == agent
    assert counts_of(imported(shell, *options), "events", "requests") == [0, 0]


def test_files_wait_until_an_open_run_has_named_its_conversation(
    shell: Shell, records: ManagerClient, own_home: Path
) -> None:
    """A name that comes too late would leave two sessions."""
    records.create_named_session(
        "recorded", "recorded", project_dir=str(shell.directory), executor="gemini", host=host()
    )
    moment = datetime.fromisoformat(records.get_session("recorded")["created_at"])
    for conversation in ("named", "other"):
        turn = Turn(1, moment + timedelta(seconds=1))
        write_gemini(own_home, conversation, shell.directory, [turn])
    assert counts_of(imported(shell), "held", "sessions", "events") == [2, 0, 0]
    key = {"project_key": PROJECT_KEY, "session_id": "recorded"}
    subpath = {"subpath": conversation_subpath("named")}
    records.append_entries({**key, **subpath}, [b'{"type":"x"}'], batch_id="b")
    assert counts_of(imported(shell), "held", "sessions", "events") == [1, 1, 2]
    stop: dict[str, Any] = {"event_type": "session_stop", "exit_code": 0}
    at = {"timestamp": (moment + timedelta(seconds=2)).isoformat()}
    records.add_event("recorded", {"event_type": "diagnostic", "timestamp": moment.isoformat()})
    records.add_event("recorded", {**stop, **at})
    assert counts_of(imported(shell), "held", "sessions", "events") == [0, 0, 0]
    assert records.get_status("named") == "not_existent"
    assert records.get_session("recorded")["usage"]["input_tokens"] == 1000

    (own_home / ".gemini/tmp/p/chats/named").mkdir()
    sub = own_home / ".gemini/tmp/p/chats/named/sub.jsonl"
    said = {"id": "u", "timestamp": moment.isoformat(), "type": "user", "content": "Look."}
    write_lines(sub, [{"sessionId": "sub", "kind": "subagent"}, said])
    assert counts_of(imported(shell), "sessions", "events") == [1, 1]
    assert records.get_session("sub")["parent_session_id"] == "recorded"
