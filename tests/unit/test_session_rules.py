from __future__ import annotations

import pytest

from agent_session_manager.domain.session import (
    Effect,
    Reason,
    RunState,
    effect_of_resume,
    effect_of_stop,
    end_reason,
    is_late,
    is_session_id,
)

OPEN = RunState(run=2)
LEASED = RunState(run=2, leased=True)
ENDED = RunState(run=2, finished=True, reason=Reason.COMPLETED)
LOST = RunState(run=2, finished=True, reason=Reason.LOST)


@pytest.mark.parametrize(
    ("newest", "named_run", "effect"),
    [
        (OPEN, None, Effect.CLOSE),
        (OPEN, 2, Effect.CLOSE),
        (OPEN, 1, Effect.NOTHING),
        (LEASED, None, Effect.NOTHING),
        (LEASED, 2, Effect.CLOSE),
        (LEASED, 1, Effect.NOTHING),
        (ENDED, None, Effect.NOTHING),
        (ENDED, 2, Effect.NOTHING),
        (ENDED, 1, Effect.NOTHING),
        (LOST, None, Effect.NOTHING),
        (LOST, 2, Effect.CLOSE),
        (LOST, 1, Effect.NOTHING),
    ],
)
def test_stop_ends_the_newest_run_alone_and_once(
    newest: RunState, named_run: int | None, effect: Effect
) -> None:
    assert effect_of_stop(newest, named_run=named_run) is effect


@pytest.mark.parametrize("state", [OPEN, LEASED, ENDED, LOST])
@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("takeover", [True, False])
def test_resume_is_refused_to_an_exclusive_caller_while_the_run_is_open(
    state: RunState, exclusive: bool, takeover: bool
) -> None:
    refused = exclusive and not takeover and not state.finished
    expected = Effect.REFUSE if refused else Effect.OPEN_NEXT
    assert effect_of_resume(state, exclusive=exclusive, takeover=takeover) is expected


def test_event_of_an_older_run_is_late() -> None:
    assert [is_late(run, 2) for run in (1, 2)] == [True, False]


@pytest.mark.parametrize(
    ("text", "exit_code", "reason"),
    [
        (None, None, Reason.COMPLETED),
        (None, 0, Reason.COMPLETED),
        (None, 1, Reason.FAILED),
        (None, -15, Reason.FAILED),
        ("", 1, Reason.FAILED),
        ("done by hand", 0, Reason.COMPLETED),
        ("COMPLETED", 1, Reason.FAILED),
        *((reason.value, 1, reason) for reason in Reason),
    ],
)
def test_reason_is_the_callers_where_it_is_one_of_ours(
    text: str | None, exit_code: int | None, reason: Reason
) -> None:
    assert end_reason(text, exit_code) is reason


@pytest.mark.parametrize("text", ["a", "0", "A.b_c:d-e", "x" * 128])
def test_id_within_the_grammar(text: str) -> None:
    assert is_session_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "-a",
        "_a",
        ":a",
        "a/b",
        "a b",
        "é",
        "aé",
        "٣",
        "a\n",
        "\na",
        "a\0",
        "x" * 129,
        "a%2Fb",
    ],
)
def test_id_outside_the_grammar(text: str) -> None:
    assert not is_session_id(text)
