"""Search in the page: from a key to the event, with the words marked, over imported sessions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, ViewportSize, expect

from tests.browser.axe import expect_accessible
from tests.browser.conftest import Visit
from tests.commands.shell import DONE, Shell
from tests.support.api import Api
from tests.support.indexed import wait_for_index
from tests.support.manager import RunningManager
from tests.support.transcript_files import PROJECT, Transcript
from tests.support.waiting import wait_for

Open = Callable[..., Visit]
DESKTOP: ViewportSize = {"width": 1280, "height": 720}
NARROW: ViewportSize = {"width": 390, "height": 780}
PHONE = {"viewport": NARROW, "has_touch": True}
LONG = "x = 1\n" * 4000


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def parser() -> Transcript:
    """A session with a long output, thinking, and a text that is not to be trusted."""
    made = Transcript(1)
    made.prompt("Port the parser to the new grammar.")
    made.answer({"type": "thinking", "thinking": "Perhaps the tokenizer is at fault."}, ends=False)
    made.call("Bash", f"{LONG}psycopg.OperationalError: connection refused\n{LONG}")
    made.prompt("<img src=x onerror=alert(1)> \u202ehostile")
    made.answer(text("The **connection** was refused, so I call `getUserById` again."))
    return made


def fork(original: Transcript, number: int) -> Transcript:
    """A copy of a session as the SDK makes it, with one turn of its own."""
    made = Transcript(number)
    for line in original.lines:
        copied = {"sessionId": original.session_id, "messageUuid": line["uuid"]}
        kept = {name: line[name] for name in ("type", "message", "timestamp")}
        made.add(line["type"], **kept, forkedFrom=copied)
    made.turn("Now the lexer.")
    return made


@pytest.fixture(scope="module")
def history(manager: RunningManager, tmp_path_factory: pytest.TempPathFactory) -> RunningManager:
    """The module's manager with imported sessions: one, a fork of it, and forty short ones."""
    home = tmp_path_factory.mktemp("person")
    original = parser()
    original.write(home)
    fork(original, 2).write(home)
    for number in range(10, 50):
        short = Transcript(number)
        short.prompt(f"Deploy number {number} of the shop.")
        short.write(home)
    shell = Shell(directory=home, environment={**manager.environment(), "HOME": str(home)})
    ended = shell.run("ao-import", "--json")
    shell.close()
    assert ended.exit_code == DONE, ended
    with Api(manager) as api:
        wait_for_index(api)
    return manager


def hits(page: Page) -> Locator:
    return page.get_by_test_id("hit")


def open_search(page: Page, query: str) -> None:
    page.keyboard.press("/")
    page.keyboard.type(query)  # the box has the focus before the next key
    expect(box(page)).to_have_value(query)


def box(page: Page) -> Locator:
    return page.get_by_role("search", name="Search events").get_by_label("Search", exact=True)


def expect_marked(page: Page, *words: str) -> None:
    """Wait until exactly these words are marked, and the first of them is on the screen."""
    page.wait_for_function(
        "words => { const found = [...(CSS.highlights.get('sought') ?? [])];"
        " const box = found[0]?.getBoundingClientRect();"
        " return JSON.stringify(found.map(String)) === JSON.stringify(words)"
        " && box.top > 100 && box.bottom < innerHeight && document.elementFromPoint("
        "box.left + 1, box.top + 1) === found[0].startContainer.parentElement }",
        arg=list(words),
    )


def test_hit_opens_its_event_with_the_words_marked(history: RunningManager, visit: Open) -> None:
    """The text of others is shown as text: it is no HTML, and turns no other text around."""
    opened = visit(history, permissions=["clipboard-read", "clipboard-write"])
    page = opened.enter()
    open_search(page, "CONNECTION refused")
    expect(hits(page)).to_have_count(2)
    output = hits(page).filter(has_text="Bash output")
    expect(output.locator("mark")).to_have_text(["connection", "refused"])
    output.get_by_role("button", name="Copy the text").click()
    copied = "() => navigator.clipboard.readText()"
    page.wait_for_function(f"async () => (await ({copied})()).length > {len(LONG)}")
    page.get_by_role("button", name="Copy the resume command").click()
    page.wait_for_function(f"async () => (await ({copied})()).includes('ao-resume')")
    assert page.evaluate(copied).startswith(f"cd {PROJECT} && ao-resume 'Port the parser")
    output.get_by_role("button", name="Copy a link").click()
    page.wait_for_function(f"async () => (await ({copied})()).includes('/seq/4?q=')")
    link = page.evaluate(copied)
    box(page).press("ArrowDown")
    page.keyboard.press("j")
    expect(output.get_by_role("link")).to_be_focused()
    page.keyboard.press("Enter")
    expect_marked(page, "connection", "refused")
    assert page.url == link
    page.go_back()
    expect(output.get_by_role("link")).to_be_focused()
    expect(box(page)).to_have_value("CONNECTION refused")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect_marked(page, "connection", "refused")
    expect(page.locator(".is-target")).to_contain_text("so I call")
    page.keyboard.press("f")
    page.wait_for_url(f"**/#/search?session_id={Transcript(1).session_id}")
    expect(box(page)).to_be_focused()
    page.keyboard.type("tokenizer")
    expect(page.get_by_test_id("empty")).to_contain_text("No event matches.")
    page.get_by_role("link", name="Search the thinking, too").click()
    hits(page).get_by_role("link").click()
    expect_marked(page, "tokenizer")
    opened.go("#/search?q=hostile")
    expect(hits(page).locator("mark")).to_have_text(["hostile"])
    expect(hits(page)).to_contain_text(["<img src=x onerror=alert(1)> ⟨RLO⟩hostile"])
    hits(page).get_by_role("link").click()
    expect_marked(page, "hostile")


def test_filters_and_order_stay_in_the_address(history: RunningManager, visit: Open) -> None:
    page = visit(history).enter("#/search?q=connection")
    expect(hits(page)).to_have_count(2)
    bar = page.get_by_role("search", name="Search events")
    bar.get_by_label("First hit of each session").check()
    expect(hits(page)).to_have_count(1)
    bar.get_by_label("First hit of each session").uncheck()
    bar.get_by_label("Kind").select_option("tool_output")
    expect(hits(page)).to_contain_text(["Bash output"])
    bar.get_by_label("Order").select_option("best")
    expect(page.get_by_text("1 hit, searched 1 match")).to_be_visible()
    bar.get_by_role("searchbox", name="Tool").fill("Bash")
    bar.get_by_label("From").fill("2026-02-28")
    bar.get_by_label("To", exact=True).fill("2026-03-02")
    bar.get_by_label("Project").fill("user")
    page.wait_for_url("**&project=user**")
    page.reload()
    expect(hits(page)).to_contain_text(["Bash output"])
    expect(bar.get_by_text("Filters (5)")).to_be_visible()
    bar.get_by_label("Errors only").check()
    expect(page.get_by_test_id("empty")).to_be_visible()
    bar.get_by_label("Errors only").uncheck()
    bar.get_by_label("To", exact=True).fill("2026-02-28")
    expect(page.get_by_test_id("empty")).to_be_visible()
    bar.get_by_role("link", name="Clear the filters").click()
    expect(hits(page)).to_have_count(2)
    assert page.url.endswith("#/search?q=connection")


def test_more_hits_are_loaded_and_what_is_missing_explained(
    history: RunningManager, visit: Open
) -> None:
    """A malformed query, an index that is behind, and a page without hits before the next one."""
    opened = visit(history)
    page = opened.enter("#/search?q=deploy")
    expect(hits(page)).to_have_count(30)
    expect(page.get_by_role("region", name="Sessions")).to_contain_text("16 more sessions")
    page.get_by_role("button", name="More hits").click()
    expect(hits(page)).to_have_count(40)
    expect(page.get_by_text("40 hits")).to_be_visible()
    expect(page.get_by_role("button", name="More hits")).to_have_count(0)
    box(page).fill('deploy "number')
    expect(page.get_by_role("alert")).to_contain_text("position 8: this quotation mark")
    expect(page.get_by_role("alert").locator("mark")).to_have_text('"')
    box(page).press("End")
    page.keyboard.type('"')
    expect(hits(page)).to_have_count(30)
    box(page).fill("deplo")
    page.get_by_role("link", name="Search for deplo*").click()
    expect(hits(page)).to_have_count(30)

    # The answers are real, but for two fields.
    empty: list[str] = []

    def change(route: Route) -> None:
        answer = route.fetch()
        found = answer.json()
        if "page=" not in route.request.url:
            empty.append(route.request.url)
            found |= {"hits": [], "sessions": [], "complete": False}
            found["newest"] = found["indexed_through"] + 3
        route.fulfill(response=answer, json=found)

    opened.go("#/")
    page.route("**/search?*", change)
    open_search(page, "shop")
    expect(hits(page)).to_have_count(10)
    expect(page.get_by_text("The index is 3 events behind")).to_be_visible()
    page.unroute("**/search?*")
    page.get_by_role("button", name="Search again").click()
    expect(hits(page)).to_have_count(40)
    expect(page.get_by_text("The index is")).to_have_count(0)
    assert empty


def test_copied_events_of_a_fork_are_folded(history: RunningManager, visit: Open) -> None:
    opened = visit(history)
    page = opened.enter(f"#/sessions/{Transcript(2).session_id}")
    fold = page.get_by_test_id("copied")
    expect(fold).to_contain_text("6 events copied from Port the parser")
    rows = page.get_by_test_id("event-row")
    expect(rows).to_have_count(4)
    expect(page.get_by_text("Now the lexer.").first).to_be_visible()
    fold.get_by_role("button").click()
    expect(rows.get_by_text("Port the parser to the new grammar.").last).to_be_visible()
    expect(rows.filter(has_text="copied")).to_have_count(5)
    opened.go("#/sessions")
    opened.go(f"#/sessions/{Transcript(2).session_id}/seq/2")
    expect(page.locator(".is-target")).to_contain_text("tokenizer")
    fold.get_by_role("link").click()
    page.wait_for_url(f"**/#/sessions/{Transcript(1).session_id}")


def test_search_works_on_a_phone_and_after_a_failure(history: RunningManager, visit: Open) -> None:
    opened = visit(history, **PHONE)
    opened.page.clock.install()
    page = opened.enter()
    page.get_by_role("link", name="Search").tap()
    box(page).fill("refused")
    expect(hits(page)).to_have_count(2)
    page.get_by_text("Filters", exact=True).tap()
    expect(page.get_by_label("Executor")).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    hits(page).first.get_by_role("link").tap()
    expect_marked(page, "refused")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390

    page.route("**/search?*", lambda route: route.abort())
    page.get_by_role("banner").get_by_role("link", name="Search").tap()
    box(page).fill("connection")
    again = page.get_by_role("alert").get_by_role("button", name="Try again")

    def has_given_up() -> bool:
        page.clock.fast_forward(8_000)  # the longest pause between the attempts of the page
        return again.is_visible()

    wait_for(has_given_up, "the page has no attempt left")
    page.unroute("**/search?*")
    again.tap()
    expect(hits(page)).not_to_have_count(0)


def test_views_have_no_accessibility_problems(history: RunningManager, visit: Open) -> None:
    shown = {
        "": "Everything is seen.",
        "cost": "No usage in this period.",
        "sessions": "42 sessions",
        "sessions?q=stat:failed": "Did you mean state:failed",
        "sessions?view=tree&sort=name": "42 sessions",
        "search": "these words, one after the other",
        "search?q=refused": "only here",
        'search?q="': "this quotation mark",
        "search?q=nothing&kind=note": "No event matches.",
        f"sessions/{Transcript(1).session_id}/seq/4?q=refused": "connection refused",
        f"sessions/{Transcript(2).session_id}": "6 events copied",
        f"sessions/{Transcript(1).session_id}/changes": "file",
        f"sessions/{Transcript(1).session_id}/runs": "Tokens out",
        f"sessions/{Transcript(1).session_id}/raw": "Events 1 to",
        f"beside/{Transcript(1).session_id}/{Transcript(2).session_id}?right=4": "5m 00s",
        f"beside/{Transcript(1).session_id}/{Transcript(2).session_id}/compare": "Last answers",
    }
    opened = visit(history, viewport=DESKTOP, color_scheme="light")
    page = opened.enter()
    for view, words in shown.items():
        opened.go(f"#/{view}")
        expect(page.get_by_role("main")).to_contain_text(words)
        expect_accessible(page)
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size(NARROW)
        expect_accessible(page)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(DESKTOP)


def test_first_steps_offer_the_import_and_its_sessions_appear(
    own: RunningManager, shell: Shell, own_home: Path, visit: Open
) -> None:
    opened = visit(own)
    page = opened.enter()
    expect(page.get_by_text("ao-import", exact=True)).to_be_visible()
    expect(page.get_by_text("ao-import --watch", exact=True)).to_be_visible()
    opened.go("#/sessions")
    expect(page.get_by_test_id("empty")).to_contain_text("Their files are only read")
    parser().write(own_home)
    assert shell.run("ao-import", "--json").exit_code == DONE
    expect(page.get_by_test_id("session-row")).to_contain_text("Port the parser")
    opened.go("#/")
    expect(page.get_by_text("Everything is seen.")).to_be_visible()
