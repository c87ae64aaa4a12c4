"""The two contract files work alone: without our other files, with only httpx installed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest

from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS

LIB = (
    Path(__file__).parents[2] / "plugins/agent-orchestrator/skills/agent-orchestrator/commands/lib"
)

IMPORT = """\
import sys
sys.path[:0] = sys.argv[2:]
module = __import__(sys.argv[1])
import json
print(json.dumps([name for name, m in sys.modules.items() if getattr(m, "__file__", None)]))
"""


def needed_by(name: str) -> set[str]:
    """Return the distribution and all its requirements, without extras."""
    found = {name}
    for requirement in distribution(name).requires or ():
        if "extra ==" not in requirement and 'python_version < "3.11"' not in requirement:
            needed = re.match(r"[\w.-]+", requirement)
            assert needed is not None
            try:
                found |= needed_by(needed[0])
            except ModuleNotFoundError:
                continue  # for another Python
    return found


def folders_of(package: Distribution) -> set[Path]:
    tops = {file.parts[0] for file in package.files or () if file.suffix == ".py"}
    return {Path(str(package.locate_file(top))) for top in tops if top != ".."}


@pytest.fixture(scope="module")
def only_httpx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a folder for imports that contains only httpx and its requirements."""
    site = tmp_path_factory.mktemp("only-httpx")
    for name in needed_by("httpx"):
        for folder in folders_of(distribution(name)):
            (site / folder.name).symlink_to(folder)
    return site


@each_row(("module", "may_use_httpx"), [("session_client", True), ("config", False)])
def test_contract_file_can_be_imported_alone(
    tmp_path: Path, only_httpx: Path, module: str, may_use_httpx: bool
) -> None:
    shutil.copy(LIB / f"{module}.py", tmp_path)
    paths = [str(tmp_path), *([str(only_httpx)] if may_use_httpx else [])]
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", IMPORT, module, *paths],
        capture_output=True,
        text=True,
        timeout=WATCHDOG_SECONDS,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    tops = {name.partition(".")[0] for name in json.loads(ran.stdout)}
    allowed = sys.stdlib_module_names | {module}
    if may_use_httpx:
        allowed |= {folder.stem for folder in only_httpx.iterdir()}
    assert tops - allowed == set()


def test_contract_files_do_not_import_each_other(tmp_path: Path, only_httpx: Path) -> None:
    for name in ("session_client.py", "config.py"):
        shutil.copy(LIB / name, tmp_path)
    ran = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            IMPORT,
            "session_client",
            str(tmp_path),
            str(only_httpx),
        ],
        capture_output=True,
        text=True,
        timeout=WATCHDOG_SECONDS,
        check=True,
    )
    assert "config" not in json.loads(ran.stdout)
