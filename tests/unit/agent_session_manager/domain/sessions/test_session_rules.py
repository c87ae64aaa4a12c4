from __future__ import annotations

from agent_session_manager.domain.sessions.session import (
    Effect,
    Reason,
    RunState,
    effect_of_claim,
    effect_of_resume,
    effect_of_stop,
    end_reason,
    is_late,
    is_session_id,
)
from tests.support.rows import each_row

OPEN = RunState(run=2)
HELD = RunState(run=2, holder="me")
ENDED = RunState(run=2, finished=True, reason=Reason.COMPLETED)
LOST = RunState(run=2, finished=True, reason=Reason.LOST, holder="me")
LOST_WITHOUT_HOLDER = RunState(run=2, finished=True, reason=Reason.LOST)


@each_row(
    ("newest", "of_any_run", "of_run_2"),
    [
        (OPEN, Effect.CLOSE, Effect.CLOSE),
        (HELD, Effect.NOTHING, Effect.CLOSE),
        (ENDED, Effect.NOTHING, Effect.NOTHING),
        (LOST, Effect.NOTHING, Effect.CLOSE),
        (LOST_WITHOUT_HOLDER, Effect.NOTHING, Effect.CLOSE),
    ],
)
def test_stop_ends_only_the_newest_run_and_only_once(
    newest: RunState, of_any_run: Effect, of_run_2: Effect
) -> None:
    assert effect_of_stop(newest, named_run=None) is of_any_run
    assert effect_of_stop(newest, named_run=2) is of_run_2
    assert effect_of_stop(newest, named_run=1) is Effect.NOTHING


@each_row("reason", [reason for reason in Reason if reason is not Reason.LOST])
def test_known_end_is_final(reason: Reason) -> None:
    ended = RunState(run=2, finished=True, reason=reason)
    assert effect_of_stop(ended, named_run=2) is Effect.NOTHING
    assert effect_of_claim(ended, run=2, holder="me") is Effect.REFUSE


@each_row(
    ("newest", "exclusive", "effect"),
    [
        (OPEN, True, Effect.REFUSE),
        (OPEN, False, Effect.OPEN_NEXT),
        (HELD, True, Effect.REFUSE),
        (HELD, False, Effect.REFUSE),
        (ENDED, True, Effect.OPEN_NEXT),
        (ENDED, False, Effect.OPEN_NEXT),
        (LOST, True, Effect.OPEN_NEXT),
        (LOST, False, Effect.OPEN_NEXT),
    ],
)
def test_resume_is_refused_while_a_run_is_open(
    newest: RunState, exclusive: bool, effect: Effect
) -> None:
    assert effect_of_resume(newest, exclusive=exclusive) is effect


@each_row("newest", [OPEN, HELD, ENDED, LOST])
def test_takeover_opens_the_next_run_in_any_state(newest: RunState) -> None:
    assert effect_of_resume(newest, exclusive=True, takeover=True) is Effect.OPEN_NEXT


@each_row(
    ("newest", "run", "holder", "effect"),
    [
        (OPEN, 2, "me", Effect.RENEW),
        (HELD, 2, "me", Effect.RENEW),
        (HELD, 2, "other", Effect.REFUSE),
        (ENDED, 2, "me", Effect.REFUSE),
        (LOST, 2, "me", Effect.REOPEN),
        (LOST, 2, "other", Effect.REFUSE),
        (LOST_WITHOUT_HOLDER, 2, "me", Effect.REFUSE),
        *((newest, run, "me", Effect.REFUSE) for newest in (OPEN, HELD, LOST) for run in (1, 3)),
    ],
)
def test_lease_is_granted_on_the_newest_run_to_one_holder(
    newest: RunState, run: int, holder: str, effect: Effect
) -> None:
    assert effect_of_claim(newest, run=run, holder=holder) is effect


def test_event_of_an_older_run_is_late() -> None:
    assert [is_late(run, 2) for run in (1, 2)] == [True, False]


@each_row(
    ("text", "exit_code", "reason"),
    [
        (None, None, Reason.COMPLETED),
        (None, 0, Reason.COMPLETED),
        (None, 1, Reason.FAILED),
        (None, -15, Reason.FAILED),
        ("", 1, Reason.FAILED),
        ("another reason", 0, Reason.COMPLETED),
        ("COMPLETED", 1, Reason.FAILED),
        *((reason.value, 1, reason) for reason in Reason),
    ],
)
def test_reason_of_the_caller_is_used_if_it_is_known(
    text: str | None, exit_code: int | None, reason: Reason
) -> None:
    assert end_reason(text, exit_code) is reason


@each_row("text", ["a", "0", "A.b_c:d-e", "x" * 128])
def test_valid_session_id(text: str) -> None:
    assert is_session_id(text)


@each_row(
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
def test_invalid_session_id(text: str) -> None:
    assert not is_session_id(text)
