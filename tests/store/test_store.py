"""The promises of `store/base.py`, kept by the store on each kind of database."""

from __future__ import annotations

import re

import pytest

from agent_session_manager.store import base
from agent_session_manager.store.base import Store
from tests.store.conformance import PROMISES, Promise, SteppedClock
from tests.store.feed_promises import FEED_PROMISES
from tests.store.lease_promises import LEASE_PROMISES
from tests.store.listing_promises import LISTING_PROMISES
from tests.store.loss_promises import LOSS_PROMISES
from tests.store.request_promises import REQUEST_PROMISES
from tests.store.retention_promises import RETENTION_PROMISES
from tests.store.token_promises import TOKEN_PROMISES

ALL_PROMISES = [
    *PROMISES,
    *LEASE_PROMISES,
    *REQUEST_PROMISES,
    *FEED_PROMISES,
    *LISTING_PROMISES,
    *TOKEN_PROMISES,
    *RETENTION_PROMISES,
    *LOSS_PROMISES,
]


@pytest.mark.parametrize("promise", ALL_PROMISES, ids=lambda promise: promise.__name__)
def test_store_keeps(store: Store, clock: SteppedClock, promise: Promise) -> None:
    promise(store, clock)


def test_each_promise_has_a_test_of_its_number() -> None:
    assert base.__doc__ is not None
    promised = {int(number) for number in re.findall(r"^(\d+)\. ", base.__doc__, re.M)}
    tested = {int(promise.__name__.split("_")[1]) for promise in ALL_PROMISES}
    assert tested == promised
