"""Accessibility of a page, as axe checks it."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

_AXE = Path(__file__).parents[2] / "dashboard/node_modules/axe-core/axe.min.js"
# Without this option, axe also describes each element that has no problem.
_PROBLEMS = "async () => (await axe.run({ resultTypes: ['violations'] })).violations"


def expect_accessible(page: Page) -> None:
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_AXE.read_text())
    problems = page.evaluate(_PROBLEMS)
    found = [f"{each['id']}: {node['html'][:200]}" for each in problems for node in each["nodes"]]
    assert not found, "\n".join(found)
