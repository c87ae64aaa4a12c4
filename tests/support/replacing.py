"""Names of modules that a process under test has replaced."""

from __future__ import annotations

from types import ModuleType


def replace_in(module: ModuleType, **values: object) -> None:
    """Give names of a module other values in this process, until it ends.

    Raises:
        AttributeError: the module has no such name, so replacing it would have no effect.
    """
    for name, value in values.items():
        getattr(module, name)
        setattr(module, name, value)
