"""A faster start for our programs. Import this before httpx.

httpx and psutil are loaded when they are used: many runs never use httpx, and psutil loads while
the agent starts. httpx is loaded without its command line. That, with click, pygments and rich,
takes half of its import time, and our programs never use it.
"""

from __future__ import annotations

import gc
import sys
from _thread import allocate_lock
from types import ModuleType
from typing import Any

# A module set to None counts as not installed, and httpx supports that.
sys.modules["httpx._main"] = None  # type: ignore[assignment]  # typeshed does not allow None


class _LateModule(ModuleType):
    """Stands in `sys.modules` until an attribute is used, then loads the module.

    `importlib.util.LazyLoader` would load it at the second `import` already.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__dict__["_lock"] = allocate_lock()

    def __getattr__(self, name: str) -> Any:
        with self.__dict__["_lock"]:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
                try:
                    __import__(self.__name__)
                except BaseException:
                    sys.modules[self.__name__] = self
                    raise
        return getattr(sys.modules[self.__name__], name)


def import_when_used(name: str) -> None:
    """Let `import name` load the module at the first use of an attribute."""
    if name not in sys.modules:
        sys.modules[name] = _LateModule(name)


def keep_imports() -> None:
    """Exclude everything that exists now from the search for garbage, once all is imported.

    It stays until the end of the program, where Python would search it twice.
    """
    gc.freeze()


for _library in ("httpx", "psutil"):
    import_when_used(_library)
