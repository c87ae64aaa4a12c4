"""Order of parts: what belongs to a call is in it, and memory for that is bounded."""

from __future__ import annotations

from collections.abc import Iterator

from agent_session_manager.export.document import grouping
from agent_session_manager.export.document.grouping import Entry, Grouping
from tests.support.rows import each_row
from tests.unit.agent_session_manager.export.exports import Event, call, message, result

Tree = tuple[object, ...]


def tree(entries: Iterator[Entry] | list[Entry]) -> list[Tree]:
    """Return each entry as the numbers of its events, and the entries below it."""
    return [
        (
            entry.event and entry.event["seq"],
            *(event["seq"] for event in (*entry.results, *entry.parts)),
            *tree(entry.below),
        )
        for entry in entries
    ]


def grouped(events: list[Event], size: int = 1) -> list[Tree]:
    held = Grouping()
    found = [
        each
        for seq, event in enumerate(events, 1)
        for each in tree(held.add({**event, "seq": seq}, size))
    ]
    return [*found, *tree(held.rest())]


def of(parent: str, event: Event) -> Event:
    return {**event, "parent_tool_use_id": parent}


def test_results_of_parallel_calls_are_with_their_calls() -> None:
    events = [
        *(call("A", "a"), call("B", "b"), result("a"), message("assistant", "x"), result("b")),
        message("assistant", "y"),
    ]
    assert grouped(events) == [(1, 3), (2, 5), (4,), (6,)]


def test_work_of_parallel_subagents_is_below_their_calls() -> None:
    events = [
        *(call("Task", "a"), call("Task", "b")),
        *(of("b", call("Bash", "c")), of("a", message("assistant", "x")), of("b", result("c"))),
        *(result("b"), result("a")),
    ]
    assert grouped(events) == [(1, 7, (4,)), (2, 6, (3, 5))]


def test_subagent_that_outlives_its_call_stays_below_it() -> None:
    events = [
        *(call("Task", "a"), of("a", {"event_type": "subagent_start"}), result("a")),
        *(message("assistant", "x"), of("a", message("assistant", "y"))),
        of("a", {"event_type": "subagent_stop"}),
        message("assistant", "z"),
    ]
    assert grouped(events) == [(1, 3, (2,), (5,), (6,)), (4,), (7,)]


def test_parts_of_a_message_are_one_entry() -> None:
    first = message("assistant", "a", event_id="m")
    later = message("assistant", "b", continues="m")
    assert grouped([first, later, later, message("user", "x"), later, later]) == [
        (1, 2, 3),
        (4,),
        (5, 6),
    ]


def test_events_of_an_unknown_call_are_together() -> None:
    events = [of("gone", message("assistant", "a")), of("gone", result("z")), result("z")]
    assert grouped(events) == [(None, (1,), (2,)), (3,)]


def test_twice_the_same_call_is_two_entries() -> None:
    assert grouped([call("A", "a"), call("A", "a"), result("a")]) == [(1, 3), (2,)]


def test_call_without_end_does_not_hold_everything() -> None:
    before = grouping.MAX_HELD_BYTES // 1000
    held = Grouping()
    list(held.add({**call("A", "a"), "seq": 0}, 1))
    released = []
    for seq in range(1, 3 * before):
        released += tree(held.add({**message("assistant", "x"), "seq": seq}, 1000))
        assert seq - len(released) <= before
    assert released[:2] == [(0,), (1,)]


@each_row("size", [1, grouping.MAX_HELD_BYTES + 1])
def test_no_event_is_lost_or_moved_before_its_call(size: int) -> None:
    many = grouping.MAX_HELD_EVENTS + 10
    events = [call("A", "a"), *[of("a", message("assistant", "x"))] * many, result("a")]

    def numbers(trees: list[Tree]) -> list[int]:
        found: list[int] = []
        for each in trees:
            found += [part for part in each if isinstance(part, int)]
            found += numbers([part for part in each if isinstance(part, tuple)])
        return found

    found = numbers(grouped(events, size))
    assert sorted(found) == list(range(1, many + 3))
    assert found[0] == 1


def test_calls_inside_one_another_have_a_bounded_depth() -> None:
    chain = [call("Task", "0"), *(of(str(n), call("Task", str(n + 1))) for n in range(2000))]

    def depth(trees: list[Tree]) -> int:
        inner = [depth([part for part in each if isinstance(part, tuple)]) for each in trees]
        return 1 + max(inner, default=0) if trees else 0

    assert depth(grouped(chain)) == grouping.MAX_DEPTH + 1
