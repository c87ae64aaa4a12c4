"""The promises of `store/protocol.py`, by family: one or more functions for each number.

Each function takes an empty store and the clock of that store.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from agent_session_manager.store.protocol import Store
from tests.store.promises import (
    attention_promises,
    feed_promises,
    history_promises,
    lease_promises,
    listing_promises,
    loss_promises,
    name_promises,
    notice_promises,
    outline_promises,
    outlook_promises,
    page_promises,
    question_promises,
    record_promises,
    request_promises,
    retention_promises,
    run_promises,
    token_promises,
)
from tests.store.promises.stepped_clock import SteppedClock

Promise = Callable[[Store, SteppedClock], None]


def promises_of(*modules: ModuleType) -> list[Promise]:
    return [
        value
        for module in modules
        for name, value in vars(module).items()
        if name.startswith("promise_")
    ]


FAMILIES = {
    "records": promises_of(record_promises, run_promises, name_promises, page_promises),
    "leases": promises_of(lease_promises),
    "requests": promises_of(request_promises),
    "questions": promises_of(question_promises),
    "attention": promises_of(attention_promises, outline_promises),
    "notices": promises_of(notice_promises, outlook_promises),
    "feeds": promises_of(feed_promises),
    "lists": promises_of(listing_promises),
    "tokens": promises_of(token_promises),
    "retention": promises_of(retention_promises),
    "losses": promises_of(loss_promises),
    "history": promises_of(history_promises),
}
