from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.history.format import Place
from agent_orchestrator.history.formats.codex import FORMAT
from agent_orchestrator.history.items import SessionFacts, Title, TitleRank
from tests.support.codex_rollouts import (
    THREAD,
    Json,
    ends,
    event,
    events,
    lines,
    read,
    record,
    reply,
    session_meta,
)


@pytest.mark.parametrize(
    ("content", "origin"),
    [
        ("Fix it.", None),
        ("<environment_context>\n<cwd>/</cwd>\n</environment_context>", "system"),
        ("# AGENTS.md instructions for /home/me\n\nBe brief.", "system"),
        ("<turn_aborted>\nStopped.\n</turn_aborted>", "system"),
        ("<user_shell_command>\nls\n</user_shell_command>", "command"),
        ("<html>Why does this page not render?</html>", None),
    ],
)
def test_origin_follows_the_beginning_of_a_text(content: str, origin: str | None) -> None:
    blocks = [{"type": "input_text", "text": content}]
    (found,) = events(read([session_meta(), reply("message", role="user", content=blocks)]))
    assert found.get("origin") == origin


@pytest.mark.parametrize(
    ("kind", "origin"),
    [
        ("user.text", None),
        ("unknown", None),
        ("environments.environment_context", "system"),
        ("shell.user_command", "command"),
    ],
)
def test_origin_follows_the_kind_of_content(kind: str, origin: str | None) -> None:
    message = reply(
        "message",
        role="user",
        content=[{"type": "input_text", "text": "Fix it."}],
        internal_chat_message_metadata_passthrough={"content_item_kinds": [kind]},
    )
    (found,) = events(read([session_meta(), message, event("agent_message")]))
    assert found.get("origin") == origin


def test_prompt_has_the_id_that_its_sender_gave_it() -> None:
    kinds = {"content_item_kinds": ["user.text"]}
    message = reply(
        "message",
        role="user",
        content=[{"type": "input_text", "text": "Fix it."}],
        internal_chat_message_metadata_passthrough=kinds,
    )

    def found_id(**item: Any) -> str:
        following = event("item_completed", item={"type": "UserMessage", "id": "i", **item})
        (found,) = events(read([session_meta(), message, following]))
        return str(found["event_id"])

    assert found_id(client_id=THREAD) == THREAD
    for item in ({}, {"client_id": None}, {"client_id": "\n"}, {"client_id": 5}, {"type": "Plan"}):
        assert found_id(**item) == f"{THREAD}:2"


def test_title_is_the_request_without_the_context_of_an_editor() -> None:
    prompt = "# Context from my IDE setup:\n\n- a.py\n\n## My request for Codex:\n Fix\n the tests "
    items = read([session_meta(), reply("message", role="user", content=prompt)])
    assert Title(TitleRank.PROMPT, "Fix the tests") in [
        item.title for item in items if isinstance(item, SessionFacts)
    ]


def test_name_of_a_thread_is_a_chosen_title() -> None:
    items = read([session_meta(), event("thread_name_updated", thread_name="Release")])
    assert items[1:] == [SessionFacts(session_id=THREAD, title=Title(TitleRank.CHOSEN, "Release"))]


def test_image_has_no_bytes() -> None:
    blocks = [
        {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 1000},
        {"type": "input_image", "image_url": "https://example.org/a.png"},
    ]
    (found,) = events(read([session_meta(), reply("message", role="user", content=blocks)]))
    assert found["content"] == [
        {"type": "image", "media_type": "image/png"},
        {"type": "image", "url": "https://example.org/a.png"},
    ]


def test_reasoning_without_words_is_no_event() -> None:
    assert read([session_meta(), reply("reasoning", summary=[], encrypted_content="x")])[1:] == []


@pytest.mark.parametrize(
    ("call", "name", "arguments"),
    [
        (
            {"type": "function_call", "name": "shell", "arguments": '{"command": ["ls"]}'},
            "shell",
            {"command": ["ls"]},
        ),
        (
            {"type": "function_call", "name": "shell", "arguments": "{broken"},
            "shell",
            {"arguments": "{broken"},
        ),
        (
            {"type": "function_call", "name": "find", "namespace": "mcp__docs__"},
            "mcp__docs__find",
            {},
        ),
        (
            {"type": "custom_tool_call", "name": "apply_patch", "input": "*** Begin Patch"},
            "apply_patch",
            {"input": "*** Begin Patch"},
        ),
        (
            {"type": "local_shell_call", "action": {"type": "exec", "command": ["ls"]}},
            "local_shell",
            {"command": ["ls"]},
        ),
    ],
)
def test_call_has_a_name_and_an_input(call: Json, name: str, arguments: Json) -> None:
    items = read([session_meta(), reply(**{"call_id": "c1", "kind": call.pop("type"), **call})])
    (found,) = events(items)
    assert (found["tool_name"], found["tool_input"]) == (name, arguments)


def test_call_of_an_mcp_server_fails_with_its_answer() -> None:
    found = [found for found in events(read(lines("reverted"))) if "tool_output" in found]
    assert [(call["tool_name"], call.get("error")) for call in found] == [
        ("mcp__docs__find", None),
        ("mcp__docs__fail", "found it"),
    ]


def test_web_search_is_a_call_and_its_end() -> None:
    search = reply("web_search_call", id="ws_1", status="failed", action={"query": "python"})
    before, after = events(read([session_meta(), search]))
    assert (before["event_id"], before["tool_input"]) == ("ws_1:pre", {"query": "python"})
    assert (after["event_id"], after["error"]) == ("ws_1:post", "the tool failed")


def test_tool_search_finds_names() -> None:
    search = reply("tool_search_call", call_id="c1", arguments={"query": "agents"})
    result = reply("tool_search_output", call_id="c1", tools=[{"name": "spawn"}, {"name": "wait"}])
    before, after = events(read([session_meta(), search, result]))
    assert (before["tool_name"], before["tool_input"]) == ("tool_search", {"query": "agents"})
    assert (after["tool_name"], after["tool_output"]) == ("tool_search", ["spawn", "wait"])


def test_generated_image_has_no_bytes() -> None:
    call = reply("image_generation_call", id="ig_1", revised_prompt="A cat.", result="A" * 1000)
    before, after = events(read([session_meta(), call]))
    assert (before["event_id"], before["tool_input"]) == ("ig_1:pre", {"prompt": "A cat."})
    assert "tool_output" not in after


@pytest.mark.parametrize(
    ("output", "error"),
    [
        ("Plan updated", None),
        ("Wall time: 0.1 seconds\nProcess exited with code 0\nOutput:\n", None),
        ("Wall time: 0.1 seconds\nProcess exited with code 2\nOutput:\n", "exit code 2"),
        ("Exit code: 1\nWall time: 0 seconds\nOutput:\n", "exit code 1"),
        ("Wall time: 0 seconds\nOutput:\nExit code: 1", None),
        ("aborted by user after 0.2s", "aborted by user after 0.2s"),
        ("unsupported call: nosuch", "unsupported call: nosuch"),
        ('{"output": "", "metadata": {"exit_code": 7}}', "exit code 7"),
        ('{"output": "", "metadata": {"exit_code": 0}}', None),
        ('{"metadata": [', None),
        ({"content": "no such file", "success": False}, "no such file"),
        ({"content": "", "success": False}, "the tool failed"),
        ({"content": "done", "success": True}, None),
        ([{"type": "input_text", "text": "done"}], None),
        (None, None),
    ],
)
def test_error_follows_the_head_of_an_output(output: Json, error: str | None) -> None:
    call = reply("function_call", name="shell", call_id="c1", arguments="{}")
    result = reply("function_call_output", call_id="c1", output=output)
    found = events(read([session_meta(), call, result]))[-1]
    assert (found["tool_name"], found.get("error")) == ("shell", error)


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (
            event(
                "item_completed",
                item={"type": "CommandExecution", "id": "c1", "status": "failed", "exit_code": 4},
            ),
            "exit code 4",
        ),
        (
            event(
                "item_completed",
                item={"type": "McpToolCall", "id": "c1", "status": "failed", "error": "gone"},
            ),
            "gone",
        ),
        (event("patch_apply_end", call_id="c1", success=False, stderr="no match"), "no match"),
        (event("mcp_tool_call_end", call_id="c1", result={"Err": "gone"}), "gone"),
        (
            event("mcp_tool_call_end", call_id="c1", result={"Ok": {"isError": True}}),
            "the tool failed",
        ),
        (event("mcp_tool_call_end", call_id="c1", result={"Ok": {}}), None),
        (event("patch_apply_end", call_id="another", success=False), None),
    ],
)
def test_error_follows_the_event_before_an_output(end: Json, error: str | None) -> None:
    call = reply("custom_tool_call", name="tool", call_id="c1", input="x")
    result = reply("custom_tool_call_output", call_id="c1", output="text")
    found = events(read([session_meta(), call, end, result]))[-1]
    assert found.get("error") == error


def test_output_without_its_call_is_kept() -> None:
    result = reply("function_call_output", call_id="c1", output="text")
    (found,) = events(read([session_meta(), result]))
    assert found["tool_use_id"] == "c1"
    assert "tool_name" not in found


@pytest.mark.parametrize(
    ("records", "reasons"),
    [
        ([event("task_complete", last_agent_message="Done.")], ["completed"]),
        ([event("task_complete")], ["completed"]),
        ([event("task_complete", last_agent_message=None)], ["unknown"]),
        ([event("task_complete", error={"message": "gone"})], ["failed"]),
        ([event("turn_aborted", reason="interrupted")], ["stopped"]),
        ([record("compacted", {"message": "x"}), event("task_complete")], []),
    ],
)
def test_end_of_a_turn(records: list[Json], reasons: list[str]) -> None:
    assert ends(read([session_meta(), event("task_started"), *records])) == reasons


def test_name_in_the_index_is_the_title(tmp_path: Path) -> None:
    root = tmp_path / "sessions"
    path = root / "2026" / f"rollout-2026-03-01T10-00-00-{THREAD}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("")
    named = [
        *({"id": THREAD, "thread_name": name, "updated_at": "x"} for name in ("First", "Second")),
        {"id": "other", "thread_name": "Third"},
    ]
    index = tmp_path / "session_index.jsonl"
    index.write_text("{broken\n[]\n" + "".join(json.dumps(each) + "\n" for each in named))
    (found,) = FORMAT.find(root)
    parser = FORMAT.parser(found, None)
    records = [session_meta(), event("thread_name_updated", thread_name="Release")]
    items = [item for record in records for item in parser.read(record, Place(1, 0))]
    titles = [item.title for item in items if isinstance(item, SessionFacts) and item.title]
    assert titles == [Title(TitleRank.CHOSEN, "Second")] * 2
