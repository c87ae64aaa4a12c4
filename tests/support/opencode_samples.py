"""Sessions that opencode has written, in databases and files of its layouts."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from agent_orchestrator.history.format import Source
from agent_orchestrator.history.formats.opencode import FORMAT
from agent_orchestrator.history.items import Item

SAMPLES = Path(__file__).parents[1] / "history" / "samples" / "opencode"
OLD = (SAMPLES / "1.18.33.sql").read_text()
NEW = (SAMPLES / "2.0.sql").read_text()
MAIN = "ses_de22b1554ffemkkwywj9n37Rpv"
FORK = "ses_de22458aeffe9SDCtZGxOIPyqK"
PARENT = "ses_de226dec7ffegqkgN35lTraHsg"
CHILD = "ses_de226d0e8ffe8eEcgnNGhW2UfV"
UNANSWERED = "ses_de226bda6ffegQ5UhsbLyIb07t"
ANSWER = "msg_21dd4f684001JB053ohbqTav51"
LAST_ANSWER = "msg_21dd512d5001gvQS2CWJwfc7YT"
SESSIONS = {MAIN, FORK, PARENT, CHILD, UNANSWERED}


def build(path: Path, *scripts: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        for script in scripts:
            database.executescript(script)
    return path


def change(path: Path, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement, values)


def read(path: Path, session_id: str) -> list[Item]:
    return list(FORMAT.read(Source(path=path, root=path.parent, key=session_id)))


def stamps(root: Path) -> dict[str, str | None]:
    return {source.key: source.stamp for source in FORMAT.find(root)}


def upgraded(script: str) -> str:
    """Return the statements that put the tables of 2.x beside those of 1.x."""
    return script.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS").replace(
        "INSERT INTO project", "INSERT OR IGNORE INTO project"
    )


def write_files(root: Path) -> None:
    """Write a session as opencode 1.1 kept it."""
    time = {"created": 1770000000000, "updated": 1770000009000}
    done = {"created": 1770000001000, "completed": 1770000002000}
    tokens = {"input": 10, "output": 5, "reasoning": 0, "cache": {"read": 3, "write": 2}}
    session = {"id": "ses_files", "version": "1.1.20", "directory": "/home/user/project"}
    answer = {"role": "assistant", "modelID": "m", "providerID": "example", "finish": "stop"}
    state = {"status": "completed", "input": {"command": "ls"}, "output": "a.txt"}
    files: dict[str, Any] = {
        "session/global/ses_files.json": {**session, "title": "Old", "time": time},
        "message/ses_files/msg_1.json": {"role": "user", "time": {"created": 1770000000500}},
        "message/ses_files/msg_2.json": {**answer, "cost": 0.5, "tokens": tokens, "time": done},
        "part/msg_1/prt_1.json": {"type": "text", "text": "List."},
        "part/msg_2/prt_2.json": {"type": "tool", "tool": "bash", "callID": "c", "state": state},
        "part/msg_2/prt_3.json": {"type": "text", "text": "One file."},
    }
    for name, value in files.items():
        path = root / "storage" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
