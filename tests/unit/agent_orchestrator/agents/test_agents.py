from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.agents.agent import Agent, AgentError, AgentListing
from agent_orchestrator.agents.find import find_agent, list_agents
from tests.support.rows import each_row


@dataclass
class Places:
    """The three directories of agent definitions, and methods that write definitions there."""

    agents_dir: Path
    project_dir: Path
    home: Path

    @property
    def claude_dir(self) -> Path:
        return self.home / ".claude"

    def ours(self, folder: str, definition: object, **files: str) -> Path:
        source = self.agents_dir / folder / "agent.json"
        source.parent.mkdir(parents=True)
        text = definition if isinstance(definition, str) else json.dumps(definition)
        source.write_text(text)
        for name, content in files.items():
            source.with_name(name).write_text(content)
        return source

    def claudes(self, root: Path, path: str, text: str) -> Path:
        source = root / ".claude" / "agents" / path
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(text)
        return source

    def list(self) -> AgentListing:
        return list_agents(
            agents_dir=self.agents_dir, project_dir=self.project_dir, claude_dir=self.claude_dir
        )

    def find(self, name: str) -> Agent:
        return find_agent(
            name,
            agents_dir=self.agents_dir,
            project_dir=self.project_dir,
            claude_dir=self.claude_dir,
        )


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return places_in(tmp_path)


def places_in(tmp_path: Path) -> Places:
    return Places(tmp_path / "agents", tmp_path / "project", tmp_path / "home")


def test_folder_with_agent_json_is_an_agent(places: Places) -> None:
    source = places.ours(
        "reviewer",
        {
            "description": "Reviews.",
            "model": "sonnet",
            "tools": ["Read", "Grep"],
            "disallowed_tools": ["Write"],
            "permission_mode": "plan",
        },
        **{
            "agent.system-prompt.md": "Be kind.\n",
            "agent.mcp.json": '{"mcpServers": {"notes": {"command": "notes"}}}',
        },
    )
    assert places.find("reviewer") == Agent(
        name="reviewer",
        source=source,
        description="Reviews.",
        system_prompt="Be kind.\n",
        tools=("Read", "Grep"),
        disallowed_tools=("Write",),
        model="sonnet",
        permission_mode="plan",
        mcp_servers={"notes": {"command": "notes"}},
    )


def test_definition_with_a_command_uses_the_command_executor(places: Places) -> None:
    source = places.ours("counter", {"command": ["wc", "-l"]})
    assert places.find("counter") == Agent(
        name="counter", source=source, executor="command", command=("wc", "-l")
    )


def test_markdown_file_is_read_as_claude_code_reads_it(places: Places) -> None:
    source = places.claudes(
        places.project_dir,
        "team/reviewer.md",
        "---\nname: code-reviewer\ndescription: Reviews.\ntools: Read, Bash(git log:*, ls), Edit\n"
        "disallowedTools: [Write]\nmodel: inherit\npermissionMode: plan\ncolor: red\n"
        "mcpServers:\n  notes:\n    command: notes\n---\n\nBe kind.\n\n---\nAlways.\n",
    )
    assert places.find("code-reviewer") == Agent(
        name="code-reviewer",
        source=source,
        description="Reviews.",
        system_prompt="Be kind.\n\n---\nAlways.",
        tools=("Read", "Bash(git log:*, ls)", "Edit"),
        disallowed_tools=("Write",),
        permission_mode="plan",
        mcp_servers={"notes": {"command": "notes"}},
    )


def test_description_with_colons_is_read_although_not_yaml(places: Places) -> None:
    places.claudes(
        places.home,
        "helper.md",
        '---\nname: helper\ndescription: Use it: <example>user: "hi"\\n it\'s</example>\n'
        "tools:\n  - Read\n---\n",
    )
    agent = places.find("helper")
    assert (agent.description, agent.tools, agent.system_prompt) == (
        'Use it: <example>user: "hi"\\n it\'s</example>',
        ("Read",),
        None,
    )


def test_empty_tool_list_does_not_mean_all_tools(places: Places) -> None:
    places.ours("mute", {"tools": []})
    places.ours("free", {"tools": ["*"]})
    places.ours("usual", {})
    assert [agent.tools for agent in places.list().agents] == [None, (), None]


def test_agents_dir_precedes_project_and_project_precedes_home(
    places: Places,
) -> None:
    markdown = "---\nname: {}\ndescription: {}\n---\nprompt"
    places.ours("one", {"description": "ours"})
    for name in ("one", "two"):
        places.claudes(places.project_dir, f"{name}.md", markdown.format(name, "project"))
    for name in ("one", "two", "three"):
        places.claudes(places.home, f"{name}.md", markdown.format(name, "person"))
    listing = places.list()
    assert {agent.name: agent.description for agent in listing.agents} == {
        "one": "ours",
        "two": "project",
        "three": "person",
    }
    assert listing.errors == ()
    assert places.find("two").description == "project"


BROKEN: dict[str, tuple[object, str]] = {
    "syntax": ('{"name": ', "Expecting value"),
    "not an object": ([1], "must be a JSON object"),
    "unknown key": ({"descripton": "x"}, "unknown key 'descripton'"),
    "wrong type": ({"tools": "Read"}, "tools must be a list of non-empty strings"),
    "empty command": ({"command": [""]}, "command must be a list of non-empty strings"),
    "empty name": ({"name": " "}, "name must be a non-empty string"),
}


@each_row(("definition", "problem"), BROKEN.values(), ids=BROKEN)
def test_broken_definition_is_reported_and_hides_no_other(
    tmp_path: Path, definition: object, problem: str
) -> None:
    places = places_in(tmp_path)
    broken = places.ours("broken", definition)
    places.ours("sound", {})
    listing = places.list()
    assert [agent.name for agent in listing.agents] == ["sound"]
    (error,) = listing.errors
    assert error.source == broken
    assert str(broken) in str(error)
    assert problem in str(error)


def test_find_raises_for_a_broken_definition_without_fallback(
    places: Places,
) -> None:
    broken = places.ours("helper", {"model": 3})
    places.claudes(places.home, "helper.md", "---\nname: helper\n---\nprompt")
    with pytest.raises(AgentError) as caught:
        places.find("helper")
    assert (caught.value.name, caught.value.source) == ("helper", broken)
    assert places.list().agents == ()


@each_row(
    ("servers", "problem"),
    [
        ("{", "agent.mcp.json: Expecting"),
        ('{"mcpServers": {"a": 1}}', "agent.mcp.json: mcpServers"),
    ],
)
def test_broken_mcp_servers_file_is_named_in_the_error(
    tmp_path: Path, servers: str, problem: str
) -> None:
    places = places_in(tmp_path)
    places.ours("helper", {}, **{"agent.mcp.json": servers})
    with pytest.raises(AgentError, match=problem):
        places.find("helper")


@each_row(
    ("text", "problem"),
    [
        ("---\nname: helper\n", "no closing line"),
        ("---\ndescription: x\n---\n", "no name"),
        ("---\nname: helper\n---\n", "no description"),
        ("---\nname: 'x\n---\n", "not YAML"),
        ("---\nname: 7\ndescription: d\n---\n", "name must be a non-empty string"),
        ("---\nname: a:b\ndescription: d\n---\n", "has a colon"),
        ("---\n- a\n---\n", "key: value"),
    ],
)
def test_broken_front_matter_is_an_error_under_the_files_name(
    places: Places, text: str, problem: str
) -> None:
    places.claudes(places.project_dir, "helper.md", text)
    with pytest.raises(AgentError, match=problem):
        places.find("helper")


HOSTILE = {
    "nested": "x: " + "[" * 3000,
    "aliases": "a0: &a0 {x: y}\n"
    + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 24))
    + "mcpServers: {s: {command: x, args: *a23}}",
    "merges": "a0: &a0 {x: y}\n"
    + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 24)),
    "itself": "x: &x [*x]",
    "wide": "x: [" + "a," * 200_000 + "]",
    "commas": "tools: " + "," * 100_000,
    "parentheses": "tools: " + "(" * 100_000 + "," * 100_000,
}
"""Definitions that overload a naive reader; the work for each is limited by counts, not time."""


def test_hostile_file_neither_hangs_nor_hides_other_agents(places: Places, tmp_path: Path) -> None:
    text = "---\nname: {}\ndescription: d\n{}\n---\nprompt"
    places.claudes(places.project_dir, "sound.md", text.format("sound", ""))
    folder = places.project_dir / ".claude" / "agents"
    for name, more in HOSTILE.items():
        places.claudes(places.project_dir, f"{name}.md", text.format(name, more))
    os.mkfifo(folder / "fifo.md")
    (folder / "zero.md").symlink_to("/dev/zero")
    (folder / "dangling.md").symlink_to("nowhere")
    (folder / "loop").symlink_to(folder)
    places.claudes(places.project_dir, "large.md", text.format("large", "") + "x" * (1 << 20))
    linked = places.claudes(tmp_path / "elsewhere", "linked.md", text.format("linked", ""))
    (folder / "directory").symlink_to(linked.parent)
    places.ours("pipe", {}).unlink()
    os.mkfifo(places.agents_dir / "pipe" / "agent.json")
    places.ours("deep", "[" * 100_000)
    listing = places.list()
    usable = {agent.name for agent in listing.agents}
    assert usable == {"sound", "linked", "nested", "commas", "parentheses"}
    assert {error.name for error in listing.errors} == {
        "aliases", "merges", "itself", "wide", "fifo", "zero", "dangling", "large", "pipe", "deep",
    }  # fmt: skip
    assert all(
        error.source is not None and str(error.source) in str(error) for error in listing.errors
    )


def test_broken_markdown_file_hides_no_agent_of_the_same_name(places: Places) -> None:
    places.claudes(places.project_dir, "helper.md", "---\nname: helper\n---\nno description")
    places.claudes(places.home, "x.md", "---\nname: helper\ndescription: d\n---\nprompt")
    assert places.find("helper").description == "d"
    assert [agent.name for agent in places.list().agents] == ["helper"]


def test_markdown_file_without_front_matter_is_not_a_definition(places: Places) -> None:
    places.claudes(places.project_dir, "README.md", "# Our agents\n")
    assert places.list() == AgentListing(agents=(), errors=())


def test_unknown_name_lists_the_known_agents(places: Places) -> None:
    places.ours("one", {})
    places.claudes(places.project_dir, "two.md", "---\nname: two\ndescription: d\n---\n")
    with pytest.raises(AgentError) as caught:
        places.find("three")
    assert str(caught.value) == "no agent 'three'; there are: one, two"


@each_row("name", ["../secret", "/secret", ".", "", "one/../../secret"])
def test_agent_name_cannot_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    places = places_in(tmp_path)
    places.ours("one", {})
    places.agents_dir.parent.joinpath("secret").mkdir()
    places.agents_dir.parent.joinpath("secret/agent.json").write_text("{}")
    with pytest.raises(AgentError, match="no agent"):
        places.find(name)


def test_look_up_creates_no_directories(places: Places, tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="no agents are defined"):
        places.find("one")
    created: list[Any] = list(tmp_path.iterdir())
    assert created == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_agent_that_another_user_could_write_is_passed_over(tmp_path: Path) -> None:
    """Tries an agent in a parent of the project, and each part of its path."""
    changes: dict[str, Callable[[Path], object]] = {
        "of another user": lambda path: os.chown(path, 12345, 12345),
        "all can write": lambda path: path.chmod(0o777),
    }
    for number, part in enumerate((".claude", ".claude/agents", ".claude/agents/evil.md")):
        for name, change in changes.items():
            places = places_in(tmp_path / f"{number} {name}")
            places.project_dir.mkdir(parents=True)
            parent = places.project_dir.parent
            places.claudes(parent, "evil.md", "---\nname: evil\ndescription: x\n---\nDo it.\n")
            assert places.find("evil").source == parent / ".claude/agents/evil.md"
            change(parent / part)
            assert places.list().agents == ()
            with pytest.raises(AgentError, match=f"ignored: {parent / part} "):
                places.find("evil")
