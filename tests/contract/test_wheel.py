"""The wheel contains exactly the packages, and works when only the wheel is unpacked."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from configparser import ConfigParser
from pathlib import Path

import httpx
import pytest

from tests.support.environment import BIN, scrubbed_environment
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS, wait_for

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "src" / "agent_session_manager"
CLIENT = ROOT / "plugins/agent-orchestrator/skills/agent-orchestrator/commands/lib"
PACKAGES = {
    "agent_session_manager": SERVICE,
    "agent_orchestrator": CLIENT,
    "agent_shared": CLIENT / "shared",
}
BUILD = (BIN / "uv", "build", "--offline", "--no-build-isolation", "--python", sys.executable)
"""The command of `make wheel`. It uses the installed build backend."""


def tracked(*parts: str) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *parts],
        cwd=ROOT,
        capture_output=True,
        timeout=WATCHDOG_SECONDS,
        check=True,
    )
    return [os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of all files of the distribution that git does not ignore."""
    source = tmp_path_factory.mktemp("wheel") / "source"
    rest = ("README.md", "LICENSE", "docs/man", "src", "plugins")
    for name in tracked("pyproject.toml", "setup.py", *rest):
        if (ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name, follow_symlinks=False)
    return source


def build(
    source: Path, out: Path, *options: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BUILD, "--out-dir", out, *options, source],
        env=scrubbed_environment(source.parent) | variables,
        capture_output=True,
        text=True,
        timeout=WATCHDOG_SECONDS,
        check=False,
    )


def npm(directory: Path, *lines: str) -> str:
    """Return a PATH with a program of this name; the real one takes a minute on a busy machine."""
    directory.mkdir()
    program = directory / "npm"
    program.write_text("\n".join(["#!/bin/sh -e", *lines, ""]))
    program.chmod(0o755)
    return f"{directory}:/usr/bin:/bin"


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    """Build the dashboard, the source archive, and the wheel from it."""
    built_page = SERVICE / "static"
    assert (built_page / "index.html").is_file(), "the dashboard is not built: run make dashboard"
    whole = source.with_name("whole")
    shutil.copytree(source, whole, symlinks=True)
    (whole / "dashboard").mkdir()
    path = npm(
        source.with_name("bin"),
        '[ "$1" != ci ] || exec mkdir node_modules',
        "cd node_modules",
        f"cp -R {built_page} {whole}/src/agent_session_manager",
    )
    built = build(whole, source.with_name("dist"), PATH=path)
    assert built.returncode == 0, built.stderr
    (found,) = source.with_name("dist").glob("*.whl")
    return found


@pytest.fixture(scope="module")
def unpacked(wheel: Path) -> Path:
    site = wheel.parent / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def test_wheel_contains_exactly_the_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {
        f"{package}/{path.relative_to(root).as_posix()}"
        for package, root in PACKAGES.items()
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    manual = {name for name in packed if name.endswith(".1")}
    assert packed - manual == expected
    assert {name.partition(".data/data/")[2] for name in manual} == {
        f"share/man/man1/{path.name}" for path in (ROOT / "docs/man").glob("*.1")
    }
    assert {
        "agent_session_manager/py.typed",
        "agent_orchestrator/py.typed",
        "agent_session_manager/static/index.html",
        "agent_session_manager/static/licences.txt",
        "agent_session_manager/sql/migrations/script.py.mako",
        "agent_session_manager/sql/migrations/versions/0001_sessions_runs_events.py",
    } <= packed


@each_row("option", ["--sdist", "--wheel"])
def test_build_without_dashboard_fails_with_the_remedy(
    source: Path, tmp_path: Path, option: str
) -> None:
    without_npm = build(source, tmp_path / "out", option, PATH="/nowhere")
    (source / "dashboard").mkdir()
    failing = build(source, tmp_path / "out", option, PATH=npm(tmp_path / "bin", "exit 1"))
    (source / "dashboard").rmdir()
    for built, remedy in (
        (without_npm, "install Node.js 20 or newer, or a wheel"),
        (failing, "'npm ci --engine-strict --loglevel=error' failed in"),
    ):
        assert built.returncode != 0
        assert "the dashboard is not built" in built.stderr
        assert remedy in built.stderr
    assert not list(tmp_path.glob("out/agent_orchestrator*"))


def test_wheel_contains_its_licence_and_its_programs(unpacked: Path) -> None:
    (about,) = unpacked.glob("*.dist-info")
    assert (about / "licenses" / "LICENSE").is_file()
    programs = ConfigParser()
    programs.read(about / "entry_points.txt")
    commands = {path.name for path in CLIENT.parent.glob("ao*") if not path.suffix}
    assert set(programs["console_scripts"]) == {"agent-session-manager", *commands}


def test_each_library_of_the_dashboard_has_its_notice() -> None:
    """The build fails if a bundled package has no notice. This test checks the collected file."""
    notices = (SERVICE / "static/licences.txt").read_text()
    package = json.loads((ROOT / "dashboard/package.json").read_text())
    for name in package["dependencies"]:
        begin = notices.index(f"{name} ")
        notice = notices[begin : begin + 1500].lower()
        assert "copyright" in notice, name
        assert re.search(r"permission is \w+ granted|redistribution", notice), name


@pytest.fixture(scope="module")
def wheels() -> str:
    """Return the cache of uv in the home of the person, which `make setup` has filled."""
    return subprocess.check_output([BIN / "uv", "cache", "dir"], text=True).strip()


TRY = """\
from importlib.metadata import distribution
import agent_orchestrator.session_client, agent_session_manager.serve
own = distribution("agent-orchestrator")
for module in (agent_orchestrator, agent_session_manager):
    assert module.__file__.startswith(str(own.locate_file(""))), module.__file__
for program in own.entry_points:
    assert callable(program.load()), program
print(own.version, agent_session_manager.__version__, agent_orchestrator.__version__)
"""


def copy_bytecode(site: Path) -> None:
    """Copy the bytecode of our dependencies; Python uses it only for exactly the same sources."""
    ours = Path(sysconfig.get_path("purelib"))
    for compiled in ours.rglob("__pycache__"):
        place = site / compiled.relative_to(ours)
        if place.parent.is_dir() and not place.exists():
            shutil.copytree(compiled, place)


def test_installed_tool_serves_a_new_home(wheel: Path, wheels: str, tmp_path: Path) -> None:
    """Its Python has only the wheel and the locked dependencies."""
    places = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    home = {**scrubbed_environment(tmp_path / "home"), "PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    project = tmp_path / "project"
    (project / ".agent-orchestrator").mkdir(parents=True)
    state = Path(home["XDG_STATE_HOME"]) / "agent-orchestrator"

    def run(*command: str | Path, **variables: str) -> str:
        environment = {**home, **variables}
        ended = subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True
        )
        assert ended.returncode == 0, ended
        return ended.stdout

    locked = ("--constraints", ROOT / "requirements.lock", "--python", sys.executable)
    install = (BIN / "uv", "tool", "install", "--offline", *locked, wheel)
    run(*install, UV_CACHE_DIR=wheels, **places)
    (site,) = tmp_path.glob("tools/agent-orchestrator/lib/python*/site-packages")
    copy_bytecode(site)
    serving = subprocess.Popen(["agent-session-manager", "serve", "--port", "0"], env=home)
    try:
        (found,) = wait_for(lambda: list(state.glob("manager-*.json")), "the manager serves")
        answer = run(
            "ao-new", "x", "-p", "hello", "--executor", "command", "--", "tr", "a-z", "A-Z"
        )
        assert answer == "HELLO\n"
        (session,) = json.loads(run("ao-list-sessions", "--json"))
        assert (session["session_name"], session["state"]) == ("x", "finished")
        page = httpx.get(json.loads(found.read_text())["url"] + "/")
        assert page.text == (SERVICE / "static/index.html").read_text()
        python = tmp_path / "tools/agent-orchestrator/bin/python"
        version, *others = run(python, "-I", "-W", "error", "-c", TRY).split()
        assert others == [version, version]
        assert f"agent_orchestrator-{version}-" in wheel.name
    finally:
        serving.terminate()
        serving.wait(WATCHDOG_SECONDS)
