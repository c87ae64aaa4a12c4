"""Imported first by programs of ours, so that they start sooner: leaves out httpx's command line.

With click, pygments and rich it is half of what importing httpx takes, and none of ours calls it.
"""

from __future__ import annotations

import sys

# What is None here counts as not installed, which httpx is prepared for.
sys.modules["httpx._main"] = None  # type: ignore[assignment]  # typeshed knows no None here
