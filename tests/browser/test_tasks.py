"""The tasks of people on the page, each with the number of its steps: clicks, keys, words."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Visit
from tests.browser.pictured_work import SHOP, fill_two_weeks
from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.waiting import wait_for

Open = Callable[..., Visit]
MOST = 3
"""No task takes more steps."""


class Steps:
    """Counts what a person does on a page."""

    def __init__(self, page: Page, api: Api) -> None:
        self.page = page
        self.api = api
        self.count = 0

    def click(self, what: Locator) -> None:
        self.count += 1
        what.click()

    def press(self, key: str) -> None:
        self.count += 1
        self.page.keyboard.press(key)

    def type(self, words: str) -> None:
        self.count += 1
        self.page.keyboard.type(words)

    def row(self, name: str) -> Locator:
        return self.page.locator(f"[data-testid=now-row][data-session-id=s-{name}]")

    def open(self, name: str) -> None:
        self.click(self.row(name).get_by_role("link", name=name))

    def select_pair(self, *names: str) -> None:
        for name in names:
            self.click(self.row(name).get_by_role("checkbox"))

    def go(self, place: str) -> None:
        views = self.page.get_by_role("navigation", name="Views")
        self.click(views.get_by_role("link", name=place))


def see_which_needs_me(steps: Steps) -> None:
    expect(steps.row("clean-data")).to_have_attribute("data-kind", "asks")
    expect(steps.row("tidy-styles")).to_have_attribute("data-kind", "denied")


def see_why_it_failed(steps: Steps) -> None:
    expect(steps.row("retry-payments")).to_contain_text("no valid login: run claude")


def see_what_it_changed_in_which_file(steps: Steps) -> None:
    steps.open("fix-login")
    steps.click(steps.page.get_by_role("link", name="Changes 1"))
    file = steps.page.get_by_test_id("changed-file")
    expect(file).to_contain_text("auth.py")
    expect(file).to_contain_text("hmac.compare_digest")


def learn_what_a_state_means(steps: Steps) -> None:
    steps.open("retry-payments")
    expect(steps.page.get_by_test_id("state").first).to_have_attribute(
        "title", "The newest run has failed, or its time or its budget was used up."
    )


def answer_an_agent(steps: Steps) -> None:
    steps.click(steps.row("clean-data").get_by_role("button", name="Answer"))
    steps.click(steps.row("clean-data").get_by_role("button", name="Allow").first)
    path = "/sessions/s-clean-data/runs/1/requests"
    wait_for(lambda: steps.api.get(path).json["requests"], "the manager has the answer")


def stop_one(steps: Steps) -> None:
    steps.click(steps.row("nightly-links").get_by_role("button", name="Stop"))
    steps.click(steps.page.get_by_role("dialog").get_by_role("button", name="Stop run 1"))
    expect(steps.page.get_by_test_id("toasts")).to_contain_text("1 session asked to stop")


def stop_all(steps: Steps) -> None:
    steps.click(steps.page.get_by_role("button", name="Stop all"))
    steps.click(steps.page.get_by_role("dialog").get_by_role("button", name="Stop all"))
    expect(steps.page.get_by_test_id("toasts")).to_contain_text("sessions asked to stop")


def copy_the_command_that_resumes(steps: Steps) -> None:
    steps.click(steps.row("retry-payments").get_by_role("button", name="Resume"))
    # The other two steps are in the terminal: to paste it, and to type the prompt.
    expect(steps.page.get_by_test_id("toasts")).to_contain_text("opied")


def give_it_to_a_colleague(steps: Steps) -> None:
    steps.open("fix-login")
    steps.click(steps.page.get_by_role("button", name="More acts"))
    steps.click(steps.page.get_by_role("menuitem", name="Copy as Markdown"))
    expect(steps.page.get_by_test_id("toasts")).to_contain_text("opied")


def see_what_today_cost_per_project(steps: Steps) -> None:
    steps.go("Cost")
    steps.click(steps.page.get_by_role("button", name="Today"))
    expect(steps.page.get_by_role("rowheader", name=SHOP)).to_be_visible()


def find_where_it_was_said(steps: Steps) -> None:
    steps.press("Control+k")
    steps.type("500 times")
    said = steps.page.get_by_role("group", name="Said").get_by_role("option")
    expect(said).to_have_count(1)
    steps.click(said)
    steps.page.wait_for_url("**/#/sessions/s-flaky-upload/seq/*")


def follow_two_side_by_side(steps: Steps) -> None:
    steps.select_pair("port-lexer", "nightly-links")
    steps.click(steps.page.get_by_role("link", name="Open beside each other"))
    sides = steps.page.get_by_test_id("side")
    expect(sides).to_contain_text(["Check all links of the guide.", "Port the lexer to Rust."])


def see_which_attempt_was_better(steps: Steps) -> None:
    steps.select_pair("fix-login", "retry-payments")
    steps.click(steps.page.get_by_role("link", name="Compare"))
    row = steps.page.get_by_role("region", name="Comparison").get_by_role("row")
    expect(row.filter(has_text="State")).to_have_text("≠differs: Statefailedfinished")
    expect(row.filter(has_text="Changed files")).to_have_text(
        "≠differs: Changed filesnone named1 file +2 −2"
    )


def see_what_happened_since_yesterday(steps: Steps) -> None:
    steps.go("Sessions")
    row = steps.page.get_by_test_id("session-row")
    row.first.wait_for()
    steps.press("/")
    steps.type("since:yesterday")
    expect(row.filter(has_text="flaky-upload")).to_be_visible()
    expect(row.filter(has_text="cut-startup")).to_have_count(0)


TASKS: tuple[tuple[Callable[[Steps], None], int], ...] = (
    (see_which_needs_me, 0),
    (see_why_it_failed, 0),
    (see_what_it_changed_in_which_file, 2),
    (learn_what_a_state_means, 1),
    (copy_the_command_that_resumes, 1),
    (give_it_to_a_colleague, 3),
    (see_what_today_cost_per_project, 2),
    (find_where_it_was_said, 3),
    (see_what_happened_since_yesterday, 3),
    (follow_two_side_by_side, 3),
    (see_which_attempt_was_better, 3),
    (answer_an_agent, 2),
    (stop_one, 2),
    (stop_all, 2),
)


def test_tasks_take_few_steps(own: RunningManager, api: Api, visit: Open) -> None:
    fill_two_weeks(own, api)
    page = visit(own).enter()
    with Api(own) as again:
        for task, most in TASKS:
            page.goto(f"{own.url}/#/")
            page.get_by_test_id("now-row").first.wait_for()
            steps = Steps(page, again)
            task(steps)
            assert steps.count <= most <= MOST, task.__name__
