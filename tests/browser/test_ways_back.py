"""Each way of leaving a list or timeline and returning restores the scroll position."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from agent_session_manager.store.changes import CreateSession
from tests.browser.conftest import LIST, TIMELINE, Visit, expect_shown_as, first_shown, scroll_to
from tests.browser.filled_sessions import append, create, fill_list, says
from tests.support.api import Api
from tests.support.manager import RunningManager

Open = Callable[..., Visit]


@pytest.fixture
def own(tmp_path: Path, start_manager: Callable[..., RunningManager]) -> RunningManager:
    """Start a manager with more sessions than a page of the list, also of those that are even."""
    directory = tmp_path / "full"
    parents = (
        CreateSession(session_id=name, session_name=name, agent_name=("even", "odd")[number % 2])
        for number, name in enumerate(f"s{number:03}" for number in range(320))
    )
    child = CreateSession(session_id="child", session_name="child", parent_session_id="s319")
    fill_list(directory / "state", [*parents, child])
    return start_manager(directory)


def expect_list(page: Page, *, is_filtered: bool) -> None:
    """Wait for the list that the address names; the previous list is shown until then."""
    shown = page.locator(LIST)
    expect(shown.get_by_text("even", exact=True).first).to_be_visible()
    odd = shown.get_by_text("odd", exact=True)
    if is_filtered:
        expect(odd).to_have_count(0)
    else:
        expect(odd.first).to_be_visible()


def open_one_shown(page: Page) -> None:
    """Open a session in the middle of the visible list."""
    window = page.locator(LIST).bounding_box()
    assert window is not None
    middle = window["y"] + window["height"] / 2
    place = page.locator(f"{LIST} .session-link").evaluate_all(
        "(links, middle) => links.findIndex(link => link.getBoundingClientRect().top > middle)",
        middle,
    )
    page.locator(f"{LIST} .session-link").nth(place).click()
    page.locator(".session").wait_for()


def test_list_and_timeline_keep_their_scroll_position(
    own: RunningManager, visit: Open, api: Api
) -> None:
    append(api, "s000", *(says(f"number {number}\n\n" * 4) for number in range(400)))
    page = visit(own).enter("#/sessions")
    sessions_link = page.get_by_role("navigation").get_by_role("link", name="Sessions")

    def reload_and_go_back() -> None:
        page.reload()
        page.go_back()

    def go_two_steps_back() -> None:
        page.get_by_role("link", name="Now").click()
        page.locator(".now").wait_for()
        page.go_back()
        page.locator(".session").wait_for()
        page.go_back()

    ways: dict[str, Callable[[], object]] = {
        "the browser's Back": page.go_back,
        "the link to the list": sessions_link.click,
        "the keys": lambda: page.keyboard.type("gs"),
        "a reload and Back": reload_and_go_back,
        "two steps back": go_two_steps_back,
    }
    for place, (way, go_back) in enumerate(ways.items()):
        address = own.url + ("/#/sessions", "/#/sessions?q=agent:even")[place % 2]
        page.goto(address)
        expect_list(page, is_filtered="agent" in address)
        scroll_to(page, LIST, 4815)
        before = first_shown(page, LIST)
        open_one_shown(page)
        create(api, f"new-{place}", agent_name="even")
        go_back()
        expect_shown_as(page, LIST, before, way)
        assert page.url == address, way
    page.goto(f"{own.url}/#/sessions?view=tree")
    page.get_by_role("button", name="child session of s319").click()
    expect(page.get_by_role("link", name="child", exact=True)).to_be_visible()
    scroll_to(page, LIST, 2013)
    before = first_shown(page, LIST)
    open_one_shown(page)
    page.go_back()
    expect_shown_as(page, LIST, before, "Back to a grouped list")

    page.goto(f"{own.url}/#/sessions/s000")
    page.get_by_text("number 399").first.wait_for()

    def go_to_now() -> None:
        page.keyboard.type("gn")

    def follow_link() -> None:
        page.goto(f"{own.url}/#/sessions/s000")

    leaving: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
        ("Back", sessions_link.click, page.go_back),
        ("a reload", page.reload, lambda: None),
        ("the keys and Back", go_to_now, page.go_back),
        ("a link", sessions_link.click, follow_link),
    ]
    for way, leave, come_back in leaving:
        first_shown(page, TIMELINE)
        top = page.locator(TIMELINE).evaluate("element => element.scrollTop")
        scroll_to(page, TIMELINE, top - 2477)
        before = first_shown(page, TIMELINE)
        leave()
        come_back()
        expect_shown_as(page, TIMELINE, before, way)
    page.goto(f"{own.url}/#/sessions/s000/seq/999")
    expect(page.get_by_role("status")).to_contain_text(["There is no event 999"])
