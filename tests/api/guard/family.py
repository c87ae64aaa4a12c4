"""Related sessions, and the token of the run of one session."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from tests.api.guard.run_token import leased, new, token_of, with_token
from tests.store.promises.events import question
from tests.support.api import Api
from tests.support.manager import RunningManager


@dataclass(frozen=True, kw_only=True)
class Family:
    """Sessions related to the session `own`, whose run has a token; named by the relation."""

    ids: dict[str, str]
    token: str
    agent_token: str
    run: Api

    @property
    def own(self) -> str:
        return self.ids["own"]


def make_family(manager: RunningManager, api: Api) -> Family:
    names = ("parent", "own", "child", "grandchild", "stranger", "unknown")
    ids = {name: str(uuid4()) for name in names}
    api.post("/sessions", leased(ids["parent"]))
    api.post("/sessions", leased(ids["stranger"]))
    opened = api.post("/sessions", leased(ids["own"], parent_session_id=ids["parent"]))
    token = token_of(opened)
    run = with_token(manager, token)
    assert run.post("/sessions", new(ids["child"])).status == 201
    below = new(ids["grandchild"], parent_session_id=ids["child"])
    assert run.post("/sessions", below).status == 201
    asked = {"request_id": "r", "kind": "message", "payload": {}}
    for name in names[:-1]:
        assert api.post(f"/sessions/{ids[name]}/runs/1/requests", asked).status == 201
        assert api.post(f"/sessions/{ids[name]}/events", question(run=1)).status == 201
        transcript = f"/transcripts/entries?project_key=p&session_id={ids[name]}"
        assert api.post(transcript, [{"a": 1}]).status == 201
    return Family(ids=ids, token=token, agent_token=opened.json["agent_token"], run=run)


def open_next(api: Api, family: Family) -> str:
    """Open the next run of the session and return its token."""
    body = {"takeover": True, "lease": {"holder": "n"}}
    return token_of(api.post(f"/sessions/{family.own}/runs", body))
