"""Foreign pages in a real Chromium attack a manager on this machine.

They attack from four positions, in twelve ways. The test checks the responses and the stored
events of the manager, not the view of the page. A manager without its guard must fail the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, Frame, Page

from tests.browser.conftest import FOREIGN, LOAD_MS
from tests.browser.filled_sessions import create
from tests.support.api import Api
from tests.support.environment import BIN
from tests.support.manager import RunningManager
from tests.support.recorded import answers, program

ROOT = Path(__file__).parents[2]
VECTORS = (
    "fetch-get", "fetch-simple-post", "fetch-json-post", "xhr", "form", "image", "script",
    "socket", "event-source", "beacon", "iframe", "worker",
)  # fmt: skip
POSITIONS = ("foreign site", "other local port", "sandboxed frame", "rebound host")

ATTACK = """async base => {
  const body = '{"event_type":"hostile"}';
  const session = vector => `${base}/sessions/${vector}`;
  const events = vector => `${session(vector)}/events`;
  const loaded = (element, name, url) => new Promise(done => {
    element.onload = element.onerror = done;
    element[name] = url;
    document.body.append(element);
  });
  const vectors = {
    'fetch-get': v => fetch(session(v)),
    'fetch-simple-post': v => fetch(events(v), {method: 'POST', body, mode: 'no-cors'}),
    'fetch-json-post': v => fetch(
      events(v), {method: 'POST', body, headers: {'Content-Type': 'application/json'}}),
    'xhr': v => new Promise(done => {
      const request = new XMLHttpRequest();
      request.onloadend = done;
      request.open('POST', events(v));
      request.send(body);
    }),
    'form': v => new Promise(done => {
      const frame = document.createElement('iframe');
      frame.name = 'answer';
      document.body.append(frame);
      const form = document.createElement('form');
      Object.assign(form, {
        method: 'post', enctype: 'text/plain', target: 'answer', action: events(v)});
      const input = document.createElement('input');
      input.name = '{"event_type":"hostile","x":"';
      input.value = '"}';
      form.append(input);
      document.body.append(form);
      frame.onload = done;
      form.submit();
    }),
    'image': v => loaded(new Image(), 'src', session(v)),
    'script': v => loaded(document.createElement('script'), 'src', session(v)),
    'iframe': v => loaded(document.createElement('iframe'), 'src', session(v)),
    'socket': () => new Promise(done => {
      const socket = new WebSocket(`${base.replace('http', 'ws')}/ws`);
      socket.onopen = socket.onerror = done;
    }),
    'event-source': v => new Promise(done => {
      const source = new EventSource(events(v));
      source.onopen = source.onerror = () => { source.close(); done(); };
    }),
    'beacon': async v => navigator.sendBeacon(events(v), body),
    'worker': v => new Promise(done => {
      const source = `fetch('${session(v)}').finally(() => postMessage(0))`;
      const worker = new Worker(URL.createObjectURL(new Blob([source])));
      worker.onmessage = worker.onerror = done;
    }),
  };
  const bounded = attempt => Promise.race([attempt, new Promise(done => setTimeout(done, 3000))]);
  for (const [name, reach] of Object.entries(vectors)) {
    await bounded((async () => reach(name))().catch(() => null));
  }
  return Object.keys(vectors);
}"""


class _Blank(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<!doctype html><title>a page</title><body>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def page_server() -> Iterator[int]:
    """Run a foreign server on another port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Blank)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Outcome:
    """The result of the attempts from one position."""

    answered: set[str] = field(default_factory=set)
    """The vectors that got a 2xx response or an open WebSocket."""
    reached: set[str] = field(default_factory=set)
    """The vectors whose requests reached the manager."""
    rows: int = 0
    """The number of events that they stored."""


class Scene:
    """A manager, and one foreign page for each position."""

    def __init__(self, browser: Browser, directory: Path, *, with_guard: bool) -> None:
        self._browser = browser
        self._directory = directory
        self._with_guard = with_guard

    def attack(self, *positions: str) -> dict[str, Outcome]:
        """Attack one manager from all these positions, one after the other."""
        with ExitStack() as pages, page_server() as port:
            frames = {each: self._open(pages, each, port) for each in positions}
            with page_server() as rebound:
                if "rebound host" in frames:
                    frames["rebound host"].page.goto(f"http://{FOREIGN}:{rebound}/")
            # The foreign server is gone. The manager on its port has the same origin for a browser.
            with self._manager(rebound) as manager, Api(manager) as api:
                return {
                    each: self._attack(api, rebound, each, frame) for each, frame in frames.items()
                }

    def _open(self, pages: ExitStack, position: str, port: int) -> Frame:
        context = self._browser.new_context()
        pages.callback(context.close)
        context.set_default_timeout(LOAD_MS)
        page = context.new_page()
        if position == "foreign site":
            page.goto(f"http://{FOREIGN}:{port}/")
        elif position in ("other local port", "sandboxed frame"):
            page.goto(f"http://127.0.0.1:{port}/")
        return _sandboxed(page) if position == "sandboxed frame" else page.main_frame

    @contextmanager
    def _manager(self, port: int) -> Iterator[RunningManager]:
        self._directory.mkdir()
        manager = RunningManager(
            self._directory,
            port=port,
            program=program(self._record, with_guard=self._with_guard),
            variables={"PYTHONPATH": str(ROOT), "PATH": str(BIN)},
        )
        try:
            yield manager
        finally:
            manager.kill()

    @property
    def _record(self) -> Path:
        return self._directory / "answers"

    def _attack(self, api: Api, port: int, position: str, frame: Frame) -> Outcome:
        for vector in VECTORS:
            create(api, vector)
        self._record.unlink()
        host = FOREIGN if position == "rebound host" else "127.0.0.1"
        tried = frame.evaluate(ATTACK, f"http://{host}:{port}")
        assert sorted(tried) == sorted(VECTORS)
        frame.page.context.close()  # so that the page sends no more requests
        outcome = _outcome(self._record)
        for vector in VECTORS:
            outcome.rows += len(api.get(f"/sessions/{vector}/events").json["events"])
            assert api.delete(f"/sessions/{vector}?force=true").status == 200
        return outcome


def _sandboxed(page: Page) -> Frame:
    """Add a frame with an opaque origin, as every page can."""
    page.evaluate(
        """() => new Promise(done => {
          const frame = document.createElement('iframe');
          frame.sandbox = 'allow-scripts allow-forms';
          frame.srcdoc = '<!doctype html><body>';
          frame.onload = done;
          document.body.append(frame);
        })"""
    )
    (frame,) = page.main_frame.child_frames
    assert frame.evaluate("() => self.origin") == "null"
    return frame


def _outcome(record: Path) -> Outcome:
    outcome = Outcome()
    for answer in answers(record):
        parts = answer["path"].split("/")
        vector = "socket" if answer["kind"] == "websocket" else parts[2] if parts[2:] else ""
        if vector in VECTORS:
            outcome.reached.add(vector)
            if answer["status"] < 300:
                outcome.answered.add(vector)
    return outcome


@pytest.fixture
def scene(chromium: Browser, tmp_path: Path) -> Callable[[bool], Scene]:
    def make(with_guard: bool) -> Scene:
        return Scene(chromium, tmp_path / "manager", with_guard=with_guard)

    return make


def test_foreign_page_gets_no_response_and_stores_no_event(
    scene: Callable[[bool], Scene],
) -> None:
    outcomes = scene(True).attack(*POSITIONS)
    for position, outcome in outcomes.items():
        assert (outcome.answered, outcome.rows) == (set(), 0), position
        # The browser did send the requests.
        assert len(outcome.reached) >= 9, (position, outcome.reached)


def test_foreign_page_reads_and_writes_without_the_guard(scene: Callable[[bool], Scene]) -> None:
    outcomes = scene(False).attack("foreign site", "rebound host")
    for position, outcome in outcomes.items():
        assert len(outcome.answered) >= 9, (position, outcome)
        assert {"socket", "fetch-get"} <= outcome.answered, position
        assert outcome.rows >= 3, position
