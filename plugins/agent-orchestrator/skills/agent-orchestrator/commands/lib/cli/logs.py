"""`ao-logs`: what happened in a session."""

from __future__ import annotations

import json
from typing import Any

import click

from .command import Command, configure, json_option, project_option
from .connect import open_manager
from .following import follow
from .output import answer, clean, one_line
from .progress import gist
from .sessions import resolve

EXAMPLES = """\
  ao-logs fix-login
  ao-logs fix-login --follow
  ao-logs fix-login --json | jq -r 'select(.event_type == "pre_tool") | .tool_name'"""

_INDENT = "    "


@click.command(cls=Command, examples=EXAMPLES)
@click.argument("session")
@click.option("-f", "--follow", "follow_on", is_flag=True, help="Go on until its run has ended.")
@click.option("--after", type=click.IntRange(min=0), default=0, metavar="SEQ", help="Only later.")
@project_option
@json_option
def main(session: str, follow_on: bool, after: int, project_dir: str | None, as_json: bool) -> None:
    """Print the events of SESSION in order; with --json all, one object a line.

    Without --json the usage of single model requests is left out.
    """
    config = configure(project_dir, must_exist=False)

    def show(event: dict[str, Any]) -> None:
        if event.get("request_id") is not None and not as_json:
            return  # what one model request used: detail of the totals
        answer(json.dumps(event) if as_json else describe(event))

    with open_manager(config) as manager:
        found = resolve(manager, session, config, reach=True)
        if follow_on:
            follow(manager, found, show, after_seq=after)
        else:
            for event in manager.iterate_events(found["session_id"], after_seq=after):
                show(event)


def describe(event: dict[str, Any]) -> str:
    """One event as a person reads it: a head line, and indented what it holds."""
    head = one_line(f"[{event['seq']}] {event['recorded_at'][11:19]} {_title(event)}")
    body = _body(event)
    if not body:
        return head
    return head + "\n" + "\n".join(_INDENT + line for line in clean(body).splitlines())


def _title(event: dict[str, Any]) -> str:
    kind = event["event_type"]
    match kind:
        case "message":
            return str(event.get("role") or kind)
        case "pre_tool":
            return f"{event.get('tool_name') or 'a tool'}: {gist(event.get('tool_input'))}"
        case "post_tool":
            outcome = "failed" if event.get("error") else "done"
            return f"{event.get('tool_name') or 'a tool'} {outcome}"
        case "session_stop":
            code = event.get("exit_code")
            end = "" if code is None else f" (exit code {code})"
            return f"{event.get('reason') or 'finished'}{end}"
        case "usage":
            usage = event.get("usage") or {}
            return f"usage: {usage.get('input_tokens', 0)} in, {usage.get('output_tokens', 0)} out"
        case _:
            return f"{kind} {event.get('tool_name') or ''}".rstrip()


def _body(event: dict[str, Any]) -> str:
    if event.get("error"):
        return str(event["error"])
    texts = [block.get("text") or "" for block in event.get("content") or ()]
    if texts:
        return "\n".join(texts)
    output = event.get("tool_output")
    if output is None:
        return ""
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
