"""`ao-answer`: answer the questions that an agent asks a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from ..client.manager import Json
from ..console.command import CHANGES, USAGE, Command, CommandError
from ..console.options import json_option, project_option
from ..console.runs.answering import answer_question

EXAMPLES = """\
  ao-answer fix-login --choose PostgreSQL
  ao-answer fix-login -p 'Neither: keep the files.'
  ao-answer fix-login 3f2a --choose 1=PostgreSQL --choose '2=unit tests' --choose '2=browser'"""


@click.command(cls=Command, examples=EXAMPLES, finds=CHANGES)
@click.argument("session")
@click.argument("question", required=False)
@click.option(
    "--choose",
    "labels",
    multiple=True,
    metavar="LABEL",
    help="Choose this option; repeat it where several answers are possible. If the agent asks "
    "several things together: NUMBER=LABEL.",
)
@click.option(
    "-p",
    "--prompt",
    "texts",
    multiple=True,
    metavar="TEXT",
    help="Answer in your own words. If the agent asks several things together: NUMBER=TEXT.",
)
@project_option
@json_option("Print the request with the answer as JSON.")
def main(
    session: str,
    question: str | None,
    labels: tuple[str, ...],
    texts: tuple[str, ...],
    project_dir: str | None,
    as_json: bool,
) -> None:
    """Answer what the agent of SESSION asks you, and let it continue.

    QUESTION is the id of the question or its beginning. It can be left out if the session has only
    one open question. `ao-status SESSION` shows the questions with their options.

    The first answer counts, from any command or page. Exit code 1 if the question was answered
    before or has timed out, or if the run has ended. Exit code 4 if the run's supervisor has not
    taken the answer after 20 seconds; the answer then waits for it.
    """
    if not labels and not texts:
        raise CommandError("give --choose LABEL or -p TEXT", USAGE)

    def payload(event: Mapping[str, Any]) -> Json:
        return {"answers": answers_to(event, labels, texts)}

    answer_question(session, question, payload, project_dir=project_dir, as_json=as_json)


def answers_to(
    event: Mapping[str, Any], labels: Sequence[str], texts: Sequence[str]
) -> dict[str, list[str]]:
    """Return the answers by item.

    Raises:
        CommandError: an answer does not fit its item, or an item has none.
    """
    items = {item["id"]: item for item in event.get("items") or []}
    if not items:
        raise CommandError("the agent asks for a permission: answer with ao-permit", USAGE)
    answers: dict[str, list[str]] = {}
    for given in labels:
        number, label = _item_of(items, given)
        answers.setdefault(number, []).append(_option_of(items[number], label))
    for given in texts:
        number, text = _item_of(items, given)
        if not items[number].get("free"):
            raise CommandError(
                f"item {number} has only the options {_labels(items[number])}", USAGE
            )
        answers.setdefault(number, []).append(text)
    for number, item in items.items():
        if number not in answers:
            raise CommandError(f"item {number} has no answer: {item['text']}", USAGE)
        if len(answers[number]) > 1 and not item.get("multiple"):
            raise CommandError(f"item {number} takes one answer: {item['text']}", USAGE)
    return answers


def _item_of(items: Mapping[str, Any], given: str) -> tuple[str, str]:
    """Return the number of the item that an answer is for, and the answer."""
    if len(items) == 1:
        return next(iter(items)), given
    number, is_given, answer = given.partition("=")
    if not is_given or number not in items:
        numbers = ", ".join(items)
        raise CommandError(
            f"the agent asks several things: begin {given!r} with one of {numbers} and =", USAGE
        )
    return number, answer


def _option_of(item: Mapping[str, Any], label: str) -> str:
    names = [str(option["label"]) for option in item["options"]]
    fitting = [name for name in names if name == label] or [
        name for name in names if name.casefold() == label.casefold()
    ]
    if not fitting:
        own = "; -p TEXT answers in your own words" if item.get("free") else ""
        raise CommandError(f"{label!r} is not an option; options: {_labels(item)}{own}", USAGE)
    return fitting[0]


def _labels(item: Mapping[str, Any]) -> str:
    return ", ".join(repr(str(option["label"])) for option in item["options"]) or "none"
