"""`ao-dashboard`: open the manager's page in the person's browser."""

from __future__ import annotations

import click

from ..console.command import READS, USAGE, Command, CommandError, configure
from ..console.connect import open_manager
from ..console.open_page import NOT_OPENED, Place, open_page
from ..console.options import WholeNumber, json_option, project_option
from ..console.terminal.output import answer, answer_json, note
from ..sessions.part import check_event
from ..sessions.resolve import resolve

EXAMPLES = """\
  ao-dashboard
  ao-dashboard fix-login --at 219
  ao-dashboard --print
  ao-dashboard --json | jq -r .url"""


@click.command(cls=Command, examples=EXAMPLES, finds=READS)
@click.argument("session", required=False)
@click.option(
    "--at", "seq", type=WholeNumber(min=1), metavar="SEQ", help="Show this event of SESSION."
)
@click.option("--now", is_flag=True, help="Show the page Now, also if a tab waits for a link.")
@click.option("--print", "print_only", is_flag=True, help="Print the address and open no browser.")
@project_option
@json_option("Print the address as JSON: `url`, and whether the browser was `opened`.")
def main(
    session: str | None,
    seq: int | None,
    now: bool,
    print_only: bool,
    project_dir: str | None,
    as_json: bool,
) -> None:
    """Open the manager's page in your browser, at SESSION if it is given.

    Without SESSION, it opens at the link for which another tab waits, or else at the page Now.

    The page gets its token in exchange for a code, which is valid once and for one minute. The
    manager logs each use of a code and warns of a second one. The browser is started with a private
    file that holds the code, because other users can read the arguments of a process. The manager
    removes the file when the code was used or has expired.

    If no browser can read that file, the command prints an address with the code instead: over SSH,
    under WSL, without a screen, with a browser in a sandbox (snap, flatpak), or if the manager is
    on another machine. The address is valid on the manager's machine. From another machine, log in
    with `ssh -L 8765:127.0.0.1:8765 HOST` and run the command there.
    """
    if seq is not None and session is None:
        raise CommandError("--at needs a SESSION", USAGE)
    if now and session is not None:
        raise CommandError("--now cannot be combined with a SESSION", USAGE)
    config = configure(project_dir, must_exist=False)
    with open_manager(config, for_people=True) as manager:
        place = Place() if now else None
        if session is not None:
            found = resolve(manager, session, config, reach=True)
            if seq is not None:
                check_event(found, seq)
            place = Place(found["session_id"], seq)
        page = open_page(manager, place, in_browser=not print_only)
    if as_json:
        answer_json({"url": page.url, "opened": page.is_opened})
    elif page.is_opened:
        answer(f"opened {manager.base_url}")
    else:
        answer(page.url)
    if not (print_only or page.is_opened):
        note(NOT_OPENED)
