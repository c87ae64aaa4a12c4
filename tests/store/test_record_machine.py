"""A stateful test of the record: after any changes in any order, it equals a simple model.

Hypothesis draws the steps. On a failure it finds a minimal example, and prints it along with a way
to reproduce it.
"""

from __future__ import annotations

from itertools import product
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from agent_session_manager.store import changes
from agent_session_manager.store.change import Change
from tests.store.opened_store import OpenedStore
from tests.store.promises.stepped_clock import SteppedClock
from tests.store.record_machine import RecordMachine
from tests.support.campaign import Campaign

pytestmark = pytest.mark.stress
BATCH = 250
KINDS = {
    kind.__name__
    for kind in (
        changes.CreateSession, changes.AppendEvents, changes.UpdateSession, changes.DeleteSession,
        changes.OpenRun, changes.ClaimLease, changes.ReleaseLease, changes.CreateRequest,
        changes.SettleRequest,
    )
}  # fmt: skip
"""The changes of callers. In a long campaign, each of them must succeed and be refused."""


def play(
    campaign: Campaign,
    machine: type[RecordMachine],
    url: str,
    *,
    runs: int,
    steps: int,
) -> None:
    """Let Hypothesis play `runs` runs of up to `steps` steps each on one database.

    The runs are split into batches, because Hypothesis keeps all draws of a batch in memory.
    """
    opened = OpenedStore(url, SteppedClock())
    chance = Random(campaign.seed)

    class Machine(machine):  # type: ignore[valid-type, misc]  # Hypothesis instantiates it
        def __init__(self) -> None:
            super().__init__(opened)

    try:
        for done in range(0, runs, BATCH):
            run_state_machine_as_test(
                seed(chance.getrandbits(32))(Machine),
                settings=settings(
                    max_examples=min(BATCH, runs - done),
                    stateful_step_count=steps,
                    database=None,
                    print_blob=True,
                    verbosity=Verbosity.normal,
                    phases=[Phase.generate, Phase.shrink],
                    suppress_health_check=list(HealthCheck),
                ),
            )
    finally:
        opened.store.close()
    outcomes = opened.outcomes
    refused = sum(times for (_, is_done), times in outcomes.items() if not is_done)
    campaign.tell(
        f"{runs} runs of up to {steps} steps, {outcomes.total() - refused} changes done and "
        f"{refused} refused: all match the model"
    )
    if campaign.is_long:
        assert outcomes.keys() == set(product(KINDS, [True, False]))


def test_record_on_sqlite_matches_the_model(campaign: Campaign, sqlite_url: str) -> None:
    runs, steps = campaign.count(short=6, long=5000), campaign.count(short=30, long=50)
    play(campaign, RecordMachine, sqlite_url, runs=runs, steps=steps)


@pytest.mark.xdist_group("postgresql")
def test_record_on_postgresql_matches_the_model(campaign: Campaign, postgresql_url: str) -> None:
    runs, steps = campaign.count(short=3, long=1000), campaign.count(short=30, long=50)
    play(campaign, RecordMachine, postgresql_url, runs=runs, steps=steps)


class Backward(RecordMachine):
    """A wrong machine: it expects the seqs of a list in reverse order."""

    def agree(self, change: Change[Any], outcome: Any, expected: object) -> None:
        if isinstance(expected, list):
            expected = expected[::-1]
        super().agree(change, outcome, expected)


def test_machine_detects_a_record_that_differs(sqlite_url: str) -> None:
    """The steps are fixed, because random steps do not find the fault every time."""
    opened = OpenedStore(sqlite_url, SteppedClock())
    right, wrong = RecordMachine(opened), Backward(opened)
    two = [{"event_type": "some", "event_id": event_id} for event_id in ("e1", "e2")]
    right.begin(None)
    right.append("a", two)
    right.teardown()
    wrong.begin(None)
    with pytest.raises(AssertionError):
        wrong.append("a", two)
    opened.store.close()
