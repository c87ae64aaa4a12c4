"""The tool that waits for sessions, and never longer than clients wait for a tool."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

from agent_session_manager.api.tools.arguments import WaitArguments
from agent_session_manager.api.tools.call import Answer, Call, row_of
from agent_session_manager.api.tools.records import ending_of
from agent_session_manager.domain.errors import SessionNotFoundError
from agent_session_manager.domain.sessions.session import Session, State

HEAD_CHARS = 2_000
"""Most characters of a result in the answer; of many results, fewer."""
ALL_HEADS_CHARS = 20_000
PAUSE_SECONDS = 0.5
"""Pause between two looks, so that a session with many events costs little."""


async def wait_sessions(call: Call, given: WaitArguments) -> Answer:
    """Wait until sessions have ended or one needs a person, at most for the given time."""
    wanted = {session.session_id: session for session in await _found(call, given.sessions)}
    await call.keep_client_waiting(
        _until_over(call, wanted, mode=given.mode, seconds=given.seconds),
        f"waiting for {len(wanted)} sessions",
    )
    return await _answer(call, wanted)


async def _found(call: Call, arguments: list[str]) -> list[Session]:
    return [await call.find_below(argument) for argument in dict.fromkeys(arguments)]


async def _until_over(call: Call, wanted: dict[str, Session], *, mode: str, seconds: float) -> None:
    """Keep `wanted` up to date until the wait is over. A deleted session leaves it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    manager = call.manager
    with ExitStack() as stack:
        changes = {
            session_id: stack.enter_context(manager.changes_of(session_id)) for session_id in wanted
        }
        stale = set(wanted)
        while True:
            for session_id in stale:
                changes[session_id].clear()
                try:
                    wanted[session_id] = await manager.get_session(session_id)
                except SessionNotFoundError:
                    wanted.pop(session_id, None)
            if _is_over(wanted, mode) or manager.is_stopping or loop.time() >= deadline:
                return
            await _first_of([changes[each] for each in wanted], deadline - loop.time())
            await asyncio.sleep(min(PAUSE_SECONDS, max(0.0, deadline - loop.time())))
            stale = {each for each in wanted if changes[each].is_set()}


async def _first_of(changes: list[asyncio.Event], seconds: float) -> None:
    waiting = [asyncio.ensure_future(change.wait()) for change in changes]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


def _is_over(wanted: dict[str, Session], mode: str) -> bool:
    ended = [session.status == "finished" for session in wanted.values()]
    # A session that waits for a person may wait for ever.
    is_asking = any(session.state is State.WAITING for session in wanted.values())
    return is_asking or (any(ended) if mode == "any" and ended else all(ended))


async def _answer(call: Call, wanted: dict[str, Session]) -> Answer:
    ended = [session for session in wanted.values() if session.status == "finished"]
    head = min(HEAD_CHARS, ALL_HEADS_CHARS // max(1, len(ended)))
    asking = [session for session in wanted.values() if session.state is State.WAITING]
    running = [session for session in wanted.values() if session.state is State.RUNNING]
    return {
        "ended": [{**row_of(session), **await ending_of(call, session, head)} for session in ended],
        "waiting_for_a_person": [row_of(each) for each in asking],
        "still_running": [row_of(each) for each in running],
        "call_again": bool(asking or running),
    }
