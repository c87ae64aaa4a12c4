"""Agents in odd directory trees: we find the same ones as Claude Code."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent_orchestrator.agents.agent import AgentListing
from agent_orchestrator.agents.find import list_agents
from tests.claude.conftest import Claude, bundled_cli

pytestmark = pytest.mark.xdist_group("claude-executor")

BUILT_IN = {"claude", "Explore", "general-purpose", "Plan", "statusline-setup"}
ASK = {"type": "control_request", "request_id": "1", "request": {"subtype": "initialize"}}


def agents_of_claude(claude: Claude, directory: Path, **variables: str) -> dict[str, str]:
    """Ask the CLI for its agents without a model request; return their descriptions by name."""
    streams = ["--output-format=stream-json", "--input-format=stream-json", "--verbose"]
    sources = "--setting-sources=user,project,local"
    asked = subprocess.run(
        [claude.cli_path or bundled_cli(), *streams, sources],
        input=json.dumps(ASK) + "\n",
        env={**claude.environment, **variables},
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    frames = [json.loads(line) for line in asked.stdout.splitlines() if line.startswith("{")]
    (answer,) = [frame for frame in frames if frame["type"] == "control_response"]
    found = answer["response"]["response"]["agents"]
    return {agent["name"]: agent["description"] for agent in found if agent["name"] not in BUILT_IN}


def ours(claude: Claude, directory: Path, claude_dir: Path | None = None) -> AgentListing:
    return list_agents(
        agents_dir=directory / "none",
        project_dir=directory,
        claude_dir=claude_dir or claude.home / ".claude",
    )


def agent(name: str, description: str = "d", more: str = "") -> str:
    return f"---\nname: {name}\ndescription: {description}\n{more}---\nprompt\n"


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, text in files.items():
        path = folder / ".claude" / "agents" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


NAMES = [
    "UpName", "two words", "a.b", "a/b", "é", "'a,b'", "(x)", "'*'", "a'b", "yes", "2026-01-01",
    "1_000", '"5"', "!!str 6", "&n anchored", "commented # x", "123", "true", "null", "~", "0x10",
    "010", "1e3", ".inf", "-5", "a:b", "1:30", "-x", "''", "#h", "[list]",
]  # fmt: skip
DESCRIPTIONS = [
    "Use when: x: y", 'says "hi": there', "@x y", "`x` y", "%x", "{x} y", "[unclosed", "a #b: c",
    "yes", "|\n  a\n  b", ">-\n  a\n  b", "a --- b", "5", "null", "''", "[a, b]",
]  # fmt: skip
FILES: dict[str, str | bytes] = {
    **{f"name{n}.md": agent(name) for n, name in enumerate(NAMES)},
    **{f"d{n}.md": agent(f"described{n}", text) for n, text in enumerate(DESCRIPTIONS)},
    "sub/deep/nested.md": agent("nested"),
    ".hidden/h.md": agent("in-hidden-directory"),
    ".hidden.md": agent("hidden-file"),
    "dir.md/inner.md": agent("in-dir-md"),
    "UPPER.MD": agent("upper-suffix"),
    "x.markdown": agent("other-suffix"),
    "README.md": "# Our agents\n",
    "empty.md": "",
    "lead.md": "\n" + agent("lead"),
    "unclosed.md": "---\nname: unclosed\ndescription: d\nprompt",
    "dashes.md": "----\nname: four\ndescription: d\n----\nprompt",
    "trail.md": agent("trail").replace("---\n", "---  \n"),
    "list.md": "---\n- a\n---\n",
    "no-name.md": "---\ndescription: d\n---\n",
    "no-description.md": "---\nname: no-description\n---\n",
    "no-body.md": "---\nname: no-body\ndescription: d\n---",
    "two.md": "---\nname: two-roots\ndescription: d\n--- x\nprompt\n---\n",
    "json.md": '---\n{"name": "json", "description": "d"}\n---\n',
    "indented.md": "---\n  name: indented\n  description: d\n---\n",
    "twice.md": "---\nname: first\nname: twice\ndescription: d\n---\n",
    "bom.md": b"\xef\xbb\xbf" + agent("bom").encode(),
    "crlf.md": agent("crlf").replace("\n", "\r\n"),
    "latin.md": agent("latin", "caf\xe9").encode("latin-1"),
    "tab.md": agent("tab", more="tools:\n\t- Read\n"),
    "nested-lists.md": agent("nested-lists", more="x: " + "[" * 3000 + "\n"),
    "commas.md": agent("commas", more="tools: " + "," * 100_000 + "\n"),
    "few-aliases.md": agent("few-aliases", more="x: &x [1]\ny: [*x, *x]\n"),
    "unknown-tag.md": agent("unknown-tag", more="x: !foo bar\n"),
    "large.md": agent("large") + "x" * (1 << 20),
    "a.md": agent("same", "a"),
    "z.md": agent("same", "z"),
    "sub/s.md": agent("same", "sub"),
    "mine.md": agent("shadowed", "project"),
    "number.md": agent("number-of-model", more="model: 5\n"),
}


def test_agents_are_those_that_claude_code_finds(claude: Claude, tmp_path: Path) -> None:
    project = claude.spec.project_dir
    write(project, FILES)
    write(claude.home, {"h.md": agent("of-home"), "s.md": agent("shadowed", "home")})
    folder = project / ".claude" / "agents"
    write(tmp_path / "out", {"linked.md": agent("linked"), "d/in-link.md": agent("in-link")})
    out = tmp_path / "out" / ".claude" / "agents"
    (folder / "linked.md").symlink_to(out / "linked.md")
    (folder / "directory").symlink_to(out / "d")
    (folder / "loop").symlink_to(folder)
    (folder / "dangling.md").symlink_to("nowhere")
    listing = ours(claude, project)
    found = {one.name: one.description for one in listing.agents}
    expected = agents_of_claude(claude, project)
    # An option that we cannot apply is an error here, under the name of the agent.
    unusable = {"number-of-model"}
    assert unusable <= {error.name for error in listing.errors}
    # Both sides end blocks with a line break, and replace bytes that are not UTF-8.
    assert found == {name: text for name, text in expected.items() if name not in unusable}


def test_agents_of_parents_and_of_the_config_directory_are_found(
    claude: Claude, tmp_path: Path
) -> None:
    repository = claude.spec.project_dir
    below = repository / "a" / "b"
    below.mkdir(parents=True)
    plain = tmp_path / "plain" / "c"
    plain.mkdir(parents=True)
    config = tmp_path / "config"
    (config / "agents").mkdir(parents=True)
    (config / "agents" / "c.md").write_text(agent("of-config"))
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    for place in (tmp_path, repository, repository / "a", below, plain.parent, claude.home):
        name = place.name if place != tmp_path else "above"
        write(place, {"x.md": agent(f"of-{name}"), "s.md": agent("same", f"of-{name}")})
    found = {one.name: one.description for one in ours(claude, below).agents}
    assert found == agents_of_claude(claude, below)
    found = {one.name: one.description for one in ours(claude, plain, config).agents}
    assert found == agents_of_claude(claude, plain, CLAUDE_CONFIG_DIR=str(config))
