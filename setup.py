"""Refuses to build a wheel or a source archive without the dashboard.

Everything else about the distribution is in pyproject.toml.
"""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist
from setuptools.errors import SetupError

PAGE = Path(__file__).parent / "src/agent_session_manager/static/index.html"


def check_dashboard() -> None:
    if not PAGE.is_file():
        raise SetupError(
            f"the dashboard is not built, {PAGE} does not exist: run make wheel, which builds the "
            "dashboard first"
        )


class BuildWithDashboard(build_py):
    """Copies the packages for a wheel. An editable install needs no dashboard yet."""

    def run(self) -> None:
        if not self.editable_mode:
            check_dashboard()
        super().run()


class ArchiveWithDashboard(sdist):
    """Makes the source archive, from which the wheel is built."""

    def run(self) -> None:
        check_dashboard()
        super().run()


setup(cmdclass={"build_py": BuildWithDashboard, "sdist": ArchiveWithDashboard})
