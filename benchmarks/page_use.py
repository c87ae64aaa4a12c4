"""Measure a page of the dashboard in use: its scripts, its scrolling, and new events.

One browser opens the page once, and uses it round after round. The process reads a job as JSON from
stdin, and writes the figures of each round as a line of JSON to stdout.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import httpx
from playwright.sync_api import Page, sync_playwright

from benchmarks.pages import Place, browser_of, entered, open_place
from benchmarks.workload import dump

FRAMES = 120
"""Number of frames of one round of scrolling."""
PIXELS = 100
"""Distance between two frames: that of a fast turn of a wheel."""
_WATCH = """() => {
  window.longTasks = [];
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) window.longTasks.push(entry.duration);
  }).observe({ type: 'longtask', buffered: false });
}"""
_SCROLL = """async ([wanted, frames, pixels]) => {
  let box = null;
  while ((box = document.querySelector(wanted)) === null) await new Promise(requestAnimationFrame);
  while (box !== document.scrollingElement
         && !(box.scrollHeight > box.clientHeight + 1
              && /auto|scroll/.test(getComputedStyle(box).overflowY))) {
    box = box.parentElement ?? document.scrollingElement;
  }
  box.scrollTop = 0;
  await new Promise(requestAnimationFrame);
  window.longTasks.length = 0;
  const began = performance.now();
  for (let frame = 1; frame <= frames; frame++) {
    box.scrollTop = frame * pixels;
    await new Promise(requestAnimationFrame);
  }
  const took = performance.now() - began;
  // A task is reported after it has ended.
  await new Promise(resolve => setTimeout(resolve, 0));
  return { fps: frames * 1000 / took, longest: Math.max(0, ...window.longTasks) / 1000 };
}"""
_AWAIT_TEXT = """text => {
  const isSeen = () => document.body.textContent.includes(text);
  window.shown = new Promise(resolve => {
    const observer = new MutationObserver(() => {
      if (!isSeen()) return;
      observer.disconnect();
      requestAnimationFrame(() => resolve(Date.now() / 1000));
    });
    observer.observe(document.body, { childList: true, subtree: true, characterData: true });
  });
}"""
_SCRIPT_BYTES = """() => performance.getEntriesByType('resource')
  .filter(entry => entry.name.endsWith('.js'))
  .reduce((sum, entry) => sum + entry.decodedBodySize, 0)"""


@dataclass(frozen=True, kw_only=True)
class Use:
    """A page, and the use of it in each round."""

    place: Place
    rounds: int
    grows: str = ""
    """Id of the session to which each round appends an event; without it, the page is scrolled."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def _scroll(page: Page, place: Place) -> dict[str, Any]:
    """Scroll from the first row on; return frames/s and the longest task in seconds."""
    figures: dict[str, Any] = page.evaluate(_SCROLL, [place.wanted, FRAMES, PIXELS])
    return figures


def _client(place: Place) -> httpx.Client:
    """Return a client made in advance: to make one takes as long as the page to draw an event."""
    headers = {"Authorization": f"Bearer {place.token}", "Content-Type": "application/json"}
    return httpx.Client(base_url=place.url, headers=headers, trust_env=False)


def _append(page: Page, client: httpx.Client, session_id: str, text: str) -> dict[str, Any]:
    """Append an event; return the seconds from the request until the page has drawn it."""
    message = {
        "event_type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": text}],
    }
    page.evaluate(_AWAIT_TEXT, text)
    began = time.time()
    client.post(f"/sessions/{session_id}/events", content=dump([message])).raise_for_status()
    return {"shown": page.evaluate("() => window.shown") - began}


def main() -> None:
    job = json.loads(sys.stdin.read())
    use = Use(**{**job, "place": Place(**job["place"])})
    with (
        sync_playwright() as playwright,
        browser_of(playwright) as browser,
        entered(browser, use.place) as page,
        _client(use.place) as client,
    ):
        open_place(page, use.place)
        page.evaluate(_WATCH)
        scripts = page.evaluate(_SCRIPT_BYTES) / 1e6
        for number in range(use.rounds + 1):
            figures = (
                _append(page, client, use.grows, f"event of round {number}")
                if use.grows
                else _scroll(page, use.place)
            )
            print(json.dumps({**figures, "scripts_mb": scripts}), flush=True)


if __name__ == "__main__":
    main()
