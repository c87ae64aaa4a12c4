"""The store keeps the promises of `store/protocol.py` on each kind of database."""

from __future__ import annotations

import re

import pytest

from agent_session_manager.store import protocol
from tests.store.conftest import FreshStore
from tests.store.promises.conformance import FAMILIES, Promise
from tests.store.promises.stepped_clock import SteppedClock
from tests.support.rows import each_row


@pytest.mark.parametrize("family", FAMILIES)
def test_store_keeps_each_promise(
    fresh_store: FreshStore, clock: SteppedClock, family: str
) -> None:
    @each_row("promise", FAMILIES[family], ids=lambda promise: promise.__name__)
    def keeps(promise: Promise) -> None:
        promise(fresh_store(), clock)

    keeps()


def test_each_numbered_promise_has_a_test() -> None:
    assert protocol.__doc__ is not None
    promised = {int(number) for number in re.findall(r"^(\d+)\. ", protocol.__doc__, re.M)}
    kept = [promise for promises in FAMILIES.values() for promise in promises]
    assert {int(promise.__name__.split("_")[1]) for promise in kept} == promised
