"""Fields of a file of prices, each with its place in the file, so that an error names it."""

from __future__ import annotations

import reprlib
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

_SHOWN = 60
"""Characters of a wrong value or of a key in an error."""


class PriceFileError(ValueError):
    """A file of prices cannot be used; `field` is the place in the file, or empty."""

    def __init__(self, path: Path, field: str, problem: str) -> None:
        super().__init__(": ".join(part for part in (f"prices in {path}", field, problem) if part))
        self.path = path
        self.field = field
        self.problem = problem


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One value of the file. Each method returns the value as one type, or raises."""

    path: Path
    at: str
    value: Any

    def error(self, expected: str) -> PriceFileError:
        return PriceFileError(self.path, self.at, f"expected {expected}, not {_shown(self.value)}")

    def record(
        self, required: AbstractSet[str], optional: AbstractSet[str] = frozenset()
    ) -> dict[str, Field]:
        """Return the fields of an object that has all required keys, and no unknown one."""
        fields = self.mapping()
        for key in sorted(required - fields.keys()):
            raise PriceFileError(self.path, self._below(key, None).at, "missing")
        for key in sorted(fields.keys() - required - optional):
            raise PriceFileError(self.path, fields[key].at, "unknown field")
        return fields

    def mapping(self) -> dict[str, Field]:
        if not isinstance(self.value, dict):
            raise self.error("an object")
        return {key: self._below(key, value) for key, value in self.value.items()}

    def items(self) -> list[Field]:
        """Return the values of a list that is not empty."""
        if not isinstance(self.value, list) or not self.value:
            raise self.error("a list that is not empty")
        return [
            Field(path=self.path, at=f"{self.at}[{index}]", value=value)
            for index, value in enumerate(self.value)
        ]

    def text(self) -> str:
        if not isinstance(self.value, str) or not self.value:
            raise self.error("a text that is not empty")
        return self.value

    def name(self) -> str:
        """Return a name in the form in which names are compared."""
        text = self.text()
        if text != text.lower() or "/" in text:
            raise self.error("a name in lower case and without '/'")
        return text

    def number(self, least: int, most: int) -> int:
        if type(self.value) is not int or not least <= self.value <= most:
            raise self.error(f"an integer from {least} to {most}")
        return self.value

    def date(self) -> date:
        try:
            return date.fromisoformat(self.text())
        except ValueError as exc:
            if isinstance(exc, PriceFileError):
                raise
            raise self.error("a date such as 2026-08-21") from exc

    def _below(self, key: str, value: Any) -> Field:
        shown = key if key.isidentifier() and len(key) <= _SHOWN else f"[{_shown(key)}]"
        at = f"{self.at}.{shown}" if self.at else shown
        return Field(path=self.path, at=at, value=value)


def _shown(value: Any) -> str:
    """Return a short text for a value of any size and depth, without control characters."""
    return reprlib.repr(value)[:_SHOWN]
