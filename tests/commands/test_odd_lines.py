"""Lines with values that JSON, a database or a client cannot have, in the files of every agent.

Each value stands in the input of a tool call, between a prompt and an answer that must not suffer.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from agent_orchestrator.client.manager import Json, ManagerClient
from agent_orchestrator.transcripts.names import PROJECT_KEY
from tests.commands.shell import DONE, Shell
from tests.support.transcript_files import Transcript

PLACE = "the odd value"
_PLACE = json.dumps(PLACE).encode()
DIGITS = "9" * 400


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


class Odd(NamedTuple):
    """A value, and its stored form; None: its record is broken."""

    value: bytes
    stored: Any = None


DEEP = object()
"""Stored as a text, with the mark `shortened`."""
VALUES = {
    "not UTF-8": Odd(b'"a\xff"'),
    "NUL": Odd(b'"a\x00"'),
    "escaped NUL": Odd(b'"a\\u0000"', "a\ufffd"),
    "surrogate": Odd(b'"a\xed\xa0\x80"', "a\ufffd"),
    "escaped surrogate": Odd(b'"a\\ud800"', "a\ufffd"),
    "NaN": Odd(b"NaN", "nan"),
    "Infinity": Odd(b"[Infinity,-Infinity]", ["inf", "-inf"]),
    "64 bits": Odd(b"[18446744073709551615,-9223372036854775808]", [2**64 - 1, -(2**63)]),
    "more than 64 bits": Odd(
        b"[18446744073709551616,-9223372036854775809]",
        ["18446744073709551616", "-9223372036854775809"],
    ),
    "300 digits": Odd(b"[ %s]" % (b"7" * 300), ["7" * 300]),
    "400 digits": Odd(DIGITS.encode(), DIGITS),
    "1e400": Odd(b"1e400", "inf"),
    "duplicate keys": Odd(b'{"k":1,"k":{"k":2,"k":3}}', {"k": {"k": 3}}),
    "900 levels": Odd(nested(900), DEEP),
    "1,000 levels": Odd(nested(1000), DEEP),
    "5,000 levels": Odd(nested(5000), DEEP),
}
_READ_WITH_REPLACED_BYTES = {"not UTF-8": "a\ufffd", "surrogate": "a\ufffd\ufffd\ufffd"}
OTHERWISE: dict[str, dict[str, str]] = {
    "opencode 1.x": _READ_WITH_REPLACED_BYTES,
    "opencode 2.x": _READ_WITH_REPLACED_BYTES,
    # A text that is not JSON remains one.
    "codex, in a text": {
        name: f'{{"odd":{VALUES[name].value.decode()}}}' for name in ("NaN", "Infinity", "1e400")
    },
}
"""What else is stored, by format."""


class Written(NamedTuple):
    """A session in the files of an agent."""

    session_id: str
    path: Path
    place: str
    """The place of its record with the value."""


def lines_of(*records: Json) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in records)


def write(path: Path, content: bytes, odd: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.replace(_PLACE, odd))
    return path


def claude(home: Path, number: int, odd: bytes) -> Written:
    transcript = Transcript(10**12 + number)
    transcript.prompt("Go")
    call = {"type": "tool_use", "id": f"toolu_{number}", "name": "X", "input": {"odd": PLACE}}
    transcript.answer(call, ends=False)
    transcript.answer({"type": "text", "text": "After."})
    path = write(transcript.write(home), transcript.text().encode(), odd)
    return Written(transcript.session_id, path, "line 2")


def codex(home: Path, number: int, odd: bytes) -> Written:
    thread = f"01a21dd5-0000-7000-8000-{number:012}"

    def record(kind: str, **payload: Any) -> Json:
        return {"timestamp": "2026-03-01T10:00:00.000Z", "type": kind, "payload": payload}

    def said(role: str, kind: str, text: str) -> Json:
        block = {"type": kind, "text": text}
        return record("response_item", type="message", role=role, content=[block])

    content = lines_of(
        record("session_meta", id=thread, cwd="/p"),
        said("user", "input_text", "Go"),
        record("response_item", type="web_search_call", id="c", action={"odd": PLACE}),
        said("assistant", "output_text", "After."),
    )
    name = f"rollout-2026-03-01T10-00-00-{thread}.jsonl"
    return Written(thread, write(home / ".codex" / "sessions" / name, content, odd), "line 3")


def codex_arguments(home: Path, number: int, odd: bytes) -> Written:
    """The arguments of a function are JSON in a text."""
    written = codex(home, number, _PLACE)
    in_text = odd.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    call = b'"type": "function_call", "name": "x", "arguments": "{\\"odd\\":%s}"' % in_text
    before = b'"type": "web_search_call", "id": "c", "action": {"odd": %s}' % _PLACE
    content = written.path.read_bytes()
    written.path.write_bytes(content.replace(before, call + b', "call_id": "c"'))
    return written


def copilot(home: Path, number: int, odd: bytes) -> Written:
    session_id = f"copilot-{number}"

    def record(kind: str, place: int, **data: Any) -> Json:
        moment = f"2026-03-01T10:00:0{place}.000Z"
        return {"type": kind, "data": data, "id": f"{session_id}-{place}", "timestamp": moment}

    content = lines_of(
        record("user.message", 1, content="Go"),
        record("tool.execution_start", 2, toolCallId="c", toolName="x", arguments={"odd": PLACE}),
        record("assistant.message", 3, content="After."),
    )
    path = home / ".copilot" / "session-state" / session_id / "events.jsonl"
    return Written(session_id, write(path, content, odd), "line 2")


def gemini(home: Path, number: int, odd: bytes) -> Written:
    session_id = f"gemini-{number}"
    call = {"id": "c", "name": "x", "args": {"odd": PLACE}}
    content = lines_of(
        {"sessionId": session_id, "startTime": "2026-03-01T10:00:00.000Z"},
        {"id": "1", "type": "user", "content": [{"text": "Go"}]},
        {"id": "2", "type": "gemini", "content": "", "toolCalls": [call]},
        {"id": "3", "type": "gemini", "content": "After."},
    )
    path = home / f".gemini/tmp/p/chats/session-{number}.jsonl"
    return Written(session_id, write(path, content, odd), "line 3")


def predecessor(home: Path, number: int, odd: bytes) -> Written:
    session_id = f"predecessor-{number}"
    call = {"id": "c", "name": "x", "input": {"odd": PLACE}}
    content = lines_of(
        {"type": "user_message", "content": "Go", "timestamp": "2026-03-01T10:00:00+00:00"},
        {"model": "m", "content": [call]},
        {"model": "m", "content": [{"text": "After."}]},
    )
    path = home / "earlier" / f"s{number}.jsonl"
    write(path, content, odd)
    path.with_suffix(".meta.json").write_text(
        json.dumps({"session_name": f"s{number}", "session_id": session_id})
    )
    return Written(session_id, path, "line 2")


TIME = {"created": 1770000001000, "completed": 1770000002000}
PARTS: dict[str, Json] = {
    "1": {"type": "text", "text": "Go"},
    "2": {"type": "tool", "tool": "x", "callID": "c", "state": {"input": {"odd": PLACE}}},
    "3": {"type": "text", "text": "After."},
}


def opencode_files(home: Path, number: int, odd: bytes) -> Written:
    session_id, root = f"ses_files_{number}", home / ".local/share/opencode/storage"
    question, answer = f"msg_{number}_1", f"msg_{number}_2"
    session = {"id": session_id, "directory": "/p", "title": "T", "time": TIME}
    files: dict[str, Json] = {
        f"session/global/{session_id}": session,
        f"message/{session_id}/{question}": {"role": "user", "time": TIME},
        f"message/{session_id}/{answer}": {"role": "assistant", "time": TIME},
        f"part/{question}/prt_{number}_1": PARTS["1"],
        f"part/{answer}/prt_{number}_2": PARTS["2"],
        f"part/{answer}/prt_{number}_3": PARTS["3"],
    }
    paths = [
        write(root / f"{name}.json", json.dumps(value).encode(), odd)
        for name, value in files.items()
    ]
    return Written(session_id, paths[0], f"part prt_{number}_2")


def opencode_parts(home: Path, number: int, odd: bytes) -> Written:
    """The tables of opencode 1.x."""
    session_id = f"ses_1_{number}"
    roles = {"1": "user", "2": "assistant"}
    messages = {f"msg_1_{number}_{n}": {"role": role, "time": TIME} for n, role in roles.items()}
    with _database(home, f"opencode-1-{number}") as (path, database):
        database.execute("CREATE TABLE session (id text, directory, time_updated)")
        database.execute(
            "CREATE TABLE message (id text, session_id, time_created, time_updated, data)"
        )
        database.execute("CREATE TABLE part (id text, message_id, session_id, data)")
        database.execute("INSERT INTO session VALUES (?, '/p', 1)", (session_id,))
        for place, (name, data) in enumerate(messages.items()):
            message = (name, session_id, place, json.dumps(data))
            database.execute("INSERT INTO message VALUES (?, ?, ?, 1, ?)", message)
        question, answer = messages
        for key, data in PARTS.items():
            content = json.dumps(data).encode().replace(_PLACE, odd)
            part = (f"prt_{number}_{key}", question if key == "1" else answer, session_id, content)
            database.execute("INSERT INTO part VALUES (?, ?, ?, CAST(? AS TEXT))", part)
    return Written(session_id, path, f"part prt_{number}_2")


def opencode_messages(home: Path, number: int, odd: bytes) -> Written:
    """The tables of opencode 2.x."""
    session_id = f"ses_2_{number}"
    call = {"type": "tool", "id": "c", "name": "x", "state": {"input": {"odd": PLACE}}}
    said = {"type": "text", "text": "After."}
    messages: dict[str, tuple[str, Json]] = {
        f"msg_2_{number}_1": ("user", {"text": "Go", "time": TIME}),
        f"msg_2_{number}_2": ("assistant", {"content": [call], "time": TIME}),
        f"msg_2_{number}_3": ("assistant", {"content": [said], "time": TIME}),
    }
    with _database(home, f"opencode-2-{number}") as (path, database):
        database.execute("CREATE TABLE session_v2 (id text, directory, time_updated)")
        columns = "id text, session_id, type, seq, time_created, time_updated, data"
        database.execute(f"CREATE TABLE session_message ({columns})")
        database.execute("INSERT INTO session_v2 VALUES (?, '/p', 1)", (session_id,))
        for place, (name, (kind, data)) in enumerate(messages.items()):
            content = json.dumps(data).encode().replace(_PLACE, odd)
            row = (name, session_id, kind, place, content)
            insert = "INSERT INTO session_message VALUES (?, ?, ?, ?, 1, 1, CAST(? AS TEXT))"
            database.execute(insert, row)
    return Written(session_id, path, f"message msg_2_{number}_2")


@contextmanager
def _database(home: Path, name: str) -> Iterator[tuple[Path, sqlite3.Connection]]:
    """Yield a new database of opencode, which is written at the end."""
    path = home / ".local" / "share" / "opencode" / f"{name}.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(":memory:")) as database:
        yield path, database
        database.commit()
        path.write_bytes(database.serialize())


FORMATS: dict[str, Callable[[Path, int, bytes], Written]] = {
    "claude": claude,
    "codex": codex,
    "codex, in a text": codex_arguments,
    "copilot": copilot,
    "gemini": gemini,
    "predecessor": predecessor,
    "opencode, files": opencode_files,
    "opencode 1.x": opencode_parts,
    "opencode 2.x": opencode_messages,
}


def test_odd_line_costs_itself_at_most_and_is_named(
    person: Shell, home: Path, records: ManagerClient
) -> None:
    person = person.having(AGENT_ORCHESTRATOR_SESSIONS_DIR=str(home / "earlier"))
    written = {
        (form, name): write_one(home, 100 * number + place, odd.value)
        for number, (form, write_one) in enumerate(FORMATS.items())
        for place, (name, odd) in enumerate(VALUES.items())
    }
    ended = person.run("ao-import", "--json")
    assert ended.exit_code == DONE
    found = ended.json
    named = [(each["path"], each["place"]) for each in found["problems"]]
    broken = 0
    wrong: dict[tuple[str, str], Any] = {}
    for (form, name), (session_id, path, place) in written.items():
        stored = OTHERWISE.get(form, {}).get(name, VALUES[name].stored)
        broken += stored is None
        events = list(records.iterate_events(session_id))
        said = [each["content"][0]["text"] for each in events if each["event_type"] == "message"]
        got = [_stored(each) for each in events if each["event_type"] == "pre_tool"]
        expected = [] if stored is None else [stored]
        is_named = (str(path), place) in named
        if (said, got, is_named) != (["Go", "After."], expected, stored is None):
            wrong[form, name] = said, got, is_named
    assert wrong == {}
    assert (found["broken"], found["failed"], found["unknown"]) == (broken, 0, [])
    # The manager stores no line of a transcript that its readers could not read.
    refused = {place for _, place in named} - {each.place for each in written.values()}
    assert refused == {"a line of the transcript"}
    for name in VALUES:
        which = {"project_key": PROJECT_KEY, "session_id": written["claude", name].session_id}
        entries = [each for page in records.iterate_entries(which) for each in page]
        assert {entries[0]["type"], entries[-1]["type"]} == {"user", "assistant"}


def _stored(call: Json) -> Any:
    """Return the stored form of a value; `DEEP` if a part of it is a text, and marked."""
    (value,) = call["tool_input"].values()
    return DEEP if "shortened" in call else value
