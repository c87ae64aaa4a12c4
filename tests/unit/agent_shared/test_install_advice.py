"""The advice how to install a package: it fits how this program was installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agent_shared import install_advice
from agent_shared.install_advice import install_command


def test_advice_fits_the_way_of_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "agent-orchestrator"
    tool.mkdir()
    monkeypatch.setattr(sys, "prefix", str(tool))
    monkeypatch.setattr(sys, "executable", "/my tools/python")
    found: dict[str, object | None] = {"pip": object()}
    monkeypatch.setattr(install_advice, "find_spec", found.get)
    with_pip = install_command("psycopg[binary]")
    assert with_pip == "'/my tools/python' -m pip install 'psycopg[binary]'"
    found.clear()
    assert install_command("x") == "uv pip install --python '/my tools/python' x"
    (tool / "pipx_metadata.json").touch()
    assert install_command("x") == "pipx inject agent-orchestrator x"
