"""Long outputs of tools, which Claude Code keeps in files beside a transcript."""

from __future__ import annotations

import json
from pathlib import Path

from agent_orchestrator.events.prepare import EVENT_BYTES_LIMIT
from agent_orchestrator.history.format import Source
from agent_orchestrator.history.formats.claude import FORMAT
from tests.support.claude_lines import (
    PROJECT,
    SESSION,
    answer,
    call,
    read_file,
    result,
    sample,
    written,
)
from tests.support.found_items import events_of
from tests.support.rows import each_row

LONG = "6d77e9de-3419-44ba-893f-a05f6509e769"


def test_output_in_a_file_is_put_back() -> None:
    (post_tool,) = [e for e in events_of(read_file(sample(LONG))) if e["event_type"] == "post_tool"]
    assert post_tool["tool_output"].startswith("1\n2\n")
    assert post_tool["tool_output"].endswith("\n30000")


def test_large_output_in_a_file_fits_into_an_event(tmp_path: Path) -> None:
    lines = [result("u", "toolu_1", PERSISTED.format("/x/large.txt"))]
    path = written(tmp_path, lines)
    folder = path.with_suffix("") / "tool-results"
    folder.mkdir(parents=True)
    (folder / "large.txt").write_bytes(b"\x00" + b"x" * EVENT_BYTES_LIMIT + b"\xff")
    (event,) = events_of(read_file(path, tmp_path))
    assert len(json.dumps(event)) < EVENT_BYTES_LIMIT
    assert event["shortened"] == {"tool_output": EVENT_BYTES_LIMIT + 2}
    assert event["sanitized"] is True


PERSISTED = "<persisted-output>\nOutput too large (9KB). Full output saved to: {}\n\nPreview"


@each_row(
    "name",
    [
        *("../secret.txt", "/etc/passwd", "..", ".", "", "link.txt", "linked/secret.txt"),
        *("tool-results/../../secret.txt", "a\x00b", "x" * 5000, "missing.txt", "\ud800"),
    ],
)
def test_output_outside_of_its_folder_is_not_read(tmp_path: Path, name: str) -> None:
    root = tmp_path / "projects"
    content = PERSISTED.format(name)
    lines = [answer("a", call("toolu_1", "Bash")), result("u", "toolu_1", content)]
    lines += [result("u2", "toolu_2", content, toolUseResult={"persistedOutputPath": name})]
    path = written(root, lines)
    folder = path.with_suffix("") / "tool-results"
    folder.mkdir(parents=True, exist_ok=True)
    for place in (tmp_path, root, root / PROJECT, folder.parent):
        (place / "secret.txt").write_text("secret")
    for link, target in (("link.txt", tmp_path / "secret.txt"), ("linked", tmp_path)):
        if not (folder / link).is_symlink():
            (folder / link).symlink_to(target)
    outputs = [e["tool_output"] for e in events_of(read_file(path, root)) if "tool_output" in e]
    assert outputs == [content, content]


def test_linked_folder_of_outputs_is_not_read(tmp_path: Path) -> None:
    root, secrets = tmp_path / "projects", tmp_path / "secrets"
    content = PERSISTED.format("/x/secret.txt")
    path = written(root, [result("u", "toolu_1", content)])
    secrets.mkdir()
    (secrets / "secret.txt").write_text("secret")
    path.with_suffix("").mkdir()
    (path.with_suffix("") / "tool-results").symlink_to(secrets)
    assert events_of(read_file(path, root))[0]["tool_output"] == content


def test_source_without_a_file_can_be_parsed(tmp_path: Path) -> None:
    source = Source(path=tmp_path / PROJECT / f"{SESSION}.jsonl", root=tmp_path)
    assert FORMAT.parser(source, None).state["session_id"] == SESSION
