"""Signing in: a code works once, and tabs of one origin share the token."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import Page, expect

from tests.browser.conftest import LOAD_MS, Visit
from tests.browser.filled_sessions import append, create, says
from tests.commands.shell import Shell
from tests.support.api import Api
from tests.support.manager import RunningManager

Open = Callable[..., Visit]


def kept(page: Page) -> tuple[str, str]:
    """Return the contents of the tab's session storage and of the shared local storage."""
    token, beyond = page.evaluate(
        "() => [Object.values(sessionStorage).join(), Object.values(localStorage).join()]"
    )
    return str(token), str(beyond)


def test_printed_address_signs_in_once_and_is_not_stored(
    own: RunningManager, visit: Open, shell: Shell
) -> None:
    """A page without a token explains how to sign in, wherever it is opened."""
    first, second = visit(own), visit(own)
    page = first.page
    for address in ("/#/sessions", "/#/sessions/none", "/"):
        page.goto(own.url + address)
        expect(page.get_by_text("ao-dashboard", exact=True)).to_be_visible()
        expect(page.get_by_role("navigation")).to_have_count(0)
    printed = shell.run("ao-dashboard", "--print")
    address = printed.stdout.strip()
    assert re.fullmatch(rf"{own.url}/#code=[\w-]+", address), printed
    code = address.partition("code=")[2]
    page.goto(address)
    expect(page.locator(".now-summary")).to_be_visible()
    assert page.url == f"{own.url}/#/"
    assert first.context.cookies() == []
    token, beyond = kept(page)
    assert token.startswith("page-") and token not in beyond
    assert not any(own.token in text for text in (token, beyond))
    assert not any(token in url or code in url for url in first.requests)
    page.go_back()
    assert code not in page.url
    second.page.goto(address)
    expect(second.page.get_by_role("alert")).to_contain_text("was used before")
    assert second.page.evaluate("() => sessionStorage.length") == 0


HEAR = """() => {
  window.heard = [];
  const channel = new BroadcastChannel('agent-session-manager.token');
  channel.onmessage = ({ data }) => window.heard.push(data);
  channel.postMessage({ kind: 'asked' });
}"""
"""A script that asks for the token as the page does, and keeps each answer."""


def test_tabs_of_one_origin_share_the_token(
    own: RunningManager, visit: Open, api: Api, start_manager: Callable[..., RunningManager]
) -> None:
    """A new tab gets the token from an open tab; a waiting tab gets it when another signs in.

    A tab keeps its view. A page at another name or port asks in vain.
    """
    create(api, "fix-login")
    append(api, "fix-login", *(says(f"number {number}") for number in range(1, 4)))
    link = f"{own.url}/#/sessions/fix-login/seq/2"
    first = visit(own)
    waiting = first.page
    waiting.goto(link)
    expect(waiting.get_by_role("main")).to_contain_text("fix-login”, event 2")
    entered = first.context.new_page()
    code = api.post("/dashboard/codes", {}).json["code"]
    entered.goto(f"{own.url}/#code={code}")
    for page in (entered, waiting):
        expect(page.get_by_text("number 2", exact=True)).to_be_visible()
        assert page.url == link
    others = []
    for address in (own.url.replace("127.0.0.1", "localhost"), start_manager().url):
        others.append(first.context.new_page())
        others[-1].goto(address)
        expect(others[-1].get_by_text("ao-dashboard", exact=True)).to_be_visible()
        others[-1].evaluate(HEAR)
    # A tab of the same origin that asks later gets its answer: so the others had their time.
    later = first.context.new_page()
    later.goto(link)
    expect(later.get_by_text("number 2", exact=True)).to_be_visible()
    assert kept(later)[0] == kept(entered)[0] and kept(later)[1] == ""
    for page in others:
        assert kept(page)[0] == "" and page.evaluate("() => window.heard") == [], page.url
    for page in (entered, waiting, later):
        page.close()
    alone = others[0]
    alone.goto(link)
    expect(alone.get_by_text("ao-dashboard", exact=True)).to_be_visible()
    code = api.post("/dashboard/codes", {}).json["code"]
    alone.goto(f"{own.url}/#code={code}/sessions/fix-login/seq/3")
    expect(alone.get_by_text("number 3", exact=True)).to_be_visible()
    assert alone.url == f"{own.url}/#/sessions/fix-login/seq/3"


def test_sign_out_signs_out_the_browser_and_no_other(
    own: RunningManager, visit: Open, api: Api
) -> None:
    create(api, "fix-login")
    entered, other = visit(own), visit(own)
    page = entered.enter("#/sessions")
    beside = entered.context.new_page()
    beside.goto(f"{own.url}/#/sessions/fix-login")
    expect(beside.get_by_role("status", name="Connection: Live")).to_be_visible()
    other.enter("#/sessions")
    token = page.evaluate("() => sessionStorage['agent-session-manager.token']")
    page.get_by_role("button", name="Sign out").click()
    for each in (page, beside):
        expect(each.get_by_text("ao-dashboard", exact=True)).to_be_visible()
        assert "page-" not in kept(each)[0]
    assert kept(page)[0] == ""
    with Api(own) as thief:
        stolen = thief.call("GET", "/sessions", headers={"Authorization": f"Bearer {token}"})
        assert stolen.refusal == (401, "page_token_unknown")
    expect(other.page.get_by_role("link", name="fix-login")).to_be_visible()
    refused = api.call("DELETE", "/dashboard/tokens/own")
    assert refused.refusal == (404, "page_token_not_found")
    # An invalid token leads back to the page that explains how to sign in.
    other.page.evaluate(
        "() => { for (const key of Object.keys(sessionStorage)) sessionStorage[key] = 'x' }"
    )
    other.page.reload()
    expect(other.page.get_by_text("ao-dashboard", exact=True)).to_be_visible()


def test_next_server_on_the_port_gets_only_an_invalid_token(
    own: RunningManager, visit: Open, api: Api
) -> None:
    """An open page sends its token to the next server on the port; the token is then invalid."""
    create(api, "fix-login")
    page = visit(own).enter("#/sessions/fix-login")
    expect(page.get_by_role("status", name="Connection: Live")).to_be_visible()
    api.close()
    own.stop()
    with recording(own.port) as heard:
        taken = heard.authorization()
    assert taken.startswith("Bearer page-")
    own.restart()
    with Api(own) as thief:
        for target in ("/sessions", "/sessions/fix-login", "/usage", "/openapi.json"):
            stolen = thief.call("GET", target, headers={"Authorization": taken})
            assert stolen.refusal == (401, "page_token_unknown")
    expect(page.get_by_role("alert")).to_contain_text("the manager was restarted")
    expect(page.get_by_text("ao-dashboard", exact=True)).to_be_visible()
    assert page.url == f"{own.url}/#/sessions/fix-login"


class Recorder:
    """The next server on the port. It records the Authorization headers that it receives."""

    def __init__(self) -> None:
        self.headers: queue.SimpleQueue[str] = queue.SimpleQueue()

    def authorization(self) -> str:
        return self.headers.get(timeout=LOAD_MS / 1000)


@contextmanager
def recording(port: int) -> Iterator[Recorder]:
    recorder = Recorder()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "Authorization" in self.headers:
                recorder.headers.put(self.headers["Authorization"])
            self.send_error(503)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield recorder
        finally:
            server.shutdown()
            thread.join()
