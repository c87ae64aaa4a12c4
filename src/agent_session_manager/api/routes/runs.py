"""The routes of runs: opening one, the lease on it, and what others want of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from agent_session_manager.api.guard.run_scopes import Reach, for_pages, for_runs
from agent_session_manager.api.http.body import JsonRoute
from agent_session_manager.api.http.caller import page_of
from agent_session_manager.api.http.depends import Id, RequestId, RunNumber, Served
from agent_session_manager.api.http.masker import masked
from agent_session_manager.api.http.responses import answer, refusals
from agent_session_manager.api.wire.common import LeaseClaimBody
from agent_session_manager.api.wire.requests import (
    NewRequestBody,
    RequestAnswer,
    RequestBody,
    RequestProgressBody,
    RequestsAnswer,
)
from agent_session_manager.api.wire.runs import (
    NewRunBody,
    RunOpenedAnswer,
    RunsAnswer,
    RunTokenRevokedAnswer,
    holder_of,
    run_body,
    run_opened,
)
from agent_session_manager.api.wire.sessions import SessionAnswer, session_body
from agent_session_manager.domain.errors import NotForPagesError
from agent_session_manager.domain.request import Request as RunRequest
from agent_session_manager.domain.request import RequestKind, RequestState
from agent_session_manager.domain.run_token import create_run_token, digest_of
from agent_session_manager.store.changes import (
    ClaimLease,
    CreateRequest,
    OpenRun,
    ReleaseLease,
    RevokeRunToken,
    SettleRequest,
)

MAX_WAIT_SECONDS = 25.0

router = APIRouter(route_class=JsonRoute, tags=["runs"])


@router.post(
    "/sessions/{session_id}/runs",
    status_code=201,
    response_model=RunOpenedAnswer,
    responses=refusals(404, 409, 413, 415),
)
async def open_run(request: Request, session_id: Id, body: NewRunBody, manager: Served) -> Response:
    """Open the next run, for one caller alone: 409 `session_running` while the newest is open.

    With a lease the answer has the tokens of that run.
    """
    token = None if body.lease is None else create_run_token()
    change = OpenRun(
        session_id=session_id,
        run=body.run,
        takeover=body.takeover,
        host=body.host,
        spec=await masked(request, body.spec),
        holder=holder_of(body.lease),
        token_digest=None if token is None else digest_of(token),
    )
    return answer(run_opened(await manager.open_run(change), token), 201)


@router.get("/sessions/{session_id}/runs", response_model=RunsAnswer, responses=refusals(404))
@for_runs(Reach.FAMILY)
@for_pages
async def list_runs(session_id: Id, manager: Served) -> Response:
    """List the runs of a session, oldest first, with what each needs to be repeated."""
    runs = await manager.list_runs(session_id)
    return answer(RunsAnswer(runs=[run_body(run) for run in runs]))


@router.put(
    "/sessions/{session_id}/runs/{run}/lease",
    response_model=SessionAnswer,
    responses=refusals(404, 409, 413, 415),
)
@for_runs(Reach.OWN_RUN)
async def claim_lease(
    session_id: Id, run: RunNumber, body: LeaseClaimBody, manager: Served
) -> Response:
    """Take the lease on a run, keep it for another term, or take a lost run up again.

    409 `run_superseded` when a newer run exists, `run_finished` when this one has ended,
    `lease_held` when another holder has it.
    """
    change = ClaimLease(session_id=session_id, run=run, holder=body.holder)
    return answer(SessionAnswer(session=session_body(await manager.claim_lease(change))))


class _Holder(BaseModel):
    model_config = ConfigDict(extra="forbid")

    holder: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")


@router.delete(
    "/sessions/{session_id}/runs/{run}/lease",
    response_model=SessionAnswer,
    responses=refusals(404),
)
@for_runs(Reach.OWN_RUN)
async def release_lease(
    session_id: Id, run: RunNumber, query: Annotated[_Holder, Query()], manager: Served
) -> Response:
    """Give the lease back; one that is not held any more counts as given back."""
    change = ReleaseLease(session_id=session_id, run=run, holder=query.holder)
    return answer(SessionAnswer(session=session_body(await manager.release_lease(change))))


@router.delete(
    "/sessions/{session_id}/runs/{run}/token",
    response_model=RunTokenRevokedAnswer,
    responses=refusals(404),
)
@for_runs(Reach.OWN_RUN)
async def revoke_run_token(session_id: Id, run: RunNumber, manager: Served) -> Response:
    """Revoke the tokens of a run; such as are not valid any more count as revoked."""
    await manager.revoke_run_token(RevokeRunToken(session_id=session_id, run=run))
    return answer(RunTokenRevokedAnswer())


@router.post(
    "/sessions/{session_id}/runs/{run}/requests",
    status_code=201,
    response_model=RequestAnswer,
    responses=refusals(404, 409, 413, 415),
)
@for_pages
async def create_request(
    request: Request, session_id: Id, run: RunNumber, body: NewRequestBody, manager: Served
) -> Response:
    """Ask something of an open run; the same `request_id` again answers with what was asked."""
    if page_of(request) is not None and body.kind != RequestKind.STOP:
        raise NotForPagesError("a page token allows requests to stop only")
    change = CreateRequest(session_id=session_id, run=run, **body.model_dump())
    return _answer_request(await manager.create_request(change), 201)


class _RequestsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    state: RequestState | None = None
    wait: float = Field(
        default=0.0,
        ge=0.0,
        le=MAX_WAIT_SECONDS,
        description="Seconds to wait for one, where there is none yet",
    )


@router.get(
    "/sessions/{session_id}/runs/{run}/requests",
    response_model=RequestsAnswer,
    responses=refusals(404),
)
@for_runs(Reach.OWN_RUN)
async def list_requests(
    session_id: Id, run: RunNumber, query: Annotated[_RequestsQuery, Query()], manager: Served
) -> Response:
    """List the requests to a run, in the order in which they were made."""
    found = await manager.list_requests(session_id, run, state=query.state, wait_seconds=query.wait)
    return answer(
        RequestsAnswer(requests=[RequestBody.model_validate(request) for request in found])
    )


class _WaitQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    wait: float = Field(
        default=0.0,
        ge=0.0,
        le=MAX_WAIT_SECONDS,
        description="Seconds to wait until it is settled, or its run has ended",
    )


@router.get(
    "/sessions/{session_id}/runs/{run}/requests/{request_id}",
    response_model=RequestAnswer,
    responses=refusals(404),
)
@for_runs(Reach.OWN_RUN)
async def get_request(
    session_id: Id,
    run: RunNumber,
    request_id: RequestId,
    query: Annotated[_WaitQuery, Query()],
    manager: Served,
) -> Response:
    """Get a request, and with a wait see how far it comes."""
    found = await manager.get_request(session_id, run, request_id, wait_seconds=query.wait)
    return _answer_request(found)


@router.put(
    "/sessions/{session_id}/runs/{run}/requests/{request_id}",
    response_model=RequestAnswer,
    responses=refusals(404, 413, 415),
)
@for_runs(Reach.OWN_RUN)
async def settle_request(
    request: Request,
    session_id: Id,
    run: RunNumber,
    request_id: RequestId,
    body: RequestProgressBody,
    manager: Served,
) -> Response:
    """Say how far a request has come; a final state stays as it is."""
    change = SettleRequest(
        session_id=session_id,
        run=run,
        request_id=request_id,
        state=RequestState(body.state),
        detail=await masked(request, body.detail),
    )
    return _answer_request(await manager.settle_request(change))


def _answer_request(found: RunRequest, status: int = 200) -> Response:
    return answer(RequestAnswer(request=RequestBody.model_validate(found)), status)
