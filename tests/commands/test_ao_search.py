"""`ao-search`: the lines, JSON, filters, and what it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.client.read.search import search
from agent_orchestrator.session_client import SessionClientError
from tests.commands.shell import DONE, NOT_FOUND, USAGE, Ended, Shell, call
from tests.support.recording import Received, Reply, json_reply, recording
from tests.support.rows import each_row
from tests.support.waiting import wait_for


@pytest.fixture
def word() -> str:
    return f"w{uuid4().hex}"


@pytest.fixture
def said(records: ManagerClient, project: Path, new_id: Callable[[], str], word: str) -> str:
    """Return the id of a session that has the word in a message and in an output with an error."""
    session_id = new_id()
    records.create_named_session(
        session_id, "fix login", project_dir=str(project), agent_name="reviewer", executor="command"
    )
    text = {"type": "text", "text": f"the {word} is here"}
    for event in (
        {"event_type": "message", "role": "assistant", "content": [text]},
        {
            **{"event_type": "post_tool", "tool_use_id": "t", "tool_name": "Bash"},
            **{"tool_output": f"found {word}", "error": "exit 1"},
        },
    ):
        records.add_event(session_id, {**event, "timestamp": "2026-01-02T03:04:05Z"})
    wait_for(lambda: _is_indexed(records), "the index has reached the record")
    return session_id


def _is_indexed(records: ManagerClient) -> bool:
    page = search(records, {"q": "x"}, limit=1)
    return bool(page["indexed_through"] >= page["newest"])


def seqs_of(ended: Ended) -> list[int]:
    assert (ended.exit_code, ended.stderr) == (DONE, ""), ended
    return [int(found[1]) for found in re.finditer(r"^ +(\d+)  ", ended.stdout, re.MULTILINE)]


def test_hits_are_below_their_session(shell: Shell, said: str, word: str, project: Path) -> None:
    ended = shell.having(TZ="UTC").run("ao-search", word.upper())
    assert ended == Ended(
        DONE,
        f"fix login  {said[:8]}  {project}\n"
        f"  2  2026-01-02 03:04  Bash output  Bash found {word} exit 1\n"
        f"  1  2026-01-02 03:04  message      the {word} is here\n",
        "",
    )


def test_filters_reach_the_manager(shell: Shell, said: str, word: str) -> None:
    for options, seqs in (
        (["--here"], [2, 1]),
        (["--session", said], [2, 1]),
        (["--agent", "reviewer"], [2, 1]),
        (["--agent", "other"], []),
        (["--kind", "message"], [1]),
        (["--tool", "Bash"], [2]),
        (["--errors"], [2]),
        (["--since", "2026-01-02", "-n", "1"], [2]),
        (["--since", "2026-01-04"], []),
        (["--best", "--by-session"], [2]),
        (["is"], [1]),
    ):
        found = seqs_of(shell.run("ao-search", word, *options))
        assert len(found) == 1 if "--best" in options else found == seqs, options


def test_first_hit_is_opened_in_the_browser(shell: Shell, said: str, word: str) -> None:
    browser = shell.directory.parent / "browser"
    browser.write_text(
        '#!/bin/sh\nsed -n "s/.*href=.\\(http[^\\"]*\\).*/\\1/p" "${1#file://}" > "$0.opened"\n'
    )
    browser.chmod(0o755)
    bare = shell.having(**dict.fromkeys(("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION")))
    on_screen = bare.having(BROWSER=str(browser))
    hits = shell.run("ao-search", word).stdout
    place = f"/sessions/{said}/seq/2"
    assert on_screen.run("ao-search", word, "--open") == Ended(
        DONE, hits, "ao-search: opened event 2 of the session fix login in your browser\n"
    )
    assert Path(f"{browser}.opened").read_text().strip().endswith(place)
    ended = bare.run("ao-search", word, "--open", "--json")
    assert [hit["seq"] for hit in ended.json["hits"]] == [2, 1]
    assert "open this address yourself, within a minute: http://127.0.0.1:" in ended.stderr
    assert ended.stderr.endswith(f"{place}\n")
    ended = on_screen.run("ao-search", uuid4().hex, "--open")
    assert ended == Ended(NOT_FOUND, "", "ao-search: nothing found, so no page was opened\n")


def test_terminal_names_the_command_that_reads_a_hit(shell: Shell, said: str, word: str) -> None:
    with shell.on_terminal("ao-search", word) as terminal:
        code, screen = terminal.end()
    assert code == DONE
    command = screen.rstrip().rpartition("to read the first hit: ")[2]
    assert command == f"ao-logs {said} --around 2"
    assert "> [2] " in shell.run(*command.split()).stdout


def test_json_has_the_hits_and_the_named_sessions(shell: Shell, said: str, word: str) -> None:
    shell.run("ao-rename", said, f"{word} session")
    records = shell.run("ao-search", word, "--json").json
    assert [hit["seq"] for hit in records["hits"]] == [2, 1]
    assert {hit["session_id"] for hit in records["hits"]} == {said}


def test_session_is_found_by_its_name_alone(
    shell: Shell, records: ManagerClient, project: Path, new_id: Callable[[], str], word: str
) -> None:
    session_id = new_id()
    records.create_named_session(session_id, word, project_dir=str(project))

    def line() -> str:
        return shell.run("ao-search", word).stdout

    wait_for(lambda: line() == f"{word}  {session_id[:8]}  {project}\n", "the name is found")


def test_search_without_hits_prints_nothing(shell: Shell, said: str) -> None:
    assert shell.run("ao-search", uuid4().hex) == Ended(DONE, "", "")


def test_wrong_query_is_a_usage_error(shell: Shell, said: str) -> None:
    for query in ('"open', "-word", "a*", "..."):
        ended = shell.run("ao-search", "--", query)
        assert (ended.exit_code, ended.stdout) == (USAGE, ""), ended
        assert ended.stderr.startswith("ao-search: "), ended
    assert shell.run("ao-search", "x", "--session", "no such session").exit_code == NOT_FOUND


@each_row("arguments", [[], ["x", "--kind", "text"], ["x", "-n", "0"], ["x", "--since", "soon"]])
def test_wrong_values_are_usage_errors(arguments: list[str]) -> None:
    ended = call("ao-search", *arguments)
    assert (ended.exit_code, ended.stdout) == (USAGE, ""), ended


def page_of(*seqs: int, next_page: str | None = None, newest: int = 9) -> dict[str, Any]:
    snippet = {"text": "x", "ranges": [], "is_beginning": True, "is_end": True}
    hit = {
        **{"session_id": "s", "session_name": "s", "project_dir": None, "kind": "message"},
        **{"tool_name": None, "occurred_at": "2026-01-01T00:00:00Z", "snippet": snippet},
    }
    named = [{"session_id": "n", "session_name": "n", "project_dir": None}]
    hits = [{**hit, "seq": seq} for seq in seqs]
    return {
        **{"hits": hits, "sessions": named if next_page else [], "indexed_through": 9},
        **{"newest": newest, "next_page": next_page},
    }


def test_pages_are_read_until_the_limit() -> None:
    pages = {
        None: page_of(3, 2, next_page="a"), "a": page_of(next_page="b"),
        "b": page_of(1, next_page="c"), "c": page_of(0),
    }  # fmt: skip
    asked: list[tuple[str | None, str]] = []

    def reply(request: Received) -> Reply:
        given = dict(pair.split("=") for pair in request.target.partition("?")[2].split("&"))
        asked.append((given.get("page"), given["limit"]))
        return json_reply(pages[given.get("page")])

    with recording(reply) as manager, ManagerClient(manager.url) as client:
        found = search(client, {"q": "x"}, limit=3)
    assert [hit["seq"] for hit in found["hits"]] == [3, 2, 1]
    assert [session["session_id"] for session in found["sessions"]] == ["n"]
    assert (found["next_page"], asked) == ("c", [(None, "3"), ("a", "1"), ("b", "1")])


def test_index_behind_the_record_is_told(shell: Shell) -> None:
    with recording(lambda _: json_reply(page_of(1, newest=1234))) as manager:
        ended = shell.having(AGENT_ORCHESTRATOR_SESSION_MANAGER_URL=manager.url).run(
            "ao-search", "x"
        )
    assert ended.stderr == (
        "ao-search: the search index is 1,225 events behind the record, so there may be more hits\n"
    )


def test_answer_of_another_shape_is_refused() -> None:
    genuine = page_of(1)
    (hit,) = genuine["hits"]
    wrong: list[dict[str, Any]] = [
        {**genuine, "hits": {}}, {**genuine, "sessions": [{}]}, {**genuine, "next_page": 5},
        {**genuine, "newest": -1}, {**genuine, "hits": [{**hit, "session_id": "../x"}]},
        {**genuine, "hits": [{**hit, "occurred_at": "soon"}]},
        {**genuine, "hits": [{**hit, "snippet": {**hit["snippet"], "ranges": [{"start": "x"}]}}]},
    ]  # fmt: skip
    told: list[dict[str, Any]] = [genuine]
    with recording(lambda _: json_reply(told[-1])) as liar, ManagerClient(liar.url) as client:
        assert search(client, {"q": "x"}, limit=1) == genuine
        for answer in wrong:
            told.append(answer)
            with pytest.raises(SessionClientError):
                search(client, {"q": "x"}, limit=1)
