"""The formats that can be imported. A package in `history/formats` that has `FORMAT` is one."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from ... import formats
from ...format import Format


@cache
def all_formats() -> dict[str, Format]:
    """Return the formats by name."""
    found: dict[str, Format] = {}
    for module in pkgutil.iter_modules(formats.__path__):
        if module.ispkg:
            made: Format = import_module(f"{formats.__name__}.{module.name}").FORMAT
            found[made.name] = made
    return found


def copies(form: Format) -> str | None:
    """Return the format whose sessions a format has copies of, if it has."""
    named: str | None = getattr(form, "copies", None)
    return named
