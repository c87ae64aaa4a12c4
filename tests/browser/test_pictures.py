"""The pictures of the dashboard in the documentation, made with invented sessions.

`make pictures` stores them in `docs/images`. Otherwise the test only checks that they can be made.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import LOAD_MS, Visit
from tests.browser.pictured_work import PROJECTS, fill_two_weeks
from tests.support.api import Api
from tests.support.manager import RunningManager

Open = Callable[..., Visit]

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SHOWN = {
    "now-light.png",
    "sessions-dark.png",
    "search-light.png",
    "cost-light.png",
    "session-light.png",
    "session-dark.png",
    "phone-light.png",
}
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 780}
DRAWN = (
    "() => { const all = [...document.querySelectorAll('canvas')];"
    " return all.length > 0 && all.every("
    "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
    ".data.some(value => value !== 0)) }"
)
"""True once every plot has a pixel drawn."""


def test_pictures_can_be_made(
    own: RunningManager,
    api: Api,
    visit: Open,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    fill_two_weeks(own, api)
    is_kept = request.config.getoption("--pictures")
    for scheme in ("light", "dark") if is_kept else ("light",):
        take_all(own, visit, scheme, tmp_path, is_kept=is_kept)


def take_all(
    own: RunningManager, visit: Open, scheme: str, elsewhere: Path, *, is_kept: bool
) -> None:
    """Take the pictures of one color scheme; keep those of the documentation if `is_kept`."""

    def take(page: Page | Locator, name: str) -> None:
        file = f"{name}-{scheme}.png"
        path = (IMAGES if is_kept and file in SHOWN else elsewhere) / file
        path.parent.mkdir(exist_ok=True)
        page.screenshot(path=path, animations="disabled")
        assert path.stat().st_size > 10_000

    opened = visit(own, viewport=DESKTOP, color_scheme=scheme)
    page = opened.enter()
    expect(page.get_by_test_id("now-row").first).to_be_visible()
    expect(page.get_by_text("Today ")).to_be_visible()
    take(page, "now")
    opened.go("#/cost")
    expect(page.get_by_role("rowheader", name=PROJECTS[0])).to_be_visible()
    page.wait_for_function(DRAWN, timeout=LOAD_MS)
    take(page, "cost")
    opened.go("#/search?q=test")
    expect(page.get_by_test_id("hit").nth(4)).to_be_visible()
    take(page, "search")
    opened.go("#/sessions")
    expect(page.get_by_test_id("session-row").first).to_be_visible()
    take(page, "sessions")
    opened.go("#/sessions/s-fix-login")
    expect(page.locator("code span[class*=hljs]").first).to_be_visible()
    page.get_by_test_id("call-group").first.get_by_role("button").click()
    calls = page.get_by_test_id("call")
    calls.nth(2).get_by_role("button").first.click()
    expect(page.get_by_text("return cookie == expected")).to_be_visible()
    take(page, "session")
    narrow = visit(own, viewport=PHONE, color_scheme=scheme, device_scale_factor=2)
    phone = narrow.enter()
    expect(phone.get_by_test_id("now-row").first).to_be_visible()
    take(phone, "phone")
