"""Questions to a person on the page: seen on every view, answered in one place, once."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.filled_sessions import append, create, says
from tests.browser.pictures import picture
from tests.store.promises.events import decision, question
from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.waiting import wait_for

Open = Callable[..., Visit]
PHONE = {"viewport": {"width": 375, "height": 740}, "has_touch": True}
HOSTILE = "<img src=x onerror=alert(1)>\u202e"
CHOICES = [
    {"id": "a", "kind": "allow", "label": "Allow once"},
    {"id": "r", "kind": "allow_for_run", "label": "Allow for this run"},
    {"id": "w", "kind": "allow_always", "label": "Always allow `npm:*` in your own settings"},
    {"id": "d", "kind": "deny", "label": "Deny"},
]
ITEMS = [
    {
        "id": "env",
        "text": "Which environment?",
        "options": [{"label": "staging"}, {"label": "production", "description": "With care"}],
    },
    {"id": "parts", "text": "Which parts?", "multiple": True, "free": False,
     "options": [{"label": "web"}, {"label": "api"}, {"label": "docs"}]},
]  # fmt: skip


def fill(api: Api) -> None:
    """Let two sessions wait: one asks for permissions, the other asks questions."""
    for name in ("clean-db", "deploy"):
        create(api, name, project_dir="/work/shop", executor="claude")
        append(api, name, says("Do it.", "user"))
    command = {"command": "rm -rf db && " + "make all " * 60 + "# the end", "timeout": 60}
    append(
        api,
        "clean-db",
        question(
            "q1",
            title="Run a command",
            why=f"The database is stale. {HOSTILE}",
            tool_name="Bash",
            tool_input=command,
            cwd="/work/shop",
            choices=CHOICES,
            expires_at="2099-01-01T00:00:00Z",
        ),
        question(
            "q2", kind="edit", tool_name="Edit", diff="-old line\n+new line", choices=CHOICES,
            tool_input={"file_path": "/work/shop/a.py"},
        ),
    )  # fmt: skip
    append(api, "deploy", question("q3", kind="question", choices=[], items=ITEMS))


def cards(page: Page) -> list[str]:
    ids = page.get_by_test_id("question").evaluate_all(
        "cards => cards.map(card => card.dataset.questionId)"
    )
    return [str(each) for each in ids]


def stored(api: Api, session_id: str, question_id: str) -> object:
    """Wait for the answer to a question, and return it."""

    def look() -> object:
        found = api.get(f"/sessions/{session_id}/runs/1/requests").json["requests"]
        return next((each["payload"] for each in found if each["request_id"] == question_id), None)

    return wait_for(look, "the answer is stored")


def test_questions_are_answered_at_phone_width(own: RunningManager, visit: Open, api: Api) -> None:
    fill(api)
    visited = visit(own, **PHONE)
    page = visited.enter("#/sessions")
    expect(page.get_by_role("link", name="Now 2 need you")).to_be_visible()
    expect(page).to_have_title("(2) Agent Session Manager")
    visited.go("#/questions")
    expect(page.get_by_test_id("question")).to_have_count(3)
    assert sorted(cards(page)) == ["q1", "q2", "q3"]
    picture(page, "questions-phone")
    first = page.locator("[data-question-id=q1]")
    for text in ("Run a command", "# the end", "/work/shop", "The database is stale.", "left"):
        expect(first).to_contain_text(text)
    expect(page.locator("[data-question-id=q2]")).to_contain_text("+new line")
    overflow = "document.documentElement.scrollWidth - window.innerWidth"
    assert page.evaluate(overflow) <= 0
    # A rule that stays needs a second step, which shows its scope.
    first.get_by_role("button", name="Always allow").click()
    step = first.get_by_role("group", name="Confirm a rule that stays")
    expect(step).to_contain_text("Always allow `npm:*` in your own settings")
    picture(page, "always-phone")
    step.get_by_role("button", name="Back").click()
    first.get_by_label("Tell the agent").fill("but keep the backups")
    first.get_by_role("button", name="Deny").click()
    expect(page.get_by_test_id("toasts")).to_contain_text("Answered: Deny")
    assert stored(api, "clean-db", "q1") == {"choice": "d", "text": "but keep the backups"}
    expect(first).to_contain_text("Answered: Deny. The agent does not have it yet.")
    append(api, "clean-db", decision("q1", "deny"))
    expect(first).to_have_count(0)
    third = page.locator("[data-question-id=q3]")
    send = third.get_by_role("button", name="Answer")
    third.get_by_label("staging").check()
    expect(send).to_be_disabled()
    third.get_by_label("web").check()
    third.get_by_label("docs").check()
    third.get_by_label("Or another answer").fill("the test cluster")
    picture(page, "items-phone")
    send.click()
    answers = {"env": ["the test cluster"], "parts": ["web", "docs"]}
    assert stored(api, "deploy", "q3") == {"answers": answers}
    append(api, "deploy", decision("q3", "answered", answers=answers))
    expect(page).to_have_title("(1) Now – Agent Session Manager")
    append(api, "clean-db", decision("q2", "timed_out"))
    expect(page.locator(".now-summary")).to_have_text("Nothing needs you. 2 run.")
    expect(page).to_have_title("Now – Agent Session Manager")


def test_question_is_answered_by_keys_in_its_session(
    own: RunningManager, visit: Open, api: Api
) -> None:
    fill(api)
    page = visit(own, viewport={"width": 1280, "height": 800}).enter()
    expect(page.locator(".now-summary")).to_contain_text("2 need you.")
    page.keyboard.press("g")
    page.keyboard.press("q")
    expect(page.get_by_test_id("question")).to_have_count(3)
    page.locator("[data-question-id=q2]").focus()
    page.keyboard.press("1")
    focused = page.locator("[data-question-id=q2]").get_by_role("button", name="Allow once")
    expect(focused).to_be_focused()
    # Another client is first.
    body = {"request_id": "q2", "kind": "answer", "payload": {"choice": "d"}}
    page.route("**/questions?**", lambda route: route.abort())
    assert api.post("/sessions/clean-db/runs/1/requests", body).status == 201
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("toasts")).to_contain_text("Another answer was first: Deny")
    page.unroute_all(behavior="wait")
    picture(page, "questions-wide")
    page.locator("[data-question-id=q1]").get_by_role("link", name="clean-db").click()
    own_cards = page.get_by_role("region", name="Waits for you")
    expect(own_cards.get_by_test_id("question")).to_have_count(2)
    picture(page, "session-waiting")
    own_cards.locator("[data-question-id=q1]").get_by_role("button", name="Allow once").click()
    assert stored(api, "clean-db", "q1") == {"choice": "a"}
    append(api, "clean-db", decision("q1"), decision("q2", "deny", text="not now"))
    expect(own_cards).to_have_count(0)
    timeline = page.get_by_test_id("timeline")
    expect(timeline).to_contain_text("Decision: deny, by person")
    timeline.get_by_role("button", name="Asks you Run a command").click()
    expect(timeline).to_contain_text("# the end")
    picture(page, "session-decided")
    expect(page.get_by_role("link", name="Now 1 needs you")).to_be_visible()
