"""The documents match the code: names, options, routes, codes, examples, versions."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import click
import pytest

import agent_orchestrator
import agent_session_manager
from agent_orchestrator.agents.find import list_agents
from agent_orchestrator.agents.folder import AGENT_JSON_KEYS
from agent_orchestrator.agents.markdown import CLAUDE_KEYS
from agent_orchestrator.executors.permission_modes import PERMISSION_MODES
from agent_session_manager.api.app import openapi
from agent_session_manager.cli.main import main as manager_program
from agent_session_manager.settings import Settings
from agent_shared.manager_settings import PREFIX, SETTINGS
from scripts.check_english import files
from scripts.reference import subcommands
from tests.commands.command_names import module_of
from tests.support.forked_program import ForkedProgram, forking_environment
from tests.support.manager import RunningManager
from tests.support.output import output_of
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "plugins/agent-orchestrator"
SKILL = PLUGIN / "skills/agent-orchestrator"
LIB = SKILL / "commands/lib"
SERVICE = ROOT / "src/agent_session_manager"

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMANDS = sorted(path.stem for path in (SKILL / "commands").glob("ao*.lock"))


def read(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


def pages() -> list[Path]:
    return [path for path in files() if path.suffix == ".md"]


def fences(text: str, *languages: str) -> list[str]:
    return [code for language, code in FENCE.findall(text) if language in languages]


def section(text: str, heading: str) -> str:
    """Return the text below a heading of the second level."""
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE
    )
    assert found is not None, f"no section {heading!r}"
    return found[1]


def words(text: str) -> set[str]:
    """Return all text marked as code, whole and in parts: `-p TEXT` gives `-p` too."""
    marked = re.findall(r"`([^`\n]+)`", text)
    return {*marked, *(part for code in marked for part in re.split(r"[\s,.{}\[\]\":?=&]+", code))}


def command(name: str) -> click.Command:
    module = import_module(f"agent_orchestrator.cli.{module_of(name)}")
    found = module.main
    assert isinstance(found, click.Command)
    return found


def options(of: click.Command) -> set[str]:
    with click.Context(of, **of.context_settings) as context:
        return {name for option in of.get_params(context) for name in option.opts} - {
            argument.name for argument in of.params if isinstance(argument, click.Argument)
        }


def test_dropped_word_is_in_no_file() -> None:
    dropped = b"observ" + b"ability"
    assert [path for path in files() if dropped in path.read_bytes().lower()] == []


def test_links_between_files_are_valid() -> None:
    broken = []
    for page in pages():
        for link in LINK.findall(page.read_text("utf-8")):
            if link.startswith(("http://", "https://")):
                continue
            name, _, anchor = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            if not target.exists() or (anchor and anchor not in anchors(target)):
                broken.append((str(page.relative_to(ROOT)), link))
    assert broken == []


def test_index_lists_every_page() -> None:
    docs = ROOT / "docs"
    listed = {(docs / link).resolve() for link in LINK.findall(read("docs/index.md"))}
    own = {page for page in pages() if page.is_relative_to(docs)} - {docs / "index.md"}
    assert {page for page in own if page.parent != docs / "decisions"} - listed == set()
    assert docs / "decisions/README.md" in listed


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def test_every_command_is_installed_and_in_every_command_list() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    assert sorted({*project["scripts"]} - {"agent-session-manager"}) == COMMANDS
    for page in (ROOT / "README.md", PLUGIN / "README.md", SKILL / "SKILL.md"):
        missing = {*COMMANDS} - words(page.read_text("utf-8"))
        assert missing == set(), page


@each_row("name", COMMANDS)
def test_every_option_of_a_command_is_in_its_section(name: str) -> None:
    documented = words(section(read("docs/reference/commands.md"), name))
    assert options(command(name)) - documented - {"-h", "--help", "-V", "--version"} == set()


def test_every_subcommand_has_a_section_with_its_options() -> None:
    assert isinstance(manager_program, click.Group)
    page = read("docs/reference/agent-session-manager.md")
    for name, subcommand in subcommands(manager_program):
        documented = words(section(page, name))
        assert options(subcommand) - documented - {"-h", "--help"} == set(), name


def command_lines() -> Iterator[tuple[str, str, list[str]]]:
    """Yield each use of a command in an example: page, command, options of the command."""
    for page in pages():
        for code in fences(page.read_text("utf-8"), "sh"):
            for line in code.splitlines():
                shown = re.sub(r"'[^']*'|\"\$?[^\"(]*\"|#.*", "X", line)
                for name, rest in re.findall(
                    r"(?<![\w/.-])(ao(?:[ -][a-z-]+)?)\b([^|;&)<>]*)", shown
                ):
                    name = "ao" if name == "ao help" else name.replace(" ", "-")
                    own = re.sub(r" -- .*", "", rest)
                    yield str(page.relative_to(ROOT)), name, re.findall(r"(?<= )--?[\w-]+", own)


def test_examples_use_existing_commands_and_options() -> None:
    uses = list(command_lines())
    assert {name for _, name, _ in uses} == {*COMMANDS}
    wrong = [
        (page, n, opt) for page, n, own in uses for opt in own if opt not in options(command(n))
    ]
    assert wrong == []


def test_every_environment_variable_is_in_the_reference() -> None:
    code = "\n".join(
        path.read_text("utf-8") for root in (SERVICE, LIB) for path in root.rglob("*.py")
    )
    variables = {*re.findall(r"\bAGENT_ORCHESTRATOR_[A-Z_]*[A-Z]\b", code)}
    variables |= {
        "AGENT_ORCHESTRATOR_" + name for name in re.findall(r'PREFIX(?: \+ "|\})([A-Z_]+)', code)
    }
    variables |= {setting.variable for setting in SETTINGS}
    assert len(variables) > 10
    text = read("docs/reference/settings.md") + read("docs/reference/environment.md")
    assert {*re.findall(r"\bAGENT_ORCHESTRATOR_\w+", text)} == variables


def test_every_setting_has_a_row_in_the_reference() -> None:
    rows = re.findall(r"^\|.*`(AGENT_ORCHESTRATOR_\w+)`", read("docs/reference/settings.md"), re.M)
    names = [PREFIX + field.name.upper() for field in fields(Settings)]
    assert sorted(rows) == sorted(names)


def test_routes_parameters_and_fields_are_in_the_reference() -> None:
    document = openapi()
    names = ("routes", "http", "events", "feeds")
    text = "\n".join(read(f"docs/reference/{name}.md") for name in names)
    routes = {
        f"{method.upper()} {path}": operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    page = read("docs/reference/routes.md")
    documented = re.findall(r"^\| \[`([A-Z]+ /[^`]*)`\]", page, re.MULTILINE)
    assert sorted(documented) == sorted(routes)
    for route, operation in routes.items():
        own = page.partition(f"\n### `{route}`\n")[2].partition("\n### ")[0]
        parameters = {parameter["name"] for parameter in operation.get("parameters", ())}
        assert parameters - words(own) == set(), route
    named = {p["name"] for operation in routes.values() for p in operation.get("parameters", ())}
    for schema in document["components"]["schemas"].values():
        named |= {*schema.get("properties", ())}
    shown = words(text) | {*re.findall(r'"(\w+)":', "".join(fences(text, "json")))}
    assert named - shown == set()


def test_every_error_code_is_in_the_reference_under_its_status() -> None:
    rooms = (SERVICE / "api", SERVICE / "transport")
    code = "\n".join(path.read_text("utf-8") for room in rooms for path in room.rglob("*.py"))
    answered = {*re.findall(r'\b([45]\d\d),\s*"([a-z_]+)"', code)}
    domain = "\n".join(path.read_text("utf-8") for path in (SERVICE / "domain").glob("*.py"))
    answered |= {("400", name) for name in re.findall(r'UnstorableJsonError\(\s*"(\w+)"', domain)}
    answered |= {("404", "not_found"), ("405", "method_not_allowed")}  # the framework's own
    table = section(read("docs/reference/errors.md"), "Codes")
    rows = re.findall(r"^\| (\d{3}) \| ([^|]+) \|", table, re.MULTILINE)
    documented = {(status, name) for status, cell in rows for name in re.findall(r"`(\w+)`", cell)}
    assert documented == answered
    assert [status for status, _ in rows] == sorted(status for status, _ in rows)
    of_routes = {
        (status, name)
        for operations in openapi()["paths"].values()
        for operation in operations.values()
        for status, answer in operation["responses"].items()
        for name in re.findall(r"`(\w+)`", answer["description"])
    }
    assert len(of_routes) > 20 and of_routes - documented == set()


def test_every_event_type_of_the_executors_is_in_the_reference() -> None:
    rooms = [LIB / name for name in ("runs", "executors", "claude", "codex", "acp")]
    modules = [path for room in rooms for path in room.rglob("*.py")]
    code = "\n".join(path.read_text("utf-8") for path in modules)
    sent = {*re.findall(r'(?:create_event|Output)\(\s*"(\w+)"', code)}
    table = section(read("docs/reference/events.md"), "Types")
    assert {*re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)} == sent


def test_agent_definitions_in_the_documents_are_valid(tmp_path: Path) -> None:
    page = read("docs/how-to/define-an-agent.md")
    shown = re.findall(r"^`(\.[^`]+)`:\n\n```\w+\n(.*?)^```$", page, re.S | re.M)
    for name, content in shown:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
        found = list_agents(
            agents_dir=tmp_path / ".agent-orchestrator" / "agents",
            project_dir=tmp_path,
            claude_dir=tmp_path / "home" / ".claude",
        )
        assert found.errors == (), name
    agents = {agent.name: agent for agent in found.agents}
    assert set(agents) == {"reviewer", "test-writer", "word-counter"}
    reviewer = agents["reviewer"]
    assert reviewer.system_prompt and reviewer.tools and reviewer.mcp_servers
    assert agents["word-counter"].executor == "command"
    assert agents["test-writer"].system_prompt


def test_agent_keys_and_permission_modes_are_in_the_reference() -> None:
    page = read("docs/reference/agent-definitions.md")
    assert {*AGENT_JSON_KEYS} - words(section(page, "Folder")) == set()
    assert {*CLAUDE_KEYS} - words(section(page, "Markdown file")) == set()
    modes = re.findall(r"^\| `(\w+)` \|", section(page, "Permission modes"), re.MULTILINE)
    assert modes == [*PERMISSION_MODES]


PYTHON = [
    pytest.param(code, id=f"{page}-{number}")
    for page in ("README.md", "docs/reference/python.md")
    for number, code in enumerate(fences(read(page), "python"))
]


@each_row("code", PYTHON)
def test_python_examples_print_the_output_in_their_comments(
    manager: RunningManager, code: str, tmp_path: Path
) -> None:
    example = tmp_path / "example.py"
    example.write_text(code.replace("http://127.0.0.1:8765", manager.url))
    ran = ForkedProgram([str(example)], environment=manager.environment(), directory=ROOT)
    printed, errors = ran.communicate(timeout=WATCHDOG_SECONDS)
    assert (ran.returncode, errors) == (0, b"")
    expected = re.findall(r"print\(.*\)  # (.*)$", code, re.MULTILINE)
    assert printed.decode().splitlines() == expected


WORKFLOWS = [
    ("docs/how-to/run-in-scripts-and-ci.md", "In parallel", ["tests", "notes", "links"]),
    (
        "plugins/agent-orchestrator/skills/agent-orchestrator/SKILL.md",
        "Several at once",
        ["docs-api", "docs-cli"],
    ),
]


@each_row(("page", "heading", "sessions"), WORKFLOWS)
def test_examples_of_parallel_sessions_work(
    manager: RunningManager, tmp_path: Path, page: str, heading: str, sessions: list[str]
) -> None:
    """The agent answers with its prompt, so that each answer is known."""
    writer = tmp_path / ".agent-orchestrator/agents/writer/agent.json"
    writer.parent.mkdir(parents=True)
    writer.write_text(json.dumps({"command": ["sh", "-c", "echo answer: $(cat)"]}))
    shown = fences(section(read(page), heading), "sh")
    prompts = re.findall(r"-p '([^']*)' --detach", shown[0])
    script = "\n".join(shown)
    printed = output_of(
        ["sh", "-eu", "-c", script],
        cwd=tmp_path,
        env=forking_environment(tmp_path, **manager.environment()),
        timeout=WATCHDOG_SECONDS * script.count("ao-"),
    )
    lines = printed.splitlines()
    for session, prompt in zip(sessions, prompts, strict=True):
        assert lines.count(f"{session} finished") == 1
        assert f"answer: {prompt}" in lines


def test_versions_agree() -> None:
    plugin = json.loads((PLUGIN / ".claude-plugin/plugin.json").read_text("utf-8"))
    (listed,) = json.loads(read(".claude-plugin/marketplace.json"))["plugins"]
    assert (listed["name"], ROOT / listed["source"]) == (plugin["name"], PLUGIN)
    assert {plugin["version"], openapi()["info"]["version"]} == {agent_orchestrator.__version__}
    assert agent_orchestrator.__version__ == agent_session_manager.__version__


def test_every_make_target_is_in_contributing() -> None:
    targets = re.findall(r"^([a-z]+):.*## ", read("Makefile"), re.MULTILINE)
    documented = re.findall(r"^\| `make (\w+)` \|", read("CONTRIBUTING.md"), re.MULTILINE)
    assert sorted([*documented, "help"]) == sorted(targets)


def test_contributing_lists_every_suite() -> None:
    suites = re.findall(r"^\| `(tests/\w+)` \|", read("CONTRIBUTING.md"), re.MULTILINE)
    paths = (path.relative_to(ROOT) for path in ROOT.glob("tests/*/**/test_*.py"))
    found = {"/".join(path.parts[:2]) for path in paths}
    assert sorted(suites) == sorted(found)


def test_decisions_are_listed_complete_and_enforced_by_files() -> None:
    decisions = sorted((ROOT / "docs/decisions").glob("0*.md"))
    index = read("docs/decisions/README.md")
    for number, decision in enumerate(decisions, start=1):
        text = decision.read_text("utf-8")
        assert decision.name.startswith(f"{number:04}-") and f"({decision.name})" in index
        assert len(text.splitlines()) <= 40
        parts = re.findall(r"^\*\*([A-Z][a-z ]+)\.\*\*", text, re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequences", "Alternatives", "Enforced by"]
        named = re.findall(r"`([\w./-]+/[\w./-]+)`", text.partition("**Enforced by.**")[2])
        assert [name for name in named if not (ROOT / name).exists()] == []


def test_lock_file_has_hashes_and_no_urls() -> None:
    lines = [line for line in read("requirements.lock").splitlines() if not line.startswith("#")]
    assert [line for line in lines if "://" in line or "index-url" in line] == []
    assert sum("--hash=sha256:" in line for line in lines) > 100


def test_setup_installs_only_packages_with_a_hash() -> None:
    """The hashes include uv and setuptools, which run during the installation."""
    installing = [line for line in read("Makefile").splitlines() if "pip install" in line]
    assert len(installing) >= 3
    for line in installing:
        is_ours = "--no-deps --no-build-isolation --editable ." in line
        assert is_ours or "--require-hashes" in line, line
    for tool in ("uv", "setuptools"):
        assert re.search(rf"(?m)^{tool}==\S+ \\\n    --hash=sha256:", read("requirements.lock")), (
            tool
        )


def test_examples_take_no_text_of_an_agent_for_an_option() -> None:
    """Nor for the name of a file, as `curl -d` does with a text that begins with `@`."""
    page = (ROOT / "docs/how-to/get-notified.md").read_text()
    examples = "".join(re.findall(r"```(?:sh|text)\n(.*?)```", page, re.DOTALL))
    before = re.findall(r'(\S+) \\?"[^"\\]*\$AO_TEXT', examples)
    guarded = re.findall(r'(?:(?:--|--data-raw) \\?"|"Session )\$AO_TEXT', examples)
    assert len(guarded) == len(before) == examples.count("$AO_TEXT") >= 4, before
