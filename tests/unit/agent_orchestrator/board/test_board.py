"""The board without a terminal: its groups, the chosen row, and what each key does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent_orchestrator.board.state.acts import (
    Act,
    Answer,
    Mark,
    OpenPage,
    Resume,
    ShowLogs,
    Stop,
    Tell,
)
from agent_orchestrator.board.state.board import Board
from agent_orchestrator.board.state.keys import PRESSED, Keys
from agent_orchestrator.board.state.mode import Typing
from agent_orchestrator.board.view.key_line import HELP
from tests.support.rows import each_row
from tests.unit.agent_orchestrator.board.board_sessions import PERMISSION, board_of, item, session


def names_in(board: Board) -> list[list[str]]:
    return [[p.session["session_name"] for p in group] for group in board.shown_groups]


def type_keys(keys: Keys, pressed: Sequence[str]) -> Act | None:
    """Press keys; a text that begins with `=` is typed into the line and sent."""
    act = None
    for key in pressed:
        act = keys.submit(key[1:]) if key.startswith("=") else keys.press(key)
    return act


def test_groups_have_the_sessions_and_order_of_now() -> None:
    day = "2026-11-28T{}:00:00+00:00"
    board = board_of(
        session("old-end", "done", since=day.format("01")),
        session("new-end", "done", since=day.format("02")),
        session("asked", "question"),
        session("quiet", "quiet"),
        session("denied", "denied"),
        session("old-failure", "failed", since=day.format("01")),
        session("new-failure", "failed", since=day.format("02")),
        session("asks", "asks"),
        session("old-run", since=day.format("01")),
        session("lead", since=day.format("02")),
        session("child", parent_session_id="lead-id"),
        session("child-of-quiet", parent_session_id="quiet-id", since=day.format("03")),
        session("archived", "failed", archived_at=day.format("04")),
        session("stopped", "done", attention=None),
    )
    assert names_in(board) == [
        ["asks", "new-failure", "old-failure", "denied", "quiet", "asked"],
        ["child-of-quiet", "lead", "old-run"],
        ["new-end", "old-end"],
    ]
    assert board.groups.open_runs == 4


def test_choice_stays_with_its_session_as_rows_move() -> None:
    board = board_of(session("a"), session("b"), session("c"))
    board.move(1)
    assert board.chosen_id == "b-id"
    board.learn(session("new", "asks"))
    assert board.chosen_id == "b-id"
    board.learn(session("b", "failed"))
    assert (names_in(board)[0], board.chosen_id) == (["new", "b"], "b-id")
    board.forget("b-id")
    assert board.chosen_id == "a-id"  # the row that is now in its place
    board.load([])
    assert (board.chosen, board.places) == (None, [])


def test_filter_looks_at_name_project_agent_and_id() -> None:
    sessions = (
        session("Login"),
        session("b", project_dir="/p/LOGIN"),
        session("c", agent_name="login"),
        session("d", session_id="login-7"),
        session("e", prompt="login"),
    )
    keys = Keys(board_of(*sessions))
    keys.press("/")
    keys.typed("login")
    assert [len(group) for group in names_in(keys.board)] == [0, 4, 0]
    keys.submit("login")
    assert len(keys.board.places) == 4
    keys.press("escape")
    assert len(keys.board.places) == 5


def _answer(payload: dict[str, Any]) -> tuple[type[Act], dict[str, Any]]:
    return (Answer, {"payload": payload})


ASKS = session("x", "asks")
RUNS = session("x")
FAILED = session("x", "failed")
ONE = {"items": [item()]}
MANY = {"items": [item(multiple=True, free=False), item(id="2", text="Why?", options=[])]}


@each_row(
    ("shown", "asked", "pressed", "started"),
    [
        (RUNS, None, ["enter"], (ShowLogs, {})),
        (FAILED, None, ["o"], (OpenPage, {})),
        (RUNS, None, ["t", "=  Use tabs. "], (Tell, {"text": "Use tabs."})),
        (RUNS, None, ["t", "= "], None),
        (FAILED, None, ["t"], "only a running session"),
        (session("x", imported=True), None, ["t"], "only a running session"),
        (FAILED, None, ["r", "=Again."], (Resume, {"text": "Again."})),
        (RUNS, None, ["r"], "the session runs"),
        (RUNS, None, ["s", "y"], (Stop, {})),
        (RUNS, None, ["s", "enter"], "nothing was done"),
        (FAILED, None, ["s"], "does not run"),
        (FAILED, None, ["m"], (Mark, {"is_seen": True})),
        (FAILED, None, ["u"], "x is unseen"),
        (RUNS, None, ["m"], "only the end of a run"),
        (FAILED, None, ["a"], "asks nothing"),
        (FAILED, None, ["1"], None),
        (ASKS, None, ["a"], "is being read"),
        # A digit that comes before the choices are on the screen takes none.
        (ASKS, PERMISSION, ["1"], "press the number"),
        (ASKS, PERMISSION, ["1", "1"], _answer({"choice": "once"})),
        (ASKS, PERMISSION, ["space", "1"], _answer({"choice": "once"})),
        (ASKS, PERMISSION, ["space", "2"], None),
        (ASKS, PERMISSION, ["space", "2", "y"], _answer({"choice": "keep"})),
        (ASKS, PERMISSION, ["space", "2", "1"], "nothing was done"),
        (ASKS, PERMISSION, ["a", "3", "="], _answer({"choice": "no"})),
        (ASKS, PERMISSION, ["a", "3", "=No."], _answer({"choice": "no", "text": "No."})),
        (ASKS, PERMISSION, ["a", "4"], "no choice 4"),
        (ASKS, ONE, ["space", "2"], _answer({"answers": {"1": ["production"]}})),
        (ASKS, ONE, ["space", "3"], "no choice 3"),
        (ASKS, ONE, ["a", "=Neither."], _answer({"answers": {"1": ["Neither."]}})),
        (ASKS, MANY, ["a", "=Neither."], "give a number, or several as 1,2"),
        (
            *(ASKS, MANY, ["space", "2", "=2,1", "=So."]),
            _answer({"answers": {"1": ["production", "staging"], "2": ["So."]}}),
        ),
    ],
)
def test_keys_start_acts_on_the_chosen_session(
    shown: dict[str, Any],
    asked: dict[str, Any] | None,
    pressed: list[str],
    started: tuple[type[Act], dict[str, Any]] | str | None,
) -> None:
    """`started` is the act, or the beginning of what the board says instead."""
    keys = Keys(board_of(shown, asked=asked))
    act = type_keys(keys, pressed)
    if isinstance(started, tuple):
        kind, values = started
        assert type(act) is kind
        assert act.session["session_id"] == "x-id"
        assert {name: getattr(act, name) for name in values} == values
    else:
        assert act is None
        assert (started or "") in keys.note


def test_digit_decides_only_a_question_that_was_on_the_screen() -> None:
    keys = Keys(board_of(ASKS, asked=PERMISSION))
    keys.press("space")
    keys.board.questions["x-id"][0]["question_id"] = "q-2"
    assert keys.press("1") is None
    assert "this question is new" in keys.note
    assert isinstance(keys.press("1"), Answer)


def test_text_is_kept_until_it_was_sent() -> None:
    keys = Keys(board_of(RUNS))
    keys.press("t")
    keys.cancel("half a")
    keys.press("t")
    assert isinstance(keys.mode, Typing) and keys.mode.text == "half a"
    act = keys.submit("half a message")
    marked = Mark(session=RUNS, is_seen=True)
    keys.fail(marked, "another act of the session ends before it")
    assert act is not None
    keys.fail(act, "the manager is down")
    assert (keys.note, keys.is_error) == ("the manager is down", True)
    keys.press("t")
    assert isinstance(keys.mode, Typing) and keys.mode.text == "half a message"
    act = keys.submit(keys.mode.text)
    assert act is not None
    keys.succeed(act, "sent")
    keys.press("t")
    assert isinstance(keys.mode, Typing) and keys.mode.text == ""


def test_seen_row_stays_until_the_mark_fails_or_is_undone() -> None:
    keys = Keys(board_of(FAILED))

    def states() -> list[bool]:
        return [place.is_seen for place in keys.board.places]

    marked = keys.press("m")
    assert marked is not None
    keys.fail(marked, "no")
    assert states() == [False]
    marked = keys.press("m")
    keys.board.learn({**FAILED, "attention": None})
    assert states() == [True]
    assert keys.board.chosen is not None
    unmarked = keys.press("u")
    assert unmarked is not None
    keys.succeed(unmarked, "unseen")
    assert states() == [False]
    keys.board.learn(FAILED)
    assert states() == [False]
    keys.press("m")
    keys.board.learn({**FAILED, "run": 3})
    assert states() == [False]  # a newer end


def test_help_names_every_key() -> None:
    spelled = " ".join(key for key, _ in HELP).lower()
    sayings = {"pagedown": "pgdn", "pageup": "pgup", "up": "↑", "down": "↓"}
    hidden = {"home", "end", "y", "n", "g", "G", "?", *"123456789"}
    for key in {*PRESSED} - hidden:
        assert sayings.get(key, key) in spelled, key
