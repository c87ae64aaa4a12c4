"""`ao-export`: a session as a document, in Markdown, HTML or JSON lines."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from ..console.command import READS, Command, CommandError, configure
from ..console.connect import open_manager
from ..console.options import Size, project_option
from ..console.terminal.output import clean
from ..machine.new_file import new_file
from ..sessions.resolve import resolve

EXAMPLES = """\
  ao-export fix-login > fix-login.md
  ao-export fix-login --format html --output fix-login.html
  ao-export fix-login --tools names --thinking
  ao-export fix-login --max-output 4k --output fix-login.md --force"""

_MEDIA_TYPES = {
    "markdown": "text/markdown",
    "html": "text/html",
    "jsonl": "application/jsonl",
}


@click.command(cls=Command, examples=EXAMPLES, finds=READS)
@click.argument("session")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_MEDIA_TYPES)),
    default="markdown",
    show_default=True,
    help="Form of the document: Markdown, one HTML file, or one event as JSON per line.",
)
@click.option("--thinking", is_flag=True, help="Include the thinking of models.")
@click.option(
    "--tools",
    type=click.Choice(["none", "names", "full"]),
    default="full",
    show_default=True,
    help="Tool calls: none, with the work of subagents; only their names and outcomes; or all of "
    "them.",
)
@click.option(
    "--max-output",
    type=Size(min=0),
    metavar="SIZE",
    help="Maximum of each tool output, in bytes, or with `k` or `m` in units of 1024 or 1024 x "
    "1024 bytes. The middle of a longer output is cut; the document has the number of bytes that "
    "were cut. Default: no maximum.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write to a new file that only you can read. It appears once it is complete. Default: "
    "stdout.",
)
@click.option("--force", is_flag=True, help="Replace the file of --output if it exists.")
@project_option
def main(
    session: str,
    form: str,
    thinking: bool,
    tools: str,
    max_output: int | None,
    output: Path | None,
    force: bool,
    project_dir: str | None,
) -> None:
    """Export SESSION as a document to keep or to share.

    The document has the prompts, the answers, the tool calls with their results, the work of
    subagents, and the begin and end of each run. It is made of the events in the manager.
    Credentials that were recognised are masked in them. Read the document before you share it.

    An HTML file needs no other file, no network and no script. The address of event 12 in it is
    `#e12`.
    """
    config = configure(project_dir, must_exist=False)
    query = {"format": form, "tools": tools, "thinking": "true" if thinking else "false"}
    if max_output is not None:
        query["max_output"] = str(max_output)
    # Late: it imports httpx, which takes a while.
    from ..client.read.document import read_document

    with open_manager(config) as manager:
        found = resolve(manager, session, config, reach=True)
        parts = read_document(manager, found["session_id"], query, _MEDIA_TYPES[form])
        if output is None:
            _print(parts)
        else:
            _write(parts, output, replace=force)


def _print(parts: Iterator[bytes]) -> None:
    """Print the document as it is, but to a terminal without control characters."""
    if not sys.stdout.isatty():
        stream = sys.stdout.buffer
        for part in parts:
            stream.write(part)
        stream.flush()
        return
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    for part in parts:
        click.echo(clean(decoder.decode(part)), nl=False)


def _write(parts: Iterator[bytes], path: Path, *, replace: bool) -> None:
    try:
        with new_file(path, replace=replace) as file:
            for part in parts:
                file.write(part)
    except FileExistsError as exc:
        raise CommandError(f"{path} exists: to replace it, give --force") from exc
