"""`ao-permit` and `ao-answer`, and the commands that show what an agent asks."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.executors.questions import Question, QuestionKind, Verdict
from tests.commands.asking_run import CHOICES, COLOR, PERMISSION, SIZES, AskingRun
from tests.commands.shell import DONE, FAILED, NOT_FOUND, USAGE, Ended, Shell

ASKING = Question(kind=QuestionKind.QUESTION, items=(COLOR, SIZES))


@pytest.fixture
def asking(records: ManagerClient, project: Path) -> Iterator[AskingRun]:
    with AskingRun(records, "x", project, "3600").open() as run:
        yield run


def test_status_shows_the_whole_question_and_its_answers(shell: Shell, asking: AskingRun) -> None:
    asking.ask(PERMISSION)
    ended = shell.run("ao-status", "x")
    assert (ended.exit_code, ended.stdout) == (DONE, "running\n")
    short = asking.ids[0][:8]
    *told, until, allow, for_run, here, ever, deny = ended.stderr.splitlines()
    assert told == [
        f"ao-status: question {short}",
        "  Run rm",
        "  why: it removes files",
        f"  in: {shell.directory}",
        "  command: rm  build\\x1b[2J\\u200b",
        "    ls",
        "  limit: 3",
    ]
    assert until.startswith("  until: 20")
    permit = f"  ao-permit x {short}"
    assert [allow, for_run, here, ever, deny] == [
        f"{permit} --allow",
        f"{permit} --allow --for-run  # Allow this exact call until the run ends",
        f"{permit} --allow --always  # Always, in this project",
        f"{permit} --allow --always --choice allow_always_2  # Always, everywhere",
        f"{permit} --deny",
    ]
    told_as_json = shell.run("ao-status", "x", "--json").json
    assert told_as_json["questions"][0]["event"]["tool_name"] == "Bash"
    assert (told_as_json["status"], told_as_json["waiting_questions"]) == ("running", 1)
    for state, is_listed in (("waiting", True), ("running", False), ("failed", False)):
        listed = shell.run("ao-list-sessions", "--here", "--state", state, "--json").json
        assert [session["session_name"] for session in listed] == ["x"] * is_listed
    assert "x     waiting" in shell.run("ao-list-sessions", "--here", "--status", "running").stdout
    waited = shell.run("ao-wait", "x", "--until", "waiting")
    assert waited == Ended(DONE, "x waiting\n", "")
    for given in (["x"], []):
        assert "x waiting\n" in shell.run("ao-wait", *given, "--needs-me").stdout
    with shell.on_terminal("ao-wait", "x") as terminal:
        terminal.shows("ao-wait: x waits for you\n")
        terminal.shows(f"{permit} --deny\n")
    logs = shell.run("ao-logs", "x").stdout
    assert "asks: Run rm\n" in logs and "    why: it removes files\n" in logs


def test_permission_is_given_once_by_one_of_two_commands(shell: Shell, asking: AskingRun) -> None:
    deciding = asking.ask(PERMISSION)
    answers = (("--allow",), ("--deny", "-p", "no"))
    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(lambda options: shell.run("ao-permit", "x", *options), answers))
    decision = asking.decision(deciding)
    winner = 0 if decision.verdict is Verdict.ALLOW else 1
    label = ("Yes", "No")[winner]
    assert ends[winner] == Ended(DONE, f"answered x: {label}\n", "")
    lost = ends[1 - winner]
    assert (lost.exit_code, lost.stdout) == (FAILED, "")
    short = asking.ids[0][:8]
    ways = (
        f"question {short} has an answer already, and the first one counts: {label}",
        f"question {short} was decided before: {('allowed', 'denied')[winner]} by a person",
        "session 'x' has no open question; ",
    )
    assert lost.stderr.startswith(tuple(f"ao-permit: {way}" for way in ways))
    again = shell.run("ao-permit", "x", short, "--allow")
    assert again.stderr == f"ao-permit: {ways[1]}\n"
    decided = f"Bash: {('allowed', 'denied')[winner]} by a person\n"
    assert decided in shell.run("ao-logs", "x").stdout


def test_wrong_or_unclear_answers_leave_the_questions_open(shell: Shell, asking: AskingRun) -> None:
    deciding = [asking.ask(PERMISSION), asking.ask(ASKING)]
    permit, answer = (each[:8] for each in asking.ids)
    x = "x"
    tried = [
        (("ao-permit", x), USAGE, "give --allow or --deny"),
        (("ao-permit", x, "--deny", "--always"), USAGE, "give one of --deny, --allow, "),
        (("ao-permit", x, "--allow", "--choice", "a"), USAGE, "--choice goes with --allow --a"),
        (("ao-permit", x, "--allow"), USAGE, f"say which question of session 'x': {permit} (Run "),
        (("ao-permit", x, answer, "--allow"), USAGE, "the agent asks you a question: answer it w"),
        (
            ("ao-permit", x, permit, "--allow", "--always"),
            USAGE,
            "the agent proposes several rules, say which: --choice allow_always (Always, in this "
            "project), --choice allow_always_2 (Always, everywhere)",
        ),
        (("ao-permit", x, "nothing", "--allow"), NOT_FOUND, "session 'x' has no question nothing"),
        (("ao-answer", x), USAGE, "give --choose LABEL or -p TEXT"),
        (("ao-answer", x, permit, "-p", "yes"), USAGE, "the agent asks for a permission: answer "),
        (
            ("ao-answer", x, answer, "-p", "red"),
            USAGE,
            "the agent asks several things: begin 'red'",
        ),
        (("ao-answer", x, answer, "--choose", "1=red"), USAGE, "item 2 has no answer: Which sizes"),
        (
            ("ao-answer", x, answer, "--choose", "1=green"),
            USAGE,
            "'green' is not an option; options: 'red', 'blue'; -p TEXT answers in your own words",
        ),
        (("ao-answer", x, answer, "-p", "2=XL"), USAGE, "item 2 has only the options 'S', 'L'"),
        (
            ("ao-answer", x, answer, "--choose", "1=red", "--choose", "1=blue", "--choose", "2=S"),
            USAGE,
            "item 1 takes one answer: Which color?",
        ),
    ]
    for arguments, code, problem in tried:
        ended = shell.run(*arguments)
        assert (ended.exit_code, ended.stdout) == (code, ""), arguments
        assert ended.stderr.startswith(f"{arguments[0]}: {problem}"), arguments
    assert not any(each.done() for each in deciding)
    given = ("-p", "1=a warm one", "--choose", "2=l", "--choose", "2=S")
    told = shell.run("ao-answer", x, answer, *given, "--json").json
    assert (told["state"], told["kind"]) == ("done", "answer")
    assert asking.decision(deciding[1]).answers == {"c": ("a warm one",), "s": ("L", "S")}
    rule = ("--allow", "--always", "--choice", "allow_always_2")
    assert shell.run("ao-permit", x, *rule).stdout == "answered x: Always, everywhere\n"
    assert asking.decision(deciding[0]).choice == CHOICES[2]


def test_answer_after_the_time_limit_or_the_run_is_refused(
    shell: Shell, records: ManagerClient, project: Path
) -> None:
    with AskingRun(records, "x", project, "0.001").open() as run:
        late = run.decision(run.ask(PERMISSION))
    assert late.verdict is Verdict.TIMED_OUT
    refused = shell.run("ao-permit", "x", run.ids[0], "--allow")
    short = run.ids[0][:8]
    assert refused == Ended(
        FAILED,
        "",
        f"ao-permit: question {short} was decided before: timed out: no person answered in time\n",
    )
    none_open = shell.run("ao-permit", "x", "--allow")
    assert (none_open.exit_code, none_open.stdout) == (FAILED, "")
    assert "session 'x' has no open question; `ao-list-sessions --st" in none_open.stderr
    logs = shell.run("ao-logs", "x").stdout
    assert "Bash: timed out: no person answered in time\n    no person answered within" in logs
