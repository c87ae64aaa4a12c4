"""A session on paper and as a file: everything in it, and nothing that runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import Visit, choose
from tests.browser.filled_sessions import append, call, create, result, says
from tests.support.api import Api
from tests.support.manager import RunningManager

Open = Callable[..., Visit]

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAAD0lEQVR4nGP4z8DA8J8BAAf/Af8Bf4mn"
    "AAAAAElFTkSuQmCC"
)

PRINTED_TEXTS = (
    "number 9", "number 249", "and its end", "Summary of the start.", "a screenshot",
    "was = 1", "is = 2", "said the shell", "Started without a prompt.",
)  # fmt: skip

PRINTED_OR_TOLD = """() =>
    window.onPaper !== undefined || document.querySelector("[data-testid=toasts]").textContent
"""


def test_whole_session_is_shown_printed_and_exported(
    own: RunningManager, visit: Open, api: Api, tmp_path: Path
) -> None:
    """The session has a command, pictures, folded rows and a compaction; all must be printed.

    The exported file is a page that runs nothing.
    """
    command = ["sh", "-c", "echo 'whole' $HOME"]
    create(api, "s", executor="command", spec={"executor": "command", "command": command})
    svg = "PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4="
    blocks = [
        {"type": "text", "text": "a screenshot"},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
        },
        {"type": "image", "source": {"type": "base64", "media_type": "image/svg+xml", "data": svg}},
    ]
    append(
        api,
        "s",
        says("", role="user"),
        call(1, "Read", {"file_path": "/shot.png"}),
        result(1, "Read", blocks),
        call(2, "Edit", {"file_path": "/a", "old_string": "was = 1", "new_string": "is = 2"}),
        result(2, "Edit", "done"),
        call(3, "Bash", {"command": "cat a"}),
        result(3, "Bash", "\u001b[32mis = 2\u001b[0m, said the shell"),
        {**says("Summary of the start.", role="user"), "origin": "compaction"},
        *(says(f"number {number}") for number in range(9, 250)),  # more than the page has loaded
        says("long " * 5000 + "and its end"),
    )
    opened = visit(own)
    page = opened.enter("#/sessions/s/seq/1")
    expect(page.locator("[data-testid=event-row][data-seq='1']")).to_be_in_viewport()
    expect(page.get_by_text("Started without a prompt.")).to_be_visible()
    expect(page.get_by_test_id("program")).to_have_text("sh -c 'echo '\\''whole'\\'' $HOME'")
    summary = page.locator("[data-origin=compaction]")
    expect(summary).to_contain_text("Context was compacted here")
    expect(summary).not_to_contain_text("Summary of the start.")
    summary.get_by_role("button").click()
    expect(summary).to_contain_text("Summary of the start.")
    page.get_by_test_id("call-group").get_by_role("button").click()
    read = page.get_by_test_id("call").first
    read.locator(".fold-line").click()
    image = read.get_by_role("img")
    expect(image).to_have_count(1)  # the other image has a type that can contain scripts
    expect(read).to_contain_text("image/svg+xml")
    page.wait_for_function("() => document.querySelector('.picture img').naturalWidth === 2")
    picture = read.locator(".picture")
    picture.click()
    expect(picture).to_have_attribute("aria-expanded", "true")
    page.evaluate(
        "() => { window.print = () => {"
        " window.onPaper = document.querySelector('.printed').textContent } }"
    )

    def press_keys() -> None:
        page.keyboard.press("Control+p")

    asks: list[Callable[[], object]] = [lambda: choose(page, "More acts", "Print"), press_keys]
    for ask in asks:
        ask()
        page.wait_for_function(PRINTED_OR_TOLD)
        expect(page.get_by_test_id("toasts")).to_be_empty()  # it tells why nothing is printed
        paper = page.evaluate("() => window.onPaper")
        page.evaluate("() => { delete window.onPaper }")
        for shown in PRINTED_TEXTS:
            assert shown in paper, shown
        expect(page.get_by_test_id("printed")).to_have_count(0)

    create(api, "x")
    pixel = {"type": "image", "source": {"media_type": "image/png", "data": PIXEL}}
    append(
        api,
        "x",
        says("Look.</div><script>document.title = 'ran'</script><img src=x onerror=alert(1)>"),
        call(1, "Read", {"file_path": "a.png"}),
        result(1, "Read", [pixel]),
    )
    opened.go("#/sessions/x")
    expect(page.get_by_role("heading", level=1)).to_have_text("x")
    for label, ending in (("Markdown", "md"), ("HTML", "html")):
        choose(page, "More acts", "Export…")
        with page.expect_download() as found:
            page.get_by_role("dialog").get_by_role("button", name=label).click()
        assert found.value.suggested_filename == f"session-x.{ending}"
        found.value.save_as(tmp_path / f"x.{ending}")
        expect(page.get_by_role("dialog")).to_have_count(0)
    assert (tmp_path / "x.md").read_text().startswith("# `x`\n")
    file = opened.context.new_page()
    problems: list[str] = []
    file.on("console", lambda message: problems.append(message.text))
    file.goto(f"{(tmp_path / 'x.html').as_uri()}#e2")
    expect(file.locator("#e1")).to_contain_text("Look.</div><script>")
    file.locator("#e2 summary").click()
    file.wait_for_function("() => document.querySelector('#e2 img').naturalWidth === 2")
    assert (file.title(), problems) == ("x", [])
