"""The installed agent of a preset, for `ao-doctor`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from ...executors.program.installed import has_login, version_of
from .preset import Preset


def look(preset: Preset, environment: Mapping[str, str]) -> tuple[str, str | None]:
    """Return the version of the agent and its login, and how to get the missing part.

    The agent itself is not started, except for its version. It can have a login elsewhere, in the
    key chain of the system for example.
    """
    program = shutil.which(preset.command[0], path=environment.get("PATH", ""))
    if program is None:
        name = f"`{preset.command[0]}` is not installed"
        return f"{preset.agent}: {name}", preset.how_to_install or f"install {preset.agent}"
    passed = {name: value for name, value in environment.items() if preset.passes(name)}
    text = f"{preset.agent} {version_of(program, {**passed, **preset.environment})}, {program}"
    if not preset.logins:
        return text, None
    if has_login(preset.logins, environment):
        return f"{text}, with a login", None
    return f"{text}, no login found", preset.how_to_log_in
