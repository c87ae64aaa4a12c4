"""A manager that lies: its answers never lead a command or a supervisor to other files."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.executors.base import RunSpec
from agent_orchestrator.session_client import SessionClientError
from agent_orchestrator.sessions.starts.start import MIN_TERM_SECONDS, NewRun, _assignment
from tests.commands.shell import FAILED, Shell
from tests.support.recording import Received, Reply, json_reply, recording

HOSTILE: tuple[Any, ...] = (
    *("../../trav/evil", "/etc/passwd", "--flag", "", "a\0b", "a\nb", "*", "\ud800", "x" * 5000),
    *(None, True, -1, 7.5, 2**64, [], {}, ["x"]),
)


def hostile_answers(answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield copies of the answer, each with one value replaced or removed."""
    for key, value in answer.items():
        yield {name: other for name, other in answer.items() if name != key}
        for hostile in HOSTILE:
            yield {**copy.deepcopy(answer), key: hostile}
        if isinstance(value, dict):
            for inner in hostile_answers(value):
                yield {**copy.deepcopy(answer), key: inner}


def opening(session_id: str) -> dict[str, Any]:
    return {
        "session_id": session_id,
        "session_name": "x",
        "project_dir": "/p",
        "executor": "command",
        "lease": {"holder": "h"},
    }


def test_values_of_an_answer_are_checked_before_use(
    records: ManagerClient, new_id: Callable[[], str], tmp_path: Path
) -> None:
    session_id = new_id()
    genuine = records._request("POST", "/sessions", opening(session_id))
    spec = RunSpec(executor="command", project_dir=tmp_path, command=("true",))
    new = NewRun(prompt="p", spec=spec)
    told: list[dict[str, Any]] = [genuine]
    taken = refused = 0
    with recording(lambda _: json_reply(told[-1])) as liar, ManagerClient(liar.url) as client:
        for answer in (genuine, *hostile_answers(genuine)):
            told.append(answer)
            try:
                opened = client.create_named_session(
                    session_id, "x", project_dir="/p", executor="command", holder="h"
                )
            except SessionClientError:
                refused += 1
                continue
            taken += 1
            made = _assignment(opened, new, url=liar.url, holder="h")
            assert made.session_id == session_id
            assert type(made.run) is int and made.run >= 0
            assert made.term_seconds >= MIN_TERM_SECONDS
            assert made.parent_session_id is None
            assert all(
                token is None or (token.isascii() and token.isprintable())
                for token in opened.tokens
            )
    assert taken > 1 and refused > len(HOSTILE)


def test_answer_with_another_id_writes_no_other_files(
    shell: Shell, records: ManagerClient, new_id: Callable[[], str], tmp_path: Path
) -> None:
    answer = records._request("POST", "/sessions", opening(new_id()))
    answer["session"]["session_id"] = "../../trav/evil"
    state = tmp_path / "deep" / "state"
    proof = tmp_path / "proof"

    def lie(received: Received) -> Reply:
        return json_reply(answer, 201)

    with recording(lie) as liar:
        there = shell.having(
            AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=liar.url, AGENT_ORCHESTRATOR_STATE_DIR=str(state)
        )
        ended = there.run("ao-new", "x", "--executor", "command", "--", "touch", str(proof))
    assert (ended.exit_code, ended.stdout) == (FAILED, "")
    assert not proof.exists()
    left = {path.name for path in state.rglob("*")}
    assert left == {"seal.key", "supervisors.log"}
    assert not (tmp_path / "trav").exists() and not (tmp_path / "deep" / "trav").exists()
