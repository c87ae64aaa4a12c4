"""Limits for JSON that is stored: every store and every reader can handle JSON within them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

MAX_DEPTH = 64
_EXACT_FLOAT = 2.0**63


class UnstorableJsonError(Exception):
    """JSON that cannot be stored; `code` is the reason as an error code."""

    def __init__(self, code: str, problem: str) -> None:
        super().__init__(problem)
        self.code = code


def check_value(value: Any, *, may_hold_nul: bool = True, max_depth: int = MAX_DEPTH) -> bool:
    """Check a parsed value; return whether a number in it may have been rounded.

    Raises:
        UnstorableJsonError: the value is nested too deeply, or a text in it contains NUL.
    """
    check = _Check(may_hold_nul, max_depth)
    check.values((value,), max_depth)
    return check.has_large_number


class _Check:
    def __init__(self, may_hold_nul: bool, max_depth: int) -> None:
        self.has_large_number = False
        self._may_hold_nul = may_hold_nul
        self._max_depth = max_depth

    def values(self, values: Iterable[Any], depth: int) -> None:
        for value in values:
            kind = type(value)
            if kind is str:
                if self._may_hold_nul and "\0" in value:
                    raise UnstorableJsonError(
                        "nul_character", "text must not contain the character U+0000"
                    )
            elif kind is dict:
                self._children(value.values(), depth)
                if self._may_hold_nul:
                    self._children(value.keys(), depth)
            elif kind is list:
                self._children(value, depth)
            elif kind is float and abs(value) >= _EXACT_FLOAT:
                self.has_large_number = True

    def _children(self, children: Iterable[Any], depth: int) -> None:
        if not depth:
            raise UnstorableJsonError(
                "too_deep", f"the body is nested more than {self._max_depth} levels deep"
            )
        self.values(children, depth - 1)
