"""Reads the presets that a user adds: `acp.toml` in the directory of the configuration.

The file chooses programs that run as this user. So a file that others can write is refused.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ...executors.base import ExecutorError
from ...machine.ownership import find_doubt
from ...shared.text_encoding import utf_8_text
from .preset import GENERIC_MODES, Grant, MidTurn, Mode, Preset, ToolNames, UsageForm
from .table import PRESETS

Json = dict[str, Any]
Word = TypeVar("Word", bound=StrEnum)

FILE_NAME = "acp.toml"
MAX_BYTES = 1 << 20
TAKEN = frozenset({"acp", "claude", "codex", "command", *PRESETS})
"""Names of our own executors."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


def read_presets(path: Path) -> dict[str, Preset]:
    """Return the presets of a file by name; none if there is no file.

    Raises:
        ExecutorError: the file is not valid, or others can write it.
    """
    if doubt := find_doubt(path) or find_doubt(path.parent):
        raise ExecutorError(f"{path} {doubt}, so others can choose programs that run as you")
    try:
        with path.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise ExecutorError(f"{path} cannot be read: {exc.strerror}") from exc
    try:
        if len(content) > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES >> 20} MiB")
        tables = tomllib.loads(utf_8_text(content))
        return {name: _preset(name, table) for name, table in tables.items()}
    except ValueError as exc:
        raise ExecutorError(f"{path}: {exc}") from exc


def _preset(name: str, table: Any) -> Preset:
    try:
        return _checked(name, table)
    except ValueError as exc:
        raise ValueError(f"[{name}] {exc}") from exc


def _checked(name: str, table: Any) -> Preset:
    if not _NAME.fullmatch(name):
        raise ValueError("a name has 1 to 40 lower-case letters, digits and hyphens")
    if name in TAKEN:
        raise ValueError("is an executor of ours: choose another name, with `like` if it is alike")
    if not isinstance(table, dict):
        raise ValueError("must be a table")
    if unknown := sorted(table.keys() - _KEYS):
        raise ValueError(
            f"has unknown keys: {', '.join(unknown)}; known: {', '.join(sorted(_KEYS))}"
        )
    like = table.get("like")
    if like is not None and like not in PRESETS:
        raise ValueError(f"like = {like!r}: choose one of {', '.join(PRESETS)}")
    base = PRESETS[like] if like else Preset(name=name, agent=name, variables=())
    preset = replace(base, name=name, **_values(table))
    if not preset.command:
        raise ValueError('needs a command: command = ["PROGRAM", "ARGUMENT"]')
    return preset


def _values(table: Json) -> Json:
    values = {key: _READERS[key](key, value) for key, value in table.items() if key != "like"}
    try:
        re.compile(values.get("own_words", ""))
    except re.error as exc:
        raise ValueError(f"own_words is not a regular expression: {exc}") from exc
    return values


def _modes(_: str, value: Any) -> dict[str, Mode]:
    if not isinstance(value, dict) or not value:
        raise ValueError("modes must be tables by permission mode")
    modes = {}
    for name, table in value.items():
        known = {*GENERIC_MODES, "plan", "auto"}
        if name not in known:
            raise ValueError(f"modes.{name}: choose one of {', '.join(sorted(known))}")
        if not isinstance(table, dict):
            raise ValueError(f"modes.{name} must be a table")
        if unknown := table.keys() - {field.name for field in fields(Mode)}:
            raise ValueError(f"modes.{name} has unknown keys: {', '.join(sorted(unknown))}")
        mode_id = table.get("mode_id")
        modes[name] = Mode(
            mode_id=None if mode_id is None else _text(f"modes.{name}.mode_id", mode_id),
            options=_mapping(f"modes.{name}.options", table.get("options", {})),
            environment=_mapping(f"modes.{name}.environment", table.get("environment", {})),
            grant=_word(Grant, f"modes.{name}.grant", table.get("grant", "nothing")),
            asks=_flag(f"modes.{name}.asks", table.get("asks", name != "dontAsk")),
        )
    return modes


def _word(words: type[Word], key: str, value: Any) -> Word:
    try:
        return words(value)
    except ValueError:
        raise ValueError(f"{key} must be one of {', '.join(words)}") from None


def _flag(key: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"{key} must be true or false")


def _text(key: str, value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    raise ValueError(f"{key} must be a text")


def _form(key: str, value: Any) -> str:
    form = _text(key, value)
    if not all(form.count(part) == 1 for part in ("{server}", "{tool}")):
        raise ValueError(f"{key} must have {{server}} and {{tool}} once")
    return form


def _texts(key: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(each, str) and each for each in value):
        return tuple(value)
    raise ValueError(f"{key} must be a list of texts")


def _mapping(key: str, value: Any) -> Mapping[str, str]:
    if isinstance(value, dict) and all(isinstance(each, str) for each in value.values()):
        return dict(value)
    raise ValueError(f"{key} must be a table of texts")


_READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "agent": _text,
    "command": _texts,
    "how_to_install": _text,
    "how_to_log_in": _text,
    "logins": _texts,
    "modes": _modes,
    "variables": _texts,
    "environment": _mapping,
    "mid_turn": partial(_word, MidTurn),
    "usage": partial(_word, UsageForm),
    "is_cached_in_input": _flag,
    "tool_names": partial(_word, ToolNames),
    "has_message_ids": _flag,
    "own_words": _text,
    "error_words": _text,
    "continue_with": _text,
    "mcp_over_stdio": _flag,
    "mcp_prefers_own": _flag,
    "mcp_tool_names": _form,
    "mcp_rules": _text,
    "mcp_arguments": _texts,
}
_KEYS = frozenset({"like", *_READERS})
