"""The two contract files work alone: without our other files, with only httpx installed."""

from __future__ import annotations

import json
import re
import shutil
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest

from tests.support.output import output_of
from tests.support.rows import each_row

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


def imported_by(module: str, *paths: Path) -> list[str]:
    """Return the names of all modules that an import of `module` from `paths` imports."""
    isolated = [sys.executable, "-I", "-S", "-W", "error"]
    names: list[str] = json.loads(output_of([*isolated, "-c", IMPORT, module, *paths]))
    return names


@each_row(("module", "may_use_httpx"), [("session_client", True), ("config", False)])
def test_contract_file_can_be_imported_alone(
    tmp_path: Path, only_httpx: Path, module: str, may_use_httpx: bool
) -> None:
    shutil.copy(LIB / f"{module}.py", tmp_path)
    paths = [tmp_path, *([only_httpx] if may_use_httpx else [])]
    tops = {name.partition(".")[0] for name in imported_by(module, *paths)}
    allowed = sys.stdlib_module_names | {module}
    if may_use_httpx:
        allowed |= {folder.stem for folder in only_httpx.iterdir()}
    assert tops - allowed == set()


def test_contract_files_do_not_import_each_other(tmp_path: Path, only_httpx: Path) -> None:
    for name in ("session_client.py", "config.py"):
        shutil.copy(LIB / name, tmp_path)
    assert "config" not in imported_by("session_client", tmp_path, only_httpx)
