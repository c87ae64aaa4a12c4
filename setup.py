"""Builds the dashboard, if it is not built yet, into the wheel and the source archive.

Everything else about the distribution is in pyproject.toml.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist
from setuptools.errors import SetupError

HERE = Path(__file__).parent
PAGE = HERE / "src/agent_session_manager/static/index.html"
SOURCES = HERE / "dashboard"


def build_dashboard() -> None:
    if PAGE.is_file():
        return
    npm = shutil.which("npm")
    if npm is None or not SOURCES.is_dir():
        raise SetupError(
            f"the dashboard is not built, {PAGE} does not exist, and npm is not found: install "
            "Node.js 20 or newer, or a wheel, which has the dashboard in it"
        )
    if not (SOURCES / "node_modules").is_dir():
        _run(npm, "ci", "--engine-strict", "--loglevel=error")
    _run(npm, "run", "--silent", "build")


def _run(*command: str) -> None:
    ended = subprocess.run(command, cwd=SOURCES, stdin=subprocess.DEVNULL, check=False)
    if ended.returncode != 0:
        raise SetupError(
            f"the dashboard is not built: 'npm {' '.join(command[1:])}' failed in {SOURCES}; its "
            "messages are above"
        )


class BuildWithDashboard(build_py):
    """Copies the packages for a wheel. An editable install needs no dashboard yet."""

    def run(self) -> None:
        if not self.editable_mode:
            build_dashboard()
        super().run()


class ArchiveWithDashboard(sdist):
    """Makes the source archive, from which the wheel is built."""

    def run(self) -> None:
        build_dashboard()
        super().run()


setup(cmdclass={"build_py": BuildWithDashboard, "sdist": ArchiveWithDashboard})
