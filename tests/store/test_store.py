"""The promises of `store/protocol.py`, kept by the store on each kind of database."""

from __future__ import annotations

import re

import pytest

from agent_session_manager.store import protocol
from tests.store.conftest import FreshStore
from tests.store.promises.conformance import PROMISES, Promise, SteppedClock
from tests.store.promises.feed_promises import FEED_PROMISES
from tests.store.promises.lease_promises import LEASE_PROMISES
from tests.store.promises.listing_promises import LISTING_PROMISES
from tests.store.promises.loss_promises import LOSS_PROMISES
from tests.store.promises.request_promises import REQUEST_PROMISES
from tests.store.promises.retention_promises import RETENTION_PROMISES
from tests.store.promises.token_promises import TOKEN_PROMISES
from tests.support.rows import each_row

FAMILIES = {
    "records": PROMISES,
    "leases": LEASE_PROMISES,
    "requests": REQUEST_PROMISES,
    "feeds": FEED_PROMISES,
    "lists": LISTING_PROMISES,
    "tokens": TOKEN_PROMISES,
    "retention": RETENTION_PROMISES,
    "losses": LOSS_PROMISES,
}


@pytest.mark.parametrize("family", FAMILIES)
def test_store_keeps_each_promise(fresh_store: FreshStore, family: str) -> None:
    @each_row("promise", FAMILIES[family], ids=lambda promise: promise.__name__)
    def keeps(promise: Promise) -> None:
        clock = SteppedClock()
        with fresh_store(clock) as store:
            promise(store, clock)

    keeps()


def test_each_promise_has_a_test_of_its_number() -> None:
    assert protocol.__doc__ is not None
    promised = {int(number) for number in re.findall(r"^(\d+)\. ", protocol.__doc__, re.M)}
    kept = [promise for promises in FAMILIES.values() for promise in promises]
    assert {int(promise.__name__.split("_")[1]) for promise in kept} == promised
