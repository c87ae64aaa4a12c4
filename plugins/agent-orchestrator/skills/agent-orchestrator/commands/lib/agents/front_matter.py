"""The front matter of an agent's file, as Claude Code reads it.

Claude Code parses YAML 1.2 and quotes values that are not YAML, for example a description that
contains colons. This module does the same. Its work is bounded for every file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

FRONT_MATTER = re.compile(r"---[^\S\n]*\n(.*?)---\s*\n?", re.DOTALL)
"""Claude Code ends it at the next three dashes, even within a line."""
MAX_NODES = 10_000
"""Maximum of nodes in a front matter; each repetition by an alias counts."""
TOO_MUCH = f"the front matter has, or expands to, more than {MAX_NODES} parts"

_SCALARS = {
    "null": (r"~|null|Null|NULL|", "~nN"),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)"
        r"|\.(?:nan|NaN|NAN)",
        "-+0123456789.",
    ),
    "merge": (r"<<", "<"),
}
"""Unquoted values that are not strings in YAML 1.2's core schema: form, first characters."""


def split(text: str) -> tuple[str, str] | None:
    """Return the front matter and the text after it, or None if the file has no front matter.

    Raises:
        ValueError: the closing line is missing.
    """
    if not re.match(r"---[^\S\n]*\n", text):
        return None
    found = FRONT_MATTER.match(text)
    if found is None:
        raise ValueError("the front matter has no closing line of three dashes")
    return found[1], text[found.end() :]


def parse(text: str) -> Mapping[str, Any]:
    """Parse the text between the dashes.

    Raises:
        ValueError: the text is not `key: value` lines, or expands to too many nodes.
    """
    try:
        try:
            front = _load(text)
        except (yaml.YAMLError, RecursionError):
            front = _load(_quoted(text))
    except (yaml.YAMLError, RecursionError) as exc:
        raise ValueError(f"the front matter is not YAML: {' '.join(str(exc).split())}") from exc
    if not isinstance(front, dict):
        raise ValueError("the front matter must be `key: value` lines")
    return front


def _quoted(text: str) -> str:
    """Quote the values of lines that are not valid YAML alone."""
    text = re.sub(r"(?m)^\t+", "  ", text)
    return re.sub(r"(?m)^([\w-]+):[ \t]+([^\s\"'].*)$", _quote, text)


def _quote(line: re.Match[str]) -> str:
    try:
        _load(line[0])
    except (yaml.YAMLError, RecursionError):
        return f"{line[1]}: {json.dumps(line[2].rstrip())}"
    return line[0]


class _Loader(yaml.SafeLoader):
    """A loader of YAML 1.2, where `yes` and `2026-01-01` are strings."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    composed = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.composed += 1
        if self.composed > MAX_NODES:
            raise ValueError(TOO_MUCH)
        return super().compose_node(parent, index)


def _construct_number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    text = str(loader.construct_scalar(node))
    return int(text, 0) if re.fullmatch(r"0[ox].+", text) else int(text)


def _construct_unknown(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    match node:
        case yaml.ScalarNode():
            return loader.construct_scalar(node)
        case yaml.SequenceNode():
            return loader.construct_sequence(node, deep=True)
        case yaml.MappingNode():
            return loader.construct_mapping(node, deep=True)


for _kind, (_form, _first) in _SCALARS.items():
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}", re.compile(rf"(?:{_form})\Z"), [*_first, ""]
    )
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_number)
_Loader.add_constructor(None, _construct_unknown)


def _load(text: str) -> Any:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_too_much(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _refuse_too_much(root: yaml.Node) -> None:
    """Count the nodes before building values: nested aliases double the size with each line."""
    waiting, count = [root], 0
    while waiting:
        node = waiting.pop()
        count += 1
        if count > MAX_NODES:
            raise ValueError(TOO_MUCH)
        if isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            waiting.extend(part for pair in node.value for part in pair)
