"""Who gets in: with a code, once, and the token stays in one tab."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.commands.shell import Shell
from tests.support.api import Api
from tests.support.manager import RunningManager

Open = Callable[..., Visit]


def test_page_without_the_token_says_how_to_get_in(own: RunningManager, visit: Open) -> None:
    page = visit(own).page
    for address in ("/", "/#/sessions", "/#/sessions/none"):
        page.goto(own.url + address)
        expect(page.get_by_text("ao-dashboard", exact=True)).to_be_visible()
        expect(page.get_by_role("navigation")).to_have_count(0)


def test_code_lets_in_once_and_stays_nowhere(own: RunningManager, visit: Open) -> None:
    with Api(own) as api:
        code = api.post("/dashboard/codes", {}).json["code"]
    first, second = visit(own), visit(own)
    first.page.goto(f"{own.url}/#code={code}")
    expect(first.page.get_by_role("heading", name="Running now")).to_be_visible()
    assert first.page.url == f"{own.url}/#/"
    assert first.context.cookies() == []
    kept = first.page.evaluate("() => [Object.values(sessionStorage), Object.values(localStorage)]")
    assert own.token in kept[0] and own.token not in kept[1]
    assert not any(own.token in url or code in url for url in first.requests)
    first.page.go_back()
    assert code not in first.page.url
    second.page.goto(f"{own.url}/#code={code}")
    expect(second.page.get_by_role("alert")).to_contain_text("was used before")
    assert second.page.evaluate("() => sessionStorage.length") == 0


def test_command_gives_an_address_that_lets_in(
    own: RunningManager, visit: Open, shell: Shell
) -> None:
    printed = shell.run("ao-dashboard", "--print")
    address = printed.stdout.strip()
    assert re.fullmatch(rf"{own.url}/#code=[\w-]+", address), printed
    page = visit(own).page
    page.goto(address)
    expect(page.get_by_role("navigation", name="Views")).to_be_visible()


def test_token_that_is_not_valid_any_more_leads_back_to_the_entry(
    own: RunningManager, visit: Open
) -> None:
    page = visit(own).enter()
    page.evaluate(
        "() => { for (const key of Object.keys(sessionStorage)) sessionStorage[key] = 'x' }"
    )
    page.reload()
    expect(page.get_by_text("ao-dashboard", exact=True)).to_be_visible()
