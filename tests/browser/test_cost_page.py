"""The page Cost: one plot, and one table that turns and leads to the sessions behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.axe import expect_accessible
from tests.browser.conftest import Visit
from tests.browser.filled_sessions import append, create
from tests.browser.pictures import picture
from tests.store.test_usage_facts import asked
from tests.support.api import Api
from tests.support.manager import RunningManager

Open = Callable[..., Visit]
DESKTOP: ViewportSize = {"width": 1280, "height": 860}
PHONE: ViewportSize = {"width": 390, "height": 780}
ENDED = {"event_type": "session_stop", "reason": "completed"}


def used(key: str, microdollars: int | None, model: str) -> dict[str, Any]:
    usage = {"input_tokens": 1200, "output_tokens": 300, "cache_read_tokens": 45_000}
    priced = {} if microdollars is None else {"cost_microdollars": microdollars}
    return asked(f"some-agent:{key}", usage={**usage, **priced}, model=model)


def fill(api: Api) -> None:
    for name, project, agent, cost in (
        ("login", "/work/my shop", "fixer", 310_000),
        ("logout", "/work/my shop", "fixer", 100_000),
        ("parser", "/work/core", "porter", 4000),
        ("unpriced", "/work/core", "porter", None),
        ("open", None, None, None),
    ):
        create(api, name, project_dir=project, agent_name=agent, executor="claude")
        append(api, name, used(name, cost, "unknown-1" if cost is None else "opus-5.5"))
        if name != "open":
            append(api, name, ENDED)


def lines(page: Page) -> list[list[str]]:
    found = page.get_by_role("region", name="Usage").locator("tbody tr")
    cells = "rows => rows.map(row => [...row.cells].map(cell => cell.innerText.trim()))"
    return [[str(cell) for cell in row[:4]] for row in found.evaluate_all(cells)]


def test_table_turns_fits_and_leads_to_the_sessions(
    own: RunningManager, visit: Open, api: Api
) -> None:
    fill(api)
    opened = visit(own, viewport=DESKTOP)
    page = opened.enter()
    page.get_by_role("link", name="→ Cost").click()
    table = page.get_by_role("region", name="Usage")
    expect(table.get_by_role("rowheader", name="/work/my shop")).to_be_visible()
    assert lines(page) == [
        ["/work/my shop", "99%", "$0.41", "2"],
        ["/work/core", "<1%", "unknown", "2"],
        ["no project", "0%", "…", "1"],
    ]
    expect(table).to_contain_text("still counting: 1 run")
    expect(table).to_contain_text("not known: 2 runs, 93K tokens without a price")
    expect(page.get_by_role("figure")).to_contain_text("Cost per hour")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        picture(page, f"cost-{scheme}")
        expect_accessible(page)
    page.set_viewport_size(PHONE)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    picture(page, "cost-phone")
    page.set_viewport_size(DESKTOP)
    shop = table.get_by_role("link", name="$0.41")
    assert shop.get_attribute("href") == ("#/sessions?q=project:%22/work/my+shop%22+since:today")
    group = page.get_by_role("group", name="By")
    for by, names in {
        "agent": ["fixer", "porter", "claude"],
        "model": ["opus-5.5", "unknown-1"],
        "session": ["login", "logout", "parser", "open", "unpriced"],
    }.items():
        group.get_by_role("button", name=by).click()
        expect(table.get_by_role("rowheader", name=names[0])).to_be_visible()
        assert [line[0] for line in lines(page)] == names, by
    page.get_by_role("group", name="Period").get_by_role("button", name="30 d").click()
    page.wait_for_url("**/#/cost?span=30d&by=session")
    group.get_by_role("button", name="day").click()
    expect(table.get_by_role("columnheader", name="Day")).to_be_visible()
    assert [line[2] for line in lines(page)] == ["≥ $0.41"]
    page.get_by_text("As a table").click()
    expect(page.get_by_role("table", name="Cost per day").get_by_role("row")).to_have_count(31)
    page.get_by_label("From", exact=True).fill("2020-02-28")
    page.get_by_label("To", exact=True).fill("2020-03-01")
    expect(page.get_by_test_id("empty")).to_contain_text("No usage in this period.")
    assert page.url.endswith("/#/cost?from=2020-02-28&to=2020-03-01&by=day")
